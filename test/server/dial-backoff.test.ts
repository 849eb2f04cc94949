import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONSEQUENCES, type ErrorCode, PeerlaneError } from '../../src/base/errors.ts';
import { DISCONNECT_REASONS } from '../../src/p2p/index.ts';
import {
  type Backoff,
  backoffAfter,
  DialHistory,
  type DialOutcome,
  MAX_DIAL_BACKOFF_MS,
  MAX_DIAL_HISTORY,
  outcomeOf,
  outcomeOfStay,
} from '../../src/server/dial-backoff.ts';

const OUTCOMES: readonly DialOutcome[] = [
  'stayed',
  'own',
  'unreachable',
  'full',
  'left',
  'useless',
  'refused',
  'breach',
];
const DIAL = { from: 0, isStatic: false, isLonely: false, random: 0 };
const MINUTE = 60_000;

/** The waits after each of so many dials in a row, in ms. */
function waits(outcome: DialOutcome, count: number, change: Partial<typeof DIAL> = {}): number[] {
  const found: number[] = [];
  let backoff: Backoff | undefined;
  for (let i = 0; i < count; i++) {
    backoff = backoffAfter(backoff, { ...DIAL, outcome, ...change });
    found.push(backoff.until);
  }
  return found;
}

describe('how long a node is left alone', () => {
  it.each<[DialOutcome, number[]]>([
    [
      'unreachable',
      [35_000, 70_000, 140_000, 280_000, 560_000, 1_120_000, 2_240_000, 48 * MINUTE, 48 * MINUTE],
    ],
    ['left', [35_000, 70_000, 140_000]],
    ['full', [35_000, 70_000, 140_000, 280_000, 560_000, 1_120_000, 24 * MINUTE, 24 * MINUTE]],
    ['useless', [10 * MINUTE, 20 * MINUTE, 40 * MINUTE, 48 * MINUTE, 48 * MINUTE]],
    ['breach', [10 * MINUTE, 20 * MINUTE]],
    ['own', [35_000, 35_000, 35_000]],
    ['stayed', [35_000, 35_000, 35_000]],
  ])('%s: the first time, and each more in a row', (outcome, expected) => {
    expect(waits(outcome, expected.length)).toEqual(expected);
  });

  it('is five minutes at most for a static node', () => {
    expect(waits('unreachable', 5, { isStatic: true })).toEqual([35_000, 70_000, 140_000, 240_000, 240_000]);
    expect(waits('useless', 2, { isStatic: true })).toEqual([240_000, 240_000]);
  });

  it('is a minute at most while no peer is there, and does not grow of that: the network may be ours', () => {
    const before = { until: 0, failures: 6 };
    const after = backoffAfter(before, { ...DIAL, outcome: 'unreachable', isLonely: true });
    expect(after).toEqual({ until: 48_000, failures: 6 });
    expect(waits('unreachable', 3, { isLonely: true })).toEqual([35_000, 35_000, 35_000]);
    expect(waits('useless', 1, { isLonely: true })).toEqual([10 * MINUTE]);
  });

  it('begins anew after a peer that stayed', () => {
    const before = { until: 0, failures: 6 };
    expect(backoffAfter(before, { ...DIAL, outcome: 'stayed' }).failures).toBe(0);
    expect(backoffAfter(before, { ...DIAL, outcome: 'own' }).failures).toBe(6);
  });

  it('is up to a quarter longer, never shorter, and never beyond an hour', () => {
    const result = fc.record({
      outcome: fc.constantFrom(...OUTCOMES),
      from: fc.constant(0),
      isStatic: fc.boolean(),
      isLonely: fc.boolean(),
      random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(result, { maxLength: 3_000 }), (results) => {
        let [backoff, plain]: (Backoff | undefined)[] = [];
        for (const one of results) {
          backoff = backoffAfter(backoff, one);
          plain = backoffAfter(plain, { ...one, random: 0 });
          expect(backoff.until).toBeGreaterThanOrEqual(plain.until);
          expect(backoff.until).toBeLessThanOrEqual(Math.min(MAX_DIAL_BACKOFF_MS, plain.until * 1.25));
          expect(backoff.until).toBeGreaterThanOrEqual(35_000);
        }
      }),
      { numRuns: 30 },
    );
    expect(waits('unreachable', 1, { random: 0.8 })).toEqual([42_000]);
  });

  it('is drawn also where it grows no more, so that nobody comes back with all others', () => {
    const draws = [0, 0.25, 0.5, 0.75, 0.999];
    for (const [outcome, change, maxMs] of [
      ['unreachable', {}, 60 * MINUTE],
      ['unreachable', { isStatic: true }, 5 * MINUTE],
      ['full', {}, 30 * MINUTE],
    ] as const) {
      const last = draws.map((random) => waits(outcome, 12, { ...change, random }).at(-1) ?? 0);
      expect(new Set(last).size).toBe(draws.length);
      expect(Math.min(...last)).toBeCloseTo(maxMs / 1.25, 0);
      expect(Math.max(...last)).toBeGreaterThan(0.999 * maxMs);
      expect(Math.max(...last)).toBeLessThanOrEqual(maxMs);
    }
    const lonely = { ...DIAL, outcome: 'unreachable', isLonely: true } as const;
    const waited = draws.map(
      (random) => backoffAfter({ until: 0, failures: 6 }, { ...lonely, random }).until,
    );
    expect(new Set(waited).size).toBe(draws.length);
  });
});

describe('what an error says of a node', () => {
  const remote = (reason: string) => new PeerlaneError('remote-disconnect', '', { details: { reason } });

  it.each<[ErrorCode, DialOutcome]>([
    ['dial-failed', 'unreachable'],
    ['dial-timeout', 'unreachable'],
    ['handshake-timeout', 'unreachable'],
    ['too-many-peers', 'own'],
    ['server-closing', 'own'],
    ['banned', 'own'],
    ['system-limit', 'own'],
    ['bad-reputation', 'refused'],
    ['fork-id-mismatch', 'useless'],
    ['no-shared-capability', 'useless'],
    ['unexpected-identity', 'breach'],
    ['frame-body-mac', 'breach'],
    ['handshake-decrypt', 'breach'],
    ['status-timeout', 'left'],
  ])('%s: %s', (code, outcome) => {
    expect(outcomeOf(new PeerlaneError(code, ''))).toBe(outcome);
  });

  it.each([
    ['too-many-peers', 'full'],
    ['already-connected', 'own'],
    ['useless-peer', 'useless'],
    ['client-quitting', 'left'],
    ['requested', 'left'],
    ['0x77', 'left'],
  ])('the peer said %s: %s', (reason, outcome) => {
    expect(outcomeOf(remote(reason))).toBe(outcome);
  });

  it('is known for each error and each reason that there are', () => {
    for (const code of Object.keys(CONSEQUENCES)) {
      expect(OUTCOMES).toContain(outcomeOf(new PeerlaneError(code as ErrorCode, '')));
    }
    for (const reason of Object.keys(DISCONNECT_REASONS))
      expect(OUTCOMES).toContain(outcomeOf(remote(reason)));
  });

  it('says little of a peer that has stayed for a minute, unless it is useless', () => {
    expect(outcomeOfStay(new PeerlaneError('ping-timeout', ''), 59_999)).toBe('unreachable');
    expect(outcomeOfStay(new PeerlaneError('ping-timeout', ''), 60_000)).toBe('stayed');
    expect(outcomeOfStay(remote('useless-peer'), 1e9)).toBe('useless');
    expect(outcomeOfStay(new PeerlaneError('message-invalid', ''), 1e9)).toBe('breach');
  });
});

describe('the memory of nodes that were dialed', () => {
  it('says when a node may be dialed again', () => {
    const history = new DialHistory();
    expect(history.isOpen('a', 0)).toBe(true);
    history.put('a', { until: 100, failures: 1 });
    expect([history.isOpen('a', 99), history.isOpen('a', 100)]).toEqual([false, true]);
  });

  it('takes a bounded amount of memory in a flood of nodes', () => {
    const history = new DialHistory();
    for (let i = 0; i < 3 * MAX_DIAL_HISTORY; i++) history.put(`${i}`, { until: 0, failures: 1 });
    expect(history.size).toBe(MAX_DIAL_HISTORY);
    expect(history.get(`${3 * MAX_DIAL_HISTORY - 1}`)).toBeDefined();
  });
});
