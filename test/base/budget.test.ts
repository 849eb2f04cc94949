import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Budget, type BudgetShare, WATCH_MS } from '../../src/base/budget.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';

const MB = 1_000_000;
const LEAST_PROGRESS = 10_000;

/** Holds memory, and remembers what it was told. */
class Holder {
  readonly share: BudgetShare;
  moved = 0;
  isToMove = true;
  isBlocked = true;
  probes = 0;
  grants = 0;
  isGone = false;
  onGrant: () => void = () => undefined;

  constructor(budget: Budget) {
    this.share = budget.share(this);
  }

  couldMove(): boolean {
    return this.isToMove;
  }

  probe(): void {
    this.probes++;
  }

  granted(): void {
    this.grants++;
    this.onGrant();
  }

  giveUp(): void {
    this.isGone = true;
    this.share.leave();
    this.share.set(0);
  }
}

function open(count: number, limit = MB): { env: VirtualEnv; budget: Budget; holders: Holder[] } {
  const env = new VirtualEnv();
  const budget = new Budget({
    limit,
    env,
    leastProgress: LEAST_PROGRESS,
    looks: 2,
    leastProgressBeyond: 10 * LEAST_PROGRESS,
  });
  return { env, budget, holders: Array.from({ length: count }, () => new Holder(budget)) };
}

describe('a budget', () => {
  it('gives what is there, then lets one go beyond it, then makes the others wait in line', () => {
    const { budget, holders } = open(5);
    const [a, b, c, d, e] = holders as [Holder, Holder, Holder, Holder, Holder];
    expect(a.share.ask(MB)).toBe(true);
    a.share.set(MB);
    expect(b.share.take(300_000)).toBe(true);
    expect(b.share.hasTurn).toBe(true);
    b.share.set(300_000);
    expect(c.share.ask(600_000)).toBe(false);
    expect(d.share.ask(300_000)).toBe(false);
    expect(e.share.take(300_000)).toBe(false);
    a.share.set(500_000);
    expect([c.grants, d.grants]).toEqual([0, 0]);
    // The turn of `b` ends with what it holds.
    c.onGrant = () => c.share.set(600_000);
    b.share.set(0);
    expect([c.grants, d.grants]).toEqual([1, 0]);
    expect(c.share.hasTurn).toBe(true);
    a.share.set(0);
    expect([c.grants, d.grants]).toEqual([1, 1]);
    expect(budget.used).toBe(600_000);
  });

  it('always has a little for everybody', () => {
    const { holders } = open(3);
    const [a, b, c] = holders as [Holder, Holder, Holder];
    a.share.set(MB);
    expect(b.share.ask(2 * MB)).toBe(true);
    b.share.set(2 * MB);
    expect(c.share.ask(400_000)).toBe(false);
    expect(c.share.take(100_000)).toBe(true);
  });

  it('makes those give up who stand still, the largest first, while somebody waits for more', () => {
    const { env, holders } = open(4);
    const [small, large, moving, waiting] = holders as [Holder, Holder, Holder, Holder];
    small.share.set(200_000);
    large.share.set(500_000);
    moving.share.set(400_000);
    env.advance(100 * WATCH_MS);
    expect(large.isGone).toBe(false);
    // The turn.
    expect(moving.share.ask(0)).toBe(true);
    expect(waiting.share.ask(200_000)).toBe(false);
    for (let look = 0; look < 2; look++) {
      env.advance(WATCH_MS);
      moving.moved += LEAST_PROGRESS;
    }
    expect(holders.map(({ isGone }) => isGone)).toEqual([false, false, false, false]);
    env.advance(WATCH_MS);
    expect(holders.map(({ isGone }) => isGone)).toEqual([false, true, false, false]);
    expect(waiting.grants).toBe(1);
    env.advance(100 * WATCH_MS);
    expect(small.isGone).toBe(false);
    expect(env.timers).toBe(0);
  });

  it('grants a place once, also to who asks again when it has it', () => {
    const { holders } = open(4);
    const [a, b, c, d] = holders as [Holder, Holder, Holder, Holder];
    a.share.set(2 * MB);
    expect(a.share.ask(0)).toBe(true);
    for (const holder of [b, c, d]) {
      holder.share.set(200_000);
      expect(holder.share.ask(0)).toBe(false);
      holder.onGrant = () => expect(holder.share.ask(0)).toBe(true);
    }
    a.share.set(0);
    expect(holders.map(({ grants }) => grants)).toEqual([0, 1, 1, 1]);
  });

  it('does not blame who is not to move', () => {
    const { env, holders } = open(2);
    const [held, waiting] = holders as [Holder, Holder];
    held.isToMove = false;
    held.share.set(2 * MB);
    expect(held.share.ask(0)).toBe(true);
    expect(waiting.share.ask(500_000)).toBe(false);
    env.advance(100 * WATCH_MS);
    expect(held.isGone).toBe(false);
    waiting.share.leave();
    expect(env.timers).toBe(0);
  });

  it('makes those that stand still give up when something else is waited for that they block', () => {
    const { env, budget, holders } = open(1);
    const [held] = holders as [Holder];
    held.share.set(10);
    budget.isPressed = true;
    env.advance(2 * WATCH_MS);
    budget.isPressed = false;
    budget.isPressed = true;
    env.advance(2 * WATCH_MS);
    expect(held.isGone).toBe(false);
    env.advance(WATCH_MS);
    expect(held.isGone).toBe(true);
    expect(env.timers).toBe(1);
    budget.isPressed = false;
    expect(env.timers).toBe(0);
  });

  it('judges who is held up by what it moves when it is let, and does not forget it', () => {
    const { env, holders } = open(3);
    const [turn, idle, busy] = holders as [Holder, Holder, Holder];
    for (const holder of holders) holder.share.set(400_000);
    expect(turn.share.ask(0)).toBe(true);
    for (const holder of [idle, busy]) {
      holder.isToMove = false;
      expect(holder.share.ask(0)).toBe(false);
    }
    for (let look = 0; look < 6; look++) {
      env.advance(WATCH_MS);
      turn.moved += LEAST_PROGRESS;
      busy.moved += LEAST_PROGRESS;
      // Let move for a moment, every other time.
      idle.isToMove = look % 2 === 0;
      busy.isToMove = true;
      idle.moved++;
    }
    expect(holders.map(({ isGone }) => isGone)).toEqual([false, true, false]);
    expect(busy.probes).toBeGreaterThan(0);
  });

  it('asks more of whoever has gone far beyond the limit, and probes nobody meanwhile', () => {
    const { env, holders } = open(3);
    const [turn, other, waiting] = holders as [Holder, Holder, Holder];
    other.share.set(2 * MB + 1);
    other.isToMove = false;
    turn.share.set(MB);
    expect(turn.share.ask(0)).toBe(true);
    expect(waiting.share.ask(200_000)).toBe(false);
    for (let look = 0; look < 10; look++) {
      env.advance(WATCH_MS);
      turn.moved += 10 * LEAST_PROGRESS;
    }
    expect([turn.isGone, waiting.probes]).toEqual([false, 0]);
    for (let look = 0; look < 3; look++) {
      env.advance(WATCH_MS);
      turn.moved += 9 * LEAST_PROGRESS;
    }
    expect([turn.isGone, waiting.grants]).toEqual([true, 1]);
  });

  it('lets nobody go for those whose own backlog keeps them waiting, and gives them no turn', () => {
    const { env, holders } = open(3);
    const [still, slow, blocked] = holders as [Holder, Holder, Holder];
    still.share.set(600_000);
    slow.share.set(400_000);
    slow.isBlocked = false;
    expect(slow.share.ask(100_000)).toBe(false);
    for (let look = 0; look < 10; look++) {
      env.advance(WATCH_MS);
      slow.moved += LEAST_PROGRESS;
    }
    expect(still.isGone).toBe(false);
    expect(blocked.share.ask(2 * MB)).toBe(false);
    blocked.onGrant = () => blocked.share.set(2 * MB);
    still.share.set(500_000);
    expect([slow.grants, blocked.grants]).toEqual([1, 1]);
    expect(blocked.share.hasTurn).toBe(true);
  });

  it('serves all in the end, whatever they ask for, as long as everybody gives back', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 2 * MB }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.array(fc.nat(1000)), (wanted, order) => {
        const { budget, holders } = open(wanted.length);
        const holding: Holder[] = [];
        let served = 0;
        for (const [i, size] of wanted.entries()) {
          const holder = holders[i] as Holder;
          const hold = () => {
            served++;
            holder.share.set(size);
            holding.push(holder);
            const allowed = MB + Math.max(...wanted) + Math.min(MB, 131_072 * wanted.length);
            expect(budget.used).toBeLessThanOrEqual(allowed);
          };
          holder.onGrant = hold;
          if (holder.share.ask(size)) hold();
        }
        for (let i = 0; holding.length > 0; i++) {
          const [next] = holding.splice((order[i] ?? 0) % holding.length, 1);
          next?.share.set(0);
        }
        expect(served).toBe(wanted.length);
        expect(budget.used).toBe(0);
      }),
    );
  });
});
