import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { newHistory, usefulness } from '../../../src/server/node-db/history.ts';
import { blockOf, hasLimits, networkOf } from '../../../src/server/node-db/network.ts';
import { type IndexEntry, NodeIndex, SEED_NETWORK_LIMIT } from '../../../src/server/node-db/node-index.ts';
import { inTurn, turnsOf } from '../../../src/server/node-db/turns.ts';
import { runs } from '../../support/runs.ts';
import { countBy, DAY, HOUR, START, seedsByBlock } from './nodes.ts';

/** Few networks in few blocks of each kind, so that nodes meet. */
const host = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.nat(2), fc.nat(3)).map(([a, b]) => `8.${a}.${b}.1`) },
  { weight: 2, arbitrary: fc.tuple(fc.nat(1), fc.nat(3)).map(([a, b]) => `2a01:${a}:${b}::1`) },
  { weight: 1, arbitrary: fc.constantFrom('127.0.0.1', '10.0.0.1', undefined) },
);
const node = fc.record({
  host,
  answered: fc.option(fc.nat(8 * 24).map((hours) => START - hours * HOUR)),
  failures: fc.nat(9),
});
type Node = typeof node extends fc.Arbitrary<infer T> ? T : never;

function entryOf({ host: ip, answered, failures }: Node): IndexEntry {
  const history = { ...newHistory(answered ?? START), lastAnswer: answered ?? 0, failures };
  return { history, stored: false, network: networkOf(ip) };
}

function indexOf(nodes: readonly Node[]): NodeIndex {
  const index = new NodeIndex();
  for (const [i, one] of nodes.entries()) index.set(String(i), entryOf(one));
  return index;
}

/** How a network loses its nodes, said one by one: who goes next of those that are left. */
function nextToGo(left: readonly [string, IndexEntry][]): string {
  const figure = ([, { history }]: [string, IndexEntry]) => usefulness(history, START);
  const standing = (one: [string, IndexEntry]) =>
    figure(one) === Number.NEGATIVE_INFINITY ? 0 : figure(one) <= START ? 1 : 2;
  const lowest = Math.min(...left.map(standing));
  const equals = left.filter((one) => standing(one) === lowest);
  const blocks = countBy(equals.map(([, { network }]) => blockOf(network)));
  const networks = countBy(equals.map(([, { network }]) => network));
  const mostOfBlock = Math.max(...blocks.values());
  const candidates = [...blocks]
    .filter(([, count]) => count === mostOfBlock)
    .map(([block]) => {
      const inBlock = equals.filter(([, { network }]) => blockOf(network) === block);
      const most = Math.max(...inBlock.map(([, { network }]) => networks.get(network) ?? 0));
      return leastOf(inBlock.filter(([, { network }]) => networks.get(network) === most));
    });
  return leastOf(candidates)[0];

  function leastOf(nodes: readonly [string, IndexEntry][]): [string, IndexEntry] {
    const [least] = nodes.toSorted((a, b) => figure(a) - figure(b) || Number(a[0]) - Number(b[0]));
    if (least === undefined) throw new Error('no node is left');
    return least;
  }
}

describe('an index of nodes', () => {
  it('gives up the least useful of the largest network of the largest block, as if one by one', () => {
    fc.assert(
      fc.property(
        fc.array(node, { minLength: 1, maxLength: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (nodes, share) => {
          const index = indexOf(nodes);
          const count = Math.ceil(share * nodes.length);
          let left = nodes.map((one, i): [string, IndexEntry] => [String(i), entryOf(one)]);
          const expected: string[] = [];
          while (expected.length < count) {
            const name = nextToGo(left);
            expected.push(name);
            left = left.filter((one) => one[0] !== name);
          }
          expect(index.leastUseful(count, START).sort()).toEqual(expected.sort());
        },
      ),
      { numRuns: runs(300) },
    );
  });

  it('gives as seeds all that answered lately and the limits allow, each once, blocks in turns', () => {
    fc.assert(
      fc.property(fc.array(node, { maxLength: 80 }), fc.nat(), (nodes, seed) => {
        const env = new VirtualEnv({ seed });
        const since = START - 5 * DAY;
        const names = indexOf(nodes).seeds(since, (length) => env.randomBytes(length));
        expect(new Set(names).size).toBe(names.length);
        const chosen = names.map((name) => nodes[Number(name)]).filter((one) => one !== undefined);
        for (const { answered } of chosen) expect(answered).toBeGreaterThanOrEqual(since);

        const networks = (list: readonly Node[]) => list.map((one) => networkOf(one.host));
        const expected = seedsByBlock(networks(nodes.filter(({ answered }) => (answered ?? 0) >= since)));
        const blocks = networks(chosen).map(blockOf);
        expect(countBy(blocks)).toEqual(expected);
        for (const [network, count] of countBy(networks(chosen))) {
          if (hasLimits(network)) expect(count).toBeLessThanOrEqual(SEED_NETWORK_LIMIT);
        }
        // However few are taken, no block has two more than another that has more to give.
        for (let taken = 0; taken <= blocks.length; taken++) {
          const counts = countBy(blocks.slice(0, taken));
          const most = Math.max(0, ...counts.values());
          for (const [block, all] of expected) {
            expect(counts.get(block) ?? 0).toBeGreaterThanOrEqual(Math.min(all, most - 1));
          }
        }
      }),
      { numRuns: runs(200) },
    );
  });

  it('gives those that fail behind those that answer', () => {
    const nodes = Array.from({ length: 40 }, (_, i) => {
      return { host: `8.${i >> 1}.0.1`, answered: START, failures: i % 2 === 0 ? 3 : 2 };
    });
    const env = new VirtualEnv();
    const names = indexOf(nodes).seeds(START - DAY, (length) => env.randomBytes(length));
    expect(names.slice(0, 20).every((name) => Number(name) % 2 === 1)).toBe(true);
    expect(names).toHaveLength(40);
  });
});

describe('networks that take turns', () => {
  it('give one node in each turn, and the networks of a block share its turns', () => {
    const hosts = ['8.8.8.1', '8.8.8.2', '8.8.8.3', '8.8.9.1', '9.9.9.1', '10.0.0.1', '127.0.0.1'];
    const { ofNetwork, ofBlock } = turnsOf(hosts.map(networkOf));
    expect([...ofNetwork]).toEqual([0, 1, 2, 0, 0, 0, 1]);
    expect([...ofBlock]).toEqual([0, 2, 3, 1, 0, 0, 1]);
    expect([...inTurn(ofBlock)]).toEqual([0, 4, 5, 3, 6, 1, 2]);
  });

  it('may be none', () => {
    expect([...turnsOf([]).ofBlock, ...inTurn(new Uint32Array(0))]).toEqual([]);
  });
});
