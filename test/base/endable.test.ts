import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { abortedError, onAbort } from '../../src/base/abort.ts';
import { Endable } from '../../src/base/endable.ts';
import { rejectionOf } from '../support/errors.ts';

const END = { done: true, value: undefined };

/** 1, 2, and then nothing, until it is aborted. */
function setUp(signal?: AbortSignal) {
  const log: string[] = [];
  const numbers = new Endable<number, string | undefined>(async function* (ended) {
    try {
      yield 1;
      yield 2;
      return await new Promise<string>((_, reject) => {
        onAbort(ended, () => reject(abortedError(ended)));
      });
    } finally {
      log.push('finally');
    }
  }, signal);
  return { numbers, log };
}

const listeners = ({ signal }: AbortController) => getEventListeners(signal, 'abort').length;

describe('a generator that can be ended', () => {
  it('ends by return while somebody waits', async () => {
    const abort = new AbortController();
    const { numbers, log } = setUp(abort.signal);
    expect([(await numbers.next()).value, (await numbers.next()).value]).toEqual([1, 2]);
    expect(listeners(abort)).toBe(0);
    const waiting = [numbers.next(), numbers.next()];
    expect(listeners(abort)).toBe(1);
    expect(await numbers.return('early')).toEqual({ done: true, value: 'early' });
    expect(await Promise.all(waiting)).toEqual([END, END]);
    expect(await numbers.next()).toEqual(END);
    expect([log, listeners(abort)]).toEqual([['finally'], 0]);
  });

  it('ends by break, by throw, by disposal, and before it has begun', async () => {
    const broken = setUp();
    for await (const number of broken.numbers) if (number === 1) break;
    const thrown = setUp();
    await thrown.numbers.next();
    expect(await rejectionOf(thrown.numbers.throw(abortedError()))).toBe('aborted');
    const disposed = setUp();
    await disposed.numbers.next();
    await disposed.numbers[Symbol.asyncDispose]();
    for (const { numbers, log } of [broken, thrown, disposed]) {
      expect([log, await numbers.next()]).toEqual([['finally'], END]);
    }
    const { numbers, log } = setUp();
    await numbers.return(undefined);
    expect([log, await numbers.next()]).toEqual([[], END]);
  });

  it('ends with an error by its signal, whose reason it tells', async () => {
    const abort = new AbortController();
    const { numbers, log } = setUp(abort.signal);
    await numbers.next();
    await numbers.next();
    const waiting = numbers.next();
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(waiting).rejects.toMatchObject({ code: 'aborted', cause: reason });
    expect([log, await numbers.next(), listeners(abort)]).toEqual([['finally'], END, 0]);
  });

  it('ends by a signal that aborts while nobody waits, and does not hang on it meanwhile', async () => {
    const abort = new AbortController();
    const { numbers } = setUp(abort.signal);
    await numbers.next();
    await numbers.next();
    expect(listeners(abort)).toBe(0);
    abort.abort();
    expect(await rejectionOf(numbers.next())).toBe('aborted');
  });

  it('gives what the generator returns and throws, and lets go of the signal', async () => {
    const abort = new AbortController();
    const numbers = () =>
      new Endable(async function* () {
        yield 1;
        if (error !== undefined) throw error;
        return 2;
      }, abort.signal);
    let error: Error | undefined;
    const good = numbers();
    expect([await good.next(), await good.next()]).toEqual([
      { done: false, value: 1 },
      { done: true, value: 2 },
    ]);
    error = new Error('of the generator');
    const bad = numbers();
    await bad.next();
    await expect(bad.next()).rejects.toBe(error);
    expect(listeners(abort)).toBe(0);
  });
});
