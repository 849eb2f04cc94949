/** Packets of anybody: all header fields arbitrary, with valid masking, so that they get past the mask. */
import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openMessage, type Unmasked, unmask } from '../../src/discv5/packet.ts';
import { byteArrays } from '../crypto/arbitraries.ts';
import { runs } from '../support/runs.ts';
import { HANDSHAKE, HANDSHAKE_WITH_RECORD, MESSAGE, NODE_B_ID, WHOAREYOU } from './vectors.ts';

const LOCAL_ID = NODE_B_ID;
const PROTOCOL_ID = Buffer.from('discv5');

interface Fields {
  readonly protocolId: Uint8Array;
  readonly version: number;
  readonly flag: number;
  readonly nonce: Uint8Array;
  readonly size: number;
  /** authdata and message. */
  readonly rest: Uint8Array;
}

/** Masks all that follows the masking-iv: what is message and what is header then makes no difference to the mask. */
function packetOf(
  iv: Uint8Array,
  { protocolId, version, flag, nonce, size, rest }: Fields,
  headerEnd: number,
) {
  const head = Buffer.concat([protocolId, Uint8Array.of(version >> 8, version, flag), nonce]);
  const header = Buffer.concat([head, Uint8Array.of(size >> 8, size), rest]);
  const mask = createCipheriv('aes-128-ctr', LOCAL_ID.subarray(0, 16), iv);
  const end = Math.max(0, Math.min(header.length, headerEnd - 16));
  return new Uint8Array(Buffer.concat([iv, mask.update(header.subarray(0, end)), header.subarray(end)]));
}

/** Header and message of the three kinds, of which each field may be exchanged for something else. */
const shapes = fc.oneof(
  fc.nat(300).map((extra) => ({ flag: 0, size: 32, length: 48 + extra })),
  fc.constant({ flag: 1, size: 24, length: 24 }),
  fc
    .tuple(fc.nat(310), fc.nat(100))
    .map(([record, extra]) => ({ flag: 2, size: 131 + record, length: 131 + record + 16 + extra })),
);
const sometimes = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 11, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const fields: fc.Arbitrary<Fields> = fc
  .record({
    shape: shapes,
    nonce: byteArrays(12),
    protocolId: sometimes(byteArrays(6)),
    version: sometimes(fc.oneof(fc.constantFrom(0, 2, 0x100, 0x101), fc.nat(0xffff))),
    flag: sometimes(fc.oneof(fc.nat(3), fc.nat(255))),
    size: sometimes(
      fc.oneof(fc.constantFrom(0, 23, 24, 25, 31, 32, 33, 130, 131, 0x2000, 0xffff), fc.nat(0xffff)),
    ),
    length: sometimes(fc.oneof(fc.nat(60), fc.nat(1300))),
    signature: sometimes(fc.nat(255)),
    key: sometimes(fc.nat(255)),
    content: byteArrays(1300),
  })
  .map(({ shape, nonce, protocolId, version, flag, size, length, signature, key, content }) => {
    content.set([signature ?? 64, key ?? 33], 32);
    return {
      protocolId: protocolId ?? PROTOCOL_ID,
      version: version ?? 1,
      flag: flag ?? shape.flag,
      nonce,
      size: size ?? shape.size,
      rest: content.subarray(0, length ?? shape.length),
    };
  });

/** The length of what an outcome stands for. */
function lengthOf(found: Unmasked): number {
  return found.kind === 'whoareyou'
    ? found.challengeData.length
    : found.authData.length + found.message.length;
}

describe('unmask', () => {
  it('gives what the fields say, or undefined, or malformed, and never more bytes than came', () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(byteArrays(16), fields, fc.nat(64), (iv, given, before) => {
        const { flag, size, rest, nonce, version, protocolId } = given;
        const packet = packetOf(iv, given, 39 + size);
        const around = new Uint8Array(packet.length + 2 * before).fill(0xee);
        around.set(packet, before);
        const found = unmask(around.subarray(before, before + packet.length), LOCAL_ID);
        outcomes.add(typeof found === 'object' ? found.kind : String(found));
        expect(around.subarray(before, before + packet.length)).toEqual(packet);
        const isOurs =
          packet.length >= 63 && packet.length <= 1280 && Buffer.compare(protocolId, PROTOCOL_ID) === 0;
        expect(found === undefined).toBe(!isOurs);
        if (found === undefined) return;
        const isValid =
          version === 1 &&
          ((flag === 0 && size === 32 && rest.length >= 48) ||
            (flag === 1 && size === 24 && rest.length === 24) ||
            (flag === 2 &&
              size >= 131 &&
              size <= 431 &&
              rest.length >= size + 16 &&
              rest[32] === 64 &&
              rest[33] === 33));
        expect(found !== 'malformed').toBe(isValid);
        if (found === 'malformed') return;
        expect(lengthOf(found)).toBe(packet.length);
        expect(found.nonce).toEqual(nonce);
        expect(found.kind).toBe(['message', 'whoareyou', 'handshake'][flag]);
        if (found.kind === 'whoareyou') {
          expect(found.idNonce).toEqual(rest.subarray(0, 16));
          expect(found.enrSeq).toBe(Buffer.from(rest).readBigUInt64BE(16));
          return;
        }
        expect(found.srcId).toEqual(rest.subarray(0, 32));
        expect(found.message).toEqual(rest.subarray(size));
        expect(openMessage(found, LOCAL_ID.subarray(0, 16))).toBeUndefined();
        if (found.kind === 'message') return;
        expect(found.idSignature).toEqual(rest.subarray(34, 98));
        expect(found.ephemeralKey).toEqual(rest.subarray(98, 131));
        expect(found.record).toEqual(size === 131 ? undefined : rest.subarray(131, size));
      }),
      { numRuns: runs(1500) },
    );
    expect([...outcomes].sort()).toEqual(['handshake', 'malformed', 'message', 'undefined', 'whoareyou']);
  });

  it.each([
    [64, 32],
    [63, 33],
    [65, 33],
    [64, 34],
    [0, 33],
    [64, 0],
    [255, 255],
    [33, 64],
  ])('finds a handshake with sig-size %i and eph-key-size %i malformed', (signature, key) => {
    const rest = new Uint8Array(300);
    const given = { protocolId: PROTOCOL_ID, version: 1, flag: 2, nonce: new Uint8Array(12), size: 131 };
    rest.set([64, 33], 32);
    const packet = () => packetOf(new Uint8Array(16), { ...given, rest }, 39 + 131);
    expect(unmask(packet(), LOCAL_ID)).toMatchObject({ kind: 'handshake' });
    rest.set([signature, key], 32);
    expect(unmask(packet(), LOCAL_ID)).toBe('malformed');
  });

  it('has an answer for any cut or change of a good packet', () => {
    const packets = fc.constantFrom(...[MESSAGE, WHOAREYOU, HANDSHAKE, HANDSHAKE_WITH_RECORD]);
    fc.assert(
      fc.property(packets, fc.nat(), fc.nat(), fc.nat(255), ({ packet }, cut, at, bits) => {
        const part = packet.slice(0, packet.length - (cut % 40));
        part[at % part.length] = (part[at % part.length] ?? 0) ^ bits;
        const found = unmask(part, LOCAL_ID);
        if (typeof found === 'object') expect(lengthOf(found)).toBe(part.length);
      }),
      { numRuns: runs(1000) },
    );
  });

  it('takes any bytes for none', () => {
    fc.assert(
      fc.property(byteArrays(0, 1400), (bytes) => {
        expect(unmask(bytes, LOCAL_ID)).toBeUndefined();
      }),
      { numRuns: runs(500) },
    );
  });
});
