import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  BUCKET_NETWORK_LIMIT,
  BUCKET_SIZE,
  type KadNode,
  logDistance,
  TABLE_NETWORK_LIMIT,
  Table,
} from '../../src/kad/index.ts';
import { idAt, ipOf, nodeAt, randomNode, shuffled } from '../support/kad-nodes.ts';

const IDENTITIES = 1_000;
const NETWORKS = 4;
/** What the limits leave to whoever owns so many networks. */
const MOST_IN_TABLE = NETWORKS * TABLE_NETWORK_LIMIT;
const MOST_IN_BUCKET = NETWORKS * BUCKET_NETWORK_LIMIT;

let env: VirtualEnv;
let table: Table;
let localId: Uint8Array;

beforeEach(() => {
  env = new VirtualEnv({ seed: 8 });
  localId = env.randomBytes(32);
  table = new Table({ localId, randomBytes: (length) => env.randomBytes(length) });
});

const attackers = (): KadNode[] =>
  Array.from({ length: IDENTITIES }, (_, n) =>
    randomNode(env, { ip: ipOf(0xff00 + (n % NETWORKS), 1 + (n >> 2)) }),
  );
const honest = (count: number): KadNode[] =>
  Array.from({ length: count }, (_, n) => randomNode(env, { ip: ipOf(n) }));

const isAttacker = ({ ip }: KadNode): boolean => /^11\.255\.[0-3]\./.test(ip);

/** All checks that fall due until `end`; whoever is in `silent` does not answer. */
function check(end: number, silent: ReadonlySet<KadNode> = new Set()): void {
  while (table.deadline <= end) {
    const now = table.deadline;
    const node = table.nextCheck(now);
    if (node !== undefined) table.checked(node.id, silent.has(node) ? undefined : node, now);
  }
}

/** How many of `nodes` are the attacker's: all, and in the worst bucket. */
function shares(nodes: readonly KadNode[]): { all: number; bucket: number } {
  const won = nodes.filter(isAttacker);
  const buckets = new Map<number, number>();
  for (const { id } of won) {
    const distance = logDistance(localId, id);
    buckets.set(distance, (buckets.get(distance) ?? 0) + 1);
  }
  return { all: won.length, bucket: Math.max(0, ...buckets.values()) };
}

function expectBounded(): void {
  const { all, bucket } = shares([...table.entries(), ...table.replacements()]);
  expect(all).toBeLessThanOrEqual(MOST_IN_TABLE);
  expect(bucket).toBeLessThanOrEqual(MOST_IN_BUCKET);
}

describe('an attacker with 1,000 identities in four /24 networks', () => {
  it('wins no more than the limits allow by being there first, and stays a minority', () => {
    for (const node of attackers()) table.addInbound(node, 0);
    expectBounded();
    expect(shares(table.entries()).all).toBe(table.size);
    for (const node of honest(2_000)) table.addFound(node, 0);
    check(3_600_000);
    expectBounded();
    const { all } = shares(table.entries());
    console.log(`eclipse: ${all} of ${table.size} entries are the attacker's`);
    expect(table.size).toBeGreaterThan(3 * all);
    // No full bucket is the attacker's, and no answer is without honest nodes.
    for (let distance = 256; distance > 250; distance--) {
      const target = idAt(localId, distance, env);
      const closest = table.closest(target);
      expect(closest.length).toBe(BUCKET_SIZE);
      expect(closest.filter((node) => !isAttacker(node)).length).toBeGreaterThanOrEqual(
        BUCKET_SIZE - MOST_IN_BUCKET,
      );
    }
  });

  it('wins no more while honest nodes come and go', () => {
    const [ours, theirs] = [honest(1_000), attackers()];
    for (let round = 0; round < 20; round++) {
      const now = round * 600_000;
      const gone = new Set(shuffled(ours, env).slice(0, 300));
      for (const node of shuffled([...ours.filter((each) => !gone.has(each)), ...theirs], env)) {
        if (isAttacker(node)) table.addInbound(node, now);
        else table.addFound(node, now);
      }
      check(now + 600_000, gone);
      expectBounded();
    }
    expect(shares(table.entries()).all).toBeLessThan(table.size / 2);
  });

  it('wins no more with ids as close as it likes', () => {
    for (let n = 0; n < IDENTITIES; n++) {
      const fields = { ip: ipOf(0xff00 + (n % NETWORKS), 1 + (n >> 2)) };
      table.addInbound(nodeAt(localId, 256 - (n % 60), n, fields), 0);
    }
    for (const node of honest(2_000)) table.addFound(node, 0);
    check(3_600_000);
    expectBounded();
  });
});

describe('20,000 nodes of one /24', () => {
  it('win ten places', () => {
    for (let n = 0; n < 20_000; n++) {
      table.addFound(randomNode(env, { ip: ipOf(5, n % 256), udpPort: 1 + n }), 0);
    }
    expect(table.size).toBe(TABLE_NETWORK_LIMIT);
    expect(shares(table.entries())).toEqual({ all: 0, bucket: 0 });
  });
});
