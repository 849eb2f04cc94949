import { describe, expect, it } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import type { Ad } from '../../../src/discv5/topics/ad-cache.ts';
import { type Applicant, NetworkPlaces } from '../../../src/discv5/topics/network-places.ts';
import { NodeRecord } from '../../../src/enr/index.ts';

const record = new NodeRecord(EMPTY, 1n, new Uint8Array(64));

function ad(advertiser: string, expiresAt: number, topic = 't'): Ad {
  const place = { address: Uint8Array.of(9, 9, 9, 9), ip: '9.9.9.9', networks: undefined };
  return { topic, advertiser, record, ...place, expiresAt };
}

function applicant(advertiser: string, startedAt: number, now: number, cached?: Ad): Applicant {
  return { ad: ad(advertiser, now + 100), cached, startedAt, now };
}

/** Two places of each topic, that of `free` without a limit. `a` and `b` are there, until 100 and 110. */
function setUp() {
  const places = new NetworkPlaces(2, ({ topic }) => (topic === 'free' ? undefined : topic));
  const [a, b] = [ad('a', 100), ad('b', 110)];
  places.add(a);
  places.add(b);
  return { places, a, b };
}

describe('the places of a network', () => {
  it('are so many, renewed while nobody waits, and free when one goes', () => {
    const { places, a, b } = setUp();
    expect(places.hasRoom(applicant('c', 0, 50))).toBe(false);
    expect(places.turnAt(applicant('c', 0, 50))).toBe(100);
    expect(places.hasRoom(applicant('a', 50, 50, a))).toBe(true);
    expect(places.hasRoom(applicant('b', 50, 50, b))).toBe(true);
    places.remove(a);
    expect(places.hasRoom(applicant('c', 0, 100))).toBe(true);
    expect(places.turnAt(applicant('c', 0, 100))).toBe(100);
  });

  it('of which the one that is free first is not renewed when somebody has waited longer', () => {
    const { places, a, b } = setUp();
    places.claim(applicant('c', 20, 30), 105);
    expect(places.hasRoom(applicant('a', 21, 50, a))).toBe(false);
    expect(places.turnAt(applicant('a', 21, 50, a))).toBe(105);
    expect(places.hasRoom(applicant('b', 21, 50, b))).toBe(true);
    // Whoever began to renew before, or comes when the other has not come.
    expect(places.hasRoom(applicant('a', 19, 50, a))).toBe(true);
    expect(places.hasRoom(applicant('a', 21, 106, a))).toBe(true);
  });

  it('are kept for whoever has waited longest', () => {
    const { places, a } = setUp();
    places.claim(applicant('c', 20, 30), 105);
    places.claim(applicant('d', 30, 30), 105);
    places.claim(applicant('e', 10, 40), 104);
    places.remove(a);
    expect(places.hasRoom(applicant('c', 20, 101))).toBe(false);
    expect(places.hasRoom(applicant('d', 30, 101))).toBe(false);
    expect(places.turnAt(applicant('c', 20, 101))).toBe(104);
    expect(places.hasClaim(applicant('c', 20, 101))).toBe(false);
    expect(places.hasClaim(applicant('e', 10, 101))).toBe(true);
    expect(places.hasRoom(applicant('e', 10, 101))).toBe(true);
    places.add(ad('e', 201));
    expect(places.hasClaim(applicant('e', 10, 101))).toBe(false);
    expect(places.hasRoom(applicant('c', 20, 102))).toBe(false);
    places.claim(applicant('c', 20, 102), 110);
    expect(places.hasClaim(applicant('c', 20, 102))).toBe(true);
  });

  it('stay claimed while the only one that is left is renewed', () => {
    const { places, a, b } = setUp();
    places.claim(applicant('c', 20, 30), 105);
    places.remove(a);
    const renewed = ad('b', 201);
    places.add(renewed, b);
    expect(places.hasClaim(applicant('c', 20, 101))).toBe(true);
    places.add(ad('d', 202));
    expect(places.hasRoom(applicant('e', 99, 103))).toBe(false);
    places.remove(renewed);
    expect(places.hasRoom(applicant('e', 99, 103))).toBe(false);
    expect(places.hasRoom(applicant('c', 20, 103))).toBe(true);
  });

  it('are left by one that is renewed from elsewhere', () => {
    const { places, a, b } = setUp();
    const moved = ad('b', 201, 'elsewhere');
    places.add(moved, b);
    expect(places.size).toBe(2);
    expect(places.hasRoom(applicant('c', 50, 50))).toBe(true);
    for (const each of [a, moved]) places.remove(each);
    expect(places.size).toBe(0);
  });

  it('leave nothing behind, and are without number where there is no limit', () => {
    const { places, a, b } = setUp();
    const free = [1, 2, 3].map((n) => ad(`${n}`, 100, 'free'));
    for (const each of free) places.add(each);
    const another: Applicant = { ad: ad('4', 100, 'free'), cached: undefined, startedAt: 0, now: 0 };
    expect(places.hasRoom(another)).toBe(true);
    places.claim(another, 10);
    expect(places.hasClaim(another)).toBe(false);
    places.claim(applicant('c', 0, 0), 100);
    for (const each of [a, b, ...free]) places.remove(each);
    expect(places.size).toBe(0);
    expect(places.hasRoom(applicant('d', 50, 50))).toBe(true);
  });

  it('of all topics together are taken in turn by topic, not by node', () => {
    const places = new NetworkPlaces(2, () => 'host');
    const [first, second] = [ad('x', 100, 't1'), ad('v', 110, 't2')];
    places.add(first);
    places.add(second);
    const of = (
      topic: string,
      advertiser: string,
      startedAt: number,
      now: number,
      cached?: Ad,
    ): Applicant => ({
      ...{ ad: ad(advertiser, now + 100, topic), cached, startedAt, now },
    });
    places.claim(of('t9', 'v', 0, 10), 130);
    // A renewal of another topic leaves the claim, and no younger topic takes it over.
    places.add(ad('v', 210, 't2'), second);
    expect(places.hasClaim(of('t9', 'v', 0, 20))).toBe(true);
    places.claim(of('t10', 'v', 50, 60), 140);
    expect(places.hasClaim(of('t10', 'v', 50, 60))).toBe(false);
    expect(places.hasRoom(of('t1', 'x', 20, 90, first))).toBe(false);
    places.remove(first);
    expect(places.hasRoom(of('t3', 'v', 99, 101))).toBe(false);
    expect(places.hasRoom(of('t9', 'v', 0, 101))).toBe(true);
  });
});
