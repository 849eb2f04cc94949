import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6, unmapIpv4 } from '../../src/base/ip.ts';
import { runs } from '../support/runs.ts';

describe('IPv4 addresses', () => {
  it('are dotted quads', () => {
    expect(parseIpv4('127.0.0.1')).toEqual(Uint8Array.of(127, 0, 0, 1));
    expect(formatIpv4(Uint8Array.of(255, 0, 10, 1))).toBe('255.0.10.1');
  });

  it.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '256.0.0.1',
    '01.2.3.4',
    '0x1.2.3.4',
    '1.2.3.4 ',
    '1.2.3.-4',
    '1.2.3.4.',
    '.1.2.3.4',
    '1..2.3',
    '1.2.3.00',
    '1.2.3.1000',
  ])('are nothing else: %j', (text) => {
    expect(parseIpv4(text)).toBeUndefined();
  });

  it('agree with the platform on any text', () => {
    const text = fc.stringMatching(/^[0-9]{1,3}(\.[0-9]{1,3}){2,4}$/);
    fc.assert(
      fc.property(text, (candidate) => {
        expect(parseIpv4(candidate) !== undefined).toBe(isIPv4(candidate));
      }),
    );
  });
});

describe('IPv6 addresses', () => {
  // RFC 5952, sections 4 and 5.
  it.each([
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['fe80::', 'fe80::'],
  ])('%s is written %s', (text, canonical) => {
    const address = parseIpv6(text);
    expect(address && formatIpv6(address)).toBe(canonical);
  });

  it.each([
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4::5:6:7:8',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '1.2.3.4::',
    '::1.2.3',
    '[::1]',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
  ])('are nothing else: %j', (text) => {
    expect(parseIpv6(text)).toBeUndefined();
  });

  it('agree with the platform on any text', () => {
    const piece = fc.constantFrom('0', '1', 'ab', 'ffff', '00000', 'x', ':', '::', '1.2.3.4', '1.2');
    const text = fc.array(piece, { maxLength: 18 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (candidate) => {
        expect(parseIpv6(candidate) !== undefined).toBe(isIPv6(candidate));
      }),
      { numRuns: runs(2000) },
    );
  });

  it('come back from their text, which is the one that the platform writes', () => {
    const sparse = fc.array(
      fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 255 })),
      {
        minLength: 16,
        maxLength: 16,
      },
    );
    fc.assert(
      fc.property(sparse, (values) => {
        const address = Uint8Array.from(values);
        const text = formatIpv6(address);
        expect(parseIpv6(text)).toEqual(address);
        // The platform also writes ::102:304, an IPv4-compatible address, as a quad.
        fc.pre(values.slice(0, 12).some((value) => value !== 0));
        expect(new SocketAddress({ address: text, family: 'ipv6' }).address).toBe(text);
      }),
    );
  });

  it('that are mapped hold an IPv4 address', () => {
    const address = parseIpv6('::ffff:10.0.0.1');
    expect(address && unmapIpv4(address)).toEqual(Uint8Array.of(10, 0, 0, 1));
    const other = parseIpv6('::fffe:10.0.0.1');
    expect(other && unmapIpv4(other)).toBeUndefined();
  });
});
