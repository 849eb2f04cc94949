import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toBareHex } from '../../src/base/bytes.ts';
import { isPeerlaneError } from '../../src/base/errors.ts';
import { keccak256, publicKeyOf, sign } from '../../src/crypto/index.ts';
import {
  decodeMessage,
  encodeMessage,
  isPacket,
  MAX_PACKET_SIZE,
  type Message,
  packetCrypto,
  withHash,
} from '../../src/discv4/index.ts';
import { signRecord } from '../../src/enr/index.ts';
import { runs } from '../support/runs.ts';
import eip8 from './testdata/eip8.json' with { type: 'json' };
import eip868 from './testdata/eip868.json' with { type: 'json' };

const secretKey = fromHex(eip8.secretKey);
const publicKey = publicKeyOf(secretKey);
const { open, seal } = packetCrypto(secretKey);
const EXPIRATION = 1136239445;

/** Checks all that has to be checked before the data is read. */
function opened(hex: string): Message | undefined {
  const packet = fromHex(hex);
  expect(isPacket(packet)).toBe(true);
  expect(open([packet])).toEqual([publicKey]);
  return decodeMessage(packet);
}

function sealed(content: Uint8Array): Uint8Array {
  const [packet] = seal([content]);
  if (packet === undefined) throw new Error('nothing was sealed');
  return packet;
}

const ping: Message = {
  kind: 'ping',
  from: { ip: '127.0.0.1', udpPort: 30303, tcpPort: 30304 },
  to: { ip: '::1', udpPort: 1, tcpPort: 0 },
  expiration: 1,
  enrSeq: 7n,
};

describe('packets with what EIP-868 has added', () => {
  const to = { ip: '2001:db8::1', udpPort: 30305, tcpPort: 0 };
  const hash = Uint8Array.from({ length: 32 }, (_, i) => i);
  const record = signRecord(secretKey, { seq: 1n, entries: { ip: '127.0.0.1', udp: 30303 } });
  const from = { ip: '10.1.2.3', udpPort: 30303, tcpPort: 30304 };

  it.each<[string, Message]>([
    [eip868.ping, { kind: 'ping', from, to, expiration: EXPIRATION, enrSeq: 258n }],
    [eip868.pong, { kind: 'pong', to, pingHash: hash, expiration: EXPIRATION, enrSeq: 258n }],
    [eip868.enrRequest, { kind: 'enrRequest', expiration: EXPIRATION }],
    [eip868.enrResponse, { kind: 'enrResponse', requestHash: hash, record: record.encoded }],
  ])('%.8s... is read, and written byte for byte', (hex, message) => {
    const packet = fromHex(hex);
    expect(isPacket(packet)).toBe(true);
    expect(decodeMessage(packet)).toEqual(message);
    expect(open([packet])).toEqual([publicKey]);
    expect(seal([encodeMessage(message)])).toEqual([packet]);
  });
});

describe('the packet examples of EIP-8', () => {
  it('a Ping with further list items; the first of them is where EIP-868 has the sequence number', () => {
    expect(opened(eip8.ping4)).toEqual({
      kind: 'ping',
      from: { ip: '127.0.0.1', udpPort: 3322, tcpPort: 5544 },
      to: { ip: '::1', udpPort: 2222, tcpPort: 3333 },
      expiration: EXPIRATION,
      enrSeq: 1n,
    });
  });

  it('a Ping of version 555 with a list in the place of the sequence number, and bytes behind it', () => {
    expect(opened(eip8.ping555)).toEqual({
      kind: 'ping',
      from: { ip: '2001:db8:3c4d:15::abcd:ef12', udpPort: 3322, tcpPort: 5544 },
      to: { ip: '2001:db8:85a3:8d3:1319:8a2e:370:7348', udpPort: 2222, tcpPort: 33338 },
      expiration: EXPIRATION,
      enrSeq: undefined,
    });
  });

  it('a Pong with further items and bytes', () => {
    expect(opened(eip8.pong)).toEqual({
      kind: 'pong',
      to: { ip: '2001:db8:85a3:8d3:1319:8a2e:370:7348', udpPort: 2222, tcpPort: 33338 },
      pingHash: fromHex('fbc914b16819237dcd8801d7e53f69e9719adecb3cc0e790c57e91ca4461c954'),
      expiration: EXPIRATION,
      enrSeq: undefined,
    });
  });

  it('a FindNode with further items and bytes', () => {
    const target =
      'ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138' +
      '7574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f';
    expect(opened(eip8.findNode)).toEqual({
      kind: 'findNode',
      target: fromHex(target),
      expiration: EXPIRATION,
    });
  });

  it('Neighbors with further items and bytes', () => {
    const message = opened(eip8.neighbors);
    if (message?.kind !== 'neighbors') throw new Error('no Neighbors');
    expect(message.expiration).toBe(EXPIRATION);
    expect(message.nodes.map(({ ip, udpPort, tcpPort }) => [ip, udpPort, tcpPort])).toEqual([
      ['99.33.22.55', 4444, 4445],
      ['1.2.3.4', 1, 1],
      ['2001:db8:3c4d:15::abcd:ef12', 3333, 3333],
      ['2001:db8:85a3:8d3:1319:8a2e:370:7348', 999, 1000],
    ]);
    expect(message.nodes.map((node) => toBareHex(node.publicKey).slice(0, 8))).toEqual([
      '3155e142',
      '312c5551',
      '38643200',
      '8dcab861',
    ]);
  });
});

describe('the envelope', () => {
  const packet = sealed(encodeMessage(ping));

  it('is a hash, a signature, a type and data', () => {
    expect(isPacket(packet)).toBe(true);
    expect(open([packet])).toEqual([publicKey]);
    expect(decodeMessage(packet)).toEqual(ping);
  });

  it('any changed byte makes the hash wrong', () => {
    for (let i = 0; i < packet.length; i++) {
      const damaged = packet.slice();
      damaged[i] = (damaged[i] ?? 0) ^ 1;
      expect(isPacket(damaged)).toBe(false);
    }
  });

  it('is refused when it is too short, over 1,280 bytes, or of a type that does not exist', () => {
    for (let length = 0; length < 99; length++) expect(isPacket(packet.subarray(0, length))).toBe(false);
    const content = encodeMessage(ping);
    const padded = (size: number) => {
      const bytes = new Uint8Array(size - 97);
      bytes.set(content);
      return sealed(bytes);
    };
    expect(isPacket(padded(MAX_PACKET_SIZE))).toBe(true);
    expect(isPacket(padded(MAX_PACKET_SIZE + 1))).toBe(false);
    for (const type of [0, 7, 255]) {
      const other = content.slice();
      other[0] = type;
      expect(isPacket(sealed(other))).toBe(false);
    }
  });

  it('a signature with s in the upper half, a recovery id above 3, or none at all, has no signer', () => {
    const content = encodeMessage(ping);
    const signature = sign(keccak256(content), secretKey);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const high = signature.slice();
    const s = order - BigInt(`0x${toBareHex(signature.subarray(32, 64))}`);
    high.set(fromHex(s.toString(16).padStart(64, '0')), 32);
    high[64] = (signature[64] ?? 0) ^ 1;
    const wrongId = signature.slice();
    wrongId[64] = 4;
    for (const bad of [high, wrongId, new Uint8Array(65), new Uint8Array(65).fill(255)]) {
      const packet = withHash(bad, content);
      expect(isPacket(packet)).toBe(true);
      expect(open([packet, sealed(content)])).toEqual([undefined, publicKey]);
    }
  });
});

describe('fuzz', () => {
  it('any bytes behind a type are a message or a typed error', () => {
    const data = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), data, (type, bytes) => {
        const packet = new Uint8Array(98 + bytes.length);
        packet[97] = type;
        packet.set(bytes, 98);
        readable(packet);
      }),
      { numRuns: runs(3_000) },
    );
  });

  it('so is a real packet with some bytes changed, cut off or put behind', () => {
    const packets = [eip8.ping4, eip8.ping555, eip8.pong, eip8.findNode, eip8.neighbors].map(fromHex);
    const change = fc.record({ at: fc.nat(400), to: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(
        fc.constantFrom(...packets),
        fc.array(change, { maxLength: 4 }),
        fc.nat(450),
        (packet, changes, length) => {
          const damaged = new Uint8Array(Math.max(98, length));
          damaged.set(packet.subarray(0, damaged.length));
          for (const { at, to } of changes) if (98 + at < damaged.length) damaged[98 + at] = to;
          readable(damaged);
          isPacket(damaged);
          open([damaged]);
        },
      ),
      { numRuns: runs(2_000) },
    );
  });
});

function readable(packet: Uint8Array): void {
  try {
    decodeMessage(packet);
  } catch (error) {
    if (!isPeerlaneError(error) || !error.code.startsWith('rlp-')) throw error;
  }
}
