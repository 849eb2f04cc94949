import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { keccak256, publicKeyOf } from '../../src/crypto/index.ts';
import { type Entries, endpointsOfRecord, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode, nodeOfRecord, reachedNode } from '../../src/kad/index.ts';
import { codeOf } from '../support/errors.ts';

const secretKey = fromHex('b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291');
const publicKey = publicKeyOf(secretKey);
const valid = { publicKey, ip: '192.0.2.1', udpPort: 30303, tcpPort: 30304 };

const recordWith = (entries: Partial<Omit<Entries, 'id' | 'secp256k1'>>) =>
  signRecord(secretKey, { seq: 1n, entries });

describe('a node', () => {
  it('has the hash of its key as its id', () => {
    expect(kadNode(valid)).toEqual({ ...valid, id: keccak256(publicKey), record: undefined });
  });

  it('does not change with the packet that its key came in', () => {
    const packet = publicKey.slice();
    const node = kadNode({ ...valid, publicKey: packet });
    packet.fill(0);
    expect(node.publicKey).toEqual(publicKey);
  });

  it.each([
    ['2001:DB8:0::1', '2001:db8::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['fe80::1', 'fe80::1'],
  ])('has one text for its address: %s is %s', (ip, canonical) => {
    expect(kadNode({ ...valid, ip }).ip).toBe(canonical);
  });

  it.each([
    ['a short key', { publicKey: publicKey.subarray(1) }],
    ['no address', { ip: '' }],
    ['a name', { ip: 'localhost' }],
    ['no canonical quad', { ip: '192.0.2.01' }],
    ['the unspecified address', { ip: '0.0.0.0' }],
    ['the unspecified address of IPv6', { ip: '::' }],
    ['a mapped unspecified address', { ip: '::ffff:0.0.0.0' }],
    ['a multicast address', { ip: '224.0.0.1' }],
    ['a multicast address of IPv6', { ip: 'ff02::1' }],
    ['the broadcast address', { ip: '255.255.255.255' }],
    ['UDP port 0', { udpPort: 0 }],
    ['a UDP port over 65535', { udpPort: 65_536 }],
    ['a UDP port that is no number', { udpPort: Number.NaN }],
    ['half a TCP port', { tcpPort: 0.5 }],
    ['a negative TCP port', { tcpPort: -1 }],
    ['an address that is no text', { ip: 5 as never }],
  ])('has not %s', (_, part) => {
    expect(codeOf(() => kadNode({ ...valid, ...part }))).toBe('invalid-argument');
  });

  it("has no other node's record", () => {
    const record = signRecord(fromHex('45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8'), {
      seq: 1n,
    });
    expect(codeOf(() => kadNode({ ...valid, record }))).toBe('invalid-argument');
  });
});

describe('the node of a record', () => {
  it('is at its IPv4 endpoint', () => {
    const record = recordWith({ ip: '192.0.2.1', udp: 1, tcp: 2, ip6: '2001:db8::1', udp6: 3, tcp6: 4 });
    expect(nodeOfRecord(record)).toEqual(
      kadNode({ publicKey, ip: '192.0.2.1', udpPort: 1, tcpPort: 2, record }),
    );
  });

  it.each([
    ['has no IPv4 address', { udp: 1, tcp: 2, ip6: '2001:db8::1', udp6: 3, tcp6: 4 }, 3, 4],
    ['has no UDP port for IPv4', { ip: '192.0.2.1', ip6: '2001:db8::1', udp6: 3 }, 3, 0],
    ['has an IPv4 address that no host has', { ip: '0.0.0.0', udp: 1, ip6: '2001:db8::1' }, 1, 0],
    ['has no ports for IPv6 (enr.md)', { ip6: '2001:db8::1', udp: 1, tcp: 2 }, 1, 2],
  ])('is at its IPv6 endpoint if it %s', (_, entries, udpPort, tcpPort) => {
    expect(nodeOfRecord(recordWith(entries))).toMatchObject({ ip: '2001:db8::1', udpPort, tcpPort });
  });

  it.each([
    ['any address', { udp: 1 }],
    ['a UDP port', { ip: '192.0.2.1', tcp: 1 }],
    ['a UDP port but 0', { ip: '192.0.2.1', udp: 0 }],
    ['an address that a host has', { ip: '239.1.1.1', udp: 1 }],
  ])('is missing without %s', (_, entries) => {
    expect(nodeOfRecord(recordWith(entries))).toBeUndefined();
  });

  const BOTH = { ip: '192.0.2.1', udp: 1, tcp: 2, ip6: '2001:db8::1', udp6: 3, tcp6: 4 };
  const isIpv6 = ({ ip }: KadNode) => ip.includes(':');

  it('is at the endpoint that is reached', () => {
    const record = recordWith(BOTH);
    expect(nodeOfRecord(record, isIpv6)).toMatchObject({ ip: '2001:db8::1', udpPort: 3, tcpPort: 4, record });
    expect(nodeOfRecord(record, (node) => !isIpv6(node))).toMatchObject({ ip: '192.0.2.1', udpPort: 1 });
    expect(nodeOfRecord(record, () => false)).toBeUndefined();
    expect(nodeOfRecord(recordWith({ ip: '192.0.2.1', udp: 1 }), isIpv6)).toBeUndefined();
    expect(nodeOfRecord(recordWith({ ...BOTH, udp6: 0 }), isIpv6)).toBeUndefined();
  });

  it('is at the first endpoint of the record that takes part in discovery', () => {
    for (const entries of [
      BOTH,
      { ...BOTH, ip: '192.168.0.1', ip6: '2606:4700::1' },
      { ...BOTH, ip6: '::' },
    ]) {
      const record = recordWith(entries);
      const { ip: host, udpPort, tcpPort } = nodeOfRecord(record) ?? {};
      expect({ host, udpPort, tcpPort }).toEqual(endpointsOfRecord(record)[0]);
    }
  });

  it('has the IPv4 address of an ip6 entry that holds one', () => {
    expect(nodeOfRecord(recordWith({ ip6: '::ffff:192.0.2.1', udp: 1 }), isIpv6)).toBeUndefined();
    expect(nodeOfRecord(recordWith({ ip6: '::ffff:192.0.2.1', udp: 1 }))?.ip).toBe('192.0.2.1');
  });
});

describe('a node that is told of', () => {
  const record = recordWith({ ip: '192.0.2.1', udp: 1, ip6: '2001:db8::1', udp6: 3 });
  const told = kadNode({ publicKey, ip: '198.51.100.7', udpPort: 9, tcpPort: 0, record });

  it('stays where it is if it is reached there', () => {
    expect(reachedNode(told, ({ ip }) => !ip.includes(':'))).toBe(told);
  });

  it('is else where its record says', () => {
    expect(reachedNode(told, ({ ip }) => ip.includes(':'))).toMatchObject({ ip: '2001:db8::1', udpPort: 3 });
    expect(reachedNode({ ...told, record: undefined }, ({ ip }) => ip.includes(':'))).toBeUndefined();
    expect(reachedNode(told, () => false)).toBeUndefined();
  });
});
