import { describe, expect, it } from 'vitest';
import { fromHex, toBareHex } from '../../src/base/bytes.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import {
  bigUint,
  bool,
  bytes,
  type Codec,
  type Decoded,
  decode,
  type Encodable,
  either,
  encode,
  encodeList,
  list,
  mapped,
  optional,
  RlpList,
  raw,
  struct,
  text,
  uint,
  uintBytes,
} from '../../src/rlp/index.ts';
import { codeOf } from './code-of.ts';

const codes = (codec: Codec<unknown, never>, hex: string) => codeOf(() => decode(codec, fromHex(hex)));

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PeerlaneError) return error.message;
    throw error;
  }
  return '';
}

describe('an integer', () => {
  it.each([
    ['uint', uint(16)],
    ['bigUint', bigUint(16)],
    ['uintBytes', uintBytes(16)],
  ] as [string, Codec<unknown, never>][])('as %s has no leading zeros and fits its width', (_, codec) => {
    expect(codes(codec, '00')).toBe('rlp-non-canonical');
    expect(codes(codec, '820001')).toBe('rlp-non-canonical');
    expect(codes(codec, '82ffff')).toBe('none');
    expect(codes(codec, '83010000')).toBe('rlp-unexpected');
    expect(codes(codec, 'c0')).toBe('rlp-unexpected');
  });

  it('has a width in bits, not in bytes', () => {
    expect(codes(uint(9), '8201ff')).toBe('none');
    expect(codes(uint(9), '820200')).toBe('rlp-unexpected');
    expect(codes(bigUint(1), '02')).toBe('rlp-unexpected');
    expect(decode(uint(53), fromHex('871fffffffffffff'))).toBe(Number.MAX_SAFE_INTEGER);
    expect(codes(uint(53), '8720000000000000')).toBe('rlp-unexpected');
  });

  it('is written only when it fits', () => {
    expect(codeOf(() => encode(uint(8), 256))).toBe('invalid-argument');
    expect(codeOf(() => encode(uint(8), -1))).toBe('invalid-argument');
    expect(codeOf(() => encode(uint(8), 1.5))).toBe('invalid-argument');
    expect(codeOf(() => encode(bigUint(64), 1n << 64n))).toBe('invalid-argument');
    expect(codeOf(() => encode(bigUint(64), -1n))).toBe('invalid-argument');
    expect(codeOf(() => encode(uintBytes(9), fromHex('0200')))).toBe('invalid-argument');
    expect(codeOf(() => encode(uintBytes(9), fromHex('0001')))).toBe('invalid-argument');
    expect(toBareHex(encode(uintBytes(9), fromHex('01ff')))).toBe('8201ff');
    expect(toBareHex(encode(uintBytes(9), fromHex('')))).toBe('80');
  });

  it('has a width that makes sense', () => {
    for (const bits of [0, 54, 1.5, Number.NaN]) expect(codeOf(() => uint(bits))).toBe('invalid-argument');
    expect(codeOf(() => bigUint(0))).toBe('invalid-argument');
  });
});

describe('a boolean', () => {
  it('is 0x01 or 0x80 and nothing else', () => {
    expect(decode(bool, fromHex('01'))).toBe(true);
    expect(decode(bool, fromHex('80'))).toBe(false);
    expect(codes(bool, '00')).toBe('rlp-non-canonical');
    for (const hex of ['02', '8180', 'c0']) expect(codes(bool, hex)).toBe('rlp-unexpected');
    expect(toBareHex(encode(bool, true)) + toBareHex(encode(bool, false))).toBe('0180');
  });
});

describe('a byte string', () => {
  it('is a view of the input', () => {
    const input = fromHex('83010203');
    const value = decode(bytes(), input);
    input[2] = 9;
    expect(value).toEqual(Uint8Array.of(1, 9, 3));
  });

  it('has the length that its codec asks for', () => {
    expect(codes(bytes(2), '8180')).toBe('rlp-unexpected');
    expect(codes(bytes(2), '820101')).toBe('none');
    expect(codes(bytes({ min: 1 }), '80')).toBe('rlp-unexpected');
    expect(codes(bytes({ max: 1 }), '820101')).toBe('rlp-unexpected');
    expect(codes(bytes(), 'c0')).toBe('rlp-unexpected');
    expect(codeOf(() => encode(bytes(2), new Uint8Array(3)))).toBe('invalid-argument');
  });
});

describe('a text', () => {
  it('is UTF-8 of bounded size', () => {
    expect(decode(text(3), fromHex('83e282ac'))).toBe('€');
    expect(decode(text(3), fromHex('83efbbbf'))).toBe('\ufeff');
    expect(codes(text(2), '83e282ac')).toBe('rlp-unexpected');
    expect(codes(text(9), '82e282')).toBe('rlp-unexpected');
    expect(codes(text(9), 'c0')).toBe('rlp-unexpected');
    expect(codeOf(() => encode(text(2), '€'))).toBe('invalid-argument');
  });
});

describe('a list', () => {
  const items = list(struct({ id: uint(8), data: bytes() }), { min: 1, max: 3 });
  const encoded = encode(items, [
    { id: 1, data: fromHex('aa') },
    { id: 2, data: fromHex('bbbb') },
  ]);

  it('gives its elements by index, by iteration and as an array', () => {
    const value = decode(items, encoded);
    expect(value.length).toBe(2);
    expect(value.at(1)).toEqual({ id: 2, data: fromHex('bbbb') });
    expect([...value].map(({ id }) => id)).toEqual([1, 2]);
    expect(value.toArray()).toEqual([value.at(0), value.at(1)]);
    expect(toBareHex(value.encodedAt(1))).toBe('c40282bbbb');
    expect(value.encoded).toEqual(encoded);
  });

  it('has no elements outside of its length', () => {
    const value = decode(items, encoded);
    for (const index of [-1, 2, 0.5, Number.NaN]) {
      expect(codeOf(() => value.at(index))).toBe('invalid-argument');
      expect(codeOf(() => value.encodedAt(index))).toBe('invalid-argument');
    }
  });

  it('has as many elements as its codec asks for', () => {
    expect(codes(items, 'c0')).toBe('rlp-unexpected');
    expect(codes(items, 'c3010101')).toBe('none');
    expect(codes(items, 'c401010101')).toBe('rlp-unexpected');
    expect(codes(items, '80')).toBe('rlp-unexpected');
    expect(codeOf(() => encode(items, []))).toBe('invalid-argument');
  });

  it('is invalid when decoded if an element is no whole item, and when looked at if it is the wrong one', () => {
    expect(codes(list(uint(8)), 'c18100')).toBe('rlp-trailing-bytes');
    expect(codes(list(uint(8)), 'c28100')).toBe('rlp-non-canonical');
    const value = decode(list(uint(8)), fromHex('c40182ffff'));
    expect(value.at(0)).toBe(1);
    expect(codeOf(() => value.at(1))).toBe('rlp-unexpected');
    expect(codeOf(() => value.toArray())).toBe('rlp-unexpected');
    expect(codeOf(() => value.check())).toBe('rlp-unexpected');
    expect(toBareHex(value.encodedAt(1))).toBe('82ffff');
  });

  it('is passed on by copying its bytes', () => {
    const value = decode(items, encoded);
    const outer = struct({ version: uint(8), items });
    expect(decode(outer, encode(outer, { version: 1, items: value })).items.encoded).toEqual(encoded);
    expect(encodeList([value.encodedAt(0), value.encodedAt(1)])).toEqual(encoded);
    expect(toBareHex(encodeList([]))).toBe('c0');
  });

  it('can be read while it is being read', () => {
    const value = decode(list(list(uint(8))), fromHex('c7c20102c3030405'));
    const seen: number[] = [];
    for (const inner of value) {
      for (const number of inner) seen.push(number * 10 + value.at(1).at(0));
    }
    expect(seen).toEqual([13, 23, 33, 43, 53]);
  });
});

describe('a struct', () => {
  const block = struct({
    hash: bytes(2),
    number: uint(32),
    root: optional(bytes()),
    time: optional(uint(8)),
  });

  it('is a plain object with all fields', () => {
    const value = decode(block, fromHex('c482aabb07'));
    expect(value).toStrictEqual({ hash: fromHex('aabb'), number: 7, root: undefined, time: undefined });
    expect(Object.keys(value)).toEqual(['hash', 'number', 'root', 'time']);
    expect({ ...value, number: 8 }.number).toBe(8);
  });

  it('ends early only where fields are optional', () => {
    expect(codes(block, 'c382aabb')).toBe('rlp-unexpected');
    expect(decode(block, fromHex('c682aabb078181')).root).toEqual(fromHex('81'));
    expect(decode(block, fromHex('c682aabb070809')).time).toBe(9);
    expect(codes(block, 'c782aabb07080901')).toBe('rlp-unexpected');
    expect(codes(block, '8401020304')).toBe('rlp-unexpected');
  });

  it('may ignore what follows, if it is items', () => {
    const auth = struct({ version: uint(8) }, { trailing: 'ignore' });
    expect(decode(auth, fromHex('c40402c103'))).toEqual({ version: 4 });
    expect(codes(auth, 'c20483')).toBe('rlp-truncated');
  });

  it('is written up to the last optional field that has a value', () => {
    const required = { hash: fromHex('aabb'), number: 7 };
    expect(toBareHex(encode(block, required))).toBe('c482aabb07');
    expect(toBareHex(encode(block, { ...required, root: undefined }))).toBe('c482aabb07');
    expect(toBareHex(encode(block, { ...required, root: fromHex('01'), time: 2 }))).toBe('c682aabb070102');
    expect(codeOf(() => encode(block, { ...required, time: 2 }))).toBe('invalid-argument');
  });

  it('keeps the order of its fields', () => {
    expect(codeOf(() => struct({ b: uint(8), 1: uint(8) }))).toBe('invalid-argument');
    expect(codeOf(() => struct({ a: optional(uint(8)), b: uint(8) }))).toBe('invalid-argument');
  });

  it('has types that follow from its fields', () => {
    const value: Decoded<typeof block> = decode(block, fromHex('c482aabb07'));
    const time: number | undefined = value.time;
    const input: Encodable<typeof block> = { hash: value.hash, number: value.number, time };
    // @ts-expect-error a number is no byte string
    expect(codeOf(() => encode(block, { hash: 1, number: 7 }))).toBe('invalid-argument');
    // @ts-expect-error hash is missing
    expect(codeOf(() => encode(block, { number: 7 }))).toBe('invalid-argument');
    expect(encode(block, input)).toEqual(fromHex('c482aabb07'));
  });
});

describe('a raw item', () => {
  it('shows its encoding and payload, and is copied when written', () => {
    const entry = struct({ key: text(9), value: raw });
    const encoded = fromHex('c6826964c20102');
    const { value } = decode(entry, encoded);
    expect(value).toEqual({ encoded: fromHex('c20102'), isList: true, payload: fromHex('0102') });
    expect(encode(entry, { key: 'id', value })).toEqual(encoded);
    expect(decode(raw, fromHex('05'))).toEqual({
      encoded: fromHex('05'),
      isList: false,
      payload: fromHex('05'),
    });
    expect(codeOf(() => encode(raw, { encoded: fromHex('') }))).toBe('invalid-argument');
  });
});

describe('mapped and either', () => {
  interface Tx {
    readonly type: number;
    readonly nonce: number;
  }
  const body = struct({ nonce: uint(32) });
  const calls: string[] = [];
  const typed = mapped(
    bytes({ min: 1 }),
    (envelope): Tx => {
      const type = envelope[0] ?? 0;
      if (type !== 2) throw new PeerlaneError('rlp-unexpected', `no transaction type ${type}`);
      return { type, nonce: decode(body, envelope.subarray(1)).nonce };
    },
    ({ type, nonce }: Tx) => {
      calls.push('encode');
      return Uint8Array.of(type, ...encode(body, { nonce }));
    },
  );
  const legacy = mapped(
    body,
    ({ nonce }): Tx => ({ type: 0, nonce }),
    ({ nonce }: Tx) => ({ nonce }),
  );
  const message = struct({ txs: list(either(typed, legacy, ({ type }) => type === 0)) });

  it('choose by the kind of the item', () => {
    const txs = [
      { type: 0, nonce: 5 },
      { type: 2, nonce: 6 },
    ];
    const encoded = encode(message, { txs });
    expect(toBareHex(encoded)).toBe('c7c6c1058302c106');
    expect(decode(message, encoded).txs.toArray()).toEqual(txs);
  });

  it('convert once for each encoding', () => {
    calls.length = 0;
    encode(message, { txs: [{ type: 2, nonce: 6 }] });
    expect(calls).toEqual(['encode']);
  });

  it('choose by the kind of value when nothing else is said', () => {
    const node = either(bytes(), list(bytes()));
    expect(toBareHex(encode(node, fromHex('0102')))).toBe('820102');
    expect(toBareHex(encode(node, [fromHex('0102')]))).toBe('c3820102');
    const value = decode(node, fromHex('c3820102'));
    expect(value instanceof RlpList && toBareHex(encode(node, value))).toBe('c3820102');
  });

  it('say where an error is', () => {
    const at = (hex: string) => messageOf(() => decode(message, fromHex(hex)).txs.check());
    expect(at('c7c6c1058302c100')).toBe('txs[1].nonce: an integer has a leading zero byte');
    expect(at('c7c6c1058303c106')).toBe('txs[1]: no transaction type 3');
    expect(at('c4c3c20506')).toBe('txs[0]: more than 1 fields');
    expect(at('c3c281ff')).toMatch(/^txs\[0\]: /);
    expect(at('c28105')).toMatch(/^txs: /);
    expect(messageOf(() => encode(message, { txs: [{ type: 0, nonce: -1 }] }))).toMatch(/^txs\[0\]\.nonce: /);
  });

  it('keep the code and the offset of an error', () => {
    try {
      decode(message, fromHex('c3c2c100')).txs.check();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'rlp-non-canonical',
        details: { path: 'txs[0].nonce', offset: 3 },
      });
      return;
    }
    expect.unreachable();
  });
});
