/** A network of discovery v4 nodes on loopback. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { enodeOfRecord, parseRecord } from '../../src/enr/index.ts';
import { closestIds, type DiscoveryNode, GoDiscovery, OwnNode } from './discover-harness.ts';

/** Liveness checks that follow each other fast: go-ethereum tells of no node before one, if it can. */
const PACE = { pingMs: 200 };
/** How long a network may take to find itself. */
const PATIENCE_MS = 40_000;

const idsOf = (nodes: readonly { readonly id: string }[]) => nodes.map(({ id }) => id);
const logDistance = (a: string, b: string) => (BigInt(`0x${a}`) ^ BigInt(`0x${b}`)).toString(2).length;
const others = (nodes: readonly DiscoveryNode[], node: DiscoveryNode) =>
  idsOf(nodes).filter((id) => id !== node.id);

/** How many of those who are closest a lookup may miss: nodes of go-ethereum forget one whose Pong came late. */
const MISSED = 1;

/** What a lookup finds at last: its first answers may come from a network that is still finding itself. */
async function lookupUntil(node: DiscoveryNode, target: Uint8Array, wanted: readonly string[], missed = 0) {
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  let found: string[];
  do {
    found = idsOf(await node.lookup(target));
  } while (!deadline.aborted && missing(found, wanted) > missed);
  return found;
}

const missing = (found: readonly string[], wanted: readonly string[]) =>
  wanted.filter((id) => !found.includes(id)).length;

/** Those who look, all at once, look for targets of their own until they find who is closest of all. */
async function expectTrueClosest(
  nodes: readonly DiscoveryNode[],
  looking: readonly DiscoveryNode[],
  lookups: number,
): Promise<void> {
  await Promise.all(
    looking.map(async (node) => {
      for (let i = 0; i < lookups; i++) {
        const target = randomBytes(64);
        const wanted = closestIds(target, others(nodes, node));
        const found = await lookupUntil(node, target, wanted, MISSED);
        expect(missing(found, wanted)).toBeLessThanOrEqual(MISSED);
        expect(found).toEqual(closestIds(target, found));
      }
    }),
  );
}

let go: GoDiscovery;
beforeEach(() => {
  go = new GoDiscovery();
});
afterEach(async () => {
  await go[Symbol.asyncDispose]();
});

/** A bootnode and those that start from it. */
async function network(size: number, pace = PACE): Promise<DiscoveryNode[]> {
  const bootnode = await go.node(pace);
  return [bootnode, ...(await go.nodes(size - 1, { ...pace, bootnodes: [await bootnode.enr()] }))];
}

describe('a network that starts from one bootnode', () => {
  it('of 10 nodes: each finds all others', async () => {
    const nodes = await network(10);
    await expectTrueClosest(nodes, nodes, 1);
  });

  it('of 40 nodes: lookups find the 16 that are closest of all', async () => {
    const nodes = await network(40);
    const looking = nodes.filter((_, i) => i % 4 === 0);
    await expectTrueClosest(nodes, looking, 3);
  });
});

describe('a network of go-ethereum and of peerlane', () => {
  const own: OwnNode[] = [];
  afterEach(async () => {
    await Promise.all(own.splice(0).map((node) => node.close()));
  });

  async function ownNode(bootnodes: readonly string[] = []): Promise<OwnNode> {
    const node = await OwnNode.start(bootnodes);
    own.push(node);
    return node;
  }

  it('sends records both ways', async () => {
    const [ours, theirs] = [await ownNode(), await go.node(PACE)];
    expect(await ours.requestRecord(await theirs.enr())).toBe(await theirs.enr());
    expect(await theirs.requestRecord(await ours.enr())).toBe(await ours.enr());
  });

  it.each(['peerlane', 'go-ethereum'])('finds itself from a bootnode of %s', async (kind) => {
    const bootnode = kind === 'peerlane' ? await ownNode() : await go.node(PACE);
    const bootnodes = [await bootnode.enr()];
    const nodes: DiscoveryNode[] = [bootnode, ...(await go.nodes(10, { ...PACE, bootnodes }))];
    for (let i = 0; i < 10; i++) nodes.push(await ownNode(bootnodes));
    await expectTrueClosest(
      nodes,
      nodes.filter((_, i) => i % 3 === 0),
      2,
    );
  });
});

describe('a node of go-ethereum', () => {
  it('sends its record to whoever asks it, and leads to where it listens', async () => {
    const [asking, asked] = [await go.node(PACE), await go.node({ ...PACE, tcp: 30_303 })];
    const text = await asked.enr();
    expect(await asking.requestRecord(text)).toBe(text);
    const record = parseRecord(text);
    expect(toBareHex(record.nodeId)).toBe(asked.id);
    expect(enodeOfRecord(record)).toMatchObject({ host: '127.0.0.1', tcpPort: 30_303 });
    expect(await asking.resolve(text)).toBe(text);
  });

  it('answers a Ping with the endpoint that it came from', async () => {
    const [asking, asked] = [await go.node(PACE), await go.node({ ...PACE, ip: '127.0.0.2' })];
    const { udpPort } = enodeOfRecord(parseRecord(await asking.enr())) ?? {};
    expect(await asking.ping(await asked.enr())).toBe(`127.0.0.1:${udpPort}`);
  });

  it('is silent when it is closed', async () => {
    const [asking, asked] = [await go.node(PACE), await go.node(PACE)];
    const text = await asked.enr();
    await asking.ping(text);
    await asked.close();
    await expect(asking.ping(text)).rejects.toThrow('timeout');
  });

  it('finds its network again from its database', async () => {
    const pace = { pingMs: 50 };
    const nodes = await network(6, pace);
    const [bootnode] = nodes;
    if (bootnode === undefined) throw new Error('there is no bootnode');
    const folder = await mkdtemp(join(tmpdir(), 'peerlane-discover-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const identity = { ...pace, key: toBareHex(randomBytes(32)), db: join(folder, 'nodes') };
    const first = await go.node({ ...identity, bootnodes: [await bootnode.enr()] });
    // It writes down nodes that have passed more than five checks.
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    while (!(await first.table()).some(({ checks }) => checks > 6)) deadline.throwIfAborted();
    await first.close();
    const second = await go.node(identity);
    expect(second.id).toBe(first.id);
    const target = randomBytes(64);
    const wanted = closestIds(target, idsOf(nodes));
    expect(await lookupUntil(second, target, wanted)).toEqual(wanted);
  });

  it('tells what is in its table', async () => {
    const [first, second] = [await go.node(PACE), await go.node({ ...PACE, ip: '127.0.0.2' })];
    const third = await go.node({ ...PACE, bootnodes: [await first.enr(), await second.enr()] });
    const table = await third.table();
    expect(idsOf(table).sort()).toEqual([first.id, second.id].sort());
    for (const { id, distance } of table) expect(distance).toBe(logDistance(third.id, id));
    expect((await go.tables()).map(({ entries }) => entries)).toContain(2);
  });

  it('counts its packets', async () => {
    const [asking, asked] = [await go.node(PACE), await go.node(PACE)];
    await asking.ping(await asked.enr());
    // A packet may have come before it counts as sent.
    const { sent } = await vi.waitFor(async () => {
      const counts = await go.counts();
      for (const { ping, pong } of [counts.sent, counts.received]) {
        expect(ping.packets).toBeGreaterThan(0);
        expect(pong.packets).toBeGreaterThan(0);
        expect(pong.bytes).toBeGreaterThan(98 * pong.packets);
      }
      return counts;
    });
    expect(sent.other.packets).toBe(0);
  });
});
