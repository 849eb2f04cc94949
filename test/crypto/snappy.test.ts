import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { isPeerlaneError } from '../../src/base/errors.ts';
import { compress, uncompress, uncompressedLength } from '../../src/crypto/index.ts';
import { runs } from '../support/runs.ts';
import { payloads } from './arbitraries.ts';
import { oracleCompress, oracleUncompress } from './oracles.ts';

const LIMIT = 0xffffff;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function tryUncompress(block: Uint8Array): Uint8Array | undefined {
  try {
    return uncompress(block, LIMIT);
  } catch (error) {
    if (isPeerlaneError(error, 'snappy-invalid') || isPeerlaneError(error, 'snappy-too-large'))
      return undefined;
    throw error;
  }
}

/** What npm snappy makes of a block; it would allocate whatever length is declared. */
function theirs(block: Uint8Array): Uint8Array | undefined {
  try {
    if (uncompressedLength(block) > LIMIT) return undefined;
  } catch {
    return undefined;
  }
  return oracleUncompress(block);
}

describe('the declared length', () => {
  it.each([
    ['40', 64],
    ['feff7f', 2_097_150],
    ['00', 0],
    ['8000', 0],
    ['ffffffff0f', 0xffffffff],
  ])('of %s is %i', (hex, length) => {
    expect(uncompressedLength(fromHex(hex))).toBe(length);
  });

  it.each(['', '80', 'ffffffff', 'ffffffff10', 'ffffffff7f', '808080808000'])('of "%s" is invalid', (hex) => {
    expect(() => uncompressedLength(fromHex(hex))).toThrow(
      expect.objectContaining({ code: 'snappy-invalid' }),
    );
  });

  it('over the bound is refused before anything else', () => {
    const block = fromHex('ffffffff0f');
    expect(() => uncompress(block, LIMIT)).toThrow(expect.objectContaining({ code: 'snappy-too-large' }));
    expect(() => uncompress(compress(new Uint8Array(101)), 100)).toThrow(
      expect.objectContaining({ code: 'snappy-too-large', details: { length: 101, maxLength: 100 } }),
    );
    expect(uncompress(compress(new Uint8Array(100)), 100)).toEqual(new Uint8Array(100));
  });

  it('that a block of this size cannot reach is refused', () => {
    expect(() => uncompress(fromHex('ffffff07fe0100'), LIMIT)).toThrow(
      expect.objectContaining({ code: 'snappy-invalid' }),
    );
  });
});

describe('uncompress', () => {
  it.each([
    ['an empty block', '00', ''],
    ['a literal', '0308616263', 'abc'],
    ['a copy that overlaps itself', '0708786162' + '0102', 'xababab'],
    ['a copy with a two-byte offset', '07087861620e0200', 'xababab'],
    ['a copy with a four-byte offset', '07087861620f02000000', 'xababab'],
    ['a literal of 61 bytes', `3df03c${'61'.repeat(61)}`, 'a'.repeat(61)],
    ['a literal with a four-byte length', '03fc02000000616263', 'abc'],
    ['the longest expansion', '410078fe0100', 'x'.repeat(65)],
  ])('decodes %s', (_, hex, expected) => {
    expect(text(uncompress(fromHex(hex), LIMIT))).toBe(expected);
  });

  it.each([
    ['a byte too many', '030861626300'],
    ['an element too many', '03086162630061'],
    ['output that is not filled', '0408616263'],
    ['no elements', '01'],
    ['a literal cut short', '03086162'],
    ['a literal beyond the output', '0208616263'],
    ['a literal whose length is cut short', '03f4'],
    ['a literal of 2^32 bytes', '03fcffffffff616263'],
    ['a copy at the start', '040101'],
    ['offset zero', '07087861620100'],
    ['offset zero in two bytes', '07087861620e0000'],
    ['an offset beyond what was written', '07087861620104'],
    ['an offset of 2^32 - 1', '07087861620fffffffff'],
    ['a copy cut short', '070878616201'],
    ['a two-byte offset cut short', '07087861620e02'],
    ['a four-byte offset cut short', '07087861620f020000'],
    ['a copy beyond the output', '06087861620102'],
  ])('refuses %s', (_, hex) => {
    expect(() => uncompress(fromHex(hex), LIMIT)).toThrow(
      expect.objectContaining({ code: 'snappy-invalid' }),
    );
  });

  it('reads what npm snappy wrote', () => {
    fc.assert(
      fc.property(payloads(150_000), (bytes) => {
        expect(Buffer.compare(uncompress(oracleCompress(bytes), LIMIT), bytes)).toBe(0);
      }),
      { numRuns: runs(40) },
    );
  });

  it('accepts of garbage what npm snappy accepts', () => {
    const tags = fc.array(fc.constantFrom(0, 1, 2, 4, 5, 6, 8, 9, 0x0e, 0x0f, 0x12, 0xf0, 0xfc), {
      maxLength: 12,
    });
    const garbage = fc.tuple(fc.nat(20), fc.oneof(tags, fc.array(fc.nat(255), { maxLength: 12 })));
    fc.assert(
      fc.property(garbage, ([length, rest]) => {
        const block = Uint8Array.of(length, ...rest);
        expect(tryUncompress(block)).toEqual(theirs(block));
      }),
      { numRuns: runs(2000) },
    );
  });

  it('accepts of damaged blocks what npm snappy accepts', () => {
    fc.assert(
      fc.property(payloads(3000), fc.nat(), fc.nat(255), fc.nat(), (bytes, at, value, cut) => {
        const block = compress(bytes);
        block[at % block.length] = value;
        const damaged = cut % 3 === 0 ? block.slice(0, cut % block.length) : block;
        const [mine, oracle] = [tryUncompress(damaged), theirs(damaged)];
        expect(mine === undefined).toBe(oracle === undefined);
        if (mine !== undefined && oracle !== undefined) expect(Buffer.compare(mine, oracle)).toBe(0);
      }),
      { numRuns: runs(200) },
    );
  });
});

describe('compress', () => {
  it('writes what npm snappy reads', () => {
    fc.assert(
      fc.property(payloads(150_000), (bytes) => {
        const block = compress(bytes);
        expect(uncompressedLength(block)).toBe(bytes.length);
        expect(Buffer.compare(oracleUncompress(block) ?? Buffer.of(1, 2, 3), bytes)).toBe(0);
        expect(Buffer.compare(uncompress(block, bytes.length), bytes)).toBe(0);
      }),
      { numRuns: runs(40) },
    );
  });

  it('makes repetition small', () => {
    expect(compress(new Uint8Array(100_000)).length).toBeLessThan(5000);
  });

  it('wants bytes', () => {
    const text: Uint8Array = JSON.parse('"text"');
    expect(() => compress(text)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    expect(() => uncompress(text, LIMIT)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});
