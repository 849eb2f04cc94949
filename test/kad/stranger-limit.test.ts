import { describe, expect, it } from 'vitest';
import { shuffledNumbers } from '../../src/base/shuffled.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
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
    // Of what is left for all nobody has as much again as is left: something is there for the next one.
    expect([1, 2, 3, 4, 5].map((net) => admitted(`7.7.${net}.1`, 9))).toEqual([4, 4, 4, 2, 1]);
  });

  it('who are over a narrow limit take nothing from a wider one', () => {
    const { admitted } = limit();
    expect(admitted('6.6.6.1', 1_000)).toBe(4);
    expect(admitted('6.6.6.2', 1)).toBe(1);
    for (let host = 2; host < 100; host++) admitted(`6.6.6.${host}`, 9);
    expect([1, 2, 3, 4].map((net) => admitted(`7.7.${net}.1`, 9))).toEqual([4, 4, 4, 2]);
  });

  it('of IPv6 are as many as their /48, and those of a LAN have no network', () => {
    const { admitted } = limit();
    expect([1, 2, 3].map((n) => admitted(`2606:4700:1:${n}::${n}`, 2))).toEqual([2, 2, 0]);
    expect(admitted('2606:4700:2::1', 9)).toBe(4);
    expect([1, 2, 3].map((host) => admitted(`10.0.0.${host}`, 9))).toEqual([4, 4, 4]);
  });

  it('on this machine have a part for each endpoint', () => {
    const { admitted } = limit();
    expect([1, 2, 3].map((port) => admitted('127.0.0.1', 9, port))).toEqual([4, 4, 4]);
  });
});

const SECONDS = 20;
const RATES = {
  ip: { perSecond: 20, burst: 200 },
  subnet: { perSecond: 50, burst: 400 },
  strangers: { perSecond: 1_000, burst: 1_000 },
};

function from(ip: string) {
  const origin = originOf({ ip, port: 30303 });
  if (origin === undefined) throw new Error(`nobody is at ${ip}`);
  return origin;
}

describe('what is for strangers', () => {
  it('of one that asks little are answered, however many networks ask without end', () => {
    const limit = new StrangerLimit(RATES);
    const attackers = Array.from({ length: 200 }, (_, i) => from(`20.${i}.6.6`));
    const honest = from('101.200.30.40');
    const env = new VirtualEnv({ seed: 3 });
    let [shed, answered] = [0, 0];
    for (let now = 0; now < SECONDS * 1000; now += 50) {
      // Three of each, which is more than all may have together, as they come.
      for (const turn of shuffledNumbers(3 * attackers.length, (length) => env.randomBytes(length))) {
        const attacker = attackers[turn % attackers.length] ?? honest;
        if (!limit.admits(attacker, now)) shed++;
      }
      if (now % 1000 === 0 && limit.admits(honest, now)) answered++;
    }
    expect(shed).toBeGreaterThan(SECONDS * RATES.strangers.perSecond);
    expect(answered).toBe(SECONDS);
  });

  it('of many are answered who ask little less than they may, whatever number of /48 an IPv6 /32 has', () => {
    const limit = new StrangerLimit(RATES);
    const attackers = Array.from({ length: 200 }, (_, i) => from(`2a01:4f8:${i.toString(16)}::1`));
    const honest = Array.from({ length: 15 }, (_, i) => from(`101.${i}.30.40`));
    const everyMs = Math.ceil((1.1 * 1000) / RATES.ip.perSecond);
    let refused = 0;
    for (let now = 0; now < SECONDS * 1000; now += 5) {
      for (let i = 0; i < 20; i++)
        limit.admits(attackers[(now * 4 + i) % attackers.length] ?? from('2a01:4f8::1'), now);
      if (now % everyMs === 0) refused += honest.filter((one) => !limit.admits(one, now)).length;
    }
    expect(refused).toBe(0);
  });

  it('of one address, and of one network, are bounded', () => {
    const limit = new StrangerLimit(RATES);
    const { ip, subnet } = RATES;
    const admitted = (count: number, of: (i: number) => string) =>
      Array.from({ length: count }, (_, i) => limit.admits(from(of(i)), 0)).filter(Boolean).length;
    expect(admitted(2 * ip.burst, () => '20.1.1.1')).toBe(ip.burst);
    expect(admitted(2 * subnet.burst, (i) => `30.1.1.${i % 250}`)).toBe(subnet.burst);
    expect(limit.size).toBeGreaterThan(0);
  });
});
