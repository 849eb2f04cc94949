import { describe, expect, it } from 'vitest';
import { originOf, StrangerLimit } from '../../src/kad/index.ts';

const none = { perSecond: 0.001 };
const [ip, subnet, strangers] = [4, 10, 25].map((burst) => ({ ...none, burst }));

function limit() {
  if (ip === undefined || subnet === undefined || strangers === undefined) throw new Error('no rates');
  const limits = new StrangerLimit({ ip, subnet, strangers });
  /** How many of so many packets are admitted. */
  const admitted = (address: string, packets: number, port = 1): number => {
    let count = 0;
    for (let i = 0; i < packets; i++) {
      const origin = originOf({ ip: address, port });
      if (origin !== undefined && limits.admits(origin, 0)) count++;
    }
    return count;
  };
  return { limits, admitted };
}

describe('strangers', () => {
  it('of an address, of its network and of all networks have no more than their part', () => {
    const { admitted } = limit();
    expect([admitted('6.6.6.1', 3), admitted('6.6.6.1', 3, 2), admitted('6.6.6.1', 3)]).toEqual([3, 1, 0]);
    expect([2, 3, 4].map((host) => admitted(`6.6.6.${host}`, 9))).toEqual([4, 2, 0]);
    expect([1, 2, 3, 4, 5].map((net) => admitted(`7.7.${net}.1`, 9))).toEqual([4, 4, 4, 3, 0]);
  });

  it('who are over a narrow limit take nothing from a wider one', () => {
    const { admitted } = limit();
    expect(admitted('6.6.6.1', 1_000)).toBe(4);
    expect(admitted('6.6.6.2', 1)).toBe(1);
    for (let host = 2; host < 100; host++) admitted(`6.6.6.${host}`, 9);
    expect([1, 2, 3, 4].map((net) => admitted(`7.7.${net}.1`, 9))).toEqual([4, 4, 4, 3]);
  });

  it('of IPv6 are as many as their /48, and those of a LAN have no network', () => {
    const { admitted } = limit();
    expect([1, 2, 3].map((n) => admitted(`2606:4700:1:${n}::${n}`, 2))).toEqual([2, 2, 0]);
    expect(admitted('2606:4700:2::1', 9)).toBe(4);
    expect([1, 2, 3, 4].map((host) => admitted(`10.0.0.${host}`, 9))).toEqual([4, 4, 4, 4]);
  });

  it('on this machine have a part for each endpoint', () => {
    const { admitted } = limit();
    expect([1, 2, 3].map((port) => admitted('127.0.0.1', 9, port))).toEqual([4, 4, 4]);
  });
});
