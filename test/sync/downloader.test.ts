import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  ChainStore,
  Downloader,
  defaultStages,
  HeadersStage,
  importChain,
  peerSource,
  SourceSet,
  type Stage,
  type StageProgress,
  type Target,
  verifyChain,
} from '../../src/sync/index.ts';
import { talk } from '../eth/sessions.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { blockAt, CHAIN_FILE, forkOf, smallChain, type TestChain, upTo } from './chains.ts';
import { drive, SimSource } from './sim-source.ts';

const chain = smallChain();
const { genesis } = chain;
const HEAD = 600;

describe('a downloader', () => {
  it('brings a store to the head of its sources', async () => {
    const env = new VirtualEnv();
    const store = await ChainStore.inMemory({ genesis });
    const reports: StageProgress[] = [];
    const downloader = new Downloader({ store, env, onProgress: (report) => reports.push(report) });
    const sources = ['a', 'b', 'c'].map((id) => new SimSource(id, chain, env));
    for (const source of sources) downloader.addSource(source);
    const summary = await drive(env, downloader.run());
    expect(summary).toMatchObject({ head: { number: HEAD }, headers: HEAD, bodies: HEAD });
    expect(summary.bytes).toBe(
      chain.blocks.slice(1).reduce((sum, { header, body }) => sum + header.length + body.length, 0),
    );
    expect(summary.seconds).toBeGreaterThan(0);
    expect(summary.seconds).toBeLessThan(10);
    await verifyChain(store);
    expect([...new Set(reports.map(({ stage }) => stage))]).toEqual(['headers', 'bodies']);
    expect(reports.at(-1)?.rate).toBeGreaterThan(0);
    expect(await drive(env, downloader.run())).toMatchObject({ headers: 0, bodies: 0, bytes: 0 });
  });

  it('goes to the block that it is told', async () => {
    const env = new VirtualEnv();
    const store = await ChainStore.inMemory({ genesis });
    const run = async (to: number) => {
      const downloader = new Downloader({ store, env, target: { kind: 'number', number: to } });
      downloader.addSource(new SimSource('a', chain, env));
      return (await drive(env, downloader.run())).head.number;
    };
    expect(await run(200)).toBe(200);
    expect(await run(350)).toBe(350);
    expect(await run(100)).toBe(350);
  });

  it('follows its sources to another branch, and downloads its bodies again', async () => {
    const env = new VirtualEnv();
    const store = await ChainStore.inMemory({ genesis });
    const branch = upTo(forkOf(chain, 450), 500);
    for (const [from, headers] of [
      [branch, 500],
      [chain, 151],
    ] as const) {
      const downloader = new Downloader({ store, env });
      downloader.addSource(new SimSource('a', from, env));
      expect(await drive(env, downloader.run())).toMatchObject({ headers, bodies: headers });
      await verifyChain(store);
    }
    expect(store.head()).toMatchObject({ number: HEAD, hash: blockAt(chain, HEAD).hash });
  });

  it('gives up headers that one source has invented, and goes on with the others', async () => {
    const env = new VirtualEnv();
    const store = await ChainStore.inMemory({ genesis });
    const downloader = new Downloader({ store, env, noPeersTimeoutMs: 60_000 });
    const invented = forkOf(chain, 591);
    const liar = new SimSource('liar', invented, env, { tamperBodies: (items) => items.slice(0, 0) });
    downloader.addSource(liar);
    for (const id of ['a', 'b']) downloader.addSource(new SimSource(id, upTo(chain, 590), env));
    expect(await drive(env, downloader.run())).toMatchObject({
      head: { number: 590 },
      headers: 590,
      bodies: 590,
    });
    expect(liar.failure?.code).toBe('chain-not-found');
    await verifyChain(store);
  });

  it('keeps headers when whoever has the bodies is away', async () => {
    const env = new VirtualEnv();
    const store = await ChainStore.inMemory({ genesis });
    const download = (target: Target, ...from: TestChain[]) => {
      const downloader = new Downloader({ store, env, target, noPeersTimeoutMs: 20_000 });
      for (const [i, chain] of from.entries()) {
        downloader.addSource(new SimSource(`${i}`, chain, env, { tamperBodies: () => undefined }));
      }
      return drive(env, downloader.run());
    };
    expect(await rejectionOf(download({ kind: 'best' }, chain))).toMatch(/no-peers|chain-not-found/);
    expect(store.headerHead().number).toBe(HEAD);
    expect(await rejectionOf(download({ kind: 'best' }, upTo(chain, 300)))).toMatch(
      /no-peers|chain-not-found/,
    );
    expect(store.headerHead().number).toBe(HEAD);
  });

  it('wants no bodies above the block that it is told', async () => {
    const env = new VirtualEnv();
    const store = await ChainStore.inMemory({ genesis });
    const headers = new Downloader({ store, env, stages: [new HeadersStage()] });
    headers.addSource(new SimSource('a', chain, env));
    await drive(env, headers.run());
    const downloader = new Downloader({ store, env, target: { kind: 'number', number: 200 } });
    downloader.addSource(new SimSource('b', upTo(chain, 300), env));
    expect(await drive(env, downloader.run())).toMatchObject({ head: { number: 200 }, bodies: 200 });
  });

  it('uses no source that was taken out', async () => {
    const env = new VirtualEnv();
    const store = await ChainStore.inMemory({ genesis });
    const downloader = new Downloader({ store, env });
    const first = new SimSource('a', chain, env, { itemMs: 5 });
    downloader.addSource(first);
    env.setTimer(1_500, () => {
      downloader.removeSource(first);
      first.served.requests = 0;
      downloader.addSource(new SimSource('b', chain, env));
    });
    await drive(env, downloader.run());
    expect(store.head().number).toBe(HEAD);
    expect(first.served.requests).toBe(0);
    expect(first.signal.aborted).toBe(false);
  });

  it('makes one run at a time', async () => {
    const env = new VirtualEnv();
    const downloader = new Downloader({ store: await ChainStore.inMemory({ genesis }), env });
    downloader.addSource(new SimSource('a', chain, env));
    const running = downloader.run();
    expect(await rejectionOf(downloader.run())).toBe('invalid-argument');
    expect((await drive(env, running)).head.number).toBe(HEAD);
  });

  it('stops when its signal says so, before and while it runs', async () => {
    const env = new VirtualEnv();
    const store = await ChainStore.inMemory({ genesis });
    const downloader = new Downloader({ store, env });
    expect(await rejectionOf(drive(env, downloader.run({ signal: AbortSignal.abort() })))).toBe('aborted');
    const stop = new AbortController();
    env.setTimer(1_000, () => stop.abort());
    expect(await rejectionOf(drive(env, downloader.run({ signal: stop.signal })))).toBe('aborted');
    expect(env.now()).toBeLessThan(1_100);
  });

  it('runs further stages behind its own, which keep where they are themselves', async () => {
    const env = new VirtualEnv();
    const store = await ChainStore.inMemory({ genesis });
    /** Sums up what every block's body weighs, as an execution would work through their transactions. */
    class Weigh implements Stage {
      readonly name = 'weigh';
      at = 0;
      weight = 0;

      async execute({ store, progress, signal }: Parameters<Stage['execute']>[0]) {
        const from = this.at;
        const to = store.head().number;
        while (this.at < to) {
          if (signal.aborted) throw new PeerlaneError('aborted', 'the weighing was aborted');
          this.weight += (await store.body(this.at + 1))?.length ?? 0;
          this.at++;
          progress({ stage: this.name, from, to, at: this.at, bytes: this.weight, rate: 0 });
        }
        return { blocks: to - from, bytes: 0 };
      }
    }
    const weigh = new Weigh();
    const weights = chain.blocks.map(({ body }) => body.length);
    const sum = (count: number) => weights.slice(1, count + 1).reduce((total, weight) => total + weight, 0);
    for (const to of [300, HEAD]) {
      const stages = [...defaultStages(), weigh];
      const downloader = new Downloader({ store, env, stages, target: { kind: 'number', number: to } });
      downloader.addSource(new SimSource('a', chain, env));
      await drive(env, downloader.run());
      expect(weigh).toMatchObject({ at: to, weight: sum(to) });
    }
  });
});

const store = await ChainStore.inMemory({ genesis });

describe('what only JavaScript can give', () => {
  it.each([
    [undefined],
    [{}],
    [{ store, target: 5 }],
    [{ store, target: { kind: 'bogus' } }],
    [{ store, target: { kind: 'number', number: -1 } }],
    [{ store, target: { kind: 'number', number: 0.5 } }],
    [{ store, target: { kind: 'hash', hash: '0xab' } }],
    [{ store, target: { kind: 'hash', hash: new Uint8Array(31) } }],
    [{ store, noPeersTimeoutMs: Number.NaN }],
    [{ store, noPeersTimeoutMs: -1 }],
    [{ store, stages: 'headers' }],
    [{ store, env: {} }],
    [{ store, onProgress: 1 }],
  ])('makes no downloader: %o', (options) => {
    expect(codeOf(() => new Downloader(options as never))).toBe('invalid-argument');
  });

  it.each([undefined, {}, { id: 'a', head: {}, signal: {} }])('is no source: %j', (source) => {
    expect(codeOf(() => new Downloader({ store }).addSource(source as never))).toBe('invalid-argument');
  });

  it('is told from what may be left out, or be without end', () => {
    const noPeersTimeoutMs = Number.POSITIVE_INFINITY;
    expect(codeOf(() => new Downloader({ store, target: undefined, noPeersTimeoutMs }))).toBe('none');
  });
});

describe('a set of sources', () => {
  it('has each id once, and loses those that are gone', () => {
    const env = new VirtualEnv();
    const sources = new SourceSet();
    let changes = 0;
    const stop = sources.onChange(() => changes++);
    const [a, again, b] = ['a', 'a', 'b'].map((id) => new SimSource(id, upTo(chain, 3), env));
    if (a === undefined || again === undefined || b === undefined) throw new Error('unreachable');
    sources.add(a);
    sources.add(a);
    sources.add(b);
    expect(() => sources.add(again)).toThrow(/already/);
    expect(changes).toBe(2);
    a.leave();
    sources.add(again);
    expect([...sources]).toEqual([b, again]);
    sources.fail(b, new PeerlaneError('body-mismatch', 'wrong'));
    expect(b.failure?.code).toBe('body-mismatch');
    expect([...sources]).toEqual([again]);
    sources.add(a);
    expect(sources.size).toBe(1);
    stop();
    sources.delete(again);
    expect(changes).toBe(5);
  });

  it('has a bound', () => {
    const sources = new SourceSet();
    const short = upTo(chain, 1);
    const add = (i: number) => sources.add(new SimSource(String(i), short, new VirtualEnv()));
    for (let i = 0; i < 256; i++) add(i);
    expect(() => add(256)).toThrow(/256 sources/);
  });
});

describe('a downloader on a directory', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'peerlane-downloader-'));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it('is done by whoever opens what a crash left of it, at any moment', async () => {
    const path = join(directory, 'crashing');
    await using store = await ChainStore.open(path, { genesis });
    const downloader = new Downloader({ store });
    for (const id of ['a', 'b']) {
      downloader.addSource(new SimSource(id, chain, systemEnv, { latencyMs: 2, softLimit: 8_000 }));
    }
    let isDone = false;
    const running = downloader.run().finally(() => {
      isDone = true;
    });
    for (let i = 0; !isDone && i < 12; i++) {
      const copy = join(directory, String(i));
      await cp(path, copy, { recursive: true, filter: (name) => !name.endsWith('LOCK') });
      await using left = await ChainStore.open(copy, { genesis });
      await verifyChain(left);
      const { number } = left.head();
      const again = new Downloader({ store: left });
      again.addSource(new SimSource('a', chain, systemEnv, { latencyMs: 1 }));
      expect(await again.run()).toMatchObject({ head: { number: HEAD }, bodies: HEAD - number });
    }
    expect(await running).toMatchObject({ head: { number: HEAD } });
  });
});

describe('a peer that speaks eth', () => {
  it.each([68, 69] as const)('is a source of what its store holds (eth/%i)', async (version) => {
    const { networkId, hash: genesisHash, schedule } = genesis;
    const network = { networkId, genesisHash, schedule };
    const serving = await ChainStore.inMemory({ genesis });
    await importChain(serving, CHAIN_FILE);
    const store = await ChainStore.inMemory({ genesis });
    const env = systemEnv;
    const [ours, theirs] = talk(version, { network, chain: store, env }, { network, chain: serving, env });
    const peer = await ours.peer;
    const downloader = new Downloader({ store, target: { kind: 'best' } });
    const source = peerSource(peer);
    expect(source.head).toEqual(peer.head);
    downloader.addSource(source);
    expect(await downloader.run()).toMatchObject({ head: { number: HEAD, hash: serving.head().hash } });
    await verifyChain(store);
    source.fail(new PeerlaneError('body-mismatch', 'as if'));
    expect(downloader.sources.size).toBe(0);
    await theirs.result;
  });
});
