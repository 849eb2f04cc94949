import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIp } from '../../src/base/ip.ts';
import { checkedExternalIps } from '../../src/server/listen-endpoints.ts';
import { checkedListenHost, isIpHost, reachesFrom, toldHost } from '../../src/server/listen-host.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

describe('a socket', () => {
  const targets = ['8.8.8.8', '2a00::1', '::ffff:8.8.8.8'];
  const reached = (host: string) => targets.filter(reachesFrom(host));

  it('of IPv4 sends to IPv4', () => {
    for (const host of ['127.0.0.1', '0.0.0.0', '::ffff:127.0.0.1', '::ffff:0.0.0.0', '::ffff:0:0']) {
      expect(reached(host)).toEqual(['8.8.8.8', '::ffff:8.8.8.8']);
    }
  });

  it('of one IPv6 address sends to IPv6, and that of all addresses to both', () => {
    // The last is 0.0.0.0 as a translator writes it.
    for (const host of ['::1', '0::1', 'fe80::1%eth0', '64:ff9b::'])
      expect(reached(host)).toEqual(['2a00::1']);
    for (const host of ['::', '::0', '0::', '0:0:0:0:0:0:0:0', '::0.0.0.0']) {
      expect(reached(host)).toEqual(targets);
    }
  });

  it('on a host name may have addresses of both families', () => {
    expect(reached('localhost')).toEqual(targets);
  });

  it('sends to no name, and to none of the interfaces of another machine', () => {
    for (const host of ['0.0.0.0', '::', 'localhost']) {
      for (const to of ['localhost', 'fe80::1%eth0', '']) expect(reachesFrom(host)(to)).toBe(false);
    }
  });

  it.each([
    ['203.0.113.7', '2001:db8::1', '0.0.0.0'],
    ['2001:db8::1', '203.0.113.7', '::1'],
    ['2001:db8::1', '203.0.113.7', 'fe80::1%eth0'],
  ])('is reached at %s, but not at %s, where it is bound to %s', (near, far, host) => {
    expect(codeOf(() => checkedExternalIps(near, [host]))).toBe('none');
    expect(codeOf(() => checkedExternalIps(far, [host]))).toBe('invalid-argument');
  });

  it('that is bound to all addresses, in any text, is reached by both families', () => {
    for (const host of ['::', '::0', '0:0:0:0:0:0:0:0', 'localhost']) {
      for (const ip of ['203.0.113.7', '2001:db8::1'])
        expect(codeOf(() => checkedExternalIps(ip, [host]))).toBe('none');
    }
  });
});

describe('a host that is listened on', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['::0', '::'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::0.0.0.0', '::'],
    ['::ffff:0:0', '0.0.0.0'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['2001:DB8:0::7', '2001:db8::7'],
    ['FE80:0::1%eth0', 'fe80::1%eth0'],
    ['localhost', 'localhost'],
    ['a1.example', 'a1.example'],
  ])('%s has the one text %s', (given, text) => {
    expect(checkedListenHost(given)).toBe(text);
    expect(checkedListenHost(text)).toBe(text);
  });

  it.each([
    ...['224.0.0.1', 'ff02::1', 'ff02::1%eth0', '::ffff:224.0.0.1', '255.255.255.255'],
    ...[
      '240.0.0.1',
      '0.1.2.3',
      '64:ff9b::',
      '::%eth0',
      'fe80::1%',
      '%eth0',
      '127.0.0.1%eth0',
      '::ffff:127.0.0.1%eth0',
    ],
    // Old forms of 0.0.0.0 and 127.0.0.1, which go to the system as names.
    ...['', '0', '0.0', '00.0.0.0', '127.1', '0x7f000001', '127.0.0.0x1'],
  ])('is not "%s"', (host) => {
    expect(codeOf(() => checkedListenHost(host))).toBe('invalid-argument');
  });

  it('is no broadcast address of a network of this machine', () => {
    const isListed = Object.values(networkInterfaces()).some((all) =>
      all?.some(({ address, netmask }) => address === '127.0.0.1' && netmask === '255.0.0.0'),
    );
    expect(codeOf(() => checkedListenHost('127.255.255.255'))).toBe(isListed ? 'invalid-argument' : 'none');
  });

  it('has one text, whatever it is (fuzz)', () => {
    const piece = fc.constantFrom('0', '1', 'ff02', 'fe80', '::', ':', '.', '127', '%', 'eth0', '0x', 'a-b');
    const text = fc.oneof(
      fc.string(),
      fc.array(piece).map((pieces) => pieces.join('')),
      fc.ipV4(),
      fc.ipV6(),
    );
    fc.assert(
      fc.property(text, (host) => {
        const code = codeOf(() => checkedListenHost(host));
        if (code !== 'none') return code === 'invalid-argument';
        const canonical = checkedListenHost(host);
        const told = toldHost(canonical);
        const isTold = !isIpHost(canonical) || (parseIp(told) !== undefined && reachesFrom(canonical)(told));
        return isTold && checkedListenHost(canonical) === canonical && toldHost(told) === told;
      }),
      { numRuns: runs(2_000) },
    );
  });

  it('is told to others without its zone', () => {
    const told = ['fe80::1%eth0', '0::', 'localhost', '::ffff:1.2.3.4'].map(toldHost);
    expect(told).toEqual(['fe80::1', '::', 'localhost', '1.2.3.4']);
  });
});
