import { describe, expect, it } from 'vitest';
import { EMPTY, toBareHex } from '../../src/base/bytes.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { NodeRecord } from '../../src/enr/index.ts';
import {
  BUCKET_SIZE,
  FEW_ENTRIES,
  type KadNode,
  MAX_REQUEST_FAILURES,
  REPLACEMENTS,
  Table,
} from '../../src/kad/index.ts';
import { codeOf } from '../support/errors.ts';
import { ipOf, movedTo, nodeAt, silence } from '../support/kad-nodes.ts';

const env = new VirtualEnv({ seed: 5 });
const localId = env.randomBytes(32);
const at = (distance: number, n: number, fields = {}): KadNode => nodeAt(localId, distance, n, fields);

function newTable(): { table: Table; events: string[] } {
  const events: string[] = [];
  const table = new Table({
    localId,
    randomBytes: (length) => env.randomBytes(length),
    onAdded: ({ id }) => events.push(`+${toBareHex(id)}`),
    onRemoved: ({ id }) => events.push(`-${toBareHex(id)}`),
  });
  return { table, events };
}

const many = (distance: number, count: number, from = 0): KadNode[] =>
  Array.from({ length: count }, (_, n) => at(distance, from + n));

/** A table whose bucket at `distance` has its entries, all from `at(distance, 0)` on. */
function fullAt(distance: number): { table: Table; events: string[]; entries: KadNode[] } {
  const entries = many(distance, BUCKET_SIZE);
  const made = newTable();
  for (const node of entries) expect(made.table.addFound(node, 0)).toBe('added');
  return { ...made, entries };
}

const withSeq = (node: KadNode, seq: bigint): KadNode => ({
  ...node,
  record: new NodeRecord(EMPTY, seq, node.publicKey),
});

const makeLive = (table: Table, ...nodes: KadNode[]): void => {
  for (const node of nodes) table.checked(node.id, node, 0);
};

describe('a table', () => {
  it('never holds the node that it is of', () => {
    const { table, events } = newTable();
    const self = { ...at(256, 0), id: localId.slice() };
    expect([table.addFound(self, 0), table.addInbound(self, 0)]).toEqual(['refused', 'refused']);
    table.checked(self.id, self, 0);
    expect([table.size, table.has(localId), events]).toEqual([0, false, []]);
  });

  it('has 256 buckets of 16 entries and 10 replacements, of which only those in use are there', () => {
    const { table } = newTable();
    expect(table.stats()).toEqual({ entries: 0, live: 0, replacements: 0, buckets: 0 });
    expect(table.addFound({ ...at(1, 0), id: localId.with(31, (localId[31] ?? 0) ^ 1) }, 0)).toBe('added');
    for (const distance of [256, 200]) {
      const outcomes = many(distance, 30).map((node) => table.addFound(node, 0));
      expect(outcomes.filter((outcome) => outcome === 'added').length).toBe(BUCKET_SIZE);
      expect(outcomes.slice(BUCKET_SIZE, BUCKET_SIZE + REPLACEMENTS)).toEqual(
        new Array(REPLACEMENTS).fill('replacement'),
      );
    }
    expect(table.stats()).toEqual({
      entries: 2 * BUCKET_SIZE + 1,
      live: 0,
      replacements: 2 * REPLACEMENTS,
      buckets: 3,
    });
    expect(table.size).toBe(table.entries().length);
  });

  it('refuses ids of another length', () => {
    const { table } = newTable();
    const short = new Uint8Array(31);
    expect(codeOf(() => table.closest(short))).toBe('invalid-argument');
    const { randomBytes } = env;
    expect(codeOf(() => new Table({ localId: short, randomBytes }))).toBe('invalid-argument');
  });
});

describe('a bucket', () => {
  it('has the least recently seen node first', () => {
    const { table } = newTable();
    const [a, b, c] = [at(250, 0), at(250, 1), at(250, 2)];
    for (const node of [a, b, c]) table.addFound(node, 0);
    table.addInbound(a, 1);
    expect(table.entries()).toEqual([b, c, a]);
    table.trackRequest(b, true, 2);
    expect(table.entries()).toEqual([c, a, b]);
    table.checked(c.id, c, 3);
    expect(table.entries()).toEqual([a, b, c]);
    // Hearsay is no sign of life.
    table.addFound(a, 4);
    expect(table.entries()).toEqual([a, b, c]);
  });

  it('fills the place of a node that has gone with one of its replacements, to be checked first', () => {
    const { table, events, entries } = fullAt(256);
    makeLive(table, ...entries);
    const waiting = many(256, REPLACEMENTS, BUCKET_SIZE);
    for (const node of waiting) expect(table.addFound(node, 0)).toBe('replacement');
    expect(waiting.some(({ id }) => table.has(id))).toBe(false);
    events.length = 0;
    const gone = entries[3] ?? at(256, 0);
    silence(table, gone.id);
    const next = waiting.find(({ id }) => table.has(id));
    expect(events).toEqual([`-${toBareHex(gone.id)}`, `+${toBareHex(next?.id ?? EMPTY)}`]);
    expect(table.isLive(next?.id ?? EMPTY)).toBe(false);
    expect(table.stats()).toMatchObject({ entries: BUCKET_SIZE, replacements: REPLACEMENTS - 1 });
  });

  it('takes any of its replacements', () => {
    const promoted = new Set<number>();
    for (let round = 0; round < 200; round++) {
      const { table, entries } = fullAt(256);
      const waiting = many(256, REPLACEMENTS, BUCKET_SIZE);
      for (const node of waiting) table.addFound(node, 0);
      silence(table, entries[0]?.id ?? EMPTY);
      promoted.add(waiting.findIndex(({ id }) => table.has(id)));
    }
    expect(promoted.size).toBe(REPLACEMENTS);
  });

  it('keeps no more replacements than ten, those that wrote to us before those that others told of', () => {
    const { table } = fullAt(256);
    const [first, ...told] = many(256, REPLACEMENTS, 100);
    for (const node of [first, ...told]) if (node !== undefined) table.addFound(node, 0);
    table.addInbound(first ?? at(256, 100), 1);
    const wrote = many(256, REPLACEMENTS, 200);
    for (const node of wrote.slice(1)) expect(table.addInbound(node, 2)).toBe('replacement');
    expect(table.replacements()).toEqual([first, ...wrote.slice(1)]);
    // Others may make up as many nodes as they like.
    for (const node of many(256, 50, 300)) expect(table.addFound(node, 3)).toBe('refused');
    // Among equals the least recently seen goes.
    expect(table.addInbound(wrote[0] ?? at(256, 200), 4)).toBe('replacement');
    expect(table.replacements()).toEqual([...wrote.slice(1), wrote[0]]);
  });
});

describe('an entry', () => {
  it('goes after five failed requests in a row', () => {
    const { table } = newTable();
    const others = Array.from({ length: FEW_ENTRIES - 1 }, (_, i) => at(250, 1 + i));
    const a = at(250, 0);
    for (const node of [a, ...others]) table.addFound(node, 0);
    const fail = (times: number): void => {
      for (let i = 0; i < times; i++) table.trackRequest(a, false, 0);
    };
    fail(MAX_REQUEST_FAILURES - 1);
    table.trackRequest(a, true, 0);
    fail(MAX_REQUEST_FAILURES - 1);
    expect(table.has(a.id)).toBe(true);
    fail(1);
    expect(table.entries()).toEqual(others);
  });

  it('does not suffer by requests to where others say that it is', () => {
    const { table } = newTable();
    // With fewer it would stay, whatever failed.
    const many = Array.from({ length: FEW_ENTRIES }, (_, i) => at(250, i));
    const [a = at(250, 0)] = many;
    for (const node of many) table.addFound(node, 0);
    const elsewhere = { ...a, udpPort: a.udpPort + 1 };
    for (let i = 0; i < MAX_REQUEST_FAILURES; i++) table.trackRequest(elsewhere, false, 0);
    expect(table.has(a.id)).toBe(true);
  });

  it('stays, whatever failed, while its bucket has few', () => {
    const { table } = newTable();
    const few = Array.from({ length: FEW_ENTRIES - 1 }, (_, i) => at(250, i));
    for (const node of [...few, at(251, 0), at(251, 1)]) table.addFound(node, 0);
    for (let i = 0; i < 20; i++) table.trackRequest(at(250, 0), false, 0);
    expect(table.has(at(250, 0).id)).toBe(true);
  });

  it('is not made live by an answer to FindNode', () => {
    const { table } = newTable();
    table.addFound(at(250, 0), 0);
    table.trackRequest(at(250, 0), true, 0);
    expect(table.closest(localId)).toEqual([]);
  });

  it('changes by what others say only if that is a record with a higher sequence number', () => {
    const { table } = newTable();
    const node = withSeq(at(250, 0), 5n);
    table.addFound(node, 0);
    const elsewhere = movedTo(node, ipOf(7));
    for (const older of [movedTo(at(250, 0), ipOf(7)), withSeq(elsewhere, 4n), withSeq(elsewhere, 5n)]) {
      expect(table.addFound(older, 0)).toBe('refused');
    }
    expect(table.get(node.id)).toBe(node);
    const newer = withSeq(elsewhere, 6n);
    expect(table.addFound(newer, 0)).toBe('updated');
    expect(table.get(node.id)).toBe(newer);
  });

  it('is taken at its own word about its endpoint, whatever its record says, and keeps the newest record', () => {
    const { table } = newTable();
    const node = withSeq(at(250, 0), 5n);
    table.addFound(node, 0);
    makeLive(table, node);
    for (const [i, told] of [at(250, 0), withSeq(at(250, 0), 4n), withSeq(at(250, 0), 5n)].entries()) {
      const moved = movedTo(told, ipOf(7 + i));
      expect(table.addInbound(moved, 0)).toBe('updated');
      expect(table.get(node.id)).toMatchObject({ ip: moved.ip, record: { seq: 5n } });
      expect(table.isLive(node.id)).toBe(false);
      makeLive(table, moved);
      expect(table.isLive(node.id)).toBe(true);
    }
  });

  it('without a record is taken at its own word about its endpoint, and not at that of others', () => {
    const { table } = newTable();
    const node = at(250, 0);
    table.addFound(node, 0);
    const moved = movedTo(node, ipOf(7));
    expect(table.addFound(moved, 0)).toBe('refused');
    expect(table.addFound({ ...node, tcpPort: 7 }, 0)).toBe('refused');
    expect(table.addInbound(moved, 0)).toBe('updated');
    expect(table.get(node.id)).toBe(moved);
    const listening = { ...moved, tcpPort: 7 };
    table.checked(node.id, listening, 0);
    expect([table.get(node.id), table.isLive(node.id)]).toEqual([listening, true]);
  });

  it('that is live has to answer at a new endpoint before it counts again', () => {
    const { table } = newTable();
    const node = withSeq(at(250, 0), 1n);
    table.addFound(node, 0);
    makeLive(table, node);
    expect(table.closest(localId)).toEqual([node]);
    const elsewhere = movedTo(node, ipOf(7));
    const moves: [bigint, (next: KadNode) => void][] = [
      [2n, (next) => table.addFound(next, 0)],
      [3n, (next) => table.addInbound(next, 0)],
      [4n, (next) => table.checked(next.id, next, 0)],
    ];
    for (const [seq, move] of moves) {
      const next = withSeq(seq === 3n ? node : elsewhere, seq);
      move(next);
      expect([table.get(node.id), table.isLive(node.id)]).toEqual([next, false]);
      makeLive(table, next);
      expect(table.closest(localId)).toEqual([next]);
    }
  });

  it('stays live when its record changes and its endpoint does not', () => {
    const { table } = newTable();
    const node = withSeq(at(250, 0), 1n);
    table.addFound(node, 0);
    makeLive(table, node);
    expect(table.addFound(withSeq(node, 2n), 0)).toBe('updated');
    expect([table.get(node.id)?.record?.seq, table.isLive(node.id)]).toEqual([2n, true]);
  });

  it('stays where it is when the network that it moves to is full', () => {
    const { table } = newTable();
    const node = withSeq(at(250, 0), 1n);
    const others = [at(250, 1, { ip: ipOf(7, 1) }), at(250, 2, { ip: ipOf(7, 2) })];
    for (const each of [node, ...others]) table.addFound(each, 0);
    makeLive(table, node);
    const moved = withSeq(movedTo(node, ipOf(7, 3)), 2n);
    expect([table.addFound(moved, 0), table.addInbound(moved, 0)]).toEqual(['refused', 'refused']);
    table.checked(node.id, moved, 0);
    expect([table.get(node.id), table.isLive(node.id)]).toEqual([node, true]);
    // Within a full network it may move.
    table.addFound(at(250, 9, { ip: node.ip.replace(/1$/, '8') }), 0);
    const near = withSeq(movedTo(node, node.ip.replace(/1$/, '9')), 2n);
    expect(table.addFound(near, 0)).toBe('updated');
    // What it left has room again.
    silence(table, others[0]?.id ?? EMPTY);
    expect(table.addFound(withSeq(movedTo(node, ipOf(7, 3)), 3n), 0)).toBe('updated');
    expect(table.addFound(at(250, 3, { ip: node.ip }), 0)).toBe('added');
    expect(table.addFound(at(250, 5, { ip: node.ip }), 0)).toBe('refused');
  });
});

describe('the limits', () => {
  it('are two nodes of one /24 in a bucket and ten in the table', () => {
    const { table } = newTable();
    const outcomes = [256, 255, 254, 253, 252, 251].map((distance) =>
      [0, 1, 2].map((n) => table.addFound(at(distance, n, { ip: ipOf(1, n + 1) }), 0)),
    );
    const two = ['added', 'added', 'refused'];
    expect(outcomes).toEqual([two, two, two, two, two, ['refused', 'refused', 'refused']]);
  });

  it('are two nodes of one /48 in a bucket and ten of a /32 in the table', () => {
    const { table } = newTable();
    const add = (distance: number, n: number, ip: string) => table.addFound(at(distance, n, { ip }), 0);
    expect([1, 2, 3].map((n) => add(256, n, `2001:db8:1::${n}`))).toEqual(['added', 'added', 'refused']);
    const others = Array.from({ length: 9 }, (_, n) => add(256, 10 + n, `2001:db8:${n + 2}::1`));
    expect(others).toEqual([...new Array(8).fill('added'), 'refused']);
    expect(add(255, 0, '2001:db8:ffff::1')).toBe('refused');
    expect(add(255, 0, '2001:db9::1')).toBe('added');
  });

  it.each(['127.0.0.1', '192.168.1.1', '::1', 'fd00::1'])('are not for loopback and LAN: %s', (ip) => {
    const { table } = newTable();
    for (let n = 0; n < BUCKET_SIZE; n++) expect(table.addFound(at(256, n, { ip }), 0)).toBe('added');
  });

  it('include replacements, so that these never exceed them when they move up', () => {
    const { table, entries } = fullAt(256);
    const same = [20, 21, 22].map((n) => at(256, n, { ip: ipOf(9, n) }));
    expect(same.map((node) => table.addFound(node, 0))).toEqual(['replacement', 'replacement', 'refused']);
    for (const { id } of entries.slice(0, 2)) silence(table, id);
    expect(same.map(({ id }) => table.has(id))).toEqual([true, true, false]);
    expect(table.addFound(at(256, 23, { ip: ipOf(9, 23) }), 0)).toBe('refused');
  });

  it('that made-up replacements have used up do not keep out a node that writes to us', () => {
    const { table } = fullAt(256);
    const victim = ipOf(9, 200);
    for (const n of [20, 21]) table.addFound(at(256, n, { ip: ipOf(9, n) }), 0);
    expect(table.addFound(at(256, 22, { ip: victim }), 0)).toBe('refused');
    expect(table.addInbound(at(256, 22, { ip: victim }), 0)).toBe('replacement');
    expect(table.replacements()).toEqual([at(256, 21, { ip: ipOf(9, 21) }), at(256, 22, { ip: victim })]);
    // It does not use them up for entries elsewhere either.
    for (const distance of [255, 254, 253, 252, 251]) {
      for (const node of many(distance, BUCKET_SIZE)) table.addFound(node, 0);
      for (const n of [20, 21]) table.addFound(at(distance, n, { ip: ipOf(9, distance + n - 150) }), 0);
    }
    expect(table.addFound(at(250, 0, { ip: victim }), 0)).toBe('refused');
    expect(table.addInbound(at(250, 0, { ip: victim }), 0)).toBe('added');
  });

  it('that made-up entries have used up do not keep out a node that writes to us, in the bucket or the table', () => {
    const ofNetwork = (distance: number, host: number) => at(distance, host, { ip: ipOf(7, host) });
    const madeUp = [250, 251, 252, 253, 254].flatMap((distance, i) => [
      ofNetwork(distance, 2 * i + 1),
      ofNetwork(distance, 2 * i + 2),
    ]);
    const { table, events } = newTable();
    for (const node of madeUp) expect(table.addFound(node, 0)).toBe('added');
    const [answers] = madeUp;
    if (answers === undefined) throw new Error('there is none');
    makeLive(table, answers);
    expect(table.addFound(ofNetwork(255, 100), 0)).toBe('refused');
    events.length = 0;
    const [inTable, inBucket] = [ofNetwork(255, 101), ofNetwork(254, 102)];
    expect([inTable, inBucket].map((node) => table.addInbound(node, 1))).toEqual(['added', 'added']);
    expect(events.map((event) => event[0])).toEqual(['-', '+', '-', '+']);
    expect([answers, inTable, inBucket].map(({ id }) => table.has(id))).toEqual([true, true, true]);
    expect(table.size).toBe(madeUp.length);
    // Of those that have proved themselves none goes.
    for (let i = 0; i < 20; i++) table.addInbound(ofNetwork(240 + (i % 16), 110 + i), 2);
    expect([answers, inTable, inBucket].map(({ id }) => table.has(id))).toEqual([true, true, true]);
  });

  it('of those that have written to us hold', () => {
    const { table } = fullAt(256);
    for (const n of [20, 21]) table.addInbound(at(256, n, { ip: ipOf(9, n) }), 0);
    expect(table.addInbound(at(256, 22, { ip: ipOf(9, 22) }), 0)).toBe('refused');
    expect(table.replacements().length).toBe(2);
  });
});
