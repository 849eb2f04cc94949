import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, toBareHex } from '../../src/base/bytes.ts';
import { keccak256, keccak256Many } from '../../src/crypto/index.ts';
import { runs } from '../support/runs.ts';
import { byteArrays } from './arbitraries.ts';
import { oracleKeccak256 } from './oracles.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('Keccak-256', () => {
  it.each([
    ['', 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'],
    ['abc', '4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45'],
    [
      'The quick brown fox jumps over the lazy dog',
      '4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15',
    ],
    [
      'The quick brown fox jumps over the lazy dog.',
      '578951e24efd62a3d63a86f7cd19aaa53c898fe287d2552133220370240b572d',
    ],
  ])('gives the published digest of "%s"', (input, digest) => {
    expect(toBareHex(keccak256(text(input)))).toBe(digest);
  });

  it('agrees with npm keccak for every length around its 136-byte blocks', () => {
    for (let length = 0; length <= 300; length++) {
      const input = new Uint8Array(length).fill(length);
      expect(keccak256(input)).toEqual(oracleKeccak256(input));
    }
  });

  it('hashes parts like their concatenation', () => {
    fc.assert(
      fc.property(fc.array(byteArrays(0, 200), { maxLength: 5 }), (parts) => {
        expect(keccak256(...parts)).toEqual(oracleKeccak256(concatBytes(...parts)));
      }),
      { numRuns: runs(60) },
    );
  });

  it('hashes many inputs of different lengths at once', () => {
    fc.assert(
      fc.property(fc.array(byteArrays(0, 300), { maxLength: 20 }), (inputs) => {
        expect(keccak256Many(inputs)).toEqual(concatBytes(...inputs.map((input) => oracleKeccak256(input))));
      }),
      { numRuns: runs(40) },
    );
  });

  it.each([undefined, 5, [undefined]])('has no digests of %j', (inputs) => {
    expect(() => keccak256Many(inputs as never)).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });

  it('returns plain arrays, whose slice() copies', () => {
    const digest = keccak256();
    expect(Buffer.isBuffer(digest)).toBe(false);
    digest.slice().fill(0);
    expect(digest).toEqual(oracleKeccak256());
  });
});
