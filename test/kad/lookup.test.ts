import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { EMPTY, toBareHex } from '../../src/base/bytes.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { NodeRecord } from '../../src/enr/index.ts';
import {
  ALPHA,
  BUCKET_NETWORK_LIMIT,
  BUCKET_SIZE,
  compareDistance,
  type KadNode,
  Lookup,
  MAX_ASKED,
  MAX_FOUND,
  MAX_PLACES,
  Table,
} from '../../src/kad/index.ts';
import { codeOf } from '../support/errors.ts';
import { ipOf, nodeAt, randomNode, shuffled } from '../support/kad-nodes.ts';
import { runs } from '../support/runs.ts';

const env = new VirtualEnv({ seed: 9 });
const localId = env.randomBytes(32);
const target = env.randomBytes(32);
/** The `n`-th closest of those at 2^16 ids; not a key's. */
const near = (n: number): KadNode => nodeAt(target, 240, n);
const ids = (nodes: readonly KadNode[]): string[] => nodes.map(({ id }) => toBareHex(id));

describe('a lookup', () => {
  it('that starts with nobody is done', () => {
    const lookup = new Lookup({ target, start: [], localId });
    expect([lookup.next(), lookup.done, lookup.result]).toEqual([[], true, []]);
  });

  it('asks the closest first, three at once, each once', () => {
    const start = [5, 2, 4, 1, 3].map(near);
    const sorted = [...start].sort((a, b) => compareDistance(target, a.id, b.id));
    const lookup = new Lookup({ target, start: [...start, ...start], localId });
    expect(ids(lookup.next())).toEqual(ids(sorted.slice(0, ALPHA)));
    expect([lookup.next(), lookup.done]).toEqual([[], false]);
    lookup.answered(sorted[1]?.id ?? target, start);
    expect(ids(lookup.next())).toEqual(ids(sorted.slice(3, 4)));
    lookup.failed(sorted[0]?.id ?? target);
    expect(ids(lookup.next())).toEqual(ids(sorted.slice(4)));
    for (const { id } of sorted) lookup.answered(id, []);
    expect([lookup.next(), lookup.done]).toEqual([[], true]);
    // The one that answered late has answered all the same.
    expect(ids(lookup.result)).toEqual(ids(sorted));
  });

  it('gives those that are new, and never the node that looks', () => {
    const lookup = new Lookup({ target, start: [near(1), { ...near(2), id: localId }], localId });
    expect(ids(lookup.next())).toEqual(ids([near(1)]));
    const self = { ...near(7), id: localId };
    expect(ids(lookup.answered(near(1).id, [near(3), self, near(1), near(3), near(4)]))).toEqual(
      ids([near(3), near(4)]),
    );
  });

  it('passes over nodes that fail, and asks the next closest instead', () => {
    const start = Array.from({ length: 20 }, (_, n) => near(n));
    const sorted = [...start].sort((a, b) => compareDistance(target, a.id, b.id));
    const lookup = new Lookup({ target, start, localId, k: 4 });
    const asked: KadNode[] = [];
    for (let nodes = lookup.next(); nodes.length > 0; nodes = lookup.next()) {
      for (const node of nodes) {
        asked.push(node);
        if (sorted.indexOf(node) < 3) lookup.failed(node.id);
        else lookup.answered(node.id, []);
      }
    }
    expect([lookup.done, ids(asked), ids(lookup.result)]).toEqual([
      true,
      // At the end those that failed once more.
      ids([...sorted.slice(0, 7), ...sorted.slice(0, 3)]),
      ids(sorted.slice(3, 7)),
    ]);
  });

  it('finds one whose first answer got lost, and that of none that is too far away is asked for again', () => {
    const sorted = Array.from({ length: 6 }, (_, n) => near(n)).sort((a, b) =>
      compareDistance(target, a.id, b.id),
    );
    const lookup = new Lookup({ target, start: sorted, localId, k: 3, alpha: 1 });
    const answers = [false, true, false, true, true, false];
    const asked: KadNode[] = [];
    for (let [node] = lookup.next(); node !== undefined; [node] = lookup.next()) {
      const isAgain = asked.includes(node);
      asked.push(node);
      if (isAgain || answers[sorted.indexOf(node)]) lookup.answered(node.id, []);
      else lookup.failed(node.id);
    }
    // The third is no longer one of the closest three when the first has answered.
    expect(ids(asked)).toEqual(
      ids([...sorted.slice(0, 5), ...[sorted[0], sorted[2]].flatMap((it) => it ?? [])]),
    );
    expect(ids(lookup.result)).toEqual(ids(sorted.slice(0, 3)));
    expect(lookup.done).toBe(true);
  });

  it.each([
    ['IPv4 /24', (n: number) => `9.9.9.${n}`, 2],
    ['IPv6 /48', (n: number) => `2a01:9:9::${n}`, 2],
    ['IPv6 /32', (n: number) => `2a01:9:${n}::1`, 10],
  ])('takes no more nodes of one %s than a table does', (_, ip, limit) => {
    const honest = Array.from({ length: 20 }, (_, n) => near(n));
    const hostile = Array.from({ length: 20 }, (_, n) => ({ ...nodeAt(target, 230, n), ip: ip(n + 1) }));
    const lookup = new Lookup({ target, start: [...honest, ...hostile], localId });
    for (let nodes = lookup.next(); nodes.length > 0; nodes = lookup.next()) {
      for (const { id } of nodes) lookup.answered(id, []);
    }
    expect(lookup.result).toHaveLength(16);
    expect(lookup.result.filter((node) => hostile.includes(node))).toHaveLength(limit);
  });

  it('hears nothing from those that it did not ask, and from nobody twice', () => {
    const lookup = new Lookup({ target, start: [near(1)], localId });
    expect(lookup.answered(near(1).id, [near(2)])).toEqual([]);
    expect(lookup.answered(near(9).id, [near(2)])).toEqual([]);
    lookup.failed(near(1).id);
    lookup.next();
    expect(ids(lookup.answered(near(1).id, [near(2)]))).toEqual(ids([near(2)]));
    expect(lookup.answered(near(1).id, [near(3)])).toEqual([]);
    lookup.failed(near(1).id);
    expect(ids(lookup.result)).toEqual(ids([near(1)]));
  });

  describe('of a node that is named at places where it is not', () => {
    const at = (place: number): KadNode => ({ ...near(9), ip: ipOf(place) });
    const begin = () => {
      const lookup = new Lookup({ target, start: [near(1), near(2), near(3)], localId });
      lookup.next();
      return lookup;
    };

    it('asks at the next place when it is silent at one', () => {
      const lookup = begin();
      expect(lookup.answered(near(1).id, [at(1)])).toEqual([at(1)]);
      expect(lookup.next()).toEqual([at(1)]);
      // While it is asked, another place of it is nothing that is new.
      expect(lookup.answered(near(2).id, [at(1), at(2)])).toEqual([]);
      expect(lookup.failed(at(1).id)).toEqual(at(2));
      expect(lookup.next()).toEqual([at(2)]);
      lookup.answered(at(2).id, []);
      lookup.answered(near(3).id, []);
      expect([lookup.done, lookup.result]).toEqual([true, expect.arrayContaining([at(2)])]);
    });

    it('asks at one that is heard of later', () => {
      const lookup = begin();
      lookup.answered(near(1).id, [at(1)]);
      lookup.next();
      expect(lookup.failed(at(1).id)).toBeUndefined();
      expect(lookup.next()).toEqual([]);
      expect(lookup.answered(near(2).id, [at(1), at(2)])).toEqual([at(2)]);
      expect(lookup.next()).toEqual([at(2)]);
    });

    it('asks at three places, and no more', () => {
      const lookup = begin();
      lookup.answered(near(1).id, [1, 2, 3, 4, 5].map(at));
      for (let place = 1; place <= MAX_PLACES; place++) {
        expect(lookup.next()).toEqual([at(place)]);
        lookup.failed(at(place).id);
      }
      expect(lookup.answered(near(2).id, [6, 7].map(at))).toEqual([]);
      expect(lookup.next()).toEqual([]);
    });

    const withSeq = (node: KadNode, seq: number): KadNode => ({
      ...node,
      record: new NodeRecord(EMPTY, BigInt(seq), node.publicKey),
    });

    it('asks at that of a newer record, whatever older ones were named before, and not where these are any more', () => {
      const lookup = begin();
      const older = [1, 2, 3, 4].map((place) => withSeq(at(place), place));
      const newest = withSeq(at(9), 9);
      lookup.answered(near(1).id, older);
      // Those before the fourth were not asked when it came.
      expect(lookup.next()).toEqual([older[0]]);
      lookup.answered(near(2).id, [newest]);
      expect(lookup.failed(newest.id)).toEqual(newest);
      expect(lookup.next()).toEqual([newest]);
      lookup.answered(newest.id, []);
      lookup.answered(near(3).id, []);
      expect([lookup.done, lookup.result]).toEqual([true, expect.arrayContaining([newest])]);
    });

    it('asks at that of a newer record though it has been asked at three, and of any number at three more', () => {
      const telling = Array.from({ length: 2 * MAX_PLACES + 2 }, (_, i) => near(10 + i));
      const lookup = new Lookup({ target, start: telling, localId, alpha: telling.length + 1 });
      lookup.next();
      const asked = telling.map((node, i) => {
        const named = withSeq(at(i + 1), i + 1);
        lookup.answered(node.id, [named]);
        const isAsked = lookup.next().includes(named);
        lookup.failed(named.id);
        return isAsked;
      });
      expect(asked).toEqual(telling.map((_, i) => i < 2 * MAX_PLACES));
    });

    it('tells of it by its newest record', () => {
      const lookup = begin();
      lookup.answered(near(1).id, [withSeq(at(1), 1)]);
      expect(lookup.answered(near(2).id, [withSeq(at(1), 2)])).toEqual([]);
      expect(lookup.next()).toEqual([withSeq(at(1), 2)]);
      lookup.answered(near(3).id, [withSeq(at(1), 1)]);
      lookup.answered(at(1).id, []);
      expect(lookup.result).toContainEqual(withSeq(at(1), 2));
    });

    it('asks nowhere else when it has answered', () => {
      const lookup = begin();
      lookup.answered(near(1).id, [at(1)]);
      lookup.next();
      lookup.answered(at(1).id, []);
      expect(lookup.answered(near(2).id, [at(2)])).toEqual([]);
      expect(lookup.next()).toEqual([]);
    });
  });

  it('asks no more at once because answers come late', () => {
    const start = Array.from({ length: 10 }, (_, n) => near(n));
    const lookup = new Lookup({ target, start, localId });
    const first = lookup.next();
    for (const { id } of first) lookup.failed(id);
    expect(lookup.next().length).toBe(ALPHA);
    for (const { id } of first) lookup.answered(id, []);
    expect(lookup.next()).toEqual([]);
  });

  it('takes 16 nodes of an answer, and no more', () => {
    const lookup = new Lookup({ target, start: [near(1)], localId });
    lookup.next();
    const found = Array.from({ length: 100 }, (_, n) => near(2 + n));
    expect(lookup.answered(near(1).id, found)).toEqual(found.slice(0, MAX_FOUND));
  });

  it('ends, even when every answer names closer nodes', () => {
    // Each node is closer than all before it: bit after bit of its id is the target's.
    let made = 0;
    const closer = (): KadNode => nodeAt(target, 256 - (made >> 5), 31 - (made++ & 31));
    const lookup = new Lookup({ target, start: [closer()], localId });
    let asked = 0;
    for (let nodes = lookup.next(); nodes.length > 0; nodes = lookup.next()) {
      for (const node of nodes) {
        asked++;
        lookup.answered(node.id, Array.from({ length: 4 }, closer));
      }
    }
    expect([asked, lookup.done, lookup.result.length]).toEqual([MAX_ASKED, true, BUCKET_SIZE]);
  });

  it('asks and finds of one /24 no more than a bucket takes, unless it is of a LAN', () => {
    const sorted = Array.from({ length: 40 }, (_, n) => near(n)).sort((a, b) =>
      compareDistance(target, a.id, b.id),
    );
    const search = (start: readonly KadNode[]) => {
      const lookup = new Lookup({ target, start, localId });
      for (let nodes = lookup.next(); nodes.length > 0; nodes = lookup.next()) {
        for (const { id } of nodes) lookup.answered(id, []);
      }
      return ids(lookup.result);
    };
    const crowd = sorted.slice(0, 20).map((node, n) => ({ ...node, ip: ipOf(7, 1 + n) }));
    const others = sorted.slice(20);
    expect(search([...crowd, ...others])).toEqual(
      ids([...crowd.slice(0, BUCKET_NETWORK_LIMIT), ...others.slice(0, BUCKET_SIZE - BUCKET_NETWORK_LIMIT)]),
    );
    const lan = crowd.map((node, n) => ({ ...node, ip: `192.168.0.${n + 1}` }));
    expect(search([...lan, ...others])).toEqual(ids(lan.slice(0, BUCKET_SIZE)));
  });

  it('needs a target of 32 bytes, and counts from 1', () => {
    const make = (part: object) => codeOf(() => new Lookup({ target, start: [], localId, ...part }));
    for (const part of [{ target: new Uint8Array(64) }, { alpha: 0 }, { k: 1.5 }]) {
      expect(make(part)).toBe('invalid-argument');
    }
  });
});

describe('in a network of 1,000 nodes that do not move', () => {
  const NODES = 1_000;
  const net = new VirtualEnv({ seed: 10 });
  const nodes = Array.from({ length: NODES }, (_, n) => randomNode(net, { ip: ipOf(n) }));
  const tables = new Map<string, Table>();

  // Each knows of others as many as its buckets hold.
  beforeAll(() => {
    for (const { id } of nodes) {
      const table = new Table({ localId: id, randomBytes: (length) => net.randomBytes(length) });
      for (const node of shuffled(nodes, net)) table.addFound(node, 0);
      for (const node of table.entries()) table.checked(node.id, node, 0);
      tables.set(toBareHex(id), table);
    }
  });

  const answerOf = (node: KadNode, to: Uint8Array): KadNode[] =>
    tables.get(toBareHex(node.id))?.closest(to, BUCKET_SIZE) ?? [];

  /** Whoever is asked answers in any order; `fails` says who does not. */
  function run(start: KadNode, to: Uint8Array, order: VirtualEnv, fails: (node: KadNode) => boolean) {
    const lookup = new Lookup({ target: to, start: answerOf(start, to), localId: start.id });
    const asked = new Map<string, number>();
    const failed = new Set<string>();
    let inFlight: KadNode[] = [];
    let most = 0;
    while (!lookup.done) {
      const next = lookup.next();
      for (const node of next) {
        const key = toBareHex(node.id);
        const times = (asked.get(key) ?? 0) + 1;
        expect(times).toBeLessThanOrEqual(failed.has(key) ? 2 : 1);
        asked.set(key, times);
      }
      inFlight = shuffled([...inFlight, ...next], order);
      most = Math.max(most, inFlight.length);
      const node = inFlight.pop();
      expect(node).toBeDefined();
      if (node === undefined) break;
      if (!fails(node)) {
        lookup.answered(node.id, answerOf(node, to));
        continue;
      }
      lookup.failed(node.id);
      failed.add(toBareHex(node.id));
    }
    expect([most <= ALPHA, inFlight, lookup.next()]).toEqual([true, [], []]);
    return { lookup, asked: asked.size };
  }

  const start = fc.constantFrom(...nodes);
  const any = fc.uint8Array({ minLength: 32, maxLength: 32 });

  it('a lookup ends, asks at most three at once, and finds the true closest 16', () => {
    let [lookups, asked] = [0, 0];
    fc.assert(
      fc.property(
        start,
        fc.oneof(
          any,
          start.map(({ id }) => id),
        ),
        fc.nat(),
        (from, to, seed) => {
          const done = run(from, to, new VirtualEnv({ seed }), () => false);
          const others = nodes.filter((node) => node !== from);
          const closest = others.sort((a, b) => compareDistance(to, a.id, b.id)).slice(0, BUCKET_SIZE);
          expect(ids(done.lookup.result)).toEqual(ids(closest));
          lookups++;
          asked += done.asked;
        },
      ),
      { numRuns: runs(200) },
    );
    console.log(`lookup: ${(asked / lookups).toFixed(1)} nodes asked on average, of ${NODES}`);
    expect(asked / lookups).toBeLessThan(40);
  });

  it('a lookup finds the closest 16 of those that answer, when a tenth does not', () => {
    let [found, missed] = [0, 0];
    fc.assert(
      fc.property(start, any, fc.nat(), (from, to, seed) => {
        const order = new VirtualEnv({ seed });
        const silent = new Set(shuffled(nodes, order).slice(0, NODES / 10));
        const { lookup } = run(from, to, order, (node) => silent.has(node));
        const others = nodes.filter((node) => node !== from && !silent.has(node));
        const closest = others.sort((a, b) => compareDistance(to, a.id, b.id)).slice(0, BUCKET_SIZE);
        const result = new Set(ids(lookup.result));
        const hits = ids(closest).filter((id) => result.has(id)).length;
        found += hits;
        missed += BUCKET_SIZE - hits;
      }),
      { numRuns: runs(100) },
    );
    console.log(`lookup: ${found} of ${found + missed} found with a tenth silent`);
    expect(found / (found + missed)).toBeGreaterThan(0.95);
  });
});
