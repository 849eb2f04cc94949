import { BlockList, isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCidr, inCidr, parseCidr } from '../../src/base/cidr.ts';
import { formatIp, parseIp } from '../../src/base/ip.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

function holds(block: string, address: string): boolean {
  return inCidr(parseIp(address) ?? new Uint8Array(), parseCidr(block));
}

describe('a block of addresses', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
    ['172.16.0.0/12', '172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
    ['192.0.2.128/25', '192.0.2.128', '192.0.2.255', '192.0.2.127', '192.0.3.128'],
    ['192.0.2.7/32', '192.0.2.7', '192.0.2.7', '192.0.2.6', '192.0.2.8'],
    ['fc00::/7', 'fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fbff::', 'fe00::'],
    ['2001:db8::/32', '2001:db8::', '2001:db8:ffff::1', '2001:db7:ffff::', '2001:db9::'],
    ['2001:db8::1/128', '2001:db8::1', '2001:db8::1', '2001:db8::', '2001:db8::2'],
  ])('%s reaches from %s to %s', (block, first, last, before, behind) => {
    expect([first, last, before, behind].map((address) => holds(block, address))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('of no bits holds all of its family, and none of the other', () => {
    expect([holds('0.0.0.0/0', '255.1.2.3'), holds('0.0.0.0/0', '::1')]).toEqual([true, false]);
    expect([holds('::/0', 'ff00::'), holds('::/0', '1.2.3.4')]).toEqual([true, false]);
  });

  it('holds IPv4 addresses in their mapped form, and may be written so', () => {
    const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3);
    expect(inCidr(mapped, parseCidr('10.0.0.0/8'))).toBe(true);
    expect(formatCidr(parseCidr('::ffff:10.0.0.0/104'))).toBe('10.0.0.0/8');
    expect(formatCidr(parseCidr('::ffff:0:0/96'))).toBe('0.0.0.0/0');
    expect(formatCidr(parseCidr('::fffe:0:0/95'))).toBe('::fffe:0:0/95');
  });

  it.each([
    '',
    '10.0.0.0',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/33',
    '10.0.0.0/08x',
    '10.0.0.0/08',
    '10.0.0.0/00',
    '10.0.0/8',
    '::/129',
    '[::]/0',
    'fe80::%eth0/10',
    '10.0.0.0/8 ',
    '10.0.0.0/8/8',
    'localhost/8',
    '::ffff:0:0/95',
  ])('is not %j', (text) => {
    expect(codeOf(() => parseCidr(text))).toBe('invalid-argument');
  });

  it('with bits behind its prefix is refused with the block that was meant', () => {
    expect(() => parseCidr('192.168.1.7/24')).toThrow(/192\.168\.1\.0\/24/);
    expect(() => parseCidr('2001:db8::1/33')).toThrow(/2001:db8::\/33/);
  });

  it.each([undefined, null, 5, {}])('is text, not %s', (value) => {
    expect(codeOf(() => parseCidr(value as never))).toBe('invalid-argument');
  });

  it('is asked about addresses of 4 or 16 bytes', () => {
    expect(codeOf(() => inCidr(new Uint8Array(5), parseCidr('::/0')))).toBe('invalid-argument');
  });

  it('agrees with the platform', () => {
    const v4 = fc.tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.nat(32));
    const v6 = fc.tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(128));
    const flip = fc.nat(127);
    fc.assert(
      fc.property(fc.oneof(v4, v6), flip, ([address, bits], bit) => {
        const network = address.map((byte, i) => {
          const kept = Math.max(0, Math.min(8, bits - 8 * i));
          return byte & ~(0xff >> kept);
        });
        const at = bit % (8 * address.length);
        const asked = address.with(at >> 3, (address[at >> 3] ?? 0) ^ (0x80 >> (at & 7)));
        const block = parseCidr(`${formatIp(network)}/${bits}`);
        const list = new BlockList();
        list.addSubnet(formatIp(network), bits, isIPv4(formatIp(network)) ? 'ipv4' : 'ipv6');
        const text = formatIp(asked);
        expect(inCidr(asked, block)).toBe(list.check(text, isIPv4(text) ? 'ipv4' : 'ipv6'));
        expect(parseCidr(formatCidr(block))).toEqual(block);
      }),
      { numRuns: runs(300) },
    );
  });

  it('of any text is a value or an invalid-argument', () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom('::', '/', '10', '.0', '/8', 'fe80', ':', '128'));
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 9 }).map((parts) => parts.join('')),
        (text) => {
          expect(['none', 'invalid-argument']).toContain(codeOf(() => parseCidr(text)));
        },
      ),
      { numRuns: runs(500) },
    );
  });
});
