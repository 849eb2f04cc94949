import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex } from '../../src/base/bytes.ts';
import { isPeerlaneError } from '../../src/base/errors.ts';
import { decodeMessage, encodeMessage, type Message } from '../../src/discv5/index.ts';
import { encode, encodeList, uint } from '../../src/rlp/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

const requestId = Uint8Array.of(0, 0, 0, 1);
const topic = new Uint8Array(32).fill(7);
/** A list of the length of a record. */
const record = encodeList(Array.from({ length: 10 }, (_, i) => encodeList([new Uint8Array(9).fill(i)])));
const item = (hex: string) => fromHex(hex);
const withType = (type: number, ...items: Uint8Array[]) =>
  concatBytes(Uint8Array.of(type), encodeList(items));

const messages: Message[] = [
  { kind: 'ping', requestId, enrSeq: 2n ** 64n - 1n },
  { kind: 'ping', requestId: new Uint8Array(), enrSeq: 0n },
  { kind: 'pong', requestId, enrSeq: 1n, ip: '10.1.2.3', port: 65_535 },
  { kind: 'pong', requestId: new Uint8Array(8).fill(255), enrSeq: 1n, ip: '2001:db8::1', port: 0 },
  { kind: 'findNode', requestId, distances: [] },
  { kind: 'findNode', requestId, distances: [0, 256, 255, 2 ** 53 - 1] },
  { kind: 'nodes', requestId, total: 1, records: [] },
  { kind: 'nodes', requestId, total: 5, records: [record, record] },
  { kind: 'talkRequest', requestId, protocol: Uint8Array.of(0xff, 0), request: new Uint8Array(900) },
  { kind: 'talkResponse', requestId, response: new Uint8Array() },
  {
    ...{ kind: 'regTopic', requestId, topic, record, ticket: new Uint8Array(), distances: [250] },
  } as const,
  { kind: 'regConfirmation', requestId, total: 2, ticket: new Uint8Array(90), waitMs: 900_000 },
  { kind: 'topicQuery', requestId, topic, distances: [1, 2] },
  { kind: 'topicNodes', requestId, total: 1, records: [record] },
];

describe('messages', () => {
  it.each(messages)('$kind is read as it was written', (message) => {
    expect(decodeMessage(encodeMessage(message))).toEqual(message);
  });

  it('have the layout of the specification', () => {
    // discv5-wire-test-vectors.md, "Encryption/Decryption": the plaintext of a Ping.
    expect(encodeMessage({ kind: 'ping', requestId: Uint8Array.of(1), enrSeq: 1n })).toEqual(
      item('01c20101'),
    );
    expect(decodeMessage(item('01c20101'))).toMatchObject({ requestId: Uint8Array.of(1), enrSeq: 1n });
  });

  it('have ids of at most eight bytes, whatever else is in them', () => {
    const long = withType(1, item('89010203040506070809'), item('01'));
    expect(codeOf(() => decodeMessage(long))).toBe('rlp-unexpected');
    const ping = { kind: 'ping', requestId: new Uint8Array(9), enrSeq: 1n } as const;
    expect(codeOf(() => encodeMessage(ping))).toBe('invalid-argument');
  });

  it('of other types are none, and what more a list holds is ignored', () => {
    for (const type of [0, 11, 255]) expect(decodeMessage(withType(type, item('01')))).toBeUndefined();
    expect(decodeMessage(new Uint8Array())).toBeUndefined();
    const more = concatBytes(withType(1, item('01'), item('05'), item('c20102')), item('ff'));
    expect(decodeMessage(more)).toEqual({ kind: 'ping', requestId: Uint8Array.of(1), enrSeq: 5n });
  });

  it('what cannot be a record is left out, of records no more than sixteen are taken', () => {
    const junk = [item('01'), item('c0'), encodeList([new Uint8Array(400)]), encode(uint(32), 7)];
    const nodes = withType(4, item('01'), item('01'), encodeList([...junk, record, ...junk, record]));
    expect(decodeMessage(nodes)).toMatchObject({ records: [record, record] });
    const many = withType(4, item('01'), item('01'), encodeList(new Array(17).fill(record)));
    expect(decodeMessage(many)).toMatchObject({ records: { length: 16 } });
  });

  it('an address of another length is none', () => {
    const pong = withType(2, item('01'), item('01'), item('83010203'), item('01'));
    expect(decodeMessage(pong)).toMatchObject({ ip: undefined, port: 1 });
  });

  it('any bytes give a message, nothing, or an error of RLP', () => {
    const items = fc.letrec<{ item: Uint8Array }>((tie) => ({
      item: fc.oneof(
        { maxDepth: 3 },
        fc.uint8Array({ maxLength: 40 }).map(stringOf),
        fc.array(tie('item'), { maxLength: 6 }).map((all) => encodeList(all)),
      ),
    })).item;
    const body = fc.oneof(fc.uint8Array({ maxLength: 1_200 }), items);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 12 }), body, (type, data) => {
        try {
          const message = decodeMessage(concatBytes(Uint8Array.of(type), data));
          if (message !== undefined) expect(decodeMessage(encodeMessage(message))).toEqual(message);
        } catch (error) {
          expect(isPeerlaneError(error) && error.code.startsWith('rlp-')).toBe(true);
        }
      }),
      { numRuns: runs(2_000) },
    );
  });
});

/** Up to 55 bytes as an item. */
function stringOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 1 && (bytes[0] ?? 0) < 0x80) return bytes;
  return concatBytes(Uint8Array.of(0x80 + bytes.length), bytes);
}
