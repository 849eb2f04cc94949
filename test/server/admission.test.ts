import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  Admission,
  BLOCK_INBOUND_RATE,
  INBOUND_INTERVAL_MS,
  MAX_INBOUND_HISTORY,
  NETWORK_INBOUND_RATE,
} from '../../src/server/admission.ts';
import { REDIAL_INTERVAL_MS } from '../../src/server/dial-plan.ts';

function setUp(allows: (ip: string) => boolean = () => true) {
  const env = new VirtualEnv();
  const admission = new Admission(env, allows);
  return { env, admission, codeOf: (ip: string) => admission.refusal(ip)?.code };
}

describe('an address that connects', () => {
  it('is let in once in half a minute, and not later because it has tried meanwhile', () => {
    const { env, codeOf } = setUp();
    expect(codeOf('9.9.9.9')).toBeUndefined();
    env.advance(INBOUND_INTERVAL_MS - 1);
    expect([codeOf('9.9.9.9'), codeOf('9.9.9.8')]).toEqual(['inbound-throttled', undefined]);
    env.advance(1);
    expect([codeOf('9.9.9.9'), codeOf('9.9.9.9'), codeOf('9.9.9.8')]).toEqual([
      ...[undefined, 'inbound-throttled', 'inbound-throttled'],
    ]);
    expect(INBOUND_INTERVAL_MS).toBeLessThan(REDIAL_INTERVAL_MS);
  });

  it('of IPv6 counts with the /64 that its host has', () => {
    const { codeOf } = setUp();
    expect(['2a01:1:2:3::1', '2a01:1:2:3:ffff::2', '2a01:1:2:4::1'].map(codeOf)).toEqual([
      ...[undefined, 'inbound-throttled', undefined],
    ]);
  });

  it('of this machine or a LAN is let in each time', () => {
    const { admission, codeOf } = setUp();
    for (const ip of ['127.0.0.1', '::1', '192.168.1.1', '10.0.0.1', 'fe80::1%eth0', 'fd00::1']) {
      expect([codeOf(ip), codeOf(ip)]).toEqual([undefined, undefined]);
    }
    expect(admission.size).toBe(0);
  });

  it('that is refused is not remembered', () => {
    const { admission, codeOf } = setUp((ip) => ip === '9.9.9.9');
    expect([codeOf('9.9.9.8'), codeOf('nobody'), codeOf('9.9.9.9')]).toEqual([
      ...['address-refused', 'address-refused', undefined],
    ]);
    expect(admission.size).toBe(1);
  });

  it('is forgotten in time, and the oldest where there are too many', () => {
    const { env, admission, codeOf } = setUp();
    // Of many networks.
    const ip = (i: number) => `2a01:${(i >> 6).toString(16)}:0:${i.toString(16)}::1`;
    for (let i = 0; i < MAX_INBOUND_HISTORY + 10; i++) expect(codeOf(ip(i))).toBeUndefined();
    expect(admission.size).toBe(MAX_INBOUND_HISTORY);
    expect([codeOf(ip(11)), codeOf(ip(0))]).toEqual(['inbound-throttled', undefined]);
    env.advance(INBOUND_INTERVAL_MS);
    codeOf('8.8.8.8');
    expect(admission.size).toBe(1);
  });
});

describe('a network that connects', () => {
  const hex = (i: number) => i.toString(16);
  const { burst, perSecond } = NETWORK_INBOUND_RATE;

  it.each([
    ['/24', (i: number) => `9.9.9.${i}`, '9.9.8.9'],
    ['/48', (i: number) => `2a01:1:2:${hex(i)}::1`, '2a01:1:3::1'],
  ])('is a %s, and may do so some hundred times at once, and a few times a second', (_, ip, other) => {
    const { env, codeOf } = setUp();
    for (let i = 0; i < burst; i++) expect(codeOf(ip(i))).toBeUndefined();
    expect([codeOf(ip(burst)), codeOf(other)]).toEqual(['inbound-throttled', undefined]);
    env.advance(1000);
    // Who was refused for its network may try again at once.
    for (let i = 0; i < perSecond; i++) expect(codeOf(ip(burst + i))).toBeUndefined();
    expect(codeOf(ip(burst + perSecond))).toBe('inbound-throttled');
  });

  it.each([
    ['/16', (i: number) => `9.9.${i % 256}.${i >> 8}`, '9.8.1.1'],
    ['/32', (i: number) => `2a01:1:${hex(i)}::1`, '2a01:2::1'],
  ])('has a part of what is for its %s', (_, ip, other) => {
    const { env, admission, codeOf } = setUp();
    for (let i = 0; i < BLOCK_INBOUND_RATE.burst; i++) expect(codeOf(ip(i))).toBeUndefined();
    for (let i = 300; i < 2000; i++) expect(codeOf(ip(i))).toBe('inbound-throttled');
    expect(admission.size).toBe(BLOCK_INBOUND_RATE.burst);
    expect(codeOf(other)).toBeUndefined();
    env.advance(1000);
    const admitted = Array.from({ length: 100 }, (_, i) => codeOf(ip(300 + i))).filter((code) => !code);
    expect(admitted).toHaveLength(BLOCK_INBOUND_RATE.perSecond);
  });

  it('of this machine or a LAN may as often as it likes', () => {
    const { codeOf } = setUp();
    for (let i = 0; i < 1000; i++) {
      for (const ip of [`127.0.0.${i % 256}`, `10.0.0.${i % 256}`, `fd00::${hex(i)}:0:0:1`])
        expect(codeOf(ip)).toBeUndefined();
    }
  });

  it('that is a site of two hundred nodes, each of which tries once a minute, never waits', () => {
    const { env, codeOf } = setUp();
    for (let second = 0; second < 600; second++) {
      for (let i = 0; i < 200; i++) {
        if ((i * 7) % 60 === second % 60) expect(codeOf(`9.9.9.${i}`)).toBeUndefined();
      }
      env.advance(1000);
    }
  });
});
