/** AES-128 in both modes, HKDF, and the checks before them. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, EMPTY, fromHex, toBareHex } from '../../src/base/bytes.ts';
import {
  aes128Ctr,
  gcmOpen,
  gcmSeal,
  hkdfSha256,
  sealPacket,
  sha256,
  unmaskPacket,
} from '../../src/crypto/index.ts';
import { runs } from '../support/runs.ts';
import { byteArrays } from './arbitraries.ts';
import { detachedBytes, sharedBytes } from './memory.ts';

const KEY = new Uint8Array(16).fill(1);
const ID = new Uint8Array(32).fill(3);
const NONCE = new Uint8Array(12).fill(2);

/** Node's own, with other calls than ours. */
function oracleSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, authData: Uint8Array) {
  const cipher = createCipheriv('aes-128-gcm', key, nonce).setAAD(authData);
  return new Uint8Array(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
}

describe('AES-128-CTR', () => {
  it("gives what Node's cipher gives, wherever the counter stands, and is its own inverse", () => {
    const counters = fc.oneof(
      byteArrays(16),
      byteArrays(16).map((iv) => iv.fill(0xff, 8)),
      fc.constant(new Uint8Array(16).fill(0xff)),
    );
    fc.assert(
      fc.property(byteArrays(16), counters, byteArrays(0, 1300), (key, iv, message) => {
        const masked = aes128Ctr(key, iv, message);
        const oracle = createDecipheriv('aes-128-ctr', key, iv).update(message);
        expect(toBareHex(masked)).toBe(oracle.toString('hex'));
        expect(aes128Ctr(key, iv, masked)).toEqual(message);
      }),
      { numRuns: runs(150) },
    );
  });
});

describe('AES-128-GCM', () => {
  // Cases 1 to 4 of "The Galois/Counter Mode of Operation" (McGrew, Viega), appendix B.
  const LONG_KEY = 'feffe9928665731c6d6a8f9467308308';
  const LONG_NONCE = 'cafebabefacedbaddecaf888';
  const LONG =
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
  const LONG_SEALED =
    '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985';
  it.each([
    ['00'.repeat(16), '00'.repeat(12), '', '', '58e2fccefa7e3061367f1d57a4e7455a'],
    [
      '00'.repeat(16),
      '00'.repeat(12),
      '00'.repeat(16),
      '',
      '0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf',
    ],
    [LONG_KEY, LONG_NONCE, LONG, '', `${LONG_SEALED}4d5c2af327cd64a62cf35abd2ba6fab4`],
    [
      LONG_KEY,
      LONG_NONCE,
      LONG.slice(0, 120),
      'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      `${LONG_SEALED.slice(0, 120)}5bc94fbc3221a5db94fae95ae7121a47`,
    ],
  ])('gives the published ciphertext (key %s, nonce %s)', (key, nonce, plaintext, authData, sealed) => {
    const given = [fromHex(key), fromHex(nonce)] as const;
    expect(toBareHex(gcmSeal(...given, fromHex(plaintext), fromHex(authData)))).toBe(sealed);
    expect(gcmOpen(...given, fromHex(sealed), fromHex(authData))).toEqual(fromHex(plaintext));
  });

  it("seals as Node's cipher does, opens that, and nothing that has a bit changed", () => {
    fc.assert(
      fc.property(
        byteArrays(16),
        byteArrays(12),
        byteArrays(0, 1300),
        byteArrays(0, 300),
        fc.nat(),
        (key, nonce, plaintext, authData, at) => {
          const sealed = gcmSeal(key, nonce, plaintext, authData);
          expect(sealed).toEqual(oracleSeal(key, nonce, plaintext, authData));
          expect(gcmOpen(key, nonce, sealed, authData)).toEqual(plaintext);
          const bit = 1 << (at % 8);
          for (const part of [sealed, authData, nonce, key]) {
            const place = at % Math.max(1, part.length);
            if (part.length === 0) continue;
            part[place] = (part[place] ?? 0) ^ bit;
            expect(gcmOpen(key, nonce, sealed, authData)).toBeUndefined();
            part[place] = (part[place] ?? 0) ^ bit;
          }
          expect(gcmOpen(key, nonce, sealed.subarray(0, -1), authData)).toBeUndefined();
        },
      ),
      { numRuns: runs(100) },
    );
  });

  it('opens nothing that is shorter than a tag', () => {
    for (let length = 0; length < 16; length++) {
      expect(gcmOpen(KEY, NONCE, new Uint8Array(length), EMPTY)).toBeUndefined();
    }
  });

  it('takes what is longer than a packet', () => {
    const plaintext = new Uint8Array(10_000).fill(3);
    const sealed = gcmSeal(KEY, NONCE, plaintext, plaintext);
    expect(sealed).toEqual(oracleSeal(KEY, NONCE, plaintext, plaintext));
    expect(gcmOpen(KEY, NONCE, sealed, plaintext)).toEqual(plaintext);
    expect(aes128Ctr(KEY, KEY, aes128Ctr(KEY, KEY, plaintext))).toEqual(plaintext);
  });
});

describe('hashes', () => {
  it('give the first case of RFC 5869, appendix A', () => {
    const key = hkdfSha256(
      fromHex('0b'.repeat(22)),
      fromHex('000102030405060708090a0b0c'),
      fromHex('f0f1f2f3f4f5f6f7f8f9'),
      42,
    );
    expect(toBareHex(key)).toBe(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    );
  });

  it("are what Node's are, whatever the lengths", () => {
    const bytes = byteArrays(0, 200);
    fc.assert(
      fc.property(bytes, bytes, bytes, fc.nat(300), (secret, salt, info, length) => {
        const oracle = new Uint8Array(hkdfSync('sha256', secret, salt, info, length));
        expect(hkdfSha256(secret, salt, info, length)).toEqual(oracle);
        expect(toBareHex(sha256(secret, salt))).toBe(
          createHash('sha256').update(secret).update(salt).digest('hex'),
        );
      }),
      { numRuns: runs(300) },
    );
    expect(hkdfSha256(KEY, KEY, new Uint8Array(1024), 8160)).toEqual(
      new Uint8Array(hkdfSync('sha256', KEY, KEY, new Uint8Array(1024), 8160)),
    );
  });

  it('are of all parts together', () => {
    const whole = Uint8Array.from({ length: 100 }, (_, i) => i);
    expect(sha256(whole.subarray(0, 7), EMPTY, whole.subarray(7))).toEqual(sha256(whole));
    expect(toBareHex(sha256())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });
});

describe('a packet', () => {
  it('is as long as it may be, and reads back', () => {
    const head = Uint8Array.from({ length: 71 }, (_, i) => i);
    const plaintext = new Uint8Array(2048 - 71).fill(9);
    const packet = sealPacket(ID, KEY, head, plaintext);
    expect(packet.length).toBe(2048 + 16);
    const masked = packet.slice(0, 71);
    expect(unmaskPacket(ID, masked, 71)).toEqual(head);
    expect(unmaskPacket(ID, masked, 40)).toEqual(head.slice(0, 40));
    expect(masked.subarray(16)).toEqual(
      aes128Ctr(ID.subarray(0, 16), head.subarray(0, 16), head.subarray(16)),
    );
    expect(gcmOpen(KEY, head.subarray(25, 37), packet.subarray(71), head)).toEqual(plaintext);
  });
});

describe('arguments', () => {
  it('may lie in shared memory', () => {
    const nonce = sharedBytes(NONCE);
    const sealed = gcmSeal(sharedBytes(KEY), nonce, sharedBytes(bytes), sharedBytes(KEY));
    expect(sealed).toEqual(gcmSeal(KEY, NONCE, bytes, KEY));
    expect(gcmOpen(KEY, NONCE, sharedBytes(sealed), sharedBytes(KEY))).toEqual(bytes);
    expect(aes128Ctr(KEY, sharedBytes(KEY), sharedBytes(bytes))).toEqual(aes128Ctr(KEY, KEY, bytes));
  });

  const refused = expect.objectContaining({ code: 'invalid-argument' });
  const bytes = new Uint8Array(20);

  it.each<[string, () => unknown]>([
    ['a short key', () => aes128Ctr(KEY.subarray(1), KEY, bytes)],
    ['a long iv', () => aes128Ctr(KEY, concatBytes(KEY, KEY), bytes)],
    ['a message whose memory is gone', () => gcmOpen(KEY, NONCE, detachedBytes(bytes.slice()), EMPTY)],
    ['a text as message', () => Reflect.apply(aes128Ctr, undefined, [KEY, KEY, 'text'])],
    ['a long key of GCM', () => gcmSeal(concatBytes(KEY, KEY), NONCE, bytes, EMPTY)],
    ['a long nonce', () => gcmOpen(KEY, KEY, bytes, EMPTY)],
    ['no authenticated data', () => Reflect.apply(gcmSeal, undefined, [KEY, NONCE, bytes])],
    ['half a header', () => sealPacket(ID, KEY, new Uint8Array(38), bytes)],
    ['a packet that is too long', () => sealPacket(ID, KEY, new Uint8Array(1000), new Uint8Array(1049))],
    ['a short id', () => sealPacket(KEY, KEY, new Uint8Array(71), bytes)],
    ['the id of nobody', () => unmaskPacket(KEY, bytes, 20)],
    ['an end behind the packet', () => unmaskPacket(ID, bytes, 21)],
    ['an end in the masking-iv', () => unmaskPacket(ID, bytes, 15)],
    ['an end in a byte', () => unmaskPacket(ID, bytes, 16.5)],
    ['a packet of 2,049 bytes', () => unmaskPacket(ID, new Uint8Array(2049), 16)],
    ['half a byte', () => hkdfSha256(KEY, KEY, KEY, 0.5)],
    ['a longer info than Node.js takes', () => hkdfSha256(KEY, KEY, new Uint8Array(1025), 1)],
    ['more bytes than HKDF gives', () => hkdfSha256(KEY, KEY, KEY, 8161)],
    ['no salt', () => Reflect.apply(hkdfSha256, undefined, [KEY])],
    ['a number as part', () => Reflect.apply(sha256, undefined, [5])],
  ])('%s is refused', (_, call) => {
    expect(call).toThrow(refused);
  });
});
