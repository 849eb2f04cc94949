import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Histogram, histogramOf } from '../../src/observe/index.ts';

it('counts a value that is a bound in its bucket, and one above all of them in the count only', () => {
  const histogram = new Histogram([1, 2, 4]);
  for (const value of [0, 1, 1.5, 4, 4.1]) histogram.observe(value);
  expect(histogram.snapshot()).toEqual({ bounds: [1, 2, 4], counts: [2, 3, 4], count: 5, sum: 10.6 });
});

it('is not changed by what is done to a snapshot of it', () => {
  const bounds = [1, 2];
  const histogram = new Histogram(bounds);
  (histogram.snapshot().bounds as number[]).length = 0;
  expect([bounds, histogram.snapshot().bounds]).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

it('takes no value that is no number', () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  expect(histogramOf([1], values)).toEqual({ bounds: [1], counts: [0], count: 0, sum: 0 });
});

it('says of each bound how many values are at or below it', () => {
  const bounds = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 8 });
  fc.assert(
    fc.property(bounds, fc.array(fc.integer({ min: -60, max: 60 })), (unsorted, values) => {
      const rising = unsorted.toSorted((a, b) => a - b);
      expect(histogramOf(rising, values)).toEqual({
        bounds: rising,
        counts: rising.map((bound) => values.filter((value) => value <= bound).length),
        count: values.length,
        sum: values.reduce((sum, value) => sum + value, 0),
      });
    }),
  );
});
