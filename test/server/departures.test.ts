import { describe, expect, it } from 'vitest';
import { DEPARTURE_WINDOW_MS, Departures } from '../../src/server/departures.ts';

/** Notes that nodes go one after another, of which `left` are there at the end: who is cleared each time. */
function going(departures: Departures, keys: readonly string[], left: number, at = 0) {
  return keys.map((key, i) => departures.note(key, at, left + keys.length - 1 - i));
}

describe('nodes that go without a word', () => {
  it('are to blame while most of the others stay', () => {
    expect(going(new Departures(), ['a', 'b', 'c'], 3)).toEqual([undefined, undefined, undefined]);
  });

  it('are not once they are more than half of all, nor are those that went just before', () => {
    const departures = new Departures();
    expect(going(departures, ['a', 'b', 'c', 'd'], 2)).toEqual([
      undefined,
      undefined,
      undefined,
      new Map([
        ['a', 1],
        ['b', 1],
        ['c', 1],
      ]),
    ]);
    // What was taken back is not taken back again.
    expect(departures.note('e', 1, 1)).toEqual(new Map());
  });

  it('are not when nobody else is there', () => {
    expect(new Departures().note('a', 0, 0)).toEqual(new Map());
  });

  it('have to go within a minute of each other', () => {
    const departures = new Departures();
    expect(going(departures, ['a', 'b', 'c'], 3)).toEqual([undefined, undefined, undefined]);
    expect(departures.note('d', DEPARTURE_WINDOW_MS, 2)).toBeUndefined();
    expect(departures.note('e', DEPARTURE_WINDOW_MS + 1, 1)).toEqual(new Map([['d', 1]]));
  });

  it('count once each, however often they go', () => {
    const departures = new Departures();
    for (let i = 0; i < 9; i++) expect(departures.note('a', i, 3)).toBeUndefined();
    for (const key of ['b', 'c']) expect(departures.note(key, 10, 3)).toBeUndefined();
    expect(departures.note('d', 10, 3)).toEqual(
      new Map([
        ['a', 9],
        ['b', 1],
        ['c', 1],
      ]),
    );
  });
});
