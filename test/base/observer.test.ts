import { describe, expect, it } from 'vitest';
import { detached } from '../../src/base/observer.ts';
import { uncaughtOf } from '../support/uncaught.ts';

describe('an observer', () => {
  it('is told all that it is told', async () => {
    const seen: unknown[] = [];
    const observe = detached((...told: readonly unknown[]) => seen.push(told));
    expect(await uncaughtOf(() => observe(1, 'two'))).toEqual([]);
    expect(seen).toEqual([[1, 'two']]);
  });

  it('that throws stops nothing of what it observes, each time, and is an uncaught error', async () => {
    const observe = detached((what: string) => {
      throw new Error(what);
    });
    const uncaught = await uncaughtOf(() => {
      for (const what of ['one', 'two']) expect(() => observe(what)).not.toThrow();
    });
    expect(uncaught).toMatchObject([{ message: 'one' }, { message: 'two' }]);
  });
});
