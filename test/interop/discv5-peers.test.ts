/** Our discovery v5 and its real counterparts speak with each other. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { enodeOfRecord, parseRecord } from '../../src/enr/index.ts';
import { COUNTERPARTS, type Discv5Host, type Discv5Node, type PeerOptions } from './discv5-harness.ts';
import { ownPeers } from './discv5-own.ts';

/** Ours among them. */
const OURS = 'peerlane';
/** Every kind of node. */
const KINDS: Readonly<Record<string, () => Discv5Host>> = {
  ...COUNTERPARTS,
  [OURS]: ownPeers,
};
/** Ours with each, both ways. That the others understand each other is seen in networks of all kinds. */
const PAIRS = Object.keys(KINDS).flatMap((kind) =>
  kind === OURS ? [[OURS, OURS] as const] : [[OURS, kind] as const, [kind, OURS] as const],
);
/** Nodes of each kind in a network (ChainSafe's share one thread, and are slow), and how many a lookup finds at most. */
const EACH = 3;
const LOOKUP_SIZE = 16;
/** Those that answer soon, however many ask (ChainSafe's nodes share one thread), and how many of them ask, and are asked, at once. */
const KEEPING_TIME = ['go-ethereum', 'sigp'];
/** What of such nodes has to be answered at once; of others it is asked again. */
const asksOf = (...kinds: string[]) =>
  kinds.every((kind) => kind === OURS || KEEPING_TIME.includes(kind)) ? once : insist;
const AT_ONCE = 8;
/** How long anything may take, and how long a small network to find itself: lookups wait for nodes that are busy. */
const PATIENCE_MS = 30_000;
const NETWORK_MS = 100_000;
/** go-ethereum else tells of no node before it has checked it, and checks that follow each other fast get into others' way. */
const optionsOf = (kind: string) => (kind === 'go-ethereum' ? { anyNode: true } : {});

/** Of an answer in several packets these give their users the first one; their lookups take them all. */
const HEARS_ONE_PACKET = new Set(['sigp']);

/** These reach no node by `ip6` and `udp`, although that is what go-ethereum writes of one that has IPv6 only. */
const NEEDS_UDP6 = new Set(['ChainSafe', 'sigp']);

const logDistance = (a: string, b: string) => (BigInt(`0x${a}`) ^ BigInt(`0x${b}`)).toString(2).length;
const idsOf = (nodes: readonly { readonly id: string }[]) => nodes.map(({ id }) => id);
const udpPortOf = (record: string) => enodeOfRecord(parseRecord(record))?.udpPort;

const hosts = new Map<string, Discv5Host>();
afterEach(async () => {
  await Promise.all([...hosts.values()].map((host) => host[Symbol.asyncDispose]()));
  hosts.clear();
});

function once<T>(ask: () => Promise<T>): Promise<T> {
  return ask();
}

/** Asks again when there was no answer in time: where the machine is busy it may be late. */
async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (const signal = AbortSignal.timeout(PATIENCE_MS); ; ) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || !/timeout|no answer/i.test(String(error))) throw error;
    }
  }
}

/** The process in which all nodes of a kind run. */
function host(kind: string): Discv5Host {
  const started = hosts.get(kind) ?? KINDS[kind]?.();
  if (started === undefined) throw new Error(`no kind ${kind}`);
  hosts.set(kind, started);
  return started;
}

const start = (kind: string, options: PeerOptions = {}) =>
  host(kind).node({ ...optionsOf(kind), ...options });

describe.each(PAIRS)('%s and %s', (askingKind, askedKind) => {
  const ask = asksOf(askingKind, askedKind);
  let asking: Discv5Node;
  let asked: Discv5Node;
  let record: string;
  beforeEach(async () => {
    [asking, asked] = [await start(askingKind), await start(askedKind)];
    record = await asked.enr();
  });

  it('answers a Ping with the endpoint that it came from', async () => {
    const port = udpPortOf(await asking.enr());
    expect(await ask(() => asking.ping(record))).toEqual({
      to: `127.0.0.1:${port}`,
      seq: Number(parseRecord(record).seq),
    });
    // Within the same session, and the other way.
    expect(await ask(() => asking.ping(record))).toMatchObject({ to: `127.0.0.1:${port}` });
    expect((await ask(async () => asked.ping(await asking.enr()))).to).toBe(`127.0.0.1:${udpPortOf(record)}`);
  });

  it('sends its own record for the distance 0', async () => {
    expect(await ask(() => asking.findNode(record, [0]))).toMatchObject([{ id: asked.id, enr: record }]);
  });

  it('sends the nodes of the distances that it is asked for', async () => {
    const others: Discv5Node[] = [];
    for (let i = 0; i < 12; i++) others.push(await start(askingKind));
    for (const node of others) await ask(() => node.ping(record));
    const distances = [256, 254];
    const wanted = idsOf(others).filter((id) => distances.includes(logDistance(id, asked.id)));
    const expected = HEARS_ONE_PACKET.has(askingKind)
      ? expect.toSatisfy((ids: string[]) => ids.length > 0 && ids.every((id) => wanted.includes(id)))
      : wanted.sort();
    const heardOf = async () =>
      idsOf(await ask(() => asking.findNode(record, distances)))
        .filter((id) => id !== asking.id)
        .sort();
    await expect.poll(heardOf, { timeout: PATIENCE_MS }).toEqual(expected);
  });

  it('answers a TalkReq', async () => {
    const request = randomBytes(900);
    expect(Buffer.from(await ask(() => asking.talk(record, 'echo', request)))).toEqual(request);
    expect(await ask(() => asking.talk(record, 'echo', new Uint8Array()))).toHaveLength(0);
  });

  it('answers a TalkReq of a protocol that it does not know with nothing', async () => {
    expect(await ask(() => asking.talk(record, 'unknown', Uint8Array.of(1, 2, 3)))).toHaveLength(0);
  });

  it('sends its record again when that has changed', async () => {
    await ask(() => asking.ping(record));
    const updated = await asked.update({ greeting: '8401020304' });
    expect(parseRecord(updated).seq).toBeGreaterThan(parseRecord(record).seq);
    expect(toBareHex(parseRecord(updated).pairs.get('greeting') ?? new Uint8Array())).toBe('8401020304');
    expect((await ask(() => asking.ping(record))).seq).toBe(Number(parseRecord(updated).seq));
    await expect.poll(() => asking.resolve(record), { timeout: PATIENCE_MS }).toBe(updated);
  });

  it('is found at another port by its new record', async () => {
    await ask(() => asking.ping(record));
    const port = await asked.move();
    const moved = await asked.enr();
    expect(udpPortOf(moved)).toBe(port);
    expect(udpPortOf(record)).not.toBe(port);
    expect((await ask(() => asking.ping(moved))).seq).toBe(Number(parseRecord(moved).seq));
    expect((await ask(async () => asked.ping(await asking.enr()))).to).toBe(`127.0.0.1:${port}`);
  });

  it('is silent when it is closed', async () => {
    await ask(() => asking.ping(record));
    await asked.close();
    await expect(asking.ping(record)).rejects.toThrow(/timeout|no answer/i);
  });
});

describe.each(KEEPING_TIME)('%s and ours, when both begin at the same moment', (kind) => {
  it('answer each other', async () => {
    const pairs: (readonly [Discv5Node, Discv5Node])[] = [];
    for (let i = 0; i < AT_ONCE; i++) pairs.push([await start(OURS), await start(kind)]);
    const records = await Promise.all(pairs.map(async ([a, b]) => [await a.enr(), await b.enr()] as const));
    const pings = pairs.flatMap(([a, b], i) => {
      const [ofA = '', ofB = ''] = records[i] ?? [];
      return [a.ping(ofB), b.ping(ofA)];
    });
    const results = await Promise.allSettled(pings);
    const answered = (side: number) =>
      results.filter(({ status }, i) => i % 2 === side && status === 'fulfilled').length;
    expect([answered(0), answered(1)]).toEqual([AT_ONCE, AT_ONCE]);
  });
});

describe.each(PAIRS)('on IPv6, %s and %s', (askingKind, askedKind) => {
  const ask = asksOf(askingKind, askedKind);
  it('answers a Ping and a TalkReq', async () => {
    const [asking, asked] = [await start(askingKind, { ip: '::1' }), await start(askedKind, { ip: '::1' })];
    const record = await asked.enr();
    if (NEEDS_UDP6.has(askingKind) && parseRecord(record).get('udp6') === undefined) {
      await expect(asking.ping(record)).rejects.toThrow();
      return;
    }
    const { udpPort } = enodeOfRecord(parseRecord(await asking.enr())) ?? {};
    expect((await ask(() => asking.ping(record))).to).toBe(`[::1]:${udpPort}`);
    expect(await ask(() => asking.talk(record, 'echo', Uint8Array.of(6)))).toEqual(Uint8Array.of(6));
  });
});

describe.each(Object.keys(KINDS))('a network of all kinds, from a bootnode of %s', (kind) => {
  it(
    'finds itself',
    async () => {
      const bootnode = await start(kind);
      const options = { bootnodes: [await bootnode.enr()] };
      const nodes: Discv5Node[] = [bootnode];
      for (const other of Object.keys(KINDS)) {
        for (let i = 0; i < EACH; i++) nodes.push(await start(other, options));
      }
      const searching = new Map(nodes.map((node) => [node.id, node]));
      // go-ethereum's look for themselves; the others wait to be told. All go on as long as one has not found all that it should:
      // that it has not been heard of may be why.
      const round = async () => {
        const target = toBareHex(randomBytes(32));
        const ways = nodes.map(async (node) => {
          await node.lookup(node.id);
          const found = idsOf(await node.lookup(target));
          const others = idsOf(nodes).filter((id) => id !== node.id);
          if (closest(target, others).every((id) => found.includes(id))) searching.delete(node.id);
        });
        await Promise.all(ways);
        return searching.size;
      };
      await expect.poll(round, { timeout: NETWORK_MS }).toBe(0);
    },
    NETWORK_MS * 1.2,
  );
});

/** Of these node ids, those that a lookup of the target is to find. */
function closest(target: string, ids: readonly string[]): string[] {
  const distanceTo = (id: string) => BigInt(`0x${id}`) ^ BigInt(`0x${target}`);
  return [...ids].sort((a, b) => (distanceTo(a) < distanceTo(b) ? -1 : 1)).slice(0, LOOKUP_SIZE);
}
