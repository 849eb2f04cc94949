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

  it('calls who waits without a promise, unless it has given up', async () => {
    const gate = new Gate(1);
    const log: string[] = [];
    const leaves: (() => void)[] = [];
    const enter = (name: string) => (leave: () => void) => {
      log.push(name);
      leaves.push(leave);
    };
    gate.await(1, enter('a'));
    expect(log).toEqual(['a']);
    const forgo = gate.await(1, enter('b'));
    gate.await(1, enter('c'));
    forgo();
    forgo();
    expect(log).toEqual(['a']);
    leaves[0]?.();
    expect(log).toEqual(['a', 'c']);
    // It is in: there is nothing to give up.
    forgo();
    leaves[1]?.();
    (await gate.enter(1))();
  });
});
