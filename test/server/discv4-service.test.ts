import { createSocket } from 'node:dgram';
import { getEventListeners, once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode, nodeOfRecord } from '../../src/kad/index.ts';
import { MAX_CALLS, MAX_LEFT_CALLS } from '../../src/server/discovery-calls.ts';
import type { Discv4ServiceEvent, Discv4ServiceOptions } from '../../src/server/discv4-options.ts';
import { Discv4Service } from '../../src/server/discv4-service.ts';
import { EventQueue } from '../interop/event-queue.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { recordSender } from '../support/scripted-node.ts';

const HOST = '127.0.0.1';

function optionsOf(options: Partial<Discv4ServiceOptions> = {}): Discv4ServiceOptions {
  return { key: generateSecretKey(systemEnv), listen: { host: HOST, port: 0 }, ...options };
}

async function started(options: Partial<Discv4ServiceOptions> = {}): Promise<Discv4Service> {
  const service = new Discv4Service(optionsOf(options));
  await service.start();
  return service;
}

const enodeOf = ({ publicKey, port }: Discv4Service) =>
  formatEnode({ publicKey, host: HOST, tcpPort: 30303, udpPort: port });
const keysOf = (nodes: readonly KadNode[]) => nodes.map(({ publicKey }) => toBareHex(publicKey)).toSorted();

/** Services that end together. */
class Group implements AsyncDisposable {
  readonly #services: Discv4Service[] = [];

  use(service: Discv4Service): Discv4Service {
    this.#services.push(service);
    return service;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#services.map((service) => service.close()));
  }
}

/** A bootnode, and others that know it, and that it knows. */
async function network(stack: Group, count: number) {
  const added = new EventQueue<string>();
  const onEvent = (event: Discv4ServiceEvent) => {
    if (event.kind === 'node-added') added.push(toBareHex(event.node.publicKey));
  };
  const boot = stack.use(await started({ onEvent }));
  const bootnodes = [enodeOf(boot)];
  const others: Discv4Service[] = [];
  for (let i = 1; i < count; i++) {
    const other = stack.use(await started({ bootnodes }));
    const key = toBareHex(other.publicKey);
    await added.next(`node ${key.slice(0, 8)}`, (id) => id === key);
    others.push(other);
  }
  return { boot, others, bootnodes };
}

it('a clock that is far behind is told by those who ask, as nobody answers', async () => {
  const env = { ...systemEnv, unixTime: () => systemEnv.unixTime() - 60_000 };
  const service = await started({ env });
  const others = await Promise.all(Array.from({ length: 5 }, () => started()));
  onTestFinished(async () => {
    await Promise.all([service, ...others].map((one) => one.close()));
  });
  expect(service.clockSkew()).toBeUndefined();
  await Promise.allSettled(others.map((other) => other.ping(enodeOf(service))));
  const { seconds, samples } = service.clockSkew() ?? { seconds: 0, samples: 0 };
  expect([Math.round(seconds / 10), samples]).toEqual([6, 5]);
});

describe('a discovery service', () => {
  it('pings nodes by enode URL, by record, or as lookups give them', async () => {
    await using a = await started();
    await using b = await started();
    const pong = await a.ping(enodeOf(b));
    expect(pong.enrSeq).toBe(b.record.seq);
    expect(pong.seenAs).toMatchObject({ ip: HOST, udpPort: a.port });
    await a.ping(b.record.toString());
    const record = await a.requestRecord(enodeOf(b));
    expect(record.encoded).toEqual(b.record.encoded);
    expect([record.get('ip'), record.get('udp')]).toEqual([HOST, b.port]);
  });

  it('finds the nodes of a network through a bootnode', async () => {
    await using stack = new Group();
    const { boot, others, bootnodes } = await network(stack, 5);
    const asker = stack.use(await started({ bootnodes }));
    const target = new Uint8Array(64).fill(7);
    const found = await asker.findClosest(target);
    expect(keysOf(found)).toEqual([boot, ...others].map((node) => toBareHex(node.publicKey)).toSorted());
    const lookup = asker.lookup(target);
    let next = await lookup.next();
    while (next.done !== true) next = await lookup.next();
    expect(keysOf(next.value)).toEqual(keysOf(found));
    const met: KadNode[] = [];
    for await (const node of asker.lookup(target)) met.push(node);
    expect(keysOf(met)).toEqual(keysOf(found));
    const [other] = others;
    if (other === undefined) throw new Error('no node');
    expect((await asker.resolve(other.publicKey))?.encoded).toEqual(other.record.encoded);
    expect(await asker.resolve(new Uint8Array(64).fill(1))).toBeUndefined();
    expect(await asker.resolve(asker.publicKey)).toBe(asker.record);
    const aborted = { signal: AbortSignal.abort() };
    expect(await rejectionOf(asker.resolve(asker.publicKey, aborted))).toBe('aborted');
  });

  it('leaves buffers to its caller, who may use them again at once', async () => {
    await using stack = new Group();
    const key = generateSecretKey(systemEnv);
    const { others, bootnodes } = await network(stack, 7);
    const searcher = stack.use(new Discv4Service(optionsOf({ key, bootnodes })));
    key.fill(0);
    await searcher.start();
    const buffer = new Uint8Array(64);
    const filled = (publicKey: Uint8Array): Uint8Array => {
      buffer.set(publicKey);
      return buffer;
    };
    const [known] = others;
    if (known === undefined) throw new Error('no node');
    // Of what is filled with many keys, one after another, only the last stays.
    const searches = others.map(({ publicKey }) => searcher.findClosest(filled(publicKey)));
    const record = searcher.resolve(filled(known.publicKey));
    const told = searcher.findNode(bootnodes[0] ?? '', filled(known.publicKey));
    const lookup = searcher.lookup(filled(known.publicKey));
    buffer.fill(0);
    const firsts = (await Promise.all(searches)).map(([first]) => toBareHex(first?.publicKey ?? buffer));
    expect(firsts).toEqual(others.map(({ publicKey }) => toBareHex(publicKey)));
    expect((await record)?.publicKey).toEqual(known.publicKey);
    expect(keysOf(await told)).toContain(toBareHex(known.publicKey));
    let step = await lookup.next();
    while (step.done !== true) step = await lookup.next();
    expect(step.value[0]?.publicKey).toEqual(known.publicKey);
  });

  it('gives random nodes without an end, until it is told to stop', async () => {
    await using stack = new Group();
    const { bootnodes } = await network(stack, 3);
    const asker = stack.use(await started({ bootnodes }));
    const abort = new AbortController();
    let count = 0;
    const walk = async () => {
      for await (const _ of asker.random({ signal: abort.signal })) if (++count === 7) abort.abort();
    };
    expect(await rejectionOf(walk())).toBe('aborted');
    expect(count).toBe(7);
  });

  it('a call ends with the service, or with its signal', async () => {
    const env = new ManualEnv();
    await using silent = await started();
    const service = await started({ env });
    const dead = formatEnode({ publicKey: silent.publicKey, host: HOST, tcpPort: 0, udpPort: 9 });
    const abort = new AbortController();
    const aborted = rejectionOf(service.ping(dead, { signal: abort.signal }));
    const closed = rejectionOf(service.requestRecord(dead));
    const walk = (async () => {
      for await (const _ of service.random());
    })();
    const walked = rejectionOf(walk);
    abort.abort();
    expect(await aborted).toBe('aborted');
    await service.close();
    expect([await closed, await walked]).toEqual(['closed', 'closed']);
    expect(await rejectionOf(service.ping(dead))).toBe('closed');
    expect(await rejectionOf(service.findClosest(new Uint8Array(64)))).toBe('closed');
    await service.close();
  });

  it('a lookup that waits for its turn ends with the service', async () => {
    const mute = createSocket('udp4').bind(0, HOST);
    onTestFinished(() => void mute.close());
    await once(mute, 'listening');
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    const { port } = mute.address();
    const nobody = formatEnode({ publicKey, host: HOST, tcpPort: port, udpPort: port });
    // Its time stands still: none is given up.
    const service = await started({ bootnodes: [nobody], env: new ManualEnv() });
    const target = new Uint8Array(64).fill(1);
    // As many as may run, each of which asks a node that does not answer.
    const lookups = Array.from({ length: 32 }, () => service.lookup(target));
    for (const lookup of lookups) expect((await lookup.next()).value).toMatchObject({ udpPort: port });
    const waiting = [...lookups.map((lookup) => lookup.next()), service.findClosest(target)].map(rejectionOf);
    await service.close();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['closed']));
  });

  it('lookups that are left where they stand keep nobody waiting', async () => {
    await using stack = new Group();
    const { others, bootnodes } = await network(stack, 3);
    const service = stack.use(await started({ bootnodes }));
    for (let i = 0; i < 40; i++) await service.random().next();
    const [other] = others;
    expect((await service.resolve(other?.publicKey ?? new Uint8Array(64)))?.publicKey).toEqual(
      other?.publicKey,
    );
  });

  it('takes bootnodes before its start, and none when it is closed', async () => {
    await using stack = new Group();
    const { others, bootnodes } = await network(stack, 3);
    const service = stack.use(new Discv4Service(optionsOf()));
    service.addBootnode(bootnodes[0] ?? '');
    await service.start();
    const [other] = others;
    expect((await service.resolve(other?.publicKey ?? new Uint8Array(64)))?.publicKey).toEqual(
      other?.publicKey,
    );
    await service.close();
    for (const add of ['addBootnode', 'addNode'] as const) {
      expect(codeOf(() => service[add](bootnodes[0] ?? ''))).toBe('closed');
    }
  });

  it('has a record before the start, which names no port, and a newer one that does', async () => {
    const service = new Discv4Service(optionsOf({ tcpPort: 30_303 }));
    const before = service.record;
    expect(before.entries()).toMatchObject({ ip: HOST, tcp: 30_303 });
    expect(before.get('udp')).toBeUndefined();
    await service.start();
    expect(service.record.get('udp')).toBe(service.port);
    expect(service.record.seq).toBeGreaterThan(before.seq);
    await using asker = await started();
    expect((await asker.ping(enodeOf(service))).enrSeq).toBe(service.record.seq);
    await service.close();
  });

  it('has let go of its port when it is closed, also while it starts', async () => {
    const first = await started();
    const listen = { host: HOST, port: first.port };
    await first.close();
    const second = new Discv4Service(optionsOf({ listen }));
    const starting = rejectionOf(second.start());
    await second.close();
    await using third = await started({ listen });
    expect([third.port, await starting]).toEqual([listen.port, 'closed']);
    const unstarted = new Discv4Service(optionsOf());
    await unstarted.close();
    expect(await rejectionOf(unstarted.start())).toBe('closed');
  });

  it('requests whose callers have left go on until they are over, and leave room for others', async () => {
    const env = new ManualEnv();
    await using silent = await started();
    await using service = await started({ env });
    const dead = formatEnode({ publicKey: silent.publicKey, host: HOST, tcpPort: 0, udpPort: 9 });
    for (let round = 0; round < 6; round++) {
      const aborts = Array.from({ length: MAX_CALLS }, () => new AbortController());
      const calls = aborts.map(({ signal }) => rejectionOf(service.ping(dead, { signal })));
      // All have got as far as they can.
      await new Promise((resolve) => setImmediate(resolve));
      for (const abort of aborts) abort.abort();
      expect(new Set(await Promise.all(calls))).toEqual(new Set(['aborted']));
    }
    expect(service.stats().requests).toBe(MAX_CALLS + MAX_LEFT_CALLS);
    const abort = new AbortController();
    const late = rejectionOf(service.ping(dead, { signal: abort.signal }));
    for (let end = false; !end; ) {
      env.advance(1_000);
      end = await Promise.race([late.then(() => true), new Promise<false>((go) => setImmediate(go, false))]);
    }
    expect(await late).toBe('request-timeout');
    expect([service.stats().requests, getEventListeners(abort.signal, 'abort')]).toEqual([0, []]);
  });

  it('a node that does not answer is a timeout', async () => {
    await using service = await started();
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    const dead = formatEnode({ publicKey, host: HOST, tcpPort: 0, udpPort: 9 });
    expect(await rejectionOf(service.ping(dead))).toBe('request-timeout');
    expect(await rejectionOf(service.findNode(dead, publicKey))).toBe('request-timeout');
    await expect(service.requestRecord(dead)).rejects.toThrow(
      'no answer to the Ping that comes before ENRRequest',
    );
  });

  it.each([
    ['a record that cannot be verified', Uint8Array.of(0xc0), /a record that is invalid: /],
    [
      'the record of another node',
      signRecord(new Uint8Array(32).fill(7), { seq: 1n }).encoded,
      /of another node$/,
    ],
  ])('a node that answers with %s is no timeout', async (_, encoded, message) => {
    const sender = await recordSender(encoded);
    await using service = await started({ bootnodes: [sender.enode] });
    const error = { code: 'invalid-record', message: expect.stringMatching(message) };
    await expect(service.requestRecord(sender.enode)).rejects.toMatchObject(error);
    await expect(service.resolve(sender.publicKey)).rejects.toMatchObject(error);
  });

  it('on a socket of IPv4 says at once that it has no way to a node of IPv6', async () => {
    await using service = await started();
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    const far = kadNode({ publicKey, ip: '::1', udpPort: 9, tcpPort: 0 });
    expect(await rejectionOf(service.ping(far))).toBe('dial-failed');
    expect(await rejectionOf(service.requestRecord(far))).toBe('dial-failed');
    expect(await rejectionOf(service.findNode(far, publicKey))).toBe('dial-failed');
    expect(codeOf(() => service.addBootnode(far))).toBe('dial-failed');
    expect(service.stats().sent).toBe(0);
  });

  describe.each([
    ['::1', { ip: '192.0.2.1', udp: 9 }, 'ip6', 'udp6'],
    ['127.0.0.1', { ip6: '2606:4700::1', udp6: 9 }, 'ip', 'udp'],
  ] as const)('on %s, with a node that is at addresses of both families,', (host, other, ip, udp) => {
    async function nodeOfBoth() {
      const key = generateSecretKey(systemEnv);
      const node = await started({ listen: { host, port: 0 }, key });
      const record = signRecord(key, { seq: 1n, entries: { ...other, [ip]: host, [udp]: node.port } });
      const preferred = nodeOfRecord(record);
      if (preferred === undefined) throw new Error('the record names no endpoint');
      return { node, record, preferred };
    }

    it('asks it where it is reached', async () => {
      const { node, record, preferred } = await nodeOfBoth();
      await using _ = node;
      await using service = await started({ listen: { host, port: 0 } });
      expect(preferred.ip).not.toBe(host);
      expect([service.reaches(preferred), service.reaches({ ...preferred, ip: host })]).toEqual([
        false,
        true,
      ]);
      for (const given of [record.toString(), preferred]) {
        expect((await service.ping(given)).seenAs).toMatchObject({ ip: host });
        expect((await service.requestRecord(given)).encoded).toEqual(node.record.encoded);
      }
      service.addBootnode(preferred);
    });

    it.each(['bootnodes', 'seeds'] as const)('begins with it as one of `%s`', async (kind) => {
      const { node, record, preferred } = await nodeOfBoth();
      await using _ = node;
      const answered = new EventQueue<KadNode>();
      const onEvent = (event: Discv4ServiceEvent) => {
        if (event.kind === 'node-answered') answered.push(event.node);
      };
      const given = kind === 'seeds' ? { seeds: [preferred] } : { bootnodes: [record.toString()] };
      await using __ = await started({ listen: { host, port: 0 }, onEvent, ...given });
      const { ip: at, publicKey } = await answered.next('the node', () => true);
      expect([at, toBareHex(publicKey)]).toEqual([host, toBareHex(node.publicKey)]);
    });
  });

  it('checks its options and arguments early', async () => {
    const code = (options: Partial<Discv4ServiceOptions>) =>
      codeOf(() => new Discv4Service(optionsOf(options)));
    expect(code({})).toBe('none');
    expect(code({ key: new Uint8Array(32) })).toBe('invalid-secret-key');
    expect(code({ listen: { host: 'localhost', port: 0 } })).toBe('invalid-argument');
    expect(code({ listen: { host: HOST, port: 65_536 } })).toBe('invalid-argument');
    expect(code({ tcpPort: -1 })).toBe('invalid-argument');
    expect(code({ bootnodes: ['enode://12'] })).toBe('invalid-enode');
    expect(code({ bootnodes: ['enr:12'] })).toBe('invalid-record');
    expect(code({ limits: { known: { perSecond: 0, burst: 1 } } })).toBe('invalid-argument');
    const wrong: object[] = [
      ...[{ limits: null }, { limits: { known: null } }, { limits: { kown: { perSecond: 1, burst: 1 } } }],
      ...[{ seeds: null }, { seeds: [5] }, { seeds: [{}] }, { bootnodes: null }, { bootnodes: 'x' }],
      ...[{ listen: null }, { listen: { host: 5, port: 0 } }, { listen: { host: '224.0.0.1', port: 0 } }],
      ...[{ listen: { host: '255.255.255.255', port: 0 } }, { listen: { host: 'ff02::1', port: 0 } }],
      ...[{ record: 5 }, { onEvent: 5 }, { env: {} }],
    ];
    for (const options of wrong) expect(code(options)).toBe('invalid-argument');
    await using service = await started();
    expect(await rejectionOf(service.start())).toBe('closed');
    expect(await rejectionOf(service.ping(enodeOf(service)))).toBe('invalid-argument');
    expect(await rejectionOf(service.findClosest(new Uint8Array(32)))).toBe('invalid-argument');
    expect(codeOf(() => service.lookup(new Uint8Array(32)))).toBe('invalid-argument');
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    for (const node of [undefined, null, 5, {}]) {
      expect(codeOf(() => service.reaches(node as never))).toBe('invalid-argument');
    }
    const badIp = { ...kadNode({ publicKey, ip: HOST, udpPort: 9, tcpPort: 0 }), ip: 'x' };
    for (const node of [undefined, null, 5, {}, badIp]) {
      expect(await rejectionOf(service.ping(node as never))).toBe('invalid-argument');
      expect(codeOf(() => service.addBootnode(node as never))).toBe('invalid-argument');
    }
    for (const options of [null, 5, { signal: 5 }, { signal: {} }]) {
      expect(await rejectionOf(service.findClosest(publicKey, options as never))).toBe('invalid-argument');
      expect(await rejectionOf(service.resolve(publicKey, options as never))).toBe('invalid-argument');
      expect(codeOf(() => service.lookup(publicKey, options as never))).toBe('invalid-argument');
      expect(codeOf(() => service.random(options as never))).toBe('invalid-argument');
    }
    const inUse = new Discv4Service(optionsOf({ listen: { host: HOST, port: service.port } }));
    expect(await rejectionOf(inUse.start())).toBe('port-in-use');
  });

  it("is started again when its port was another's at first", async () => {
    const other = await started();
    await using service = new Discv4Service(optionsOf({ listen: { host: HOST, port: other.port } }));
    for (let i = 0; i < 2; i++) expect(await rejectionOf(service.start())).toBe('port-in-use');
    await other.close();
    await service.start();
    expect(service.port).toBeGreaterThan(0);
  });

  it('lookups and random nodes are ended by return while somebody waits for the next, of which there is none', async () => {
    await using service = await started();
    const ended = service.lookup(service.publicKey);
    expect(await ended.next()).toEqual({ done: true, value: [] });
    const random = service.random();
    const waiting = [random.next(), random.next()];
    await random.return();
    const end = { done: true, value: undefined };
    expect(await Promise.all([...waiting, random.next()])).toEqual([end, end, end]);
  });

  it('does not start with a record that is none, and shows the one of before when it fails later', async () => {
    const none = new Discv4Service(optionsOf({ record: () => undefined as never }));
    expect(await rejectionOf(none.start())).toBe('invalid-argument');
    const key = generateSecretKey(systemEnv);
    const good = signRecord(key, { seq: 7n });
    let record = (): NodeRecord => good;
    const failures: unknown[] = [];
    const onEvent = (event: Discv4ServiceEvent): void => {
      if (event.kind === 'record-failed') failures.push(event.error);
    };
    const service = await started({ key, record: () => record(), onEvent });
    const asker = await started();
    record = () => {
      throw new TypeError('a bug of a record');
    };
    expect(codeOf(() => service.record)).toBe('invalid-argument');
    expect((await asker.requestRecord(enodeOf(service))).toString()).toBe(good.toString());
    expect(failures.length).toBeGreaterThan(0);
    expect(failures[0]).toMatchObject({ code: 'invalid-argument' });
    await Promise.all([service, asker].map((it) => it.close()));
  });
});
