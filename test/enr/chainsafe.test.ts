/** Records of @chainsafe/enr 5.0.0, the implementation of Lodestar, read and written side by side. */
import { ENR, SignableENR } from '@chainsafe/enr';
import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toBareHex } from '../../src/base/bytes.ts';
import { parseIp } from '../../src/base/ip.ts';
import { keccak256, sign } from '../../src/crypto/index.ts';
import { decodeRecord, parseRecord, signRecord } from '../../src/enr/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

const secretKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytes.with(0, 1));
// It writes the number as a JavaScript number, and refuses zero.
const seq = fc.bigInt({ min: 1n, max: BigInt(Number.MAX_SAFE_INTEGER) });
// It reads ports of two bytes alone.
const port = fc.integer({ min: 256, max: 65_535 });
const entries = fc.record(
  {
    ip: fc.ipV4(),
    ip6: fc.constantFrom('::1', '2001:db8::1', 'fe80::'),
    tcp: port,
    udp: port,
    tcp6: port,
    udp6: port,
  },
  { requiredKeys: [] },
);
/** Keys in small letters, whose order does not depend on the language. */
const unknown = fc.dictionary(
  fc.stringMatching(/^x[a-z]{0,6}$/),
  fc.uint8Array({ minLength: 1, maxLength: 12 }),
  {
    maxKeys: 3,
  },
);

describe('@chainsafe/enr', () => {
  it('reads what we sign as we do', () => {
    fc.assert(
      fc.property(secretKey, seq, entries, unknown, (key, number, known, more) => {
        const others = new Map(Object.entries(more).map(([name, value]) => [name, RLP.encode(value)]));
        const ours = signRecord(key, { seq: number, entries: known, others });
        const theirs = ENR.decodeTxt(ours.toString());
        expect([theirs.seq, theirs.nodeId]).toEqual([ours.seq, toBareHex(ours.nodeId)]);
        expect([...theirs.kvs.keys()]).toEqual(ours.keys());
        const { ip, tcp, udp, ip6, tcp6, udp6 } = theirs;
        expect({ ip, tcp, udp, tcp6, udp6 }).toEqual({
          ip: known.ip,
          tcp: known.tcp,
          udp: known.udp,
          tcp6: known.tcp6,
          udp6: known.udp6,
        });
        expect(parseIp(ip6 ?? '')).toEqual(parseIp(known.ip6 ?? ''));
        for (const [name, value] of Object.entries(more)) expect(theirs.kvs.get(name)).toEqual(value);
      }),
      { numRuns: runs(40) },
    );
  });

  it('writes what we read, byte for byte what we would have signed', () => {
    fc.assert(
      fc.property(secretKey, seq, entries, unknown, (key, number, known, more) => {
        const theirs = SignableENR.createV4(key, more);
        theirs.ip = known.ip;
        theirs.tcp = known.tcp;
        theirs.udp = known.udp;
        theirs.ip6 = known.ip6;
        theirs.tcp6 = known.tcp6;
        theirs.udp6 = known.udp6;
        theirs.seq = number;
        const others = new Map(Object.entries(more).map(([name, value]) => [name, RLP.encode(value)]));
        const ours = signRecord(key, { seq: number, entries: known, others });
        expect(parseRecord(theirs.encodeTxt()).toString()).toBe(ours.toString());
        expect(theirs.encode()).toEqual(ours.encoded);
      }),
      { numRuns: runs(40) },
    );
  });

  it('refuses what we refuse, after any change of one bit', () => {
    const key = fromHex('b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291');
    const { encoded } = signRecord(key, { seq: 1n, entries: { ip: '127.0.0.1', udp: 30303 } });
    fc.assert(
      fc.property(fc.nat({ max: encoded.length * 8 - 1 }), (bit) => {
        const changed = encoded.with(bit >> 3, (encoded[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
        expect(codeOf(() => decodeRecord(changed))).toBe('invalid-record');
        expect(() => ENR.decode(changed)).toThrow();
      }),
      { numRuns: runs(60) },
    );
  });

  it('takes keys that are not in order, which we do not', () => {
    const key = fromHex('b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291');
    const compressed = fromHex('03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138');
    const items = [1, 'secp256k1', compressed, 'id', 'v4'];
    const encoded = RLP.encode([sign(keccak256(RLP.encode(items)), key).slice(0, 64), ...items]);
    expect(ENR.decode(encoded).seq).toBe(1n);
    expect(codeOf(() => decodeRecord(encoded))).toBe('invalid-record');
  });
});
