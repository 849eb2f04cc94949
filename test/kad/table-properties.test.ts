import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY, toBareHex } from '../../src/base/bytes.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { NodeRecord } from '../../src/enr/index.ts';
import {
  BUCKET_NETWORK_LIMIT,
  BUCKET_SIZE,
  compareDistance,
  type KadNode,
  logDistance,
  REPLACEMENTS,
  TABLE_NETWORK_LIMIT,
  Table,
} from '../../src/kad/index.ts';
import { networksOf } from '../../src/kad/ip-limits.ts';
import { ipOf, nodeAt, silence } from '../support/kad-nodes.ts';
import { runs } from '../support/runs.ts';

const localId = new VirtualEnv({ seed: 7 }).randomBytes(32);

/** Few networks, so that their limits are reached; and some without any. */
const ip = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 200 })).map(([n, host]) => ipOf(n, host)),
  },
  { weight: 3, arbitrary: fc.nat({ max: 200 }).map((n) => ipOf(100 + n)) },
  fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 99 })).map(([n, host]) => `2001:db8:${n}::${host + 1}`),
  fc.constantFrom('127.0.0.1', '10.0.0.1', '::1'),
);

const node: fc.Arbitrary<KadNode> = fc
  .record({
    distance: fc.constantFrom(256, 255, 254, 253, 240, 60),
    n: fc.nat({ max: 30 }),
    ip,
    seq: fc.option(fc.nat({ max: 3 }), { nil: undefined, freq: 2 }),
  })
  .map(({ distance, n, ip, seq }) => {
    const plain = nodeAt(localId, distance, n, { ip });
    if (seq === undefined) return plain;
    return { ...plain, record: new NodeRecord(EMPTY, BigInt(seq), plain.publicKey) };
  });

type Operation =
  | {
      readonly kind: 'found' | 'inbound' | 'answered' | 'silent' | 'success' | 'failure' | 'gone';
      readonly node: KadNode;
    }
  | { readonly kind: 'check'; readonly ms: number; readonly answers: boolean };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('found', 'found', 'inbound', 'answered', 'silent', 'success', 'failure', 'gone'),
      node,
    }),
  },
  fc.record({ kind: fc.constant('check' as const), ms: fc.nat({ max: 5_000 }), answers: fc.boolean() }),
);

/** Much that comes in, then anything. */
const operations = fc
  .tuple(
    fc.array(fc.record({ kind: fc.constantFrom('found' as const, 'inbound' as const), node }), {
      maxLength: 150,
    }),
    fc.array(operation, { maxLength: 150 }),
  )
  .map(([first, then]): Operation[] => [...first, ...then]);

class Model {
  readonly present = new Set<string>();
  now = 0;
  readonly table: Table;

  constructor(seed: number) {
    const env = new VirtualEnv({ seed });
    this.table = new Table({
      localId,
      randomBytes: (length) => env.randomBytes(length),
      onAdded: ({ id }) => {
        expect(this.present.has(toBareHex(id))).toBe(false);
        this.present.add(toBareHex(id));
      },
      onRemoved: ({ id }) => expect(this.present.delete(toBareHex(id))).toBe(true),
    });
  }

  run(operation: Operation): void {
    const { table, now } = this;
    if (operation.kind === 'check') {
      this.now += operation.ms;
      for (let node = table.nextCheck(this.now); node !== undefined; node = table.nextCheck(this.now)) {
        table.checked(node.id, operation.answers ? node : undefined, this.now);
      }
      return;
    }
    const { kind, node } = operation;
    if (kind === 'found') table.addFound(node, now);
    else if (kind === 'inbound') table.addInbound(node, now);
    else if (kind === 'gone') silence(table, node.id);
    else if (kind === 'answered' || kind === 'silent') {
      table.checked(node.id, kind === 'answered' ? node : undefined, now);
    } else table.trackRequest(node, kind === 'success', now);
  }
}

const key = ({ id }: KadNode): string => toBareHex(id);

function countBy<T>(items: readonly T[], keyOf: (item: T) => string | undefined): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) {
    const name = keyOf(item);
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

const most = (counts: Map<string, number>): number => Math.max(0, ...counts.values());

function checkLimits(table: Table): void {
  const [entries, replacements] = [table.entries(), table.replacements()];
  const all = [...entries, ...replacements];
  const distanceOf = ({ id }: KadNode): number => logDistance(localId, id);
  expect(new Set(all.map(key)).size).toBe(all.length);
  expect(all.every(({ id }) => logDistance(localId, id) > 0)).toBe(true);
  const [used, waiting] = [entries, replacements].map((nodes) =>
    countBy(nodes, (each) => `${distanceOf(each)}`),
  );
  expect(most(used ?? new Map())).toBeLessThanOrEqual(BUCKET_SIZE);
  expect(most(waiting ?? new Map())).toBeLessThanOrEqual(REPLACEMENTS);
  for (const distance of waiting?.keys() ?? []) expect(used?.get(distance)).toBe(BUCKET_SIZE);
  expect(most(countBy(all, ({ ip }) => networksOf(ip)?.ofTable))).toBeLessThanOrEqual(TABLE_NETWORK_LIMIT);
  const inBucket = countBy(all, (each) => {
    const network = networksOf(each.ip)?.ofBucket;
    return network === undefined ? undefined : `${distanceOf(each)} ${network}`;
  });
  expect(most(inBucket)).toBeLessThanOrEqual(BUCKET_NETWORK_LIMIT);
  expect(table.stats()).toEqual({
    entries: entries.length,
    live: entries.filter(({ id }) => table.isLive(id)).length,
    replacements: replacements.length,
    buckets: used?.size,
  });
}

describe('after any sequence of operations', () => {
  it('the limits hold, and what is told of entries agrees with them', () => {
    fc.assert(
      fc.property(operations, fc.nat(), (sequence, seed) => {
        const model = new Model(seed);
        for (const operation of sequence) {
          model.run(operation);
          checkLimits(model.table);
          expect(model.present).toEqual(new Set(model.table.entries().map(key)));
        }
      }),
      { numRuns: runs(60) },
    );
  });

  it('the closest are those that sorting all live entries gives', () => {
    const target = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      node.map(({ id }) => id),
      fc.constant(localId),
    );
    fc.assert(
      fc.property(
        operations,
        fc.nat(),
        fc.array(target, { minLength: 1, maxLength: 10 }),
        fc.nat({ max: 40 }),
        (sequence, seed, targets, n) => {
          const { table } = ((model) => {
            for (const operation of sequence) model.run(operation);
            return model;
          })(new Model(seed));
          for (const to of targets) {
            const sorted = table.entries().sort((a, b) => compareDistance(to, a.id, b.id));
            const liveOnes = sorted.filter(({ id }) => table.isLive(id));
            expect(table.closest(to)).toEqual(liveOnes.slice(0, BUCKET_SIZE));
            expect(table.closest(to, n)).toEqual(liveOnes.slice(0, n));
            expect(table.closest(to, n, { onlyLive: false })).toEqual(sorted.slice(0, n));
          }
        },
      ),
      { numRuns: runs(100) },
    );
  });

  it('nothing is left of nodes that have all gone, in the counts neither', () => {
    fc.assert(
      fc.property(operations, fc.nat(), (sequence, seed) => {
        const model = new Model(seed);
        const { table } = model;
        for (const operation of sequence) model.run(operation);
        while (table.size > 0) for (const { id } of table.entries()) silence(table, id);
        expect(table.stats()).toEqual({ entries: 0, live: 0, replacements: 0, buckets: 0 });
        expect(table.deadline).toBe(Number.POSITIVE_INFINITY);
        expect(model.present.size).toBe(0);
        // As many of each network as an empty table takes.
        for (const network of [0, 1, 2, 3]) {
          const outcomes = [256, 255, 254, 253, 252, 251].map((distance, i) =>
            [1, 2].map((n) =>
              table.addFound(
                nodeAt(localId, distance, 10 * network + n, { ip: ipOf(network, 10 * i + n) }),
                model.now,
              ),
            ),
          );
          expect(outcomes.flat()).toEqual([...new Array(10).fill('added'), 'refused', 'refused']);
        }
      }),
      { numRuns: runs(100) },
    );
  });

  it('every entry is checked', () => {
    fc.assert(
      fc.property(operations, fc.nat(), (sequence, seed) => {
        const model = new Model(seed);
        for (const operation of sequence) model.run(operation);
        const { table } = model;
        const left = new Set(table.entries().map(key));
        for (
          let node = table.nextCheck(table.deadline);
          node !== undefined;
          node = table.nextCheck(table.deadline)
        ) {
          expect(left.delete(key(node))).toBe(true);
        }
        expect(left.size).toBe(0);
      }),
      { numRuns: runs(50) },
    );
  });
});
