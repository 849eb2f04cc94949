import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex } from '../../src/base/bytes.ts';
import {
  decodeMessage,
  encodeMessage,
  MAX_NEIGHBORS,
  MAX_PACKET_SIZE,
  type Message,
  type Neighbor,
} from '../../src/discv4/index.ts';
import { encode, encodeList, list, uint } from '../../src/rlp/index.ts';
import { codeOf } from '../support/errors.ts';

const endpoint = { ip: '10.1.2.3', udpPort: 30303, tcpPort: 0 };
const v6 = { ip: 'fe80::1:2', udpPort: 65535, tcpPort: 65535 };
const hash = new Uint8Array(32).fill(5);
const neighbor: Neighbor = { ...v6, publicKey: new Uint8Array(64).fill(255) };

/** A packet with this content; hash and signature are not looked at here. */
const packetOf = (content: Uint8Array) => concatBytes(new Uint8Array(97), content);
const decoded = (content: Uint8Array) => decodeMessage(packetOf(content));

const item = (hex: string) => fromHex(hex);
const port = (value: number) => encode(uint(32), value);
const list4 = (udp: Uint8Array, tcp: Uint8Array, address = item('840a010203')) =>
  encodeList([address, udp, tcp]);
const pingOf = (...items: Uint8Array[]) => concatBytes(Uint8Array.of(1), encodeList(items));
const good = list4(port(30303), port(0));

describe('messages', () => {
  const messages: Message[] = [
    { kind: 'ping', from: endpoint, to: v6, expiration: 1_700_000_000, enrSeq: 2n ** 64n - 1n },
    { kind: 'pong', to: endpoint, pingHash: hash, expiration: 1_700_000_000, enrSeq: 0n },
    { kind: 'findNode', target: new Uint8Array(64).fill(1), expiration: 0 },
    { kind: 'neighbors', nodes: [], expiration: 1 },
    { kind: 'neighbors', nodes: [neighbor, { ...endpoint, publicKey: neighbor.publicKey }], expiration: 1 },
    { kind: 'enrRequest', expiration: 1_700_000_000 },
    { kind: 'enrResponse', requestHash: hash, record: fromHex('c3010203') },
  ];

  it.each(messages)('$kind is read as it was written', (message) => {
    expect(decoded(encodeMessage(message))).toEqual(message);
  });

  it('the sequence number may be absent', () => {
    const ping: Message = { kind: 'ping', from: endpoint, to: v6, expiration: 9, enrSeq: undefined };
    expect(decoded(encodeMessage(ping))).toEqual(ping);
  });

  it('twelve of the largest nodes fit into a packet', () => {
    const nodes = new Array<Neighbor>(MAX_NEIGHBORS).fill(neighbor);
    const content = encodeMessage({ kind: 'neighbors', nodes, expiration: 2 ** 53 - 1 });
    expect(97 + content.length).toBeLessThanOrEqual(MAX_PACKET_SIZE);
    const oneMore = { kind: 'neighbors', nodes: [...nodes, neighbor], expiration: 0 } as const;
    expect(codeOf(() => encodeMessage(oneMore))).toBe('invalid-argument');
  });

  it('an IPv4 address inside an IPv6 address is the IPv4 address', () => {
    const mapped = list4(port(1), port(2), item('9000000000000000000000ffff0a010203'));
    expect(decoded(pingOf(item('04'), mapped, good, item('01')))).toMatchObject({
      from: { ip: '10.1.2.3', udpPort: 1, tcpPort: 2 },
    });
  });

  it('what is no address does not spoil a Ping', () => {
    for (const address of [item('80'), item('830a0102'), item('8568656c6c6f')]) {
      const from = list4(port(7), port(8), address);
      expect(decoded(pingOf(item('04'), from, good, item('01')))).toMatchObject({
        from: { ip: undefined, udpPort: 7, tcpPort: 8 },
      });
    }
  });

  it('any version will do, be it no number', () => {
    for (const version of ['80', '03', '82022b', 'c0']) {
      expect(decoded(pingOf(item(version), good, good, item('01')))).toMatchObject({ kind: 'ping' });
    }
  });

  it('a port above 65,535 is none', () => {
    const high = list4(port(65_536), port(1));
    expect(codeOf(() => decoded(pingOf(item('04'), high, good, item('01'))))).toBe('rlp-unexpected');
  });

  it('an expiration of more than 53 bits is refused', () => {
    const never = item('88ffffffffffffffff');
    expect(codeOf(() => decoded(pingOf(item('04'), good, good, never)))).toBe('rlp-unexpected');
  });

  it('a field too few is refused', () => {
    expect(codeOf(() => decoded(pingOf(item('04'), good, good)))).toBe('rlp-unexpected');
    expect(codeOf(() => decoded(Uint8Array.of(5, 0xc0)))).toBe('rlp-unexpected');
    expect(codeOf(() => decoded(Uint8Array.of(5)))).toBe('rlp-truncated');
  });

  it('a bad entry among Neighbors is left out, the others stay', () => {
    const key = concatBytes(item('b840'), neighbor.publicKey);
    const node = (udp: number) => encodeList([item('8401020304'), port(udp), port(1), key]);
    const nodes = encodeList([node(70_000), item('c0'), item('80'), node(2_000)]);
    expect(decoded(concatBytes(Uint8Array.of(4), encodeList([nodes, item('01')])))).toEqual({
      kind: 'neighbors',
      nodes: [{ ip: '1.2.3.4', udpPort: 2_000, tcpPort: 1, publicKey: neighbor.publicKey }],
      expiration: 1,
    });
    const numbers = concatBytes(Uint8Array.of(4), encodeList([encode(list(uint(8)), [1, 2]), item('01')]));
    expect(decoded(numbers)).toMatchObject({ nodes: [] });
  });
});
