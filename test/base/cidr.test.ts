import { describe, expect, it } from 'vitest';
import { cidrContains, formatCidr, parseCidr } from '../../src/base/cidr.ts';

describe('a network of addresses', () => {
  it.each([
    ['10.0.0.0/8', '10.255.1.2', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['192.168.4.0/22', '192.168.7.255', true],
    ['192.168.4.0/22', '192.168.8.0', false],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['10.1.2.3/8', '10.9.9.9', true],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '::1', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '10.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', 'node.example.org', false],
  ])('%s and %s: %s', (network, ip, isInside) => {
    const cidr = parseCidr(network);
    expect(cidr !== undefined && cidrContains(cidr, ip)).toBe(isInside);
  });

  it.each(['', '/8', '10.0.0.0/33', '10.0.0.0/', '10.0.0/8', '::/129', '::/1x', '10.0.0.0/8/8', 'host/8'])(
    'is not %j',
    (text) => {
      expect(parseCidr(text)).toBeUndefined();
    },
  );

  it('is written as it is read', () => {
    for (const text of ['10.0.0.0/8', '127.0.0.1/32', '2001:db8::/32', '::1/128']) {
      const cidr = parseCidr(text);
      expect(cidr && formatCidr(cidr)).toBe(text);
    }
  });
});
