import { describe, expect, it } from 'vitest';
import { formatIp, normalizeIp, parseIp, parseIpv6 } from '../../src/base/ip.ts';
import {
  classOfIp,
  type IpClass,
  isGlobal,
  isHostAddress,
  isLan,
  isLocal,
  isLoopback,
} from '../../src/base/ip-class.ts';
import { codeOf } from '../support/errors.ts';

function bytesOf(text: string): Uint8Array {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
}

// IANA IPv4 Special-Purpose Address Registry (2025-10-09): first and last address of each block, its name there.
const IPV4: readonly (readonly [string, string, IpClass, string])[] = [
  ['0.0.0.1', '0.255.255.255', 'reserved', '"This network"'],
  ['0.0.0.0', '0.0.0.0', 'unspecified', '"This host on this network"'],
  ['10.0.0.0', '10.255.255.255', 'private', 'Private-Use'],
  ['100.64.0.0', '100.127.255.255', 'special', 'Shared Address Space'],
  ['127.0.0.0', '127.255.255.255', 'loopback', 'Loopback'],
  ['169.254.0.0', '169.254.255.255', 'link-local', 'Link Local'],
  ['172.16.0.0', '172.31.255.255', 'private', 'Private-Use'],
  ['192.0.0.0', '192.0.0.7', 'special', 'IPv4 Service Continuity Prefix'],
  ['192.0.0.8', '192.0.0.8', 'special', 'IPv4 dummy address'],
  ['192.0.0.9', '192.0.0.9', 'global', 'Port Control Protocol Anycast'],
  ['192.0.0.10', '192.0.0.10', 'global', 'Traversal Using Relays around NAT Anycast'],
  ['192.0.0.170', '192.0.0.171', 'special', 'NAT64/DNS64 Discovery'],
  ['192.0.0.11', '192.0.0.255', 'special', 'IETF Protocol Assignments'],
  ['192.0.2.0', '192.0.2.255', 'special', 'Documentation (TEST-NET-1)'],
  ['192.31.196.0', '192.31.196.255', 'global', 'AS112-v4'],
  ['192.52.193.0', '192.52.193.255', 'global', 'AMT'],
  ['192.88.99.0', '192.88.99.255', 'special', 'Deprecated (6to4 Relay Anycast)'],
  ['192.88.99.2', '192.88.99.2', 'special', '6a44-relay anycast address'],
  ['192.168.0.0', '192.168.255.255', 'private', 'Private-Use'],
  ['192.175.48.0', '192.175.48.255', 'global', 'Direct Delegation AS112 Service'],
  ['198.18.0.0', '198.19.255.255', 'special', 'Benchmarking'],
  ['198.51.100.0', '198.51.100.255', 'special', 'Documentation (TEST-NET-2)'],
  ['203.0.113.0', '203.0.113.255', 'special', 'Documentation (TEST-NET-3)'],
  ['224.0.0.0', '239.255.255.255', 'multicast', 'Multicast (RFC 5771)'],
  ['240.0.0.0', '255.255.255.254', 'reserved', 'Reserved'],
  ['255.255.255.255', '255.255.255.255', 'reserved', 'Limited Broadcast'],
];

// IANA IPv6 Special-Purpose Address Registry (2025-10-09), and IPv6 Address Space for what is outside of 2000::/3.
const IPV6: readonly (readonly [string, string, IpClass, string])[] = [
  ['::1', '::1', 'loopback', 'Loopback Address'],
  ['::', '::', 'unspecified', 'Unspecified Address'],
  ['64:ff9b::8.8.8.8', '64:ff9b::1.1.1.1', 'global', 'IPv4-IPv6 Translat.'],
  ['64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff', 'special', 'IPv4-IPv6 Translat.'],
  ['100::', '100::ffff:ffff:ffff:ffff', 'special', 'Discard-Only Address Block'],
  ['100:0:0:1::', '100::1:ffff:ffff:ffff:ffff', 'special', 'Dummy IPv6 Prefix'],
  ['2001::', '2001::ffff:ffff:ffff:ffff:ffff:ffff', 'special', 'TEREDO'],
  ['2001:1::', '2001:1::', 'special', 'IETF Protocol Assignments'],
  ['2001:1ff::', '2001:1ff:ffff::', 'special', 'IETF Protocol Assignments'],
  ['2001:1::1', '2001:1::1', 'global', 'Port Control Protocol Anycast'],
  ['2001:1::2', '2001:1::2', 'global', 'Traversal Using Relays around NAT Anycast'],
  ['2001:1::3', '2001:1::3', 'global', 'DNS-SD Service Registration Protocol Anycast'],
  ['2001:2::', '2001:2:0:ffff::', 'special', 'Benchmarking'],
  ['2001:3::', '2001:3:ffff::', 'global', 'AMT'],
  ['2001:4:112::', '2001:4:112:ffff::', 'global', 'AS112-v6'],
  ['2001:10::', '2001:1f:ffff::', 'special', 'Deprecated (previously ORCHID)'],
  ['2001:20::', '2001:2f:ffff::', 'global', 'ORCHIDv2'],
  ['2001:30::', '2001:3f:ffff::', 'global', 'Drone Remote ID Protocol Entity Tags (DETs) Prefix'],
  ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', 'special', 'Documentation'],
  ['2002::', '2002:ffff::', 'special', '6to4'],
  ['2620:4f:8000::', '2620:4f:8000:ffff::', 'global', 'Direct Delegation AS112 Service'],
  ['3fff::', '3fff:fff:ffff::', 'special', 'Documentation'],
  ['5f00::', '5f00:ffff::', 'special', 'Segment Routing (SRv6) SIDs'],
  ['fc00::', 'fdff:ffff::', 'private', 'Unique-Local'],
  ['fe80::', 'febf:ffff::', 'link-local', 'Link-Local Unicast'],
  ['fec0::', 'feff:ffff::', 'private', 'Reserved by IETF, once site-local'],
  ['ff00::', 'ffff:ffff::', 'multicast', 'Multicast (RFC 4291)'],
  ['::1.2.3.4', '::2', 'special', 'Reserved by IETF, once IPv4-compatible'],
  ['4000::', '5eff:ffff::', 'special', 'Reserved by IETF'],
];

describe('the class of an address', () => {
  it.each([...IPV4, ...IPV6])('%s and %s: %s (%s)', (first, last, name) => {
    expect([classOfIp(bytesOf(first)), classOfIp(bytesOf(last))]).toEqual([name, name]);
  });

  it.each([
    '1.0.0.0',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '172.32.0.0',
    '192.0.1.0',
    '198.20.0.0',
    '223.255.255.255',
    '2000::',
    '2001:200::',
    '2001:db9::',
    '2003::',
    '2606:4700:4700::1111',
    '3fff:1000::',
  ])('%s is global', (text) => {
    expect([classOfIp(bytesOf(text)), isGlobal(bytesOf(text))]).toEqual(['global', true]);
  });

  it.each(IPV4)('of %s and %s mapped into IPv6 is that of the IPv4 address', (first, last, name) => {
    const mapped = [first, last].map((text) => parseIpv6(`::ffff:${text}`) ?? new Uint8Array());
    expect(mapped.map(classOfIp)).toEqual([name, name]);
    // Behind a translator the same address is meant.
    const translated = [first, last].map((text) => bytesOf(`64:ff9b::${text}`));
    expect(translated.map(classOfIp)).toEqual([name, name]);
  });

  it('answers the questions of discovery', () => {
    const yes = (ask: (address: Uint8Array) => boolean): string[] =>
      [
        '0.0.0.0',
        '::',
        '0.1.2.3',
        '240.0.0.1',
        '255.255.255.255',
        '127.0.0.1',
        '::1',
        '10.1.2.3',
        '169.254.1.1',
        'fe80::1',
        'fd00::1',
        '224.0.0.1',
        'ff02::1',
        '8.8.8.8',
      ].filter((text) => ask(bytesOf(text)));
    expect(yes(isLoopback)).toEqual(['127.0.0.1', '::1']);
    expect(yes(isLan)).toEqual(['10.1.2.3', '169.254.1.1', 'fe80::1', 'fd00::1']);
    expect(yes(isLocal)).toEqual([...yes(isLoopback), ...yes(isLan)]);
    expect(yes((address) => !isHostAddress(address))).toEqual([
      ...['0.0.0.0', '::', '0.1.2.3', '240.0.0.1', '255.255.255.255', '224.0.0.1', 'ff02::1'],
    ]);
    expect(yes(isGlobal)).toEqual(['8.8.8.8']);
  });

  it.each([0, 3, 5, 15, 17])('is not asked of %i bytes', (length) => {
    expect(codeOf(() => classOfIp(new Uint8Array(length)))).toBe('invalid-argument');
    expect(codeOf(() => normalizeIp(new Uint8Array(length)))).toBe('invalid-argument');
  });
});

describe('an address of either family', () => {
  it.each([
    ['1.2.3.4', '1.2.3.4', 4],
    ['::ffff:1.2.3.4', '1.2.3.4', 4],
    ['::ffff:102:304', '1.2.3.4', 4],
    ['2001:DB8::1', '2001:db8::1', 16],
    ['::1.2.3.4', '::102:304', 16],
  ])('%s has one form, %s', (text, canonical, length) => {
    const address = parseIp(text);
    expect([address?.length, address && formatIp(address)]).toEqual([length, canonical]);
  });

  it.each(['', 'localhost', '1.2.3', '[::1]', '::1%lo'])('is not %j', (text) => {
    expect(parseIp(text)).toBeUndefined();
  });
});
