import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLANK, type Candidate, readyAt } from '../../src/server/dial-candidate.ts';
import { Candidates } from '../../src/server/dial-candidates.ts';
import { planDials, REDIAL_INTERVAL_MS } from '../../src/server/dial-plan.ts';
import { runs } from '../support/runs.ts';

const candidate = (key: string, change: Partial<Candidate> = {}): Candidate => ({
  ...BLANK,
  ...{ key, isStatic: true, isFound: false },
  target: { publicKey: new Uint8Array(64), host: '127.0.0.1', tcpPort: 1, udpPort: 1 },
  ...change,
});
const waiting = (until: number) => ({ backoff: { until, failures: 1 } });

/** What a round may meet; `dueAt` counts how often it is asked. */
function query({
  now = 100_000,
  max = 50,
  busy = new Set<string>(),
  shunned = new Map<string, number>(),
} = {}) {
  let asked = 0;
  const dueAt = (one: Candidate): number => {
    asked++;
    const shunnedMs = shunned.get(one.key);
    return shunnedMs === undefined ? readyAt(one) : Math.max(readyAt(one), now + shunnedMs);
  };
  return { now, max, isBusy: (key: string) => busy.has(key), dueAt, asked: () => asked };
}

describe('the candidates of a dialer', () => {
  it('are looked at as far as there is room, and up to the next that is due', () => {
    const candidates = new Candidates(16);
    for (let i = 0; i < 1_000; i++) candidates.add(candidate(`${i}`, waiting(i < 10 ? i : 200_000 + i)));
    const few = query({ max: 4 });
    expect(candidates.due(true, few).map(({ key }) => key)).toEqual(['0', '1', '2', '3']);
    expect(few.asked()).toBe(4);
    const all = query();
    expect(candidates.due(true, all).map(({ key }) => key)).toEqual([...Array(11).keys()].map(String));
    expect(all.asked()).toBe(11);
  });

  it('are not looked at where there is no room', () => {
    const candidates = new Candidates(16);
    candidates.add(candidate('a'));
    expect(candidates.due(true, query({ max: 0 }))).toEqual([]);
  });

  it('that were found in one network count as long as they are here, wherever they are by then', () => {
    const candidates = new Candidates(16);
    const at = (key: string, host: string, change: Partial<Candidate> = {}) => {
      const found = candidate(key, { isStatic: false, isFound: true, ...change });
      return { ...found, target: { ...found.target, host } };
    };
    for (let i = 0; i < 4; i++) {
      expect(candidates.hasRoomAt('12.0.0.9')).toBe(true);
      candidates.add(at(`a${i}`, `12.0.0.${i}`));
    }
    expect(candidates.hasRoomAt('12.0.0.9')).toBe(false);
    expect(candidates.hasRoomAt('12.0.1.9')).toBe(true);
    const [one, moved] = [candidates.get('a0'), candidates.get('a1')];
    if (one === undefined || moved === undefined) throw new Error('they are here');
    candidates.change(moved, { target: { ...moved.target, host: '12.0.1.1' } });
    expect(candidates.hasRoomAt('12.0.0.9')).toBe(true);
    candidates.add(at('a4', '12.0.0.4'));
    candidates.change(one, { isStatic: true });
    candidates.add(at('a5', '12.0.0.5'));
    candidates.delete('a2');
    candidates.add(at('a6', '12.0.0.6'));
    expect(candidates.hasRoomAt('12.0.0.9')).toBe(false);
    // Whom the user names counts nowhere, nor do those of a LAN; of an IPv6 /32 there is half.
    for (let i = 0; i < 20; i++) {
      candidates.add(at(`n${i}`, '13.0.0.1', { isFound: false }));
      candidates.add(at(`l${i}`, '192.168.0.1'));
      candidates.add(at(`v${i}`, `2a00:1:${i}::1`));
      expect(candidates.hasRoomAt('2a00:1:ffff::1')).toBe(i < 7);
    }
    expect(['13.0.0.1', '192.168.0.1', '2a00:2::1'].map((host) => candidates.hasRoomAt(host))).toEqual([
      ...[true, true, true],
    ]);
  });

  it('stand where their last change puts them', () => {
    const candidates = new Candidates(16);
    const [a, b] = [candidate('a'), candidate('b')];
    for (const one of [a, b]) candidates.add(one);
    candidates.change(a, { dialedAt: 90_000 });
    expect(candidates.due(true, query())).toEqual([
      { key: 'b', isStatic: true, dueAt: Number.NEGATIVE_INFINITY },
      { key: 'a', isStatic: true, dueAt: 90_000 + REDIAL_INTERVAL_MS },
    ]);
    candidates.change(b, { isStatic: false });
    expect(candidates.due(true, query()).map(({ key }) => key)).toEqual(['a']);
    expect(candidates.ready(false, 100_000)).toEqual([b]);
    expect(candidates.ready(true, 100_000)).toEqual([]);
  });

  it('one that was taken away comes back by no change', () => {
    const candidates = new Candidates(16);
    const old = candidate('a');
    candidates.add(old);
    candidates.delete('a');
    candidates.change(old, { isGone: true });
    expect([[...candidates], old.isGone]).toEqual([[], true]);
    const other = candidate('a');
    candidates.add(other);
    candidates.change(old, waiting(1));
    expect(candidates.get('a')).toBe(other);
    expect(candidates.due(true, query())[0]?.dueAt).toBe(Number.NEGATIVE_INFINITY);
  });

  it('give the plan that all of them would (property)', () => {
    const time = fc.constantFrom(
      Number.NEGATIVE_INFINITY,
      ...[0, 70, 99, 100, 101, 150, 200].map((s) => s * 1_000),
    );
    const nodes = fc.uniqueArray(
      fc.record({
        key: fc.nat(15).map(String),
        isStatic: fc.boolean(),
        until: time,
        later: fc.option(fc.record({ isStatic: fc.boolean(), until: time })),
        shunnedMs: fc.option(fc.constantFrom(1, 1_000, 60_000), { freq: 4 }),
        isBusy: fc.boolean(),
        isGone: fc.nat(9).map((draw) => draw === 0),
      }),
      { selector: ({ key }) => key, maxLength: 16 },
    );
    fc.assert(
      fc.property(
        nodes,
        fc.nat(4),
        fc.nat(5),
        fc.nat(8),
        fc.nat(4),
        (all, pending, maxPending, slots, planned) => {
          const candidates = new Candidates(16);
          for (const { key, isStatic, until } of all)
            candidates.add(candidate(key, { isStatic, ...waiting(until) }));
          for (const { key, later, isGone } of all) {
            const one = candidates.get(key);
            if (one !== undefined && later !== null)
              candidates.change(one, { isStatic: later.isStatic, ...waiting(later.until) });
            if (isGone) candidates.delete(key);
          }
          const busy = new Set(all.filter(({ isBusy }) => isBusy).map(({ key }) => key));
          const shunned = new Map(
            all.flatMap(({ key, shunnedMs }) => (shunnedMs === null ? [] : [[key, shunnedMs]])),
          );
          const asked = query({ busy, shunned });
          const freeSlots = slots - 4;
          const round = { now: asked.now, busy, pending, maxPending, freeSlots, planned };
          const room = maxPending - pending;
          const chosen = [
            ...candidates.due(true, { ...asked, max: room }),
            ...candidates.due(false, { ...asked, max: Math.min(room, freeSlots) }),
          ];
          const whole = [...candidates].map((one) => ({ ...one, dueAt: asked.dueAt(one) }));
          const [plan, expected] = [
            planDials({ ...round, candidates: chosen }),
            planDials({ ...round, candidates: whole }),
          ];
          expect(plan.dial).toEqual(expected.dial);
          // A round follows when one of the dials has ended that take all the room.
          if (pending + plan.dial.length < maxPending) expect(plan.nextAt).toBe(expected.nextAt);
        },
      ),
      { numRuns: runs(2_000) },
    );
  });
});
