import { describe, expect, it } from 'vitest';
import { Gate } from '../../src/base/gate.ts';
import { rejectionOf } from '../support/errors.ts';

describe('a gate', () => {
  it('lets through what fits, in order, as room comes back', async () => {
    const gate = new Gate(10);
    const order: string[] = [];
    const leaveA = await gate.enter(6);
    const enter = async (name: string, size: number) => {
      const leave = await gate.enter(size);
      order.push(name);
      return leave;
    };
    const [b, c] = [enter('b', 6), enter('c', 2)];
    await Promise.resolve();
    expect(order).toEqual([]);
    leaveA();
    const [leaveB] = await Promise.all([b, c]);
    expect(order).toEqual(['b', 'c']);
    leaveB();
    leaveB();
    const d = await gate.enter(8);
    d();
  });

  it('lets work larger than itself through when it is alone', async () => {
    const gate = new Gate(10);
    (await gate.enter(50))();
  });

  it('forgets who stops waiting', async () => {
    const gate = new Gate(10);
    const leave = await gate.enter(10);
    const abort = new AbortController();
    const waiting = rejectionOf(gate.enter(10, abort.signal));
    const next = gate.enter(4);
    abort.abort();
    expect(await waiting).toBe('aborted');
    leave();
    (await next)();
  });
});
