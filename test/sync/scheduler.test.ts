import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answered,
  asked,
  type Limits,
  MAX_TIMEOUT_MS,
  newPeer,
  type PeerRecord,
  plan,
  released,
  sizeFor,
  timedOut,
  timeoutFor,
  type Unit,
} from '../../src/sync/scheduler.ts';
import { runs } from '../support/runs.ts';

const LIMITS: Limits = { startItems: 32, maxItems: 128, inFlight: 2, contiguous: false };
const RUNS: Limits = { ...LIMITS, contiguous: true };

const units = (from: number, to: number, fields: Partial<Unit> = {}): Unit[] =>
  Array.from({ length: to - from + 1 }, (_, i) => {
    return { number: from + i, holders: [], askedAt: 0, lackedBy: undefined, ...fields };
  });

/** A peer that answers `delivered` items in `ms`, and has done so for a while. */
function known(id: string, delivered: number, ms: number): PeerRecord {
  let peer = newPeer(id, LIMITS);
  for (let i = 1; i <= 20; i++) {
    const times = { sentAt: i * 10_000, now: i * 10_000 + ms };
    peer = answered(asked(peer), { ...times, asked: delivered, delivered }, LIMITS);
  }
  return peer;
}

const numbersOf = (peers: readonly PeerRecord[], wanted: readonly Unit[], limits = LIMITS, now = 0) =>
  plan(now, peers, wanted, limits).assignments.map(({ peer, numbers }) => [peer, numbers.length]);

describe('the size of a request', () => {
  it('is the start size for a peer that has not answered yet, which is asked once', () => {
    expect(numbersOf([newPeer('a', LIMITS)], units(1, 1000))).toEqual([['a', 32]]);
  });

  it('follows what the peer delivers in half a second', () => {
    expect(sizeFor(known('slow', 10, 500), LIMITS)).toBe(30);
    expect(sizeFor(known('fast', 100, 10), LIMITS)).toBe(128);
    expect(sizeFor(known('crawling', 1, 9000), LIMITS)).toBeGreaterThanOrEqual(1);
  });

  it('does not shrink because the way to the peer is long', () => {
    // One second to and fro, whatever is asked: the size grows to its bound.
    let peer = newPeer('far', LIMITS);
    for (let now = 0; now < 10_000; now += 1000) {
      const size = sizeFor(peer, LIMITS);
      peer = answered(asked(peer), { sentAt: now, now: now + 1000, asked: size, delivered: size }, LIMITS);
    }
    expect(sizeFor(peer, LIMITS)).toBe(128);
  });

  it('keeps to what fits into the answers of the peer, and grows again when more does', () => {
    const short = answered(known('a', 128, 10), { sentAt: 0, now: 10, asked: 128, delivered: 20 }, LIMITS);
    expect(sizeFor(short, LIMITS)).toBe(25);
    const full = answered(asked(short), { sentAt: 0, now: 10, asked: 25, delivered: 25 }, LIMITS);
    expect(sizeFor(full, LIMITS)).toBe(50);
  });

  it('takes a request that waited behind another from that one’s answer on', () => {
    const first = answered(
      asked(newPeer('a', LIMITS)),
      { sentAt: 0, now: 100, asked: 10, delivered: 10 },
      LIMITS,
    );
    const second = answered(asked(first), { sentAt: 0, now: 200, asked: 10, delivered: 10 }, LIMITS);
    expect(second.rate).toBeCloseTo(0.1);
  });
});

describe('the wait for an answer', () => {
  it('is as long as it may be at first, then a few times what the peer usually takes', () => {
    expect(timeoutFor(newPeer('a', LIMITS))).toBe(MAX_TIMEOUT_MS);
    expect(timeoutFor(known('a', 10, 1000))).toBe(4000);
    expect(timeoutFor(known('a', 10, 5))).toBe(2000);
    expect(timeoutFor(known('a', 10, 9000))).toBe(MAX_TIMEOUT_MS);
  });

  it('counts timeouts in a row', () => {
    const twice = timedOut(timedOut(known('a', 10, 10)));
    expect(twice.timeouts).toBe(2);
    expect(answered(twice, { sentAt: 0, now: 1, asked: 1, delivered: 1 }, LIMITS).timeouts).toBe(0);
    expect(released(twice).timeouts).toBe(2);
  });
});

describe('a plan', () => {
  it('gives the fastest peer what is needed first, and each several requests', () => {
    const peers = [known('slow', 10, 500), known('fast', 128, 10)];
    const { assignments } = plan(0, peers, units(1, 1000), LIMITS);
    expect(assignments.map(({ peer, numbers }) => [peer, numbers[0], numbers.length])).toEqual([
      ['fast', 1, 128],
      ['slow', 129, 30],
      ['fast', 159, 128],
      ['slow', 287, 30],
    ]);
  });

  it('leaves out what a peer does not have, and what is asked for', () => {
    const wanted = [
      ...units(1, 5, { lackedBy: new Set(['a']) }),
      ...units(6, 8),
      ...units(9, 9, { holders: ['b'] }),
    ];
    const peers = [newPeer('a', LIMITS)];
    expect(plan(0, peers, wanted, LIMITS).assignments.map(({ numbers }) => numbers)).toEqual([[6, 7, 8]]);
  });

  it('asks for neighbours only, where a request is a range', () => {
    const wanted = [...units(1, 3), ...units(4, 4, { holders: ['b'] }), ...units(5, 9)].toReversed();
    const peers = [known('a', 128, 10)];
    const { assignments } = plan(0, peers, wanted, RUNS);
    expect(assignments.map(({ numbers }) => numbers)).toEqual([
      [9, 8, 7, 6, 5],
      [3, 2, 1],
    ]);
  });

  it('lets a peer rest until its time', () => {
    const peer = released(asked(known('a', 10, 10)), 500);
    expect(plan(499, [peer], units(1, 10), LIMITS)).toEqual({ assignments: [], wakeAt: 500 });
    expect(plan(500, [peer], units(1, 10), LIMITS).assignments.length).toBe(1);
  });

  it('asks a free peer again for what another owes, once nothing else is wanted', () => {
    const owed = units(1, 10, { holders: ['slow'], askedAt: 1000 });
    const free = [known('a', 128, 10)];
    expect(plan(1100, free, owed, LIMITS)).toEqual({ assignments: [], wakeAt: 1500 });
    expect(plan(1500, free, owed, LIMITS).assignments.map(({ numbers }) => numbers.length)).toEqual([10]);
    expect(plan(1500, free, [...owed, ...units(11, 11)], LIMITS).assignments[0]?.numbers).toEqual([11]);
    const twice = units(1, 10, { holders: ['slow', 'b'], askedAt: 1000 });
    expect(plan(9000, free, twice, LIMITS).assignments).toEqual([]);
    expect(plan(9000, [known('slow', 1, 10)], owed, LIMITS).assignments).toEqual([]);
  });

  it('never gives a unit twice, asks beyond a bound, or asks whoever lacks it', () => {
    const peerArbitrary = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      delivered: fc.integer({ min: 0, max: 128 }),
      ms: fc.integer({ min: 1, max: 20_000 }),
      inFlight: fc.integer({ min: 0, max: 2 }),
    });
    const unitArbitrary = fc.record({
      number: fc.integer({ min: 1, max: 400 }),
      holders: fc.subarray(['a', 'b', 'c', 'd'], { maxLength: 2 }),
      askedAt: fc.integer({ min: 0, max: 5000 }),
      lackedBy: fc.option(
        fc.subarray(['a', 'b', 'c', 'd']).map((ids) => new Set(ids)),
        { nil: undefined },
      ),
    });
    const wantedArbitrary = fc
      .uniqueArray(unitArbitrary, { selector: ({ number }) => number, maxLength: 300 })
      .map((list) => list.toSorted((x, y) => x.number - y.number));
    fc.assert(
      fc.property(
        fc.uniqueArray(peerArbitrary, { selector: ({ id }) => id }),
        wantedArbitrary,
        fc.boolean(),
        (seeds, wanted, contiguous) => {
          const limits = { ...LIMITS, contiguous };
          const peers = seeds.map(({ id, delivered, ms, inFlight }) => {
            return { ...(delivered === 0 ? newPeer(id, limits) : known(id, delivered, ms)), inFlight };
          });
          const { assignments } = plan(4000, peers, wanted, limits);
          const all = assignments.flatMap(({ numbers }) => numbers);
          expect(new Set(all).size).toBe(all.length);
          for (const peer of peers) {
            const own = assignments.filter((assignment) => assignment.peer === peer.id);
            const room = (peer.rate === 0 ? 1 : limits.inFlight) - peer.inFlight;
            expect(own.length).toBeLessThanOrEqual(Math.max(0, room));
            for (const { numbers } of own) {
              expect(numbers.length).toBeGreaterThan(0);
              expect(numbers.length).toBeLessThanOrEqual(sizeFor(peer, limits));
              const given = wanted.filter(({ number }) => numbers.includes(number));
              for (const { holders, lackedBy } of given) {
                expect(lackedBy?.has(peer.id) ?? false).toBe(false);
                expect(holders.includes(peer.id)).toBe(false);
                expect(holders.length).toBeLessThan(2);
              }
              if (contiguous) expect((numbers.at(-1) ?? 0) - (numbers[0] ?? 0)).toBe(numbers.length - 1);
            }
          }
        },
      ),
      { numRuns: runs(100) },
    );
  });
});
