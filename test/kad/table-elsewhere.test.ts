import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  BUCKET_NETWORK_LIMIT,
  BUCKET_SIZE,
  type KadNode,
  REPLACEMENTS,
  TABLE_NETWORK_LIMIT,
  Table,
} from '../../src/kad/index.ts';
import { ipOf, nodeAt, silence } from '../support/kad-nodes.ts';

const env = new VirtualEnv({ seed: 7 });
const localId = env.randomBytes(32);
const at = (distance: number, n: number, fields = {}): KadNode => nodeAt(localId, distance, n, fields);
/** Whoever says all that follows is there, or in that network. */
const TELLER = ipOf(60_000);

/** A table with a bucket that is full of others. */
function full(replacements = 0): { table: Table; entries: KadNode[]; waiting: KadNode[] } {
  const table = new Table({ localId, randomBytes: (length) => env.randomBytes(length) });
  const entries = Array.from({ length: BUCKET_SIZE }, (_, n) => at(256, n));
  const waiting = Array.from({ length: replacements }, (_, n) => at(256, 100 + n));
  for (const node of [...entries, ...waiting]) table.addFound(node, 0);
  return { table, entries, waiting };
}

describe('a node that says from somewhere that it is elsewhere', () => {
  it('counts for the networks of both places, in a bucket and in the table', () => {
    const { table } = full();
    const outcomes = (distance: number, from: string): string[] =>
      [0, 1, 2].map((n) => table.addElsewhere(at(distance, n), from, 0));
    expect(outcomes(255, TELLER)).toEqual(['added', 'added', 'refused']);
    expect(outcomes(254, ipOf(60_000, 9))).toEqual(['added', 'added', 'refused']);
    for (const distance of [253, 252, 251]) outcomes(distance, TELLER);
    expect(table.size - BUCKET_SIZE).toBe(TABLE_NETWORK_LIMIT);
    expect(table.addElsewhere(at(250, 0), TELLER, 0)).toBe('refused');
    // One of that network that is where it says comes in the place of one of them.
    expect(table.addInbound(at(250, 1, { ip: TELLER }), 0)).toBe('added');
    expect(table.size - BUCKET_SIZE).toBe(TABLE_NETWORK_LIMIT);
    expect(table.addElsewhere(at(250, 0), TELLER, 0)).toBe('refused');
    expect(outcomes(249, '192.168.1.9')).toEqual(['added', 'added', 'added']);
    // The network that it names has its limit, too.
    const there = (n: number) => at(248, n, { ip: ipOf(50_000, n + 1) });
    const said = [0, 1, 2].map((n) => table.addElsewhere(there(n), ipOf(40_000 + n), 0));
    expect(said).toEqual(['added', 'added', 'refused']);
  });

  it('counts for no more than the place where it has answered', () => {
    for (const answers of [
      (table: Table, node: KadNode) => table.checked(node.id, node, 0),
      (table: Table, node: KadNode) => table.proved(node.id, { ip: node.ip, port: node.udpPort }),
      (table: Table, node: KadNode) => void table.addInbound(node, 0),
    ]) {
      const { table } = full();
      const said = [0, 1].map((n) => at(255, n));
      for (const node of said) table.addElsewhere(node, TELLER, 0);
      expect(table.addElsewhere(at(255, 2), TELLER, 0)).toBe('refused');
      for (const node of said) answers(table, node);
      expect(table.addElsewhere(at(255, 2), TELLER, 0)).toBe('added');
      const near = at(255, 3, { ip: ipOf(255 * 256, 7) });
      expect(table.addFound(near, 0)).toBe('added');
      expect(table.addFound(at(255, 4, { ip: near.ip }), 0)).toBe('refused');
      // What has gone no longer counts.
      for (const node of table.entries()) silence(table, node.id);
      for (const distance of [255, 254, 253, 252, 251]) {
        const again = [0, 1].map((n) => table.addElsewhere(at(distance, n), TELLER, 0));
        expect(again).toEqual(['added', 'added']);
      }
      expect(table.addElsewhere(at(250, 0), TELLER, 0)).toBe('refused');
    }
  });

  it('counts for both when it was an entry before', () => {
    const { table } = full();
    const nodes = Array.from({ length: TABLE_NETWORK_LIMIT }, (_, n) =>
      at(255 - (n >> 1), n & 1, { ip: TELLER }),
    );
    for (const node of nodes) {
      table.addInbound(node, 0);
      table.checked(node.id, node, 0);
    }
    const [first] = nodes;
    if (first === undefined) throw new Error('none');
    table.addElsewhere({ ...first, ip: ipOf(7) }, TELLER, 0);
    // Without a record it is not taken at its word.
    expect(table.get(first.id)?.ip).toBe(TELLER);
    expect(table.addInbound(at(240, 0, { ip: TELLER }), 0)).toBe('refused');
  });

  it('pushes nobody out, is pushed out by others, and waits behind them', () => {
    const { table, entries, waiting } = full(REPLACEMENTS);
    expect(table.addElsewhere(at(256, 200), TELLER, 0)).toBe('refused');
    expect(table.replacements()).toEqual(waiting);
    const [gone] = entries;
    if (gone === undefined) throw new Error('none');
    silence(table, gone.id);
    const claims = [at(256, 201), at(256, 202)];
    expect(table.addElsewhere(claims[0] ?? gone, TELLER, 0)).toBe('replacement');
    expect(table.addElsewhere(claims[1] ?? gone, TELLER, 0)).toBe('refused');
    // The one that others have named drives it out, and none of those that were named before.
    const named = at(256, 203);
    expect(table.addFound(named, 0)).toBe('replacement');
    expect(table.replacements()).toHaveLength(REPLACEMENTS);
    expect(table.replacements().map(({ ip }) => ip)).not.toContain(claims[0]?.ip);
    expect(table.replacements()).toContainEqual(named);
  });

  it('becomes an entry when nobody else waits', () => {
    const { table } = full(3);
    expect(table.addElsewhere(at(256, 200), TELLER, 0)).toBe('replacement');
    for (const left of [3, 2, 1, 0]) {
      expect(table.replacements()).toHaveLength(left + 1);
      expect(table.has(at(256, 200).id)).toBe(false);
      const [gone] = table.entries();
      if (gone !== undefined) silence(table, gone.id);
    }
    expect(table.has(at(256, 200).id)).toBe(true);
  });

  it('makes room among those that wait for one of its network that is where it says', () => {
    const { table } = full();
    for (let n = 0; n < BUCKET_NETWORK_LIMIT; n++) table.addElsewhere(at(256, 200 + n), TELLER, 0);
    expect(table.replacements()).toHaveLength(BUCKET_NETWORK_LIMIT);
    expect(table.addInbound(at(256, 210, { ip: TELLER }), 0)).toBe('replacement');
    expect(table.replacements().map(({ ip }) => ip)).toContain(TELLER);
  });
});
