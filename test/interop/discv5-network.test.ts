/** A network of discovery v5 of all kinds, as large as a test can have it, that forms from one bootnode. */
import { randomBytes } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { chainSafePeers, type Discv5Host, type Discv5Node, goPeers, sigpPeers } from './discv5-harness.ts';
import { ownPeers } from './discv5-own.ts';

interface Kind {
  readonly make: () => Discv5Host;
  readonly count: number;
  /** Whether it looks for itself again and again; the others are not heard of before they are told to. */
  readonly looks: boolean;
  /** ChainSafe's share one thread, which is too slow for whole lookups in such a network: these find a part. */
  readonly isSlow?: boolean;
}

const NETWORK: readonly Kind[] = [
  { make: ownPeers, count: 55, looks: true },
  { make: goPeers, count: 50, looks: true },
  { make: sigpPeers, count: 30, looks: false },
  { make: chainSafePeers, count: 15, looks: false, isSlow: true },
];
const SIZE = 150;
/** Nodes of each kind that look something up, and how many a lookup finds at most. */
const ASKING = 4;
const LOOKUP_SIZE = 16;
/** Lookups at a time: more get into each other's way where two cores run all nodes. */
const AT_A_TIME = 6;
const FORMING_MS = 150_000;

const hosts: Discv5Host[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host[Symbol.asyncDispose]()));
});

const idsOf = (nodes: readonly { readonly id: string }[]) => nodes.map(({ id }) => id);

/** Does something for all, for so many at a time. */
async function eachOf<T>(all: readonly T[], atATime: number, run: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...all];
  const work = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await run(one);
  };
  await Promise.all(Array.from({ length: atATime }, work));
}

/** Of these node ids, those that a lookup of the target is to find. */
function closest(target: string, ids: readonly string[]): readonly string[] {
  const distanceTo = (id: string) => BigInt(`0x${id}`) ^ BigInt(`0x${target}`);
  return [...ids].sort((a, b) => (distanceTo(a) < distanceTo(b) ? -1 : 1)).slice(0, LOOKUP_SIZE);
}

it(
  `lookups of every kind find the closest nodes of a network of ${SIZE}`,
  async () => {
    const all: Discv5Node[] = [];
    const waiting: Discv5Node[] = [];
    const searching = new Set<Discv5Node>();
    const slow: Discv5Node[] = [];
    const bootnodes: string[] = [];
    for (const { make, count, looks, isSlow } of NETWORK) {
      const host = make();
      hosts.push(host);
      for (let i = 0; i < count; i++) {
        // go-ethereum else tells of no node before it has checked it, which takes minutes where there are so many.
        const node = await host.node({ bootnodes, ...(make === goPeers && { anyNode: true }) });
        if (bootnodes.length === 0) bootnodes.push(await node.enr());
        all.push(node);
        if (!looks) waiting.push(node);
        if (i < ASKING && isSlow !== true) searching.add(node);
        else if (i < ASKING) slow.push(node);
      }
    }
    const ids = idsOf(all);
    expect(ids).toHaveLength(SIZE);
    const look = async (node: Discv5Node) => void (await node.lookup(node.id));
    await eachOf(all, AT_A_TIME, look);

    // Nobody searches any more who has found all once: that one was not heard of may be why others have not.
    let rounds = 0;
    const round = async (): Promise<number> => {
      if (rounds++ > 0) await eachOf(waiting, AT_A_TIME, look);
      const target = toBareHex(randomBytes(32));
      await eachOf([...searching], AT_A_TIME, async (node) => {
        const found = idsOf(await node.lookup(target));
        const others = ids.filter((id) => id !== node.id);
        if (closest(target, others).every((id) => found.includes(id))) searching.delete(node);
      });
      return searching.size;
    };
    await expect.poll(round, { timeout: FORMING_MS }).toBe(0);
    for (const node of slow) {
      const found = idsOf(await node.lookup(toBareHex(randomBytes(32))));
      expect(ids).toEqual(expect.arrayContaining(found));
      expect(found.length).toBeGreaterThan(0);
    }
  },
  FORMING_MS * 1.5,
);
