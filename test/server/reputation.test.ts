import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONSEQUENCES, type ErrorCode, PeerlaneError } from '../../src/base/errors.ts';
import { eventOf, REPUTATION_EVENTS, type ReputationEventKind } from '../../src/base/reputation-events.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { Bans } from '../../src/server/bans.ts';
import { Conduct } from '../../src/server/conduct.ts';
import {
  BAN_MS,
  BLANK_HISTORY,
  defaultPolicy,
  isOursToBlame,
  MAX_RECENT_EVENTS,
  MAX_SCORE,
  MIN_SCORE,
  PENALTY_MS,
  REPUTATION_HALF_LIFE_MS,
  type ReputationHistory,
  replayPolicy,
  scoreAt,
  sparing,
  withEvent,
} from '../../src/server/reputation.ts';
import { codeOf } from '../support/errors.ts';

const having = (...kinds: ReputationEventKind[]): ReputationHistory =>
  kinds.reduce((history, kind) => withEvent(history, { kind, at: 0 }), BLANK_HISTORY);
const times = (count: number, kind: ReputationEventKind) => Array.from({ length: count }, () => kind);

const unreadable = (): never => {
  throw new Error('unreadable');
};

const kinds = Object.keys(REPUTATION_EVENTS) as ReputationEventKind[];
const event = fc.record({ kind: fc.constantFrom(...kinds), wait: fc.integer({ min: 0, max: 3_600_000 }) });
const histories = fc.array(event, { maxLength: 60 }).map((events) => {
  let at = 0;
  return events.map(({ kind, wait }) => {
    at += wait;
    return { kind, at };
  });
});

describe('a score', () => {
  it('is bounded, and so is what is remembered', () => {
    fc.assert(
      fc.property(histories, (events) => {
        let history = BLANK_HISTORY;
        for (const one of events) {
          history = withEvent(history, one);
          expect(history.score).toBeGreaterThanOrEqual(MIN_SCORE);
          expect(history.score).toBeLessThanOrEqual(MAX_SCORE);
          expect(history.recent.length).toBeLessThanOrEqual(MAX_RECENT_EVENTS);
          expect(history.recent.at(-1)).toBe(one);
        }
      }),
    );
  });

  it('halves in each half-life, and is nothing in the end', () => {
    const history = having('breach');
    expect(scoreAt(history, REPUTATION_HALF_LIFE_MS)).toBeCloseTo(REPUTATION_EVENTS.breach / 2);
    fc.assert(
      fc.property(histories, (events) => {
        const history = events.reduce(withEvent, BLANK_HISTORY);
        expect(Math.abs(scoreAt(history, history.at + 20 * REPUTATION_HALF_LIFE_MS))).toBeLessThan(0.001);
        // Of a clock that went back nothing follows.
        expect(scoreAt(history, history.at - 1)).toBe(history.score);
      }),
    );
  });

  it('is never the better for one bad event more, nor the worse for one good', () => {
    fc.assert(
      fc.property(histories, fc.nat(60), fc.constantFrom(...kinds), (events, where, kind) => {
        const i = Math.min(where, events.length);
        const at = events[i]?.at ?? events.at(-1)?.at ?? 0;
        const more = [...events.slice(0, i), { kind, at }, ...events.slice(i)];
        const [without, including] = [events, more].map(
          (each) => each.reduce(withEvent, BLANK_HISTORY).score,
        );
        const change = ((including ?? 0) - (without ?? 0)) * Math.sign(REPUTATION_EVENTS[kind]);
        expect(change).toBeGreaterThanOrEqual(-1e-9);
      }),
    );
  });
});

describe('the default policy', () => {
  it.each<[string, ReputationEventKind[], string]>([
    ['nothing', [], 'keep'],
    ['good answers', times(100, 'good-answer'), 'keep'],
    ['one timeout', ['timeout'], 'keep'],
    ['four timeouts', times(4, 'timeout'), 'penalise'],
    ['a breach', ['breach'], 'penalise'],
    ['a breach after many good answers', [...times(100, 'good-answer'), 'breach'], 'keep'],
    ['twelve timeouts', times(12, 'timeout'), 'disconnect'],
    ['sixty empty answers', times(60, 'useless-answer'), 'disconnect'],
    ['a hundred slips', times(100, 'minor'), 'disconnect'],
    ['one bad block', ['bad-block'], 'disconnect'],
    ['two breaches', times(2, 'breach'), 'disconnect'],
    ['three breaches', times(3, 'breach'), 'ban'],
    ['two bad blocks', times(2, 'bad-block'), 'ban'],
    ['an attack', ['hostile'], 'ban'],
  ])('after %s', (_, events, kind) => {
    expect(defaultPolicy(having(...events)).kind).toBe(kind);
  });

  it('gives times and reasons', () => {
    expect(defaultPolicy(having('timeout', ...times(3, 'breach'), 'good-answer'))).toEqual({
      kind: 'ban',
      forMs: BAN_MS,
      reason: '3 breach, 1 timeout',
    });
    expect(defaultPolicy(having('breach'))).toEqual({
      kind: 'penalise',
      forMs: PENALTY_MS,
      reason: '1 breach',
    });
  });

  it('can be tried on what was recorded', () => {
    const events = times(3, 'breach').map((kind, i) => ({ kind, at: i * REPUTATION_HALF_LIFE_MS }));
    expect(replayPolicy(events).map(({ at, score, decision }) => [at, score, decision.kind])).toEqual([
      [0, -40, 'penalise'],
      [REPUTATION_HALF_LIFE_MS, -60, 'disconnect'],
      [2 * REPUTATION_HALF_LIFE_MS, -70, 'disconnect'],
    ]);
    const strict = replayPolicy(events, ({ recent }) =>
      recent.length > 1 ? { kind: 'ban', forMs: 1, reason: 'twice' } : { kind: 'keep' },
    );
    expect(strict.map(({ decision }) => decision.kind)).toEqual(['keep', 'ban', 'ban']);
  });
});

describe('a dry run', () => {
  const kinds = fc.constantFrom(...(Object.keys(REPUTATION_EVENTS) as ReputationEventKind[]));
  const happened = fc.array(fc.tuple(kinds, fc.integer({ min: 0, max: 20 * 60_000 })), {
    maxLength: 120,
    size: 'max',
  });

  it('of a history that has lost its beginning decides as was decided', () => {
    fc.assert(
      fc.property(happened, fc.nat(120), (steps, savedAt) => {
        const env = new VirtualEnv();
        const wanted: unknown[] = [];
        const policy = (history: ReputationHistory) => {
          const decision = defaultPolicy(history);
          wanted.push([history.score, history.recent, decision]);
          return decision;
        };
        const conduct = new Conduct({
          ...{ env, bans: new Bans(env), policy, isKept: () => true, isKeptAt: () => false },
          ...{ isPeer: () => true, others: () => 10, drop: () => undefined, banned: () => undefined },
          onEvent: () => undefined,
        });
        for (const [kind, ms] of steps.slice(0, Math.max(1, savedAt))) {
          env.advance(ms);
          conduct.record('a', kind);
        }
        const saved = JSON.parse(JSON.stringify(conduct.history('a'))) as ReputationHistory;
        const decided = wanted.splice(0);
        const replayed = replayPolicy(saved, policy);
        expect(replayed).toHaveLength(Math.min(decided.length, MAX_RECENT_EVENTS));
        expect(wanted).toEqual(decided.slice(decided.length - replayed.length));
      }),
    );
  });

  it('refuses a history that is none', () => {
    const good = { score: 0, at: 0, recent: [] };
    for (const history of [
      {},
      { ...good, recent: [{ kind: 'nope', at: 0 }] },
      ...[null, 1, { ...good, score: 31 }, { ...good, at: '0' }, { score: 0, at: 0 }].map((before) => ({
        ...good,
        before,
      })),
    ]) {
      expect(codeOf(() => replayPolicy(history as never))).toBe('invalid-argument');
    }
    expect(replayPolicy({ ...good, before: good })).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['no array', {}],
    ['nothing', undefined],
    ['no event', [null]],
    ['a number', [1]],
    ['an event that there is not', [{ kind: 'nope', at: 0 }]],
    ['the name of what every object has', [{ kind: 'toString', at: 0 }]],
    ['no time', [{ kind: 'breach' }]],
    ['a time that is no number', [{ kind: 'breach', at: Number.NaN }]],
    ['a time without an end', [{ kind: 'breach', at: Number.POSITIVE_INFINITY }]],
    ['an event that cannot be read', [new Proxy({}, { get: () => unreadable() })]],
    ['a list that cannot be read', new Proxy([], { get: () => unreadable() })],
  ])('refuses %s', (_name, events) => {
    expect(codeOf(() => replayPolicy(events as never))).toBe('invalid-argument');
  });

  it('refuses what is no policy', () => {
    for (const policy of ['x', null, {}]) {
      expect(codeOf(() => replayPolicy([], policy as never))).toBe('invalid-argument');
    }
  });

  it.each<[string, () => unknown]>([
    ['throws', () => unreadable()],
    ['decides nothing', () => undefined],
    ['decides what there is not', () => ({ kind: 'bann' })],
    ['gives no reason', () => ({ kind: 'disconnect' })],
    ['bans for too long', () => ({ kind: 'ban', forMs: 1e15, reason: '' })],
    ['bans for no time', () => ({ kind: 'ban', reason: '' })],
    ['has to be waited for', () => Promise.resolve({ kind: 'ban', forMs: 1, reason: '' })],
    ['has to be waited for in vain', () => Promise.reject(new Error('later'))],
    ['gives what cannot be read', () => new Proxy({}, { get: () => unreadable() })],
  ])('shows what a server does with a policy that %s: it keeps the node, and says so', (_name, policy) => {
    const env = new VirtualEnv();
    const told: unknown[] = [];
    const conduct = new Conduct({
      ...{ env, bans: new Bans(env), policy: policy as never, isKept: () => false, isKeptAt: () => false },
      isPeer: () => true,
      ...{ others: () => 10, drop: () => told.push('dropped'), banned: () => told.push('banned') },
      onEvent: (event) => told.push(event.kind === 'policy-failed' ? event.error.message : event.kind),
    });
    conduct.record('a', 'breach');
    const [replayed] = replayPolicy([{ kind: 'breach', at: 0 }], policy as never);
    expect(replayed?.decision).toEqual({ kind: 'keep' });
    expect(told).toEqual([replayed?.error?.message]);
  });

  it('has no error with a good policy', () => {
    expect(replayPolicy([{ kind: 'timeout', at: 3 }])).toEqual([
      { kind: 'timeout', at: 3, score: -5, decision: { kind: 'keep' } },
    ]);
  });
});

describe('errors', () => {
  it.each<[ErrorCode, ReputationEventKind | undefined]>([
    ['frame-body-mac', 'breach'],
    ['request-unknown', 'breach'],
    ['header-invalid', 'bad-block'],
    ['body-mismatch', 'bad-block'],
    ['slow-peer', 'minor'],
    ['too-many-peers', undefined],
    ['remote-disconnect', undefined],
    ['banned', undefined],
    ['genesis-mismatch', undefined],
  ])('%s counts as %s', (code, kind) => {
    expect(eventOf(new PeerlaneError(code, ''))).toBe(kind);
  });

  it('count exactly when they are a penalty', () => {
    for (const code of Object.keys(CONSEQUENCES) as ErrorCode[]) {
      const isCounted = eventOf(new PeerlaneError(code, '')) !== undefined;
      expect([code, isCounted]).toEqual([code, CONSEQUENCES[code].penalty !== 'none']);
    }
  });
});

describe('when many behave badly at once', () => {
  it.each([
    // Nobody else is there.
    [0, 0, true],
    [1, 0, false],
    [1, 1, true],
    [49, 0, false],
    [26, 24, false],
    [25, 25, true],
    [0, 49, true],
  ])('with %i others, and %i dropped of late: ours to blame is %s', (others, dropped, expected) => {
    expect(isOursToBlame(others, dropped)).toBe(expected);
  });

  it('no more than half of them are lost', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (peers) => {
        let dropped = 0;
        for (let i = 0; i < peers; i++) {
          const { kind } = sparing({ kind: 'ban', forMs: 1, reason: '' }, peers - dropped - 1, dropped);
          if (kind === 'ban') dropped++;
          else expect(kind).toBe('penalise');
        }
        expect(dropped).toBe(Math.floor(peers / 2));
      }),
    );
  });
});
