import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { aes128Ctr, gcmOpen, gcmSeal, hkdfSha256, sha256 } from '../../src/crypto/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

const bytes = (hex: string) => fromHex(hex.replaceAll(' ', ''));
const fields = { key: new Uint8Array(16), nonce: new Uint8Array(12), authData: new Uint8Array() };

describe('what packets are made of', () => {
  it('AES-128-CTR is that of NIST SP 800-38A, F.5.1', () => {
    const key = bytes('2b7e151628aed2a6abf7158809cf4f3c');
    const iv = bytes('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
    const plaintext = bytes('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51');
    const ciphertext = bytes('874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff');
    expect(aes128Ctr(key, iv, plaintext)).toEqual(ciphertext);
    expect(aes128Ctr(key, iv, ciphertext)).toEqual(plaintext);
  });

  it('AES-128-GCM is that of its specification (McGrew and Viega), test cases 1, 2 and 4', () => {
    expect(gcmSeal(fields, new Uint8Array())).toEqual(bytes('58e2fccefa7e3061367f1d57a4e7455a'));
    expect(gcmSeal(fields, new Uint8Array(16))).toEqual(
      bytes('0388dace60b6a392f328c2b971b2fe78 ab6e47d42cec13bdf53a67b21257bddf'),
    );
    const four = {
      key: bytes('feffe9928665731c6d6a8f9467308308'),
      nonce: bytes('cafebabefacedbaddecaf888'),
      authData: bytes('feedfacedeadbeeffeedfacedeadbeefabaddad2'),
    };
    const plaintext = bytes(
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    );
    const sealed = bytes(
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091 5bc94fbc3221a5db94fae95ae7121a47',
    );
    expect(gcmSeal(four, plaintext)).toEqual(sealed);
    expect(gcmOpen(four, sealed)).toEqual(plaintext);
  });

  it('HKDF is that of RFC 5869, A.1, and SHA-256 that of FIPS 180', () => {
    const okm = '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865';
    const [salt, info] = [bytes('000102030405060708090a0b0c'), bytes('f0f1f2f3f4f5f6f7f8f9')];
    expect(hkdfSha256(new Uint8Array(22).fill(0x0b), salt, info, 42)).toEqual(bytes(okm));
    expect(sha256(new TextEncoder().encode('a'), new TextEncoder().encode('bc'))).toEqual(
      bytes('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'),
    );
  });

  it('whatever is changed, or too short, does not open', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (text, at, by) => {
          const sealed = gcmSeal(fields, text);
          expect(gcmOpen(fields, sealed)).toEqual(text);
          const index = at % sealed.length;
          sealed[index] = (sealed[index] ?? 0) ^ by;
          expect(gcmOpen(fields, sealed)).toBeUndefined();
          expect(gcmOpen(fields, sealed.subarray(0, at % 16))).toBeUndefined();
        },
      ),
      { numRuns: runs(200) },
    );
  });

  it('other lengths than those of keys and nonces are refused', () => {
    const short = new Uint8Array(11);
    expect([
      codeOf(() => aes128Ctr(short, new Uint8Array(16), short)),
      codeOf(() => aes128Ctr(new Uint8Array(16), short, short)),
      codeOf(() => gcmSeal({ ...fields, nonce: short }, short)),
      codeOf(() => gcmOpen({ ...fields, key: short }, short)),
    ]).toEqual(new Array(4).fill('invalid-argument'));
  });
});
