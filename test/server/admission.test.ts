import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { Admission, INBOUND_INTERVAL_MS, MAX_INBOUND_HISTORY } from '../../src/server/admission.ts';
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
    const ip = (i: number) => `9.${i >>> 16}.${(i >>> 8) & 0xff}.${i & 0xff}`;
    for (let i = 0; i < MAX_INBOUND_HISTORY + 10; i++) expect(codeOf(ip(i))).toBeUndefined();
    expect(admission.size).toBe(MAX_INBOUND_HISTORY);
    expect([codeOf(ip(11)), codeOf(ip(0))]).toEqual(['inbound-throttled', undefined]);
    env.advance(INBOUND_INTERVAL_MS);
    codeOf('8.8.8.8');
    expect(admission.size).toBe(1);
  });
});
