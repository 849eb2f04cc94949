import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { type EntryChanges, signRecord } from '../../src/enr/index.ts';
import {
  type KadNode,
  Lookup,
  MAX_MISSES,
  nodeOfRecord,
  otherPlace,
  Places,
  TABLE_NETWORK_LIMIT,
  Table,
} from '../../src/kad/index.ts';

const env = new VirtualEnv({ seed: 3 });
const localId = env.randomBytes(32);
const everywhere = () => true;
const turn = (node: KadNode) => otherPlace(node, everywhere);

/** A node with a record of these entries, at the first place that it names. */
function nodeOf(entries: EntryChanges): KadNode {
  const node = nodeOfRecord(signRecord(generateSecretKey(env), { seq: 1n, entries }));
  if (node === undefined) throw new Error('the record names no place');
  return node;
}

const both = (n: number) => ({ ip: `11.0.${n}.1`, udp: 30_303, ip6: `2606:${n + 1}::1`, udp6: 30_304 });

describe('the other place of a node', () => {
  it('is that of the other family, as its record names it', () => {
    const node = nodeOf(both(1));
    const other = turn(node);
    expect(other).toMatchObject({ ip: '2606:2::1', udpPort: 30_304, record: node.record });
    expect(other && turn(other)).toEqual(node);
    // Where it has been found, whatever its record says.
    expect(turn({ ...node, ip: '11.9.9.9' })).toEqual(other);
  });

  it('is none without a record, of one family, where it is not reached, and where it may not be', () => {
    const node = nodeOf(both(1));
    expect(turn({ ...node, record: undefined })).toBeUndefined();
    expect(turn(nodeOf({ ip: '11.0.0.1', udp: 30_303 }))).toBeUndefined();
    expect(otherPlace(node, (ip) => !ip.includes(':'))).toBeUndefined();
    for (const ip6 of ['::1', 'fd00::1', 'fe80::1', '2001:db8::1']) {
      expect(turn(nodeOf({ ...both(1), ip6 }))).toBeUndefined();
    }
    expect(turn(nodeOf({ ...both(1), udp6: 53 }))).toBeUndefined();
    expect(turn(nodeOf({ ip: '10.0.0.1', udp: 30_303, ip6: 'fd00::1' }))).toMatchObject({ ip: 'fd00::1' });
    expect(turn(nodeOf({ ip: '127.0.0.1', udp: 30_303, ip6: '::1' }))).toMatchObject({ ip: '::1' });
  });
});

describe('a table', () => {
  const newTable = () =>
    new Table({ localId, randomBytes: (length) => env.randomBytes(length), otherPlace: turn });

  /** Has the one entry checked. */
  function check(table: Table, isThere: (node: KadNode) => boolean): void {
    const now = table.deadline;
    const node = table.nextCheck(now);
    if (node === undefined) throw new Error('nobody is to be checked');
    table.checked(node.id, isThere(node) ? node : undefined, now);
  }

  it('looks for a node that does not answer at its other place, and lets it go when it is not there either', () => {
    const table = newTable();
    const node = nodeOf(both(1));
    table.addFound(node, 0);
    check(table, () => false);
    expect(table.get(node.id)).toMatchObject({ ip: '2606:2::1', udpPort: 30_304 });
    check(table, () => false);
    expect(table.size).toBe(0);
  });

  it('keeps it where it has answered, and looks again when it does not any more', () => {
    const table = newTable();
    const node = nodeOf(both(1));
    table.addFound(node, 0);
    check(table, () => false);
    check(table, () => true);
    expect([table.isLive(node.id), table.get(node.id)?.ip]).toEqual([true, '2606:2::1']);
    for (let i = 0; i < MAX_MISSES; i++) {
      expect(table.get(node.id)?.ip).toBe('2606:2::1');
      check(table, () => false);
    }
    expect([table.isLive(node.id), table.get(node.id)?.ip]).toEqual([false, node.ip]);
    check(table, () => true);
    expect([table.isLive(node.id), table.get(node.id)?.ip]).toEqual([true, node.ip]);
  });

  it('has it where it has proved to be, while it has not answered at the first place', () => {
    const table = newTable();
    const node = nodeOf(both(1));
    table.addFound(node, 0);
    table.proved(node.id, { ip: '2606:2::1', port: 1_234 });
    expect([table.isLive(node.id), table.get(node.id)?.ip]).toEqual([false, node.ip]);
    table.proved(node.id, { ip: '2606:2::1', port: 30_304 });
    expect([table.isLive(node.id), table.get(node.id)?.ip]).toEqual([true, '2606:2::1']);
    // One that is live stays where it is.
    table.proved(node.id, { ip: node.ip, port: node.udpPort });
    expect(table.get(node.id)?.ip).toBe('2606:2::1');
  });

  it('has no more of a network there than elsewhere', () => {
    const table = newTable();
    for (let n = 0; n < 40; n++) {
      table.addFound(nodeOf({ ...both(n), ip6: `2606:4700:${n}::1` }), 0);
    }
    const before = table.size;
    expect(before).toBeGreaterThan(2 * TABLE_NETWORK_LIMIT);
    for (let n = 0; n < before; n++) check(table, () => false);
    const turned = table.entries().filter(({ ip }) => ip.includes(':'));
    expect(turned.length).toBeLessThanOrEqual(TABLE_NETWORK_LIMIT);
  });
});

describe('a lookup', () => {
  it('asks a node that does not answer at its other place, once more than others have named it', () => {
    const node = nodeOf(both(1));
    const lookup = new Lookup({ target: node.id, start: [node], localId, otherPlace: turn });
    expect(lookup.next()).toEqual([node]);
    const other = turn(node);
    expect(lookup.failed(node.id)).toEqual(other);
    expect(lookup.next()).toEqual([other]);
    lookup.answered(node.id, []);
    expect(lookup.result).toEqual([other]);
    expect([lookup.done, lookup.asked]).toEqual([true, 2]);
  });

  it('ends when it is at neither', () => {
    const node = nodeOf(both(1));
    const lookup = new Lookup({ target: node.id, start: [node], localId, otherPlace: turn });
    for (let nodes = lookup.next(); nodes.length > 0; nodes = lookup.next()) lookup.failed(node.id);
    // At each place twice.
    expect([lookup.done, lookup.asked, lookup.result]).toEqual([true, 4, []]);
  });
});

describe('a node that is asked', () => {
  /** Without a place in the table; answers where `isThere`. */
  function setUp(isThere: (node: KadNode) => boolean) {
    const room = { isFull: false };
    const table = { get: () => undefined, isLive: () => false };
    const places = new Places({ table, otherPlace: turn, room });
    const asked: string[] = [];
    const ask = (node: KadNode, mayGoOn?: () => boolean) => {
      asked.splice(0);
      let result: boolean | undefined;
      places.ask<boolean, string>(
        node,
        (place, done) => {
          asked.push(place.ip);
          done(isThere(place) || undefined);
        },
        (found) => {
          result = found;
        },
        mayGoOn,
      );
      return { result, asked: [...asked] };
    };
    return { ask, room };
  }

  it('begins where it has answered, and follows it back', () => {
    let family = 6;
    const { ask } = setUp(({ ip }) => ip.includes(':') === (family === 6));
    const node = nodeOf(both(1));
    const [ip, ip6] = [node.ip, turn(node)?.ip];
    expect(ask(node)).toEqual({ result: true, asked: [ip, ip6] });
    expect(ask(node)).toEqual({ result: true, asked: [ip6] });
    family = 4;
    expect(ask(node)).toEqual({ result: true, asked: [ip6, ip] });
    expect(ask(node)).toEqual({ result: true, asked: [ip] });
    expect(ask(nodeOf(both(2))).asked).toHaveLength(1);
  });

  it('is asked once where there is no room for more, and where the caller says so', () => {
    const { ask, room } = setUp(() => false);
    const node = nodeOf(both(1));
    expect(ask(node).asked).toHaveLength(2);
    expect(ask(node, () => false).asked).toHaveLength(1);
    room.isFull = true;
    expect(ask(node).asked).toHaveLength(1);
  });
});
