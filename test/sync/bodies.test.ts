import { describe, expect, it } from 'vitest';
import { concatBytes, equalBytes } from '../../src/base/bytes.ts';
import { type BodiesOptions, BodiesStage, type StageContext, verifyChain } from '../../src/sync/index.ts';
import { EMPTY_ROOT } from '../../src/trie/index.ts';
import { rejectionOf } from '../support/errors.ts';
import { blockAt, forkOf, smallChain, upTo } from './chains.ts';
import { later, TestDownload } from './download.ts';

const chain = smallChain();
const HEAD = 600;

async function run(
  download: TestDownload,
  fields: Partial<StageContext> = {},
  options: BodiesOptions = {},
): Promise<void> {
  await download.run(new BodiesStage(options), { kind: 'best' }, fields);
}

async function expectBodies({ store }: TestDownload, head = HEAD): Promise<void> {
  expect(store.head().number).toBe(head);
  await verifyChain(store);
}

const drop = (items: Uint8Array[], isDropped: (index: number) => boolean) =>
  items.filter((_, index) => !isDropped(index));

describe('the download of bodies', () => {
  it('fetches every body once, from all sources at once', async () => {
    const download = await TestDownload.withHeaders(chain);
    const sources = [5, 20, 60].map((latencyMs) => download.add(String(latencyMs), chain, { latencyMs }));
    await run(download);
    await expectBodies(download);
    for (const { served } of sources) expect(served.bodies).toBeGreaterThan(0);
    expect(sources.reduce((sum, { served }) => sum + served.bodies, 0)).toBe(HEAD);
    expect(download.reports.at(-1)).toMatchObject({ stage: 'bodies', from: 0, to: HEAD, at: HEAD });
    expect(download.reports.at(-1)?.bytes).toBe(
      concatBytes(...chain.blocks.slice(1).map(({ body }) => body)).length,
    );
  });

  it('gives faster sources more to do', async () => {
    const download = await TestDownload.withHeaders(chain);
    const fast = download.add('fast', chain, { latencyMs: 5, itemMs: 1 });
    const slow = download.add('slow', chain, { latencyMs: 5, itemMs: 40 });
    await run(download);
    await expectBodies(download);
    expect(fast.served.bodies).toBeGreaterThan(4 * slow.served.bodies);
  });

  it('makes no request for bodies that are empty by their headers', async () => {
    const empty = { transactionsRoot: EMPTY_ROOT };
    const bare = upTo(forkOf(chain, 1, 'no withdrawals yet', empty), 100);
    const download = await TestDownload.withHeaders(bare);
    await run(download);
    expect(download.store.head().number).toBe(100);
    expect(await download.store.body(50)).toEqual(Uint8Array.of(0xc2, 0xc0, 0xc0));
    await verifyChain(download.store);

    const withdrawing = upTo(
      forkOf(chain, 1, 'no withdrawals', { ...empty, withdrawalsRoot: EMPTY_ROOT }),
      100,
    );
    const other = await TestDownload.withHeaders(withdrawing);
    await run(other);
    expect(await other.store.body(100)).toEqual(Uint8Array.of(0xc3, 0xc0, 0xc0, 0xc0));
    await verifyChain(other.store);
  });

  it('takes answers that end early for what they are', async () => {
    const download = await TestDownload.withHeaders(chain);
    const source = download.add('a', chain, { softLimit: 4000 });
    await run(download);
    await expectBodies(download);
    expect(source.failure).toBeUndefined();
    expect(source.served.bodies).toBe(HEAD);
  });

  it('fetches what a source leaves out from another, and does not ask the first one again', async () => {
    const download = await TestDownload.withHeaders(chain);
    const holes = download.add('holes', chain, {
      latencyMs: 1,
      tamperBodies: (items) => drop(items, (index) => index % 3 === 1),
    });
    const full = download.add('full', chain, { latencyMs: 100 });
    await run(download);
    await expectBodies(download);
    expect(holes.failure).toBeUndefined();
    expect(full.served.bodies).toBeGreaterThan(HEAD / 10);
  });

  it('asks no source again for what it does not have, while others do', async () => {
    const download = await TestDownload.withHeaders(chain);
    const pruned = download.add('pruned', chain, { latencyMs: 1, tamperBodies: () => [] });
    download.add('full', chain, { latencyMs: 200 });
    await run(download);
    await expectBodies(download);
    expect(pruned.failure).toBeUndefined();
    expect(pruned.served.bodies).toBeLessThanOrEqual(HEAD);
  });

  it('asks nobody for what it has said that it does not have, and everybody for the rest', async () => {
    const download = await TestDownload.withHeaders(chain);
    const asked: number[] = [];
    const pruned = download.add('pruned', chain, {
      earliest: 400,
      latencyMs: 1,
      tamperBodies: (items, hashes) => {
        asked.push(chain.blocks.findIndex(({ hash }) => equalBytes(hash, hashes[0] ?? hash)));
        return items;
      },
    });
    const full = download.add('full', chain, { latencyMs: 5, itemMs: 20 });
    await run(download);
    await expectBodies(download);
    expect(Math.min(...asked)).toBeGreaterThanOrEqual(400);
    expect(pruned.served.bodies).toBeGreaterThan(0);
    expect(full.served.bodies).toBeGreaterThanOrEqual(399);
  });

  it('says that nobody has what is next when all have said so', async () => {
    const download = await TestDownload.withHeaders(chain);
    const source = download.add('pruned', chain, { earliest: 2 });
    expect(await rejectionOf(run(download, { noPeersTimeoutMs: 30_000 }))).toBe('chain-not-found');
    expect([source.served.requests, source.failure]).toEqual([0, undefined]);
  });

  it('asks again after a while when nobody had it', async () => {
    const download = await TestDownload.withHeaders(chain);
    let isThere = false;
    const source = download.add('a', chain, { tamperBodies: (items) => (isThere ? items : []) });
    later(download.env, 25_000, () => {
      isThere = true;
    });
    await run(download);
    await expectBodies(download);
    expect(source.failure).toBeUndefined();
    expect(source.served.requests).toBeLessThan(150);
  });

  it('goes on from where it was interrupted', async () => {
    const download = await TestDownload.withHeaders(chain);
    const source = download.add('a', chain, { itemMs: 5 });
    const stop = new AbortController();
    later(download.env, 600, () => stop.abort());
    expect(await rejectionOf(run(download, { signal: stop.signal }))).toBe('aborted');
    const { number } = download.store.head();
    expect(number).toBeGreaterThan(0);
    expect(number).toBeLessThan(HEAD);
    source.served.bodies = 0;
    await run(download);
    await expectBodies(download);
    expect(source.served.bodies).toBe(HEAD - number);
  });

  it('does not run ahead of the first missing body by more than its window', async () => {
    const download = await TestDownload.withHeaders(chain);
    let isThere = false;
    const first = chain.blocks.slice(1, 6).map(({ hash }) => hash);
    const source = download.add('a', chain, {
      tamperBodies: (items, hashes) =>
        isThere ? items : drop(items, (i) => first.some((hash) => hash.join() === hashes[i]?.join())),
    });
    later(download.env, 8_000, () => {
      expect(download.store.head().number).toBe(0);
      expect(source.served.bodies).toBe(100);
      isThere = true;
    });
    await run(download, {}, { windowBlocks: 100 });
    await expectBodies(download);
  });

  it('nor by more than its bytes', async () => {
    const download = await TestDownload.withHeaders(chain);
    let isThere = false;
    const first = blockAt(chain, 1).hash;
    const source = download.add('a', chain, {
      tamperBodies: (items, hashes) =>
        isThere ? items : drop(items, (i) => hashes[i]?.join() === first.join()),
    });
    later(download.env, 8_000, () => {
      expect(download.store.head().number).toBe(0);
      // What was asked for before the window was full may still come: three requests.
      expect(source.served.bodies).toBeLessThan(32 + 3 * 128);
      isThere = true;
    });
    await run(download, {}, { windowBytes: 20_000 });
    await expectBodies(download);
  });
});

describe('a source that lies about bodies is found out, and the others finish', () => {
  const other = blockAt(chain, 3).body;
  it.each<[string, (items: Uint8Array[]) => Uint8Array[], RegExp]>([
    ['the body of another block', (items) => items.with(items.length >> 1, other), /body-mismatch/],
    ['bodies in another order', (items) => items.toReversed(), /body-mismatch/],
    ['a body twice', (items) => items.toSpliced(1, 0, items[0] ?? other), /body-mismatch/],
    ['more bodies than asked', (items) => [...items, other], /body-mismatch|response-too-long/],
    ['an empty body', (items) => items.with(0, Uint8Array.of(0xc2, 0xc0, 0xc0)), /body-mismatch/],
    ['a body without its withdrawals', () => [Uint8Array.of(0xc3, 0xc0, 0xc0, 0xc0)], /body-mismatch/],
    ['something that is no body', (items) => items.with(-1, Uint8Array.of(0xc1, 0x80)), /^rlp-/],
  ])('with %s', async (_what, tamperBodies, code) => {
    const download = await TestDownload.withHeaders(chain);
    const liar = download.add('liar', chain, { latencyMs: 1, tamperBodies });
    const honest = download.add('honest', chain, { latencyMs: 40 });
    await run(download);
    await expectBodies(download);
    expect(liar.failure?.code).toMatch(code);
    expect(honest.failure).toBeUndefined();
    expect(download.env.now()).toBeLessThan(5_000);
  });
});

describe('a source of bodies that is of no use does not hold the others up', () => {
  it('when it falls silent', async () => {
    const download = await TestDownload.withHeaders(chain);
    let answers = 0;
    const silent = download.add('silent', chain, {
      latencyMs: 1,
      tamperBodies: (items) => (answers++ < 2 ? items : undefined),
    });
    download.add('honest', chain, { latencyMs: 50, itemMs: 2 });
    await run(download);
    await expectBodies(download);
    expect(silent.served.requests).toBeLessThan(10);
    expect(download.env.now()).toBeLessThan(5_000);
  });

  it('when it leaves', async () => {
    const download = await TestDownload.withHeaders(chain);
    const brief = download.add('brief', chain, { latencyMs: 1, itemMs: 5 });
    download.add('honest', chain, { itemMs: 5 });
    later(download.env, 300, () => brief.leave());
    await run(download);
    await expectBodies(download);
    expect(brief.failure).toBeUndefined();
  });

  it('and when all are, it ends after the time it was given', async () => {
    const download = await TestDownload.withHeaders(chain);
    expect(await rejectionOf(run(download, { noPeersTimeoutMs: 20_000 }))).toBe('no-peers');
    download.add('a', chain, { tamperBodies: () => [] });
    expect(await rejectionOf(run(download, { noPeersTimeoutMs: 20_000 }))).toBe('chain-not-found');
    download.add('b', chain);
    await run(download, { noPeersTimeoutMs: 20_000 });
    await expectBodies(download);
  });
});
