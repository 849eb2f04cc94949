import { describe, expect, it } from 'vitest';
import { fromHex, toBareHex } from '../../src/base/bytes.ts';
import { bigUint, bytes, checkWellFormed, decode, encode, list, text, uint } from '../../src/rlp/index.ts';

const words = list(text(64));
const nothing = list(list(bytes()));
const lorem = 'Lorem ipsum dolor sit amet, consectetur adipisicing elit';

/** The examples of ethereum.org ("RLP") and of the yellow paper's test suite, as [value, encoding]. */
const texts: [string, string][] = [
  ['', '80'],
  ['dog', '83646f67'],
  ['\u0000', '00'],
  ['\u007f', '7f'],
  [lorem.slice(0, 55), `b7${toBareHex(new TextEncoder().encode(lorem.slice(0, 55)))}`],
  [lorem, `b838${toBareHex(new TextEncoder().encode(lorem))}`],
];
const integers: [bigint, string][] = [
  [0n, '80'],
  [1n, '01'],
  [15n, '0f'],
  [127n, '7f'],
  [128n, '8180'],
  [255n, '81ff'],
  [256n, '820100'],
  [1000n, '8203e8'],
  [1024n, '820400'],
  [100_000n, '830186a0'],
  [0xffffffffffffn, '86ffffffffffff'],
  [0x1000000000000n, '8701000000000000'],
  [0x102030405060708090a0b0c0d0e0f2n, '8f102030405060708090a0b0c0d0e0f2'],
  [
    0x100020003000400050006000700080009000a000b000c000d000e01n,
    '9c0100020003000400050006000700080009000a000b000c000d000e01',
  ],
  [2n ** 256n - 1n, `a0${'ff'.repeat(32)}`],
  [2n ** 256n, `a101${'00'.repeat(32)}`],
];

describe('the examples of the specification', () => {
  it.each(texts)('text %j is %s', (value, hex) => {
    expect(toBareHex(encode(text(64), value))).toBe(hex);
    expect(decode(text(64), fromHex(hex))).toBe(value);
  });

  it.each(integers)('integer %d is %s', (value, hex) => {
    expect(toBareHex(encode(bigUint(257), value))).toBe(hex);
    expect(decode(bigUint(257), fromHex(hex))).toBe(value);
    if (value < 2n ** 53n) {
      expect(toBareHex(encode(uint(53), Number(value)))).toBe(hex);
      expect(decode(uint(53), fromHex(hex))).toBe(Number(value));
    }
  });

  it('a list of cat and dog', () => {
    expect(toBareHex(encode(words, ['cat', 'dog']))).toBe('c88363617483646f67');
    expect(decode(words, fromHex('c88363617483646f67')).toArray()).toEqual(['cat', 'dog']);
  });

  it('an empty list', () => {
    expect(toBareHex(encode(words, []))).toBe('c0');
    expect(decode(words, fromHex('c0')).toArray()).toEqual([]);
  });

  it('lists that hold nothing but lists: the set theoretical three', () => {
    checkWellFormed(fromHex('c7c0c1c0c3c0c1c0'));
    const three = decode(nothing, fromHex('c7c0c1c0c3c0c1c0'));
    expect(three.length).toBe(3);
    expect([...three].map(({ length }) => length)).toEqual([0, 1, 2]);
    expect(toBareHex(three.encodedAt(2))).toBe('c3c0c1c0');
  });

  it('a list whose payload needs a long header', () => {
    const items = Array.from({ length: 11 }, () => 'asdf');
    const hex = `f7${'8461736466'.repeat(11)}`;
    expect(toBareHex(encode(words, items))).toBe(hex);
    const longer = encode(words, [...items, 'a']);
    expect(toBareHex(longer)).toBe(`f838${hex.slice(2)}61`);
    expect(decode(words, longer).length).toBe(12);
  });
});
