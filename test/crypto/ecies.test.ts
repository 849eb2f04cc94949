import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ECIES_OVERHEAD, eciesDecrypt, eciesEncrypt, publicKeyOf } from '../../src/crypto/index.ts';
import { runs } from '../support/runs.ts';
import { byteArrays } from './arbitraries.ts';
import { oracleEciesEncrypt } from './oracles.ts';

const secretKey = new Uint8Array(32).fill(0x31);
const ephemeralKey = new Uint8Array(32).fill(0x32);
const publicKey = publicKeyOf(secretKey);
const iv = new Uint8Array(16).fill(7);
const plaintext = new TextEncoder().encode('auth body');
const authData = Uint8Array.of(0, 122);
const packet = eciesEncrypt({ publicKey, ephemeralKey, iv, plaintext, authData });

describe('ECIES', () => {
  it('is the construction of rlpx.md, and turns back', () => {
    fc.assert(
      fc.property(byteArrays(16), byteArrays(0, 300), byteArrays(0, 4), (iv, plaintext, authData) => {
        const packet = eciesEncrypt({ publicKey, ephemeralKey, iv, plaintext, authData });
        expect(packet).toEqual(oracleEciesEncrypt(publicKey, ephemeralKey, iv, plaintext, authData));
        expect(packet.length).toBe(plaintext.length + ECIES_OVERHEAD);
        expect(eciesDecrypt({ secretKey, packet, authData })).toEqual(plaintext);
      }),
      { numRuns: runs(15) },
    );
  });

  it('starts with the ephemeral public key, uncompressed', () => {
    expect(packet.slice(0, 65)).toEqual(Uint8Array.of(4, ...publicKeyOf(ephemeralKey)));
    expect(packet.slice(65, 81)).toEqual(iv);
  });

  it('refuses a packet with any one bit changed', () => {
    // Every part: prefix, x, y, iv, ciphertext, tag.
    for (const at of [0, 1, 40, 64, 65, 80, 81, 89, 90, packet.length - 1]) {
      const changed = packet.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => eciesDecrypt({ secretKey, packet: changed, authData })).toThrow(
        expect.objectContaining({ code: 'ecies-invalid' }),
      );
    }
  });

  it.each([
    ['other authenticated data', { authData: Uint8Array.of(0, 123) }],
    ['another key', { secretKey: ephemeralKey }],
    ['a packet cut short', { packet: packet.slice(0, -1) }],
    ['a packet below the overhead', { packet: packet.slice(0, ECIES_OVERHEAD - 1) }],
    ['no packet', { packet: new Uint8Array(0) }],
  ])('refuses %s', (_, change) => {
    expect(() => eciesDecrypt({ secretKey, packet, authData, ...change })).toThrow(
      expect.objectContaining({ code: 'ecies-invalid' }),
    );
  });

  it.each([
    ['invalid-public-key', { publicKey: new Uint8Array(64) }],
    ['invalid-public-key', { publicKey: publicKey.slice(1) }],
    ['invalid-secret-key', { ephemeralKey: new Uint8Array(32) }],
    ['invalid-argument', { iv: new Uint8Array(15) }],
  ])('does not encrypt with a bad argument: %s', (code, change) => {
    expect(() => eciesEncrypt({ publicKey, ephemeralKey, iv, plaintext, authData, ...change })).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it.each([eciesEncrypt, eciesDecrypt])('needs its options: %s', (run) => {
    expect(() => run(undefined as never)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('does not decrypt with a bad key', () => {
    expect(() => eciesDecrypt({ secretKey: new Uint8Array(32), packet, authData })).toThrow(
      expect.objectContaining({ code: 'invalid-secret-key' }),
    );
  });
});
