import { describe, expect, it } from 'vitest';
import { NetworkCounts, networksOf } from '../../src/kad/ip-limits.ts';

describe('addresses count together', () => {
  it.each([
    ['192.0.2.1', '192.0.2.255', { ofBucket: true, ofTable: true }],
    ['192.0.2.1', '192.0.3.1', { ofBucket: false, ofTable: false }],
    ['2001:db8:1::1', '2001:db8:1:ffff::2', { ofBucket: true, ofTable: true }],
    ['2001:db8:1::1', '2001:db8:2::1', { ofBucket: false, ofTable: true }],
    ['2001:db8:1::1', '2001:db9:1::1', { ofBucket: false, ofTable: false }],
    // The same digits, of different kinds of networks.
    ['32.1.13.1', '2001:db8::1', { ofBucket: false, ofTable: false }],
  ])('%s and %s', (a, b, same) => {
    const [x, y] = [networksOf(a), networksOf(b)];
    expect({ ofBucket: x?.ofBucket === y?.ofBucket, ofTable: x?.ofTable === y?.ofTable }).toEqual(same);
  });

  it.each(['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.1.1', '::1', 'fe80::1', 'fd00::1'])(
    'not when they are of this host or its LAN: %s',
    (ip) => {
      expect(networksOf(ip)).toBeUndefined();
    },
  );
});

describe('the counts', () => {
  it('forget networks without nodes', () => {
    const counts = new NetworkCounts(2);
    for (const network of ['a', 'a', 'b']) counts.add(network);
    expect([counts.hasRoom('a'), counts.hasRoom('b'), counts.size]).toEqual([false, true, 2]);
    for (const network of ['a', 'b']) counts.remove(network);
    expect([counts.hasRoom('a'), counts.hasRoom('b'), counts.size]).toEqual([true, true, 1]);
    counts.remove('a');
    expect(counts.size).toBe(0);
  });
});
