import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { onAbort } from '../../src/base/abort.ts';
import { uncaughtOf } from '../support/uncaught.ts';

const listenersOf = ({ signal }: AbortController) => getEventListeners(signal, 'abort').length;

describe('those who wait for a signal', () => {
  it('are one listener however many they are, which goes with the last of them', () => {
    const abort = new AbortController();
    const runs: number[] = [];
    const offs = Array.from({ length: 100 }, (_, i) => onAbort(abort.signal, () => runs.push(i)));
    expect(listenersOf(abort)).toBe(1);
    for (const off of offs.slice(1)) off();
    offs[1]?.();
    expect(listenersOf(abort)).toBe(1);
    offs[0]?.();
    expect(listenersOf(abort)).toBe(0);
    abort.abort();
    expect(runs).toEqual([]);
  });

  it('run once, in the order in which they came, each as often as it was given', () => {
    const abort = new AbortController();
    const runs: number[] = [];
    const twice = () => void runs.push(2);
    onAbort(abort.signal, () => runs.push(1));
    onAbort(abort.signal, twice);
    const off = onAbort(abort.signal, twice);
    onAbort(abort.signal, () => runs.push(3));
    abort.abort();
    off();
    expect(runs).toEqual([1, 2, 2, 3]);
    expect(listenersOf(abort)).toBe(0);
    onAbort(abort.signal, () => runs.push(4));
    expect(runs).toEqual([1, 2, 2, 3, 4]);
  });

  it('do not run when another has taken them off, and run when another throws', async () => {
    const abort = new AbortController();
    const runs: string[] = [];
    const uncaught = await uncaughtOf(async () => {
      onAbort(abort.signal, () => offGone());
      const offGone = onAbort(abort.signal, () => runs.push('gone'));
      onAbort(abort.signal, () => {
        throw new Error('a bug');
      });
      onAbort(abort.signal, () => runs.push('last'));
      abort.abort();
    });
    expect(runs).toEqual(['last']);
    expect(uncaught).toMatchObject([{ message: 'a bug' }]);
  });
});
