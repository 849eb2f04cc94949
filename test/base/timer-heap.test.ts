import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimerHeap } from '../../src/base/timer-heap.ts';

describe('timers', () => {
  it('run by their times and, at one time, in the order in which they were set, but for cancelled ones', () => {
    const step = fc.record({ at: fc.integer({ min: 0, max: 20 }), isCancelled: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const heap = new TimerHeap();
        const log: number[] = [];
        const timers = steps.map(({ at }, i) => heap.add(at, () => log.push(i)));
        for (const [i, { isCancelled }] of steps.entries()) if (isCancelled) timers[i]?.cancel();
        const wanted = steps
          .map(({ at, isCancelled }, i) => ({ at, isCancelled, i }))
          .filter(({ isCancelled }) => !isCancelled)
          .toSorted((a, b) => a.at - b.at || a.i - b.i)
          .map(({ i }) => i);
        expect(heap.size).toBe(wanted.length);
        const first = wanted[0];
        expect(heap.deadline).toBe(first === undefined ? Infinity : steps[first]?.at);
        for (let next = heap.take(20); next !== undefined; next = heap.take(20)) next.run();
        expect(log).toEqual(wanted);
        expect(heap.size).toBe(0);
      }),
    );
  });

  it('that are set and cancelled without end take no memory', () => {
    const heap = new TimerHeap();
    const nothing = () => undefined;
    for (let i = 0; i < 100; i++) heap.add(1_000_000, nothing);
    for (let i = 0; i < 10_000; i++) {
      const timer = heap.add(1 + i, nothing);
      timer.cancel();
      timer.cancel();
    }
    expect(heap.size).toBe(100);
    expect(heap.capacity).toBeLessThanOrEqual(201);
  });

  it('count no more once they have been taken, whoever cancels them then', () => {
    const heap = new TimerHeap();
    const timer = heap.add(5, () => undefined);
    expect(heap.take(4)).toBeUndefined();
    expect(heap.take(5)?.at).toBe(5);
    timer.cancel();
    expect([heap.size, heap.capacity]).toEqual([0, 0]);
  });
});
