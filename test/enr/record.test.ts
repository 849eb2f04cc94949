import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toBareHex, toHex } from '../../src/base/bytes.ts';
import { keccak256, publicKeyOf, sign } from '../../src/crypto/index.ts';
import { decodeRecord, type EntryKey, parseRecord, signRecord } from '../../src/enr/index.ts';
import { bytes, decode, encode, encodeList, raw, struct, uint } from '../../src/rlp/index.ts';
import { runs } from '../support/runs.ts';
import { errorOf } from './errors.ts';

const secretKey = fromHex('b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291');
const compressed = fromHex('03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138');

// EIP-778, "Test Vectors": key, text and node id.
const EXAMPLE =
  'enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8';
const EXAMPLE_NODE_ID = 'a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7';

type Item = Uint8Array | string | number | bigint | Item[];

/** A record of `items` after the signature, signed over whatever they are. */
function signedOver(items: readonly Item[], key = secretKey): Uint8Array {
  const content = RLP.encode([...items]);
  return RLP.encode([sign(keccak256(content), key).slice(0, 64), ...items]);
}

const refused = (encoded: Uint8Array): string => {
  const error = errorOf(() => decodeRecord(encoded));
  expect(error.code).toBe('invalid-record');
  return error.message;
};

describe('the record of EIP-778', () => {
  it('is read', () => {
    const record = parseRecord(EXAMPLE);
    expect(record.seq).toBe(1n);
    expect(toBareHex(record.nodeId)).toBe(EXAMPLE_NODE_ID);
    expect(record.publicKey).toEqual(publicKeyOf(secretKey));
    expect(record.keys()).toEqual(['id', 'ip', 'secp256k1', 'udp']);
    expect([record.get('id'), record.get('ip'), record.get('udp')]).toEqual(['v4', '127.0.0.1', 30303]);
    expect(record.get('secp256k1')).toEqual(compressed);
    expect([record.get('tcp'), record.get('ip6'), record.get('eth'), record.get('snap')]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(record.toString()).toBe(EXAMPLE);
  });

  it('is what signing its content gives', () => {
    expect(signRecord(secretKey, { seq: 1n, entries: { ip: '127.0.0.1', udp: 30303 } }).toString()).toBe(
      EXAMPLE,
    );
  });
});

describe("the records of go-ethereum's tests", () => {
  // p2p/enode/node_test.go, TestPythonInterop: a record written by another implementation.
  it('hold what they held there: node_test.go', () => {
    const record = decodeRecord(
      fromHex(
        'f884b8407098ad865b00a582051940cb9cf36836572411a47278783077011599ed5cd16b76f2635f4e234738f30813a89eb9137e3e3df5266e3a1f11df72ecf1145ccb9c01826964827634826970847f00000189736563703235366b31a103ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31388375647082765f',
      ),
    );
    expect([toBareHex(record.nodeId), record.get('ip'), record.get('udp')]).toEqual([
      EXAMPLE_NODE_ID,
      '127.0.0.1',
      30303,
    ]);
  });

  // p2p/enode/urlv4_test.go, parseNodeTests.
  it('hold what they held there: urlv4_test.go', () => {
    const text =
      'enr:-IS4QGrdq0ugARp5T2BZ41TrZOqLc_oKvZoPuZP5--anqWE_J-Tucc1xgkOL7qXl0puJgT7qc2KSvcupc4NCb0nr4tdjgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQM6UUF2Rm-oFe1IH_rQkRCi00T2ybeMHRSvw1HDpRvjPYN1ZHCCdl8';
    const key = fromHex('45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8');
    expect(parseRecord(text).seq).toBe(99n);
    expect(signRecord(key, { seq: 99n, entries: { ip: '127.0.0.1', udp: 30303 } }).toString()).toBe(text);
  });

  it.each([
    ['enr:', /not valid RLP/],
    ['enr:x', /base64url/],
    [
      'enr:-EmGZm9vYmFyY4JpZIJ2NIJpcIR_AAABiXNlY3AyNTZrMaEDOlFBdkZvqBXtSB_60JEQotNE9sm3jB0Ur8NRw6Ub4z2DdWRwgnZf',
      /not valid RLP/,
    ],
  ])('are refused as there: %s', (text, message) => {
    const error = errorOf(() => parseRecord(text));
    expect(error.code).toBe('invalid-record');
    expect(error.message).toMatch(message);
  });
});

describe('the text of a record', () => {
  it.each([
    ['padding', `${EXAMPLE}=`],
    ['the other alphabet', EXAMPLE.replace('_', '/')],
    ['white space', `${EXAMPLE} `],
    ['a line break inside', `${EXAMPLE.slice(0, 50)}\n${EXAMPLE.slice(50)}`],
    ['another prefix', EXAMPLE.replace('enr:', 'ENR:')],
    ['no prefix', EXAMPLE.slice(4)],
    ['more than 300 bytes', `enr:${'A'.repeat(405)}`],
  ])('has no %s', (_, text) => {
    expect(errorOf(() => parseRecord(text)).code).toBe('invalid-record');
  });

  it.each([undefined, 5, null])('is text, not %s', (value) => {
    expect(errorOf(() => parseRecord(value as never)).code).toBe('invalid-record');
    expect(errorOf(() => decodeRecord(value as never)).code).toBe('invalid-record');
  });

  it('has no stray bits in its last digit', () => {
    const encoded = signRecord(secretKey, { seq: 1n, others: new Map([['x', Uint8Array.of(1)]]) }).encoded;
    const text = parseRecord(`enr:${Buffer.from(encoded).toString('base64url')}`).toString();
    expect(encoded.length % 3).not.toBe(0);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet[alphabet.indexOf(text.slice(-1)) + 1];
    expect(errorOf(() => parseRecord(text.slice(0, -1) + last)).message).toMatch(/base64url/);
  });
});

describe('a record', () => {
  it('keeps entries that nobody here knows, and their order', () => {
    const encoded = signedOver([7, 'a', 'x', 'id', 'v4', 'secp256k1', compressed, 'zz', [[1], 'y']]);
    const record = decodeRecord(encoded);
    expect(record.keys()).toEqual(['a', 'id', 'secp256k1', 'zz']);
    expect(record.raw('zz')).toEqual(RLP.encode([[1], 'y']));
    expect(record.encoded).toEqual(encoded);
    const others = new Map([
      ['zz', RLP.encode([[1], 'y'])],
      ['a', RLP.encode('x')],
    ]);
    expect(signRecord(secretKey, { seq: 7n, others }).encoded).toEqual(encoded);
  });

  it('does not change with the packet that it came in', () => {
    // As it comes from a socket: what `slice` of a Buffer gives is no copy.
    const packet = Buffer.from(signRecord(secretKey, { seq: 1n, entries: { tcp: 30303 } }).encoded);
    const record = decodeRecord(packet);
    packet.fill(0);
    expect(record.get('tcp')).toBe(30303);
  });

  it('has keys of any bytes', () => {
    const key = Uint8Array.of(0x62, 0xff, 0x00);
    const record = decodeRecord(signedOver([1, key, 'x', 'id', 'v4', 'secp256k1', compressed]));
    expect(record.keys()[0]).toBe('b\u00ff\u0000');
    const others = new Map([['b\u00ff\u0000', RLP.encode('x')]]);
    expect(signRecord(secretKey, { seq: 1n, others }).encoded).toEqual(record.encoded);
  });

  it('counts to 2^64 - 1', () => {
    const seq = 2n ** 64n - 1n;
    expect(decodeRecord(signRecord(secretKey, { seq }).encoded).seq).toBe(seq);
    expect(errorOf(() => signRecord(secretKey, { seq: seq + 1n })).code).toMatch(/invalid-argument|rlp-/);
  });

  it('has the fork id in a list in a list, and ignores what stands behind it', () => {
    const forkId = { hash: fromHex('aef1f653'), next: 2n ** 64n - 1n };
    const record = signRecord(secretKey, { seq: 1n, entries: { eth: forkId, snap: true } });
    expect(record.raw('eth')).toEqual(RLP.encode([[fromHex('aef1f653'), 2n ** 64n - 1n]]));
    expect(record.raw('snap')).toEqual(RLP.encode([]));
    expect([record.get('eth'), record.get('snap')]).toEqual([forkId, true]);
    const later = [
      1,
      'eth',
      [[fromHex('aef1f653'), 5], 'new'],
      'id',
      'v4',
      'secp256k1',
      compressed,
      'snap',
      [1],
    ];
    const read = decodeRecord(signedOver(later));
    expect([read.get('eth')?.next, read.get('snap')]).toEqual([5n, true]);
  });

  it.each([
    ['ip', Uint8Array.of(1, 2, 3)],
    ['ip', [1]],
    ['ip6', Uint8Array.of(1, 2, 3, 4)],
    ['tcp', Uint8Array.of(1, 0, 0)],
    ['tcp', Uint8Array.of(0, 80)],
    ['udp6', []],
    ['eth', 'x'],
    ['eth', [['abc', 1]]],
    ['snap', 'x'],
    ['ng', [1]],
    ['topic-discovery', Uint8Array.of(0)],
    ['ng', Uint8Array.of(1, 0, 0, 0, 0)],
  ] as const)('is valid with a senseless %s entry, which is not given', (key, value) => {
    const pairs: [string, Item][] = [
      ['id', 'v4'],
      ['secp256k1', compressed],
      [key, typeof value === 'string' || value instanceof Uint8Array ? value : [...value].map(itemOf)],
    ];
    const record = decodeRecord(signedOver([1, ...pairs.sort(([a], [b]) => (a < b ? -1 : 1)).flat()]));
    expect(record.keys()).toContain(key);
    expect([record.get(key), record.entries()[key]]).toEqual([undefined, undefined]);
  });

  it('may fill 300 bytes, and not one more', () => {
    const filled = (length: number): Map<string, Uint8Array> =>
      new Map([['x', RLP.encode(new Uint8Array(length).fill(1))]]);
    const room = 300 - signRecord(secretKey, { seq: 1n, others: filled(150) }).encoded.length;
    const full = signRecord(secretKey, { seq: 1n, others: filled(150 + room) });
    expect(full.encoded.length).toBe(300);
    expect(parseRecord(full.toString()).encoded).toEqual(full.encoded);
    expect(errorOf(() => signRecord(secretKey, { seq: 1n, others: filled(151 + room) })).code).toBe(
      'invalid-record',
    );
    const tooLong = signedOver([
      1,
      'id',
      'v4',
      'secp256k1',
      compressed,
      'x',
      new Uint8Array(151 + room).fill(1),
    ]);
    expect(tooLong.length).toBe(301);
    expect(refused(tooLong)).toMatch(/301 bytes/);
  });
});

describe('a record in a packet', () => {
  // EIP-868, "ENRResponse Packet (0x06)": packet-data = [ request-hash, ENR ].
  it('is an item of its list, and is taken out as it stands', () => {
    const { encoded } = parseRecord(EXAMPLE);
    const requestHash = keccak256(encoded);
    const packet = RLP.encode([requestHash, RLP.decode(encoded)]);
    const { record } = decode(struct({ requestHash: bytes(32), record: raw }), packet);
    expect(decodeRecord(record.encoded).toString()).toBe(EXAMPLE);
    expect(encodeList([encode(bytes(), requestHash), decodeRecord(record.encoded).encoded])).toEqual(packet);
  });

  it('is refused when a value in it is no RLP: nobody could decode what it is relayed in', () => {
    const content = [encode(uint(8), 1), ...['id', 'v4'].map((text) => RLP.encode(text))];
    content.push(RLP.encode('secp256k1'), RLP.encode(compressed), RLP.encode('z'));
    for (const value of ['c2b801', 'c18101', 'c3c28101', 'c1b8', 'c382ffff']) {
      const items = [...content, fromHex(value)];
      const signature = sign(keccak256(encodeList(items)), secretKey).slice(0, 64);
      const encoded = encodeList([encode(bytes(), signature), ...items]);
      if (value === 'c382ffff') expect(decodeRecord(encoded).raw('z')).toEqual(fromHex(value));
      else expect(refused(encoded)).toMatch(/not valid RLP/);
    }
  });

  it('may hold lists as deep as there is room', () => {
    let deep: Item = [];
    for (let i = 0; i < 100; i++) deep = [deep];
    const record = decodeRecord(signedOver([1, 'id', 'v4', 'secp256k1', compressed, 'z', deep]));
    expect(record.raw('z')).toEqual(RLP.encode(deep));
  });
});

function itemOf(value: unknown): Item {
  if (Array.isArray(value)) return value.map(itemOf);
  return typeof value === 'number' || typeof value === 'string' ? value : String(value);
}

describe('a record is refused', () => {
  const valid = [1, 'id', 'v4', 'secp256k1', compressed] as const;

  it.each<[string, Item[], RegExp]>([
    ['with unsorted keys', [1, 'secp256k1', compressed, 'id', 'v4'], /not sorted/],
    ['with a key twice', [1, 'id', 'v4', 'id', 'v4', 'secp256k1', compressed], /twice/],
    ['with a key that lacks its value', [...valid, 'tcp'], /no value/],
    ['with a key that is a list', [1, ['a'], 1, 'id', 'v4', 'secp256k1', compressed], /is a list/],
    ['without an identity scheme', [1, 'secp256k1', compressed], /"v4"/],
    ['of another identity scheme', [1, 'id', 'v5', 'secp256k1', compressed], /"v4"/],
    ['without a public key', [1, 'id', 'v4'], /no public key/],
    ['with a key of the wrong length', [1, 'id', 'v4', 'secp256k1', compressed.slice(1)], /RLP/],
    ['with a sequence number over 64 bits', [2n ** 64n, ...valid.slice(1)], /RLP/],
    ['with a sequence number with a leading zero', [Uint8Array.of(0, 1), ...valid.slice(1)], /RLP/],
    ["with somebody else's key", [1, 'id', 'v4', 'secp256k1', publicOther()], /not made by/],
    ['with a key off the curve', [1, 'id', 'v4', 'secp256k1', compressed.with(0, 5)], /not made by/],
  ])('%s', (_, items, message) => {
    expect(refused(signedOver(items))).toMatch(message);
  });

  it('without content', () => {
    expect(refused(RLP.encode([]))).toMatch(/RLP|content/);
    expect(refused(RLP.encode([new Uint8Array(64)]))).toMatch(/RLP|content/);
    expect(refused(new Uint8Array(0))).toMatch(/RLP/);
  });

  it('with bytes behind it', () => {
    expect(refused(concatBytes(signedOver([...valid]), Uint8Array.of(0)))).toMatch(/RLP/);
  });

  it('with a signature of another length', () => {
    const content = RLP.encode([...valid]);
    expect(refused(RLP.encode([sign(keccak256(content), secretKey), ...valid]))).toMatch(/RLP/);
  });

  it('with the signature that has the other s', () => {
    const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const signature = sign(keccak256(RLP.encode([...valid])), secretKey);
    const s = n - BigInt(toHex(signature.subarray(32, 64)));
    const flipped = concatBytes(signature.subarray(0, 32), fromHex(s.toString(16).padStart(64, '0')));
    expect(refused(RLP.encode([flipped, ...valid]))).toMatch(/above half/);
  });

  it('after any change of one bit', () => {
    const { encoded } = parseRecord(EXAMPLE);
    fc.assert(
      fc.property(fc.nat({ max: encoded.length * 8 - 1 }), (bit) => {
        const changed = encoded.with(bit >> 3, (encoded[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
        expect(errorOf(() => decodeRecord(changed)).code).toBe('invalid-record');
      }),
      { numRuns: runs(60) },
    );
  });

  it('when it is any bytes', () => {
    const rlp = fc.letrec<{ item: Item }>((tie) => ({
      item: fc.oneof(
        { maxDepth: 3 },
        fc.uint8Array({ maxLength: 70 }),
        fc.array(tie('item'), { maxLength: 8 }),
      ),
    })).item;
    const input = fc.oneof(
      fc.uint8Array({ maxLength: 310 }),
      rlp.map((item) => RLP.encode(item)),
      fc.array(rlp, { maxLength: 6 }).map((items) => signedOver([1, 'id', 'v4', ...items])),
    );
    fc.assert(
      fc.property(input, (encoded) => {
        expect(errorOf(() => decodeRecord(encoded)).code).toBe('invalid-record');
      }),
      { numRuns: runs(300) },
    );
  });
});

describe('what is signed', () => {
  it('is read again, whatever it holds', () => {
    const known = fc.record(
      {
        ip: fc.ipV4(),
        ip6: fc.constantFrom('::1', '2001:db8::1:0:0:1', 'fe80::'),
        tcp: fc.integer({ min: 0, max: 65_535 }),
        tcp6: fc.integer({ min: 0, max: 65_535 }),
        udp: fc.integer({ min: 0, max: 65_535 }),
        udp6: fc.integer({ min: 0, max: 65_535 }),
        snap: fc.constant(true as const),
        eth: fc.record({
          hash: fc.uint8Array({ minLength: 4, maxLength: 4 }),
          next: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(known, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (entries, seq) => {
        const record = parseRecord(signRecord(secretKey, { seq, entries }).toString());
        expect(record.seq).toBe(seq);
        const { id, secp256k1, ...read } = record.entries();
        expect([id, secp256k1]).toEqual(['v4', compressed]);
        expect(read).toEqual(entries);
        for (const key of record.keys() as EntryKey[]) {
          expect(record.get(key)).toEqual(record.entries()[key]);
          expect(record.entries([key, 'snap'])).toEqual(
            Object.fromEntries(
              Object.entries(record.entries()).filter(([name]) => [key, 'snap'].includes(name)),
            ),
          );
        }
      }),
      { numRuns: runs(50) },
    );
  });

  it.each([
    ['an address that is none', { ip: '1.2.3' }, 'invalid-argument'],
    ['an address of the other kind', { ip6: '1.2.3.4' }, 'invalid-argument'],
    ['an identity scheme', { id: 'v5' } as object, 'invalid-argument'],
    ['an entry without a type', { frobnicate: 1 } as object, 'invalid-argument'],
  ])('is not %s', (_, entries, code) => {
    expect(errorOf(() => signRecord(secretKey, { seq: 1n, entries })).code).toBe(code);
  });

  it('keeps to the types of known entries, and to keys of bytes', () => {
    const withOther = (key: string): string =>
      errorOf(() => signRecord(secretKey, { seq: 1n, others: new Map([[key, RLP.encode('x')]]) })).code;
    expect(withOther('ip')).toBe('invalid-argument');
    expect(withOther('secp256k1')).toBe('invalid-argument');
    expect(withOther('\u0142')).toBe('invalid-argument');
  });

  it('needs a key', () => {
    expect(errorOf(() => signRecord(new Uint8Array(32), { seq: 1n })).code).toBe('invalid-secret-key');
  });
});

function publicOther(): Uint8Array {
  const key = publicKeyOf(fromHex('45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8'));
  return concatBytes(Uint8Array.of(2 + ((key[63] ?? 0) & 1)), key.subarray(0, 32));
}
