import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  FAST_CHECK_INTERVAL_MS,
  FEW_ENTRIES,
  type KadNode,
  MAX_MISSES,
  MAX_REQUEST_FAILURES,
  SLOW_CHECK_INTERVAL_MS,
  Table,
} from '../../src/kad/index.ts';
import { codeOf } from '../support/errors.ts';
import { ipOf, movedTo, nodeAt, randomNode } from '../support/kad-nodes.ts';

const env = new VirtualEnv({ seed: 6 });
const localId = env.randomBytes(32);
const a = nodeAt(localId, 250, 0);
const b = nodeAt(localId, 250, 1);

const newTable = (): Table => new Table({ localId, randomBytes: (length) => env.randomBytes(length) });

/** Goes to the deadline and gives what is to be checked there. */
function nextDue(table: Table): { node: KadNode | undefined; now: number } {
  const now = table.deadline;
  return { node: table.nextCheck(now), now };
}

function live(table: Table, node: KadNode): void {
  table.addFound(node, 0);
  table.checked(node.id, node, 0);
}

describe('a check', () => {
  it('is never due in an empty table', () => {
    const table = newTable();
    expect([table.deadline, table.nextCheck(1e9)]).toEqual([Number.POSITIVE_INFINITY, undefined]);
  });

  it('of a new entry is due within seconds, and not before the deadline', () => {
    const table = newTable();
    table.addFound(a, 1000);
    const { deadline } = table;
    expect(deadline).toBeGreaterThan(1000);
    expect(deadline).toBeLessThanOrEqual(1000 + FAST_CHECK_INTERVAL_MS);
    expect(table.nextCheck(deadline - 0.001)).toBeUndefined();
    expect(table.nextCheck(deadline)).toBe(a);
  });

  it('is under way until its result is there, and nobody is checked twice at once', () => {
    const table = newTable();
    table.addFound(a, 0);
    table.addFound(b, 0);
    const first = nextDue(table);
    const second = nextDue(table);
    expect(new Set([first.node, second.node])).toEqual(new Set([a, b]));
    expect([table.deadline, table.nextCheck(1e9)]).toEqual([Number.POSITIVE_INFINITY, undefined]);
    table.checked(a.id, a, 1e9);
    expect(table.deadline).toBeLessThanOrEqual(1e9 + SLOW_CHECK_INTERVAL_MS);
  });

  it('is passed before a node counts', () => {
    const table = newTable();
    table.addInbound(a, 0);
    expect([table.closest(localId), table.closest(localId, 16, { onlyLive: false })]).toEqual([[], [a]]);
    nextDue(table);
    table.checked(a.id, a, 0);
    expect([table.closest(localId), table.isLive(a.id), table.stats().live]).toEqual([[a], true, 1]);
  });

  it('comes after the longer interval for a live entry', () => {
    const table = newTable();
    let longest = 0;
    live(table, a);
    for (let round = 0, now = 0; round < 200; round++) {
      const due = nextDue(table);
      expect(due.node).toBe(a);
      longest = Math.max(longest, due.now - now);
      now = due.now;
      table.checked(a.id, a, now);
    }
    expect(longest).toBeGreaterThan(FAST_CHECK_INTERVAL_MS);
    expect(longest).toBeLessThanOrEqual(SLOW_CHECK_INTERVAL_MS);
  });

  it('without an answer is the end of an entry that is not live', () => {
    const table = newTable();
    table.addFound(a, 0);
    nextDue(table);
    table.checked(a.id, undefined, 0);
    expect([table.size, table.deadline]).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  it('without an answer is repeated soon for a live entry, which goes after the third in a row', () => {
    const table = newTable();
    live(table, a);
    const miss = (times: number): void => {
      for (let i = 0; i < times; i++) {
        const { node, now } = nextDue(table);
        expect(node).toBe(a);
        table.checked(a.id, undefined, now);
        if (table.has(a.id)) expect(table.deadline).toBeLessThanOrEqual(now + FAST_CHECK_INTERVAL_MS);
      }
    };
    miss(MAX_MISSES - 1);
    const { now } = nextDue(table);
    table.checked(a.id, a, now);
    miss(MAX_MISSES - 1);
    expect(table.isLive(a.id)).toBe(true);
    miss(1);
    expect(table.has(a.id)).toBe(false);
  });

  it('without an answer makes room for a replacement, which is checked next', () => {
    const table = newTable();
    for (let n = 0; n < 17; n++) table.addFound(nodeAt(localId, 250, n), 0);
    const { node, now } = nextDue(table);
    table.checked(node?.id ?? localId, undefined, now);
    expect(table.has(node?.id ?? localId)).toBe(false);
    expect([table.size, table.has(nodeAt(localId, 250, 16).id)]).toEqual([16, true]);
    const checked = new Set(Array.from({ length: 16 }, () => nextDue(table).node));
    expect(checked).toEqual(new Set(table.entries()));
  });

  it('follows soon when a request to a live entry has failed', () => {
    let table = newTable();
    // A time drawn for the slow list may be early too, but not always.
    for (let round = 0; round < 50; round++) {
      table = newTable();
      live(table, a);
      table.trackRequest(a, false, 5);
      expect(table.deadline).toBeLessThanOrEqual(5 + FAST_CHECK_INTERVAL_MS);
      expect(table.isLive(a.id)).toBe(true);
    }
    const { now } = nextDue(table);
    // The check is under way: nothing is to be brought forward.
    table.trackRequest(a, false, now);
    expect(table.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it('of an endpoint that the entry has left meanwhile counts no more', () => {
    const table = newTable();
    table.addFound(a, 0);
    const { now } = nextDue(table);
    const moved = movedTo(a, ipOf(9));
    expect(table.addInbound(moved, now)).toBe('updated');
    table.checked(a.id, undefined, now);
    expect(table.has(a.id)).toBe(true);
    table.checked(a.id, moved, now);
    expect(table.isLive(a.id)).toBe(true);
  });

  it('of an entry that has gone, or has come again since, is nothing', () => {
    const table = newTable();
    table.addFound(a, 0);
    const { now } = nextDue(table);
    const others = Array.from({ length: FEW_ENTRIES - 1 }, (_, n) => nodeAt(localId, 250, 10 + n));
    for (const node of others) table.addFound(node, now);
    for (let i = 0; i < MAX_REQUEST_FAILURES; i++) table.trackRequest(a, false, now);
    table.checked(a.id, a, now);
    expect(table.entries()).toEqual(others);
    table.addFound(a, now);
    table.checked(a.id, undefined, now);
    expect(table.has(a.id)).toBe(true);
  });

  it('of a replacement is nothing', () => {
    const table = newTable();
    const nodes = Array.from({ length: 17 }, (_, n) => nodeAt(localId, 250, n));
    for (const node of nodes) table.addFound(node, 0);
    const last = nodes[16] ?? a;
    table.checked(last.id, last, 0);
    expect([table.isLive(last.id), table.stats()]).toMatchObject([false, { live: 0, replacements: 1 }]);
  });

  it('is answered by the node that was asked', () => {
    const table = newTable();
    table.addFound(a, 0);
    expect(codeOf(() => table.checked(a.id, b, 0))).toBe('invalid-argument');
  });

  it('comes to all entries, in an order that nobody can foresee', () => {
    const orders = Array.from({ length: 5 }, () => {
      const table = newTable();
      const nodes = Array.from({ length: 10 }, (_, n) => nodeAt(localId, 250, n));
      for (const node of nodes) table.addFound(node, 0);
      const order = nodes.map(() => toBareHex(nextDue(table).node?.id ?? localId));
      expect(new Set(order).size).toBe(10);
      return order.join();
    });
    expect(new Set(orders).size).toBe(5);
  });

  it('goes on for as long as the table lives, at a rate that does not depend on its size', () => {
    const table = newTable();
    for (let n = 0; n < 2_000; n++) table.addFound(randomNode(env, { ip: ipOf(n) }), 0);
    const size = table.size;
    expect(size).toBeGreaterThan(100);
    let [now, checks] = [0, 0];
    const hour = 3_600_000;
    const counts = new Map<string, number>();
    while (table.deadline <= hour) {
      now = table.deadline;
      for (let node = table.nextCheck(now); node !== undefined; node = table.nextCheck(now)) {
        const key = toBareHex(node.id);
        counts.set(key, (counts.get(key) ?? 0) + 1);
        table.checked(node.id, node, now);
        checks++;
      }
    }
    expect([table.stats().live, counts.size]).toEqual([size, size]);
    // Half of the longest interval on average; each entry was once on the fast list.
    const expected = size + (2 * hour) / SLOW_CHECK_INTERVAL_MS;
    expect(checks).toBeGreaterThan(0.8 * expected - size);
    expect(checks).toBeLessThan(1.2 * expected);
  });
});
