import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex } from '../../src/base/bytes.ts';
import type { ErrorCode } from '../../src/base/errors.ts';
import {
  bool,
  bytes,
  type Codec,
  checkWellFormed,
  decode,
  decodePrefix,
  encode,
  list,
  raw,
  uint,
} from '../../src/rlp/index.ts';
import { codeOf } from './code-of.ts';

function codes(codec: Codec<unknown, never>, hex: string): ErrorCode | 'none' {
  return codeOf(() => decode(codec, fromHex(hex)));
}

function toEvenHex(value: number): string {
  const digits = value.toString(16);
  return digits.length % 2 === 0 ? digits : `0${digits}`;
}

/** `levels` empty lists, one in another. */
function nest(levels: number): Uint8Array {
  const headers: Uint8Array[] = [];
  let size = 0;
  for (let i = 0; i < levels; i++) {
    let header: Uint8Array = Uint8Array.of(0xc0 + size);
    if (size >= 56) {
      const digits = toEvenHex(size);
      header = concatBytes(Uint8Array.of(0xf7 + digits.length / 2), fromHex(digits));
    }
    headers.push(header);
    size += header.length;
  }
  return concatBytes(...headers.reverse());
}

describe('an item of an input', () => {
  it('is truncated when its header or payload is cut off', () => {
    for (const hex of [
      '',
      '81',
      '83aabb',
      'b8',
      'b838aa',
      'b9',
      'b901',
      'c1',
      'c281',
      'f8',
      'f838',
      'f90100',
    ]) {
      expect(codes(raw, hex)).toBe('rlp-truncated');
    }
  });

  it('is truncated at every shorter length', () => {
    const whole = encode(list(bytes()), [new Uint8Array(60), new Uint8Array(300), Uint8Array.of(5)]);
    for (let length = 0; length < whole.length; length++) {
      expect(codeOf(() => decode(raw, whole.subarray(0, length)))).toBe('rlp-truncated');
    }
  });

  it('may not be followed by anything', () => {
    expect(codes(raw, '0102')).toBe('rlp-trailing-bytes');
    expect(codes(raw, 'c000')).toBe('rlp-trailing-bytes');
    expect(codes(bytes(), '820102ff')).toBe('rlp-trailing-bytes');
  });

  it('has the shortest header', () => {
    // A byte below 0x80 with a header; a long form below 56; a size with a leading zero.
    for (const hex of ['8100', '817f', `b837${'00'.repeat(55)}`, `b90038${'00'.repeat(56)}`, 'f800']) {
      expect(codes(raw, hex)).toBe('rlp-non-canonical');
    }
    expect(codes(raw, `f837${'00'.repeat(55)}`)).toBe('rlp-non-canonical');
    expect(codes(raw, `f90038${'00'.repeat(56)}`)).toBe('rlp-non-canonical');
    expect(codes(raw, '8180')).toBe('none');
  });

  it('may declare any size without anything being allocated', () => {
    for (const first of ['bb', 'fb']) expect(codes(raw, `${first}ffffffff`)).toBe('rlp-too-large');
    for (const first of ['bc', 'fc']) expect(codes(raw, `${first}0100000000`)).toBe('rlp-too-large');
    for (const first of ['bf', 'ff']) {
      expect(codes(raw, `${first}ffffffffffffffff`)).toBe('rlp-too-large');
      expect(codes(raw, `${first}0020000000000001`)).toBe('rlp-non-canonical');
      expect(codes(raw, `${first}ffffffff`)).toBe('rlp-truncated');
    }
    expect(codes(list(raw), 'c9bfffffffffffffffff')).toBe('rlp-too-large');
  });

  it('is bounded by maxLength, header included', () => {
    const item = encode(bytes(), new Uint8Array(100));
    expect(codeOf(() => decode(raw, item, { maxLength: 102 }))).toBe('none');
    expect(codeOf(() => decode(raw, item, { maxLength: 101 }))).toBe('rlp-too-large');
    expect(codeOf(() => decodePrefix(raw, item, 0, { maxLength: 101 }))).toBe('rlp-too-large');
  });

  it('is bounded by 16 MiB when nothing else is said', () => {
    const limit = 16 * 1024 * 1024;
    expect(codeOf(() => decode(bytes(), encode(bytes(), new Uint8Array(limit - 4))))).toBe('none');
    expect(codeOf(() => decode(bytes(), encode(bytes(), new Uint8Array(limit - 3))))).toBe('rlp-too-large');
  });

  it('lies within the list that holds it', () => {
    expect(codes(list(raw), 'c28201')).toBe('rlp-truncated');
    expect(codeOf(() => decode(list(raw), fromHex('c3c20101')).at(0))).toBe('none');
    expect(codes(list(raw), 'c2c201')).toBe('rlp-truncated');
  });

  it('may be a view into a larger buffer, of any subclass', () => {
    const buffer = Buffer.from('ffff83010203ffff', 'hex').subarray(2, 6);
    const value = decode(bytes(3), buffer);
    expect(value).toEqual(Uint8Array.of(1, 2, 3));
    expect(value.constructor).toBe(Uint8Array);
    expect(value.buffer).toBe(buffer.buffer);
  });
});

describe('a series of items', () => {
  const series = fromHex('0183aabbccc20102');

  it('is read one by one', () => {
    expect(decodePrefix(uint(8), series)).toEqual({ value: 1, end: 1 });
    expect(decodePrefix(bytes(), series, 1).end).toBe(5);
    const { value, end } = decodePrefix(list(uint(8)), series, 5);
    expect([...value, end]).toEqual([1, 2, 8]);
  });

  it('ends at the end', () => {
    expect(codeOf(() => decodePrefix(raw, series, 8))).toBe('rlp-truncated');
    expect(codeOf(() => decodePrefix(raw, series, 9))).toBe('rlp-truncated');
    expect(codeOf(() => decodePrefix(raw, series, -1))).toBe('invalid-argument');
    expect(codeOf(() => decodePrefix(raw, series, 0.5))).toBe('invalid-argument');
    expect(codeOf(() => decode(raw, 'c0' as never))).toBe('invalid-argument');
  });
});

describe('nesting', () => {
  it('is entered by decode up to maxDepth', () => {
    const codec = list(list(list(bool)));
    const check = (maxDepth: number) => decode(codec, fromHex('c3c2c101'), { maxDepth }).at(0).at(0).at(0);
    expect(check(3)).toBe(true);
    expect(codeOf(() => check(2))).toBe('rlp-too-deep');
    expect(codeOf(() => check(0))).toBe('rlp-too-deep');
  });

  it('is counted by checkWellFormed', () => {
    expect(codeOf(() => checkWellFormed(nest(32)))).toBe('none');
    expect(codeOf(() => checkWellFormed(nest(33)))).toBe('rlp-too-deep');
    expect(codeOf(() => checkWellFormed(Uint8Array.of(1), { maxDepth: 0 }))).toBe('none');
  });

  it('of 100,000 levels overflows no stack', () => {
    const deep = nest(100_000);
    expect(codeOf(() => checkWellFormed(deep))).toBe('rlp-too-deep');
    expect(codeOf(() => checkWellFormed(deep, { maxDepth: 100_000 }))).toBe('none');
    expect(decode(raw, deep).isList).toBe(true);
    expect(decode(list(raw), deep).length).toBe(1);
  });
});

describe('checkWellFormed', () => {
  it('looks at every level, where raw does not', () => {
    for (const [hex, code] of [
      ['c3c28100', 'rlp-non-canonical'],
      ['c4c3c282ff', 'rlp-truncated'],
      ['c2c183', 'rlp-truncated'],
      ['c3c1f801', 'rlp-truncated'],
    ] as const) {
      expect(codes(raw, hex)).toBe('none');
      expect(codeOf(() => checkWellFormed(fromHex(hex)))).toBe(code);
    }
  });

  it('accepts items after a nested list ends, and nothing after the item', () => {
    expect(codeOf(() => checkWellFormed(fromHex('c6c2c10105c001')))).toBe('none');
    expect(codeOf(() => checkWellFormed(fromHex('c6c2c10105c00100')))).toBe('rlp-trailing-bytes');
    expect(codeOf(() => checkWellFormed(fromHex('')))).toBe('rlp-truncated');
  });
});
