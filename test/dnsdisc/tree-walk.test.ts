import { expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { Entry } from '../../src/dnsdisc/entry.ts';
import { MAX_VISITED, TreeWalk } from '../../src/dnsdisc/tree-walk.ts';
import type { NodeRecord } from '../../src/enr/index.ts';

it('a tree that is too large for one pass is a problem once in each', () => {
  const env = new VirtualEnv({ seed: 4 });
  const walk = new TreeWalk({ publicKey: new Uint8Array(64), domain: 'nodes.test' });
  const root = { recordsHash: 'R', linksHash: 'L', seq: 1n, signature: new Uint8Array(65) };
  walk.take({ root, readAt: 0 });
  const random = (below: number): number => new DataView(env.randomBytes(4).buffer).getUint32(0) % below;
  /** A branch of thirteen at each name of fewer than five letters, 370,000 records below. */
  const entryAt = (hash: string): Entry => {
    if (hash === 'L') return { kind: 'branch', children: [] };
    if (hash.length > 5) return { kind: 'record', record: {} as NodeRecord };
    return { kind: 'branch', children: Array.from({ length: 13 }, (_, i) => hash + i.toString(36)) };
  };
  let problems = 0;
  const records = new Set<string>();
  for (let visits = 0; visits < 4 * MAX_VISITED; visits++) {
    const lookup = walk.next(1, random, () => true);
    if (lookup.kind !== 'entry') throw new Error(lookup.kind);
    const { record, problem } = walk.entry(lookup, entryAt(lookup.place.hash));
    if (record !== undefined) records.add(lookup.place.hash);
    if (problem !== undefined) problems++;
  }
  expect(problems).toBeGreaterThanOrEqual(4);
  expect(problems).toBeLessThanOrEqual(5);
  // Another pass leaves out others.
  expect(records.size).toBeGreaterThan(2 * MAX_VISITED);
});
