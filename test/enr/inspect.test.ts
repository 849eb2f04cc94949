import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex } from '../../src/base/bytes.ts';
import { type Inspection, inspectRecord, signRecord } from '../../src/enr/index.ts';
import { runs } from '../support/runs.ts';

const secretKey = fromHex('b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291');
// EIP-778, "Test Vectors".
const EXAMPLE =
  'enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8';

const text = (encoded: Uint8Array): string => `enr:${Buffer.from(encoded).toString('base64url')}`;
const keysOf = ({ entries }: Inspection): string[] => entries.map(({ key }) => key);
const signature = new Uint8Array(64).fill(1);

describe('an inspection', () => {
  it('of a valid record has all that is in it', () => {
    const { record, error, size, seq, entries, notes } = inspectRecord(EXAMPLE);
    expect([record?.toString(), error, size, seq, notes]).toEqual([EXAMPLE, undefined, 134, 1n, []]);
    expect(entries).toEqual([
      { key: 'id', value: 'v4', encoded: RLP.encode('v4') },
      { key: 'ip', value: '127.0.0.1', encoded: fromHex('847f000001') },
      { key: 'secp256k1', value: record?.get('secp256k1'), encoded: record?.raw('secp256k1') },
      { key: 'udp', value: 30303, encoded: fromHex('82765f') },
    ]);
  });

  it('says which values of a valid record make no sense, and what looks like a mistake', () => {
    const valid = (entries: object): string => signRecord(secretKey, { seq: 1n, entries }).toString();
    expect(inspectRecord(valid({})).notes).toEqual(['it names no address']);
    expect(inspectRecord(valid({ ip: '1.2.3.4' })).notes).toEqual(['it names no port']);
    expect(inspectRecord(valid({ ip6: '::1', udp6: 0 })).notes).toEqual(['udp6 is 0, which is no port']);
    expect(inspectRecord(valid({ ip: '0.0.0.0', udp: 1 })).notes).toEqual([
      'no node can be at the address that it names',
    ]);
    const others = new Map([['unknown', RLP.encode('x')]]);
    const { entries } = inspectRecord(signRecord(secretKey, { seq: 1n, others }).toString());
    expect(entries.find(({ key }) => key === 'unknown')).toEqual({
      key: 'unknown',
      encoded: RLP.encode('x'),
    });
  });

  it('of a record with a wrong signature has what can be read, and says what is wrong', () => {
    const encoded = RLP.encode([
      signature,
      9,
      'id',
      'v4',
      'ip',
      'x',
      'secp256k1',
      signature.slice(0, 33),
      'udp',
      7,
    ]);
    const inspection = inspectRecord(text(encoded));
    expect([inspection.record, inspection.error?.code, inspection.seq]).toEqual([
      undefined,
      'invalid-record',
      9n,
    ]);
    expect(inspection.error?.message).toMatch(/not made by/);
    expect(keysOf(inspection)).toEqual(['id', 'ip', 'secp256k1', 'udp']);
    expect(inspection.entries[1]?.problem).toMatch(/4 bytes/);
    expect(inspection.entries[3]?.value).toBe(7);
  });

  it.each<[string, string, RegExp, number, string[]]>([
    ['is no record', 'hello', /starts with "enr:"/, 0, []],
    ['is empty', 'enr:', /not valid RLP/, 0, []],
    ['is too long', `enr:${'A'.repeat(5000)}`, /longer than 300/, 0, []],
    ['is no base64url', `${EXAMPLE}=`, /base64url/, 134, ['id', 'ip', 'secp256k1', 'udp']],
    ['is in capitals', EXAMPLE.replace('enr', 'ENR'), /starts with/, 134, ['id', 'ip', 'secp256k1', 'udp']],
    ['is no list', text(RLP.encode('abc')), /not valid RLP/, 4, []],
    ['has no content', text(RLP.encode([])), /RLP|content/, 1, []],
    ['is cut', EXAMPLE.slice(0, -3), /not valid RLP/, 132, []],
    ['lacks a value', text(RLP.encode([signature, 1, 'a', 'x', 'b'])), /no value/, 72, ['a']],
    ['has a list for a key', text(RLP.encode([signature, 1, ['a'], 'x', 'b', 'y'])), /is a list/, 74, ['b']],
    ['is not sorted', text(RLP.encode([signature, 1, 'b', 'x', 'a', 'y'])), /not sorted/, 73, ['b', 'a']],
    ['has a list for a number', text(RLP.encode([signature, [1], 'b', 'x'])), /RLP/, 72, ['b']],
  ])('of a text that %s', (_, source, message, size, keys) => {
    const inspection = inspectRecord(source);
    expect(inspection.record).toBeUndefined();
    expect(inspection.error).toMatchObject({
      code: 'invalid-record',
      message: expect.stringMatching(message),
    });
    expect([inspection.size, keysOf(inspection)]).toEqual([size, keys]);
  });

  it('of any text and any bytes ends with a record or an invalid-record', () => {
    const valid = signRecord(secretKey, {
      seq: 1n,
      entries: { tcp: 1, eth: { hash: fromHex('aef1f653'), next: 1n } },
    });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 310 }),
      fc
        .tuple(fc.nat(valid.encoded.length - 1), fc.uint8Array({ maxLength: 3 }))
        .map(([at, put]) => concatBytes(valid.encoded.subarray(0, at), put, valid.encoded.subarray(at + 1))),
    );
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), bytes.map(text)), (source) => {
        const { record, error } = inspectRecord(source);
        expect(record === undefined ? error?.code : record.toString()).toBe(
          record === undefined ? 'invalid-record' : source,
        );
      }),
      { numRuns: runs(500) },
    );
  });
});
