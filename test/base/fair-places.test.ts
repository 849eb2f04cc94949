import { describe, expect, it } from 'vitest';
import { FairPlaces } from '../../src/base/fair-places.ts';

describe('fair places', () => {
  const taken = (places: FairPlaces, owner: string): number => {
    let count = 0;
    while (count < 1_000 && places.take(owner)) count++;
    return count;
  };

  it('are for one alone to half, and what is given back for those who hold none', () => {
    const places = new FairPlaces(64);
    const greedy = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    expect(greedy.map((owner) => taken(places, owner))).toEqual([32, 16, 8, 4, 2, 1, 1]);
    expect(places.take('newcomer')).toBe(false);
    places.give('a');
    expect(greedy.map((owner) => taken(places, owner))).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(places.take('newcomer')).toBe(true);
  });

  it('can all be taken, each by another, and are given back', () => {
    const places = new FairPlaces(8);
    for (let i = 0; i < 8; i++) expect(places.take(`${i}`)).toBe(true);
    expect([places.take('another'), places.taken]).toEqual([false, 8]);
    places.give('3');
    places.give('nobody');
    expect([places.taken, places.take('0'), places.take('another'), places.taken]).toEqual([
      7,
      false,
      true,
      8,
    ]);
    for (const owner of ['0', '1', '2', '4', '5', '6', '7', 'another', 'another']) places.give(owner);
    expect([places.taken, taken(places, 'a')]).toEqual([0, 4]);
  });

  const takenBy = (places: FairPlaces, owner: string, part: string): number => {
    let count = 0;
    while (count < 1_000 && places.take(owner, part)) count++;
    return count;
  };

  it('are shared by the parts of one owner as it shares them with others', () => {
    const places = new FairPlaces(64);
    const greedy = ['a', 'b', 'c', 'd', 'e', 'f'].map((part) => `wide ${part}`);
    expect(greedy.map((part) => takenBy(places, 'wide', part))).toEqual([16, 8, 4, 2, 1, 1]);
    expect([places.taken, places.take('wide', 'newcomer'), places.take('another')]).toEqual([
      32,
      false,
      true,
    ]);
    places.give('another');
    places.give('wide', 'wide a');
    expect(greedy.map((part) => takenBy(places, 'wide', part))).toEqual([0, 0, 0, 0, 0, 0]);
    expect(places.take('wide', 'newcomer')).toBe(true);
  });

  it('are left to others, however many parts one has', () => {
    const places = new FairPlaces(64);
    for (let part = 0; part < 1_000; part++) places.take('wide', `wide ${part}`);
    expect([places.taken, taken(places, 'a')]).toEqual([32, 16]);
    for (let part = 0; part < 1_000; part++) places.give('wide', `wide ${part}`);
    expect([places.taken, takenBy(places, 'wide', 'wide 0')]).toEqual([16, 12]);
  });
});
