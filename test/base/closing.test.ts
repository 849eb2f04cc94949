import { describe, expect, it } from 'vitest';
import { Closing } from '../../src/base/closing.ts';

describe('an end', () => {
  it('is told to all who wait for it, once, but not to those who no longer do', () => {
    const closing = new Closing();
    const told: number[] = [];
    const offs = Array.from({ length: 100 }, (_, i) => closing.onClose(() => told.push(i)));
    for (const off of offs.slice(2)) off();
    expect(closing.isClosed).toBe(false);
    closing.close();
    closing.close();
    expect(closing.isClosed).toBe(true);
    expect(told).toEqual([0, 1]);
  });

  it('is told at once when it has come', () => {
    const closing = new Closing();
    closing.close();
    let told = 0;
    closing.onClose(() => told++)();
    expect(told).toBe(1);
  });
});
