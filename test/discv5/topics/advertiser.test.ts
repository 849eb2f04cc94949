import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../../src/base/bytes.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { Advertiser, type RegistrationToSend } from '../../../src/discv5/topics/advertiser.ts';
import { Exclusions } from '../../../src/discv5/topics/exclusions.ts';
import {
  DELTA,
  E,
  K_REGISTER,
  MAX_REGISTERING,
  MAX_TICKETS,
  MAX_WAITED_E,
  MIN_RENEWAL_MS,
  MIN_RETRY_MS,
  PLACEMENT_CYCLE_MS,
} from '../../../src/discv5/topics/parameters.ts';
import type { Answer } from '../../../src/discv5/topics/registration.ts';
import { ServiceTable } from '../../../src/discv5/topics/service-table.ts';
import type { KadNode } from '../../../src/kad/index.ts';
import { ipOf, nodeAt } from '../../support/kad-nodes.ts';
import { topicNode, topicOf } from './nodes.ts';

const topic = topicOf(0);
const env = new VirtualEnv({ seed: 31 });
const { record } = topicNode(env, '9.9.9.9');
const admitted: Answer = { kind: 'admitted', lifetimeMs: E };
const ticketFor = (waitMs: number, ticket = Uint8Array.of(1, 2, 3)): Answer => ({
  kind: 'wait',
  ticket,
  waitMs,
});

/** @param sizes how many nodes there are at each distance */
function setUp(sizes: Readonly<Record<number, number>>, burden?: (id: Uint8Array) => number) {
  const exclusions = new Exclusions();
  const table = new ServiceTable({ topic, localId: new Uint8Array(32), exclusions });
  for (const [distance, size] of Object.entries(sizes)) {
    for (let n = 0; n < size; n++) {
      const ip = ipOf(Number(distance) * 256 + n);
      table.addLive([{ ...nodeAt(topic, Number(distance), n, { ip }), record }], 0);
    }
  }
  const advertiser = new Advertiser({ table, randomBytes: (length) => env.randomBytes(length), burden });
  const distanceOf = ({ node }: RegistrationToSend): number => table.distanceOf(node.id);
  const failed = (id: Uint8Array, now: number): void => {
    if (advertiser.unanswered(id)) table.failed(id, now);
  };
  /** Asks all that there are to ask, with one answer for all. */
  const run = (now: number, answer: Answer | 'failed'): RegistrationToSend[] => {
    const all: RegistrationToSend[] = [];
    for (let sent = advertiser.next(now); sent.length > 0; sent = advertiser.next(now)) {
      for (const { node } of sent) {
        if (answer === 'failed') failed(node.id, now);
        else advertiser.answered(node.id, answer, now);
      }
      all.push(...sent);
    }
    return all;
  };
  return { table, exclusions, advertiser, distanceOf, failed, run };
}

describe('placement', () => {
  it('is five registrars of each bucket, the farthest first, eight at once, without a ticket', () => {
    const { advertiser, distanceOf, run } = setUp({ 256: 16, 255: 9, 250: 2 });
    const first = advertiser.next(0);
    expect(first.map(distanceOf)).toEqual([256, 256, 256, 256, 256, 255, 255, 255]);
    expect(first).toHaveLength(MAX_REGISTERING);
    expect(advertiser.next(0)).toEqual([]);
    expect(advertiser.deadline).toBe(Number.POSITIVE_INFINITY);
    for (const { node, ticket, distances } of first) {
      expect(ticket).toHaveLength(0);
      expect(distances).toContain(248);
      advertiser.answered(node.id, admitted, 0);
    }
    const rest = run(0, admitted);
    expect(rest.map(distanceOf)).toEqual([255, 255, 250, 250]);
    expect(advertiser.stats).toEqual({ active: 2 * K_REGISTER + 2, pending: 0 });
    expect(new Set([...first, ...rest].map(({ node }) => toBareHex(node.id))).size).toBe(12);
    expect(advertiser.next(1)).toEqual([]);
    expect(advertiser.deadline).toBe(PLACEMENT_CYCLE_MS);
  });

  it('goes on with another registrar when one fails, and comes back to none within a cycle', () => {
    const { advertiser, run } = setUp({ 256: 9 });
    const sent = run(0, 'failed');
    expect(new Set(sent.map(({ node }) => toBareHex(node.id))).size).toBe(9);
    expect(sent).toHaveLength(9);
    expect(advertiser.stats).toEqual({ active: 0, pending: 0 });
    expect(run(PLACEMENT_CYCLE_MS - 1, admitted)).toEqual([]);
    expect(run(PLACEMENT_CYCLE_MS, admitted)).toHaveLength(K_REGISTER);
  });

  it('comes back within a cycle to one that said nothing at all, as soon as it says anything', () => {
    const { advertiser, run } = setUp({ 256: 2 });
    const [silent, useless] = run(0, 'failed').map(({ node }) => node.id);
    if (silent === undefined || useless === undefined) throw new Error('two were asked');
    advertiser.silent(silent);
    expect(advertiser.next(1)).toEqual([]);
    expect([useless, silent, silent].map((id) => advertiser.heard(id))).toEqual([false, true, false]);
    expect(advertiser.deadline).toBe(Number.NEGATIVE_INFINITY);
    expect(run(1, admitted).map(({ node }) => node.id)).toEqual([silent]);
  });

  it('is of registrars that have least of our other topics', () => {
    const burdens = new Map<string, number>();
    const burden = (id: Uint8Array): number => burdens.get(toBareHex(id)) ?? 0;
    const { advertiser, table, run } = setUp({ 256: 12 }, burden);
    const nodes = table.at(256, 0);
    nodes.forEach(({ id }, i) => void burdens.set(toBareHex(id), i % 4));
    const chosen = run(0, admitted).map(({ node }) => burden(node.id));
    expect(chosen).toEqual([0, 0, 0, 1, 1]);
    expect(nodes.filter(({ id }) => advertiser.isAt(id))).toHaveLength(K_REGISTER);
  });

  it('takes nodes that the table has learned of', () => {
    const { table, advertiser, run } = setUp({ 256: 2 });
    run(0, admitted);
    table.addLive([{ ...nodeAt(topic, 256, 9, { ip: ipOf(9) }), record }], 5);
    expect(advertiser.next(5)).toEqual([]);
    advertiser.tableChanged();
    expect(advertiser.deadline).toBe(Number.NEGATIVE_INFINITY);
    expect(advertiser.next(5)).toHaveLength(1);
  });

  it('leaves a registrar alone that failed twice', () => {
    const { table, run } = setUp({ 256: 1 });
    run(0, 'failed');
    expect(table.size).toBe(1);
    run(PLACEMENT_CYCLE_MS, 'failed');
    expect(table.size).toBe(0);
  });
});

describe('a ticket', () => {
  it('is shown when the wait is over, a little later for clocks that differ, and the latest one only', () => {
    const { advertiser, run } = setUp({ 256: 1 });
    run(0, ticketFor(45_000));
    expect(advertiser.stats).toEqual({ active: 0, pending: 1 });
    const at = advertiser.deadline;
    expect(at).toBeGreaterThan(45_000);
    expect(at).toBeLessThan(45_000 + DELTA / 10);
    expect(advertiser.next(45_000)).toEqual([]);
    expect(run(at, ticketFor(5_000, Uint8Array.of(7))).map(({ ticket }) => [...ticket])).toEqual([[1, 2, 3]]);
    expect(run(advertiser.deadline, admitted).map(({ ticket }) => [...ticket])).toEqual([[7]]);
    expect(advertiser.stats).toEqual({ active: 1, pending: 0 });
  });

  it('is given up when its window has gone by', () => {
    const { advertiser, failed, run } = setUp({ 256: 1 });
    run(0, ticketFor(60_000));
    const late = 60_000 + DELTA + 1;
    expect(advertiser.next(late).map(({ ticket }) => ticket.length)).toEqual([0]);
    failed(new Uint8Array(32), late);
    expect(advertiser.stats).toEqual({ active: 0, pending: 1 });
  });

  it('is not asked for in a hurry, whatever the registrar says', () => {
    const { advertiser, run } = setUp({ 256: 1 });
    run(0, ticketFor(0));
    expect(advertiser.deadline).toBe(MIN_RETRY_MS);
  });

  it('is worth nothing when the record has changed, nor are answers about the old one', () => {
    const { advertiser, run } = setUp({ 256: 3 });
    const [a, b, c] = advertiser.next(0);
    if (a === undefined || b === undefined || c === undefined) throw new Error('nobody is asked');
    advertiser.answered(a.node.id, ticketFor(60_000), 0);
    advertiser.answered(b.node.id, admitted, 0);
    advertiser.recordChanged(10);
    advertiser.answered(c.node.id, ticketFor(60_000), 20);
    const again = run(20, ticketFor(60_000));
    expect(again.map(({ ticket }) => ticket.length)).toEqual([0, 0, 0]);
    expect(new Set(again.map(({ node }) => node)).size).toBe(3);
  });

  it('is given up where the record no longer says that we are reached from there', () => {
    const { advertiser, table } = setUp({ 256: 3 });
    const [a, b, c] = advertiser.next(0).map(({ node }) => node);
    if (a === undefined || b === undefined || c === undefined) throw new Error('nobody is asked');
    for (const { id } of [a, b]) advertiser.answered(id, admitted, 0);
    const isReached = (node: KadNode): boolean => node === b;
    for (const { id } of [a, c]) table.remove(id);
    advertiser.recordChanged(10, isReached);
    expect([a, b, c].map(({ id }) => advertiser.isAt(id))).toEqual([false, true, false]);
    expect(advertiser.next(10).map(({ node }) => node)).toEqual([b]);
    // Nobody waits for what the other was asked.
    expect(advertiser.answered(c.id, admitted, 20)).toBe(false);
  });
});

describe('a registrar is given up', () => {
  const isGivenUp = (...answers: readonly Answer[]): boolean => {
    const { advertiser, table } = setUp({ 256: 1 });
    let now = 0;
    for (const answer of answers) {
      let sent = advertiser.next(now);
      // In between it looks for others.
      for (let i = 0; i < 20 && sent.length === 0; i++) {
        now = advertiser.deadline;
        sent = advertiser.next(now);
      }
      for (const { node } of sent) advertiser.answered(node.id, answer, now);
    }
    const { active, pending } = advertiser.stats;
    expect(table.size).toBe(active + pending);
    return active + pending === 0;
  };

  it('that wants us to wait for longer than E, or not a number', () => {
    expect(isGivenUp(ticketFor(E))).toBe(false);
    expect(isGivenUp(ticketFor(E + 1))).toBe(true);
    expect(isGivenUp(ticketFor(Number.NaN))).toBe(true);
    expect(isGivenUp(ticketFor(-1))).toBe(true);
    expect(isGivenUp({ kind: 'admitted', lifetimeMs: Number.NaN })).toBe(true);
    expect(isGivenUp({ kind: 'admitted', lifetimeMs: 0 })).toBe(true);
  });

  it('that gives tickets without end', () => {
    expect(isGivenUp(...new Array<Answer>(MAX_TICKETS).fill(ticketFor(1)))).toBe(false);
    // A moment is what it waits for each.
    expect(isGivenUp(...new Array<Answer>(MAX_TICKETS + 5).fill(ticketFor(1)))).toBe(true);
  });

  it('but not one that has us wait for a quarter of a minute more each time, as an honest one does whose cache fills', () => {
    const waits = new Array<Answer>(4 * MAX_TICKETS).fill(ticketFor(15_000));
    expect(isGivenUp(...waits)).toBe(false);
    expect(isGivenUp(...new Array<Answer>(4 * MAX_TICKETS).fill(ticketFor(5_000)))).toBe(true);
  });

  it('that keeps us waiting for too long, for this topic, and is there for searches and other topics', () => {
    const { advertiser, table, exclusions, run } = setUp({ 256: 1 });
    const [registrar] = table.at(256, 0);
    if (registrar === undefined) throw new Error('there is one');
    let [now, at] = [0, 0];
    for (; advertiser.stats.pending > 0 || at === 0; at = advertiser.deadline) {
      now = at;
      run(now, ticketFor(E));
      expect(now).toBeLessThan(MAX_WAITED_E * E);
    }
    expect(exclusions.has(registrar.id, now)).toBe(false);
    expect(table.size).toBe(1);
    // Nor is it asked again and again.
    expect(run(now + PLACEMENT_CYCLE_MS, admitted)).toEqual([]);
    expect(run(now + E, admitted)).toHaveLength(1);
  });

  it('whose ticket is empty or has no end', () => {
    expect(isGivenUp(ticketFor(1, new Uint8Array(512)))).toBe(false);
    expect(isGivenUp(ticketFor(1, new Uint8Array(513)))).toBe(true);
    expect(isGivenUp(ticketFor(1, new Uint8Array(0)))).toBe(true);
  });
});

describe('an advertisement', () => {
  it('is renewed in the second half of its life, and counts as placed until that is over', () => {
    const { advertiser, run } = setUp({ 256: 1 });
    run(0, admitted);
    const due = (): number => {
      let now = advertiser.deadline;
      while (advertiser.next(now).length === 0) now = advertiser.deadline;
      return now;
    };
    const now = due();
    expect(now).toBeGreaterThan(E / 2);
    expect(now).toBeLessThan(E * 0.6);
    const [{ node } = { node: undefined }] = setUp({ 256: 1 }).advertiser.next(0);
    if (node === undefined) throw new Error('nobody is asked');
    advertiser.answered(node.id, ticketFor(E - 1_000), now);
    expect(advertiser.stats).toEqual({ active: 1, pending: 0 });
    advertiser.next(E);
    expect(advertiser.stats).toEqual({ active: 0, pending: 1 });
  });

  it('is renewed as long before its end as it took to be let in, but not at once', () => {
    const renewedAfter = (waitMs: number): number => {
      const { advertiser, run } = setUp({ 256: 1 });
      run(0, ticketFor(waitMs));
      let now = advertiser.deadline;
      while (run(now, admitted).length === 0) now = advertiser.deadline;
      const admittedAt = now;
      while (advertiser.next(now).length === 0) now = advertiser.deadline;
      return now - admittedAt;
    };
    expect(renewedAfter(1_000)).toBeGreaterThan(E / 2);
    const early = renewedAfter(0.7 * E);
    expect(early + 0.7 * E).toBeLessThanOrEqual(E);
    expect(early).toBeGreaterThan(0.29 * E);
    expect(renewedAfter(E)).toBeGreaterThan(E / 10);
    expect(renewedAfter(E)).toBeLessThan(0.11 * E);
  });

  it('is not renewed without end, whatever its lifetime is said to be', () => {
    const { run } = setUp({ 256: 1 });
    run(0, { kind: 'admitted', lifetimeMs: 1 });
    expect(run(MIN_RENEWAL_MS - 1, admitted)).toEqual([]);
    expect(run(MIN_RENEWAL_MS, { kind: 'admitted', lifetimeMs: 1e300 })).toHaveLength(1);
    expect(run(MIN_RENEWAL_MS + MAX_WAITED_E * E, admitted)).toHaveLength(1);
  });

  it('is not believed in when nobody was asked', () => {
    const { advertiser, failed, run, table } = setUp({ 256: 1 });
    const [node] = table.at(256, 0);
    if (node === undefined) throw new Error('there is none');
    advertiser.answered(node.id, admitted, 0);
    expect(advertiser.stats).toEqual({ active: 0, pending: 0 });
    run(0, ticketFor(1_000));
    advertiser.answered(node.id, admitted, 10);
    failed(node.id, 10);
    expect(advertiser.stats).toEqual({ active: 0, pending: 1 });
  });
});
