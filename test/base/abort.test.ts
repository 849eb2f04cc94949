import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { onAbort, orAborted } from '../../src/base/abort.ts';
import { rejectionOf } from '../support/errors.ts';
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

describe('what is waited for', () => {
  it('comes, or fails, as it would without a signal, and leaves no listener', async () => {
    const abort = new AbortController();
    for (const signal of [undefined, abort.signal]) {
      expect(await orAborted(Promise.resolve(1), signal)).toBe(1);
      await expect(orAborted(Promise.reject(new RangeError('none')), signal)).rejects.toThrow(RangeError);
    }
    expect(listenersOf(abort)).toBe(0);
  });

  it('is left when the signal aborts, even if it never comes, or fails afterwards', async () => {
    const [abort, aborted] = [new AbortController(), AbortSignal.abort('why')];
    let fail: (error: Error) => void = () => undefined;
    const failing = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const uncaught = await uncaughtOf(async () => {
      const waits = [new Promise(() => undefined), failing].map((promise) =>
        rejectionOf(orAborted(promise, abort.signal)),
      );
      abort.abort();
      expect(await Promise.all(waits)).toEqual(['aborted', 'aborted']);
      fail(new Error('late'));
      expect(await rejectionOf(orAborted(failing, aborted))).toBe('aborted');
    });
    expect(uncaught).toEqual([]);
    await expect(orAborted(failing, aborted, ({ reason }) => reason)).rejects.toBe('why');
  });
});
