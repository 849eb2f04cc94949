import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toBareHex } from '../../src/base/bytes.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  decompressPublicKey,
  ecdh,
  generateSecretKey,
  isValidSecretKey,
  keccak256,
  publicKeyOf,
  recover,
  sharedPoint,
  sign,
  verify,
} from '../../src/crypto/index.ts';
import { runs } from '../support/runs.ts';
import { byteArrays } from './arbitraries.ts';
import { oracleEcdh, oraclePublicKey, oracleRecover, oracleSharedPoint, oracleSign } from './oracles.ts';

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const FIELD = 2n ** 256n - 2n ** 32n - 977n;

function scalar(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, '0'));
}

function bigint(bytes: Uint8Array): bigint {
  return BigInt(`0x${toBareHex(bytes)}`);
}

const ONE = scalar(1n);
const GENERATOR = fromHex(
  '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798' +
    '483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8',
);
const secretKeys = byteArrays(32).filter((key) => bigint(key) > 0n && bigint(key) < ORDER);

describe('secret keys', () => {
  it.each([
    ['zero', scalar(0n), false],
    ['one', ONE, true],
    ['the order less one', scalar(ORDER - 1n), true],
    ['the order', scalar(ORDER), false],
    ['all ones', new Uint8Array(32).fill(0xff), false],
    ['31 bytes', new Uint8Array(31).fill(1), false],
    ['33 bytes', new Uint8Array(33).fill(1), false],
  ])('%s: valid is %s', (_, key, valid) => {
    expect(isValidSecretKey(key)).toBe(valid);
    const attempt = () => publicKeyOf(key);
    if (valid) expect(attempt()).toEqual(oraclePublicKey(key));
    else expect(attempt).toThrow(expect.objectContaining({ code: 'invalid-secret-key' }));
  });

  it('are drawn again until one is valid', () => {
    const draws = [scalar(0n), scalar(ORDER), scalar(7n)];
    expect(generateSecretKey({ randomBytes: () => draws.shift() ?? new Uint8Array(32) })).toEqual(scalar(7n));
    expect(isValidSecretKey(generateSecretKey(new VirtualEnv()))).toBe(true);
  });

  it.each([undefined, {}])('needs a source of randomness, not %j', (env) => {
    expect(() => generateSecretKey(env as never)).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });

  it('are not drawn for ever from a source that gives none', () => {
    expect(() => generateSecretKey({ randomBytes: (length) => new Uint8Array(length) })).toThrow(
      expect.objectContaining({ code: 'internal' }),
    );
  });
});

describe('public keys', () => {
  it('of 1 is the generator, and of -1 its mirror image', () => {
    expect(publicKeyOf(ONE)).toEqual(GENERATOR);
    const mirrored = publicKeyOf(scalar(ORDER - 1n));
    expect(mirrored.slice(0, 32)).toEqual(GENERATOR.slice(0, 32));
    expect(bigint(mirrored.slice(32)) + bigint(GENERATOR.slice(32))).toBe(FIELD);
  });
});

describe('signatures', () => {
  // Deterministic signatures of SHA-256 digests with key 1, as published for RFC 6979 on secp256k1.
  it.each([
    [
      'Satoshi Nakamoto',
      '934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8',
      '2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5',
    ],
    [
      'All those moments will be lost in time, like tears in rain. Time to die...',
      '8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b',
      '547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21',
    ],
  ])('of "%s" are those of RFC 6979', (message, r, s) => {
    const digest = new Uint8Array(createHash('sha256').update(message).digest());
    const signature = sign(digest, ONE);
    expect(toBareHex(signature.slice(0, 64))).toBe(r + s);
    expect(recover(digest, signature)).toEqual(GENERATOR);
  });

  it('recovers the key of a published Ethereum signature', () => {
    const digest = fromHex('ce0677bb30baa8cf067c88db9811f4333d131bf8bcf12fe7065d211dce971008');
    const signature = fromHex(
      '90f27b8b488db00b00606796d2987f6a5f59ae62ea05effe84fef5b8b0e549984a691139ad57a3f0b906637673aa2f63d1f55cb1a69199d4009eea23ceaddc9301',
    );
    expect(toBareHex(recover(digest, signature))).toBe(
      'e32df42865e97135acfb65f3bae71bdc86f4d49150ad6a440b6f15878109880a0a2b2667f7e725ceea70c673093bf67663e0312623c8e091b13cf2c0f11ef652',
    );
  });

  it('agree with libsecp256k1', () => {
    fc.assert(
      fc.property(secretKeys, byteArrays(0, 50), (key, message) => {
        const digest = keccak256(message);
        const signature = sign(digest, key);
        expect(signature).toEqual(oracleSign(digest, key));
        expect(recover(digest, signature)).toEqual(oraclePublicKey(key));
      }),
      { numRuns: runs(25) },
    );
  });

  it.each([
    ['the order', ORDER],
    ['above the order', 2n ** 256n - 1n],
  ])('of a digest that is %s are those of its remainder', (_, value) => {
    const signature = sign(scalar(value), scalar(5n));
    expect(signature).toEqual(oracleSign(scalar(value % ORDER), scalar(5n)));
    expect(recover(scalar(value), signature)).toEqual(publicKeyOf(scalar(5n)));
  });

  it('are recovered with s in the upper half too', () => {
    const digest = keccak256();
    const signature = sign(digest, ONE);
    const mirrored = signature.slice();
    mirrored.set(scalar(ORDER - bigint(signature.slice(32, 64))), 32);
    mirrored[64] = (signature[64] ?? 0) ^ 1;
    expect(recover(digest, mirrored)).toEqual(GENERATOR);
  });

  it('that are none give no key', () => {
    const digest = keccak256();
    const good = sign(digest, ONE);
    const changed = (change: (signature: Uint8Array) => void) => {
      const signature = good.slice();
      change(signature);
      return signature;
    };
    const bad = [
      new Uint8Array(65),
      good.slice(0, 64),
      changed((s) => s.fill(0, 0, 32)),
      changed((s) => s.fill(0, 32, 64)),
      changed((s) => s.fill(0xff, 0, 32)),
      changed((s) => s.fill(0xff, 32, 64)),
      ...[2, 3, 4, 27, 255].map((id) => changed((s) => s.fill(id, 64))),
    ];
    for (const signature of bad) {
      expect(() => recover(digest, signature)).toThrow(
        expect.objectContaining({ code: 'invalid-signature' }),
      );
    }
  });

  it('with random r and s recover as in libsecp256k1', () => {
    fc.assert(
      fc.property(byteArrays(64), fc.nat(3), byteArrays(32), (rs, id, digest) => {
        const signature = Uint8Array.from([...rs, id]);
        const expected = oracleRecover(digest, signature);
        if (expected !== undefined) expect(recover(digest, signature)).toEqual(expected);
        else
          expect(() => recover(digest, signature)).toThrow(
            expect.objectContaining({ code: 'invalid-signature' }),
          );
      }),
      { numRuns: runs(25) },
    );
  });

  it('want a digest of 32 bytes', () => {
    for (const length of [0, 31, 33]) {
      const digest = new Uint8Array(length);
      expect(() => sign(digest, ONE)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
      expect(() => recover(digest, new Uint8Array(65))).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }),
      );
    }
    expect(() => sign(keccak256(), scalar(0n))).toThrow(
      expect.objectContaining({ code: 'invalid-secret-key' }),
    );
  });
});

describe('key agreement', () => {
  it('gives both sides the same x coordinate', () => {
    fc.assert(
      fc.property(secretKeys, secretKeys, (a, b) => {
        const shared = ecdh(a, publicKeyOf(b));
        expect(shared).toEqual(ecdh(b, publicKeyOf(a)));
        expect(shared).toEqual(oracleEcdh(a, publicKeyOf(b)));
      }),
      { numRuns: runs(15) },
    );
  });

  it('gives both sides the same point, whose x is the same', () => {
    fc.assert(
      fc.property(secretKeys, secretKeys, (a, b) => {
        const point = sharedPoint(a, publicKeyOf(b));
        expect(point).toEqual(sharedPoint(b, publicKeyOf(a)));
        expect(point.slice(1)).toEqual(ecdh(a, publicKeyOf(b)));
        expect(point).toEqual(oracleSharedPoint(a, publicKeyOf(b)));
      }),
      { numRuns: runs(15) },
    );
  });

  it.each([
    ['off the curve', Uint8Array.from([...GENERATOR.slice(0, 63), 0xb9])],
    ['zero', new Uint8Array(64)],
    ['with x beyond the field', Uint8Array.from([...scalar(FIELD + 1n), ...GENERATOR.slice(32)])],
    ['too short', GENERATOR.slice(0, 63)],
    ['with the prefix byte', Uint8Array.from([4, ...GENERATOR])],
  ])('refuses a public key %s', (_, publicKey) => {
    expect(() => ecdh(ONE, publicKey)).toThrow(expect.objectContaining({ code: 'invalid-public-key' }));
    expect(() => sharedPoint(ONE, publicKey)).toThrow(
      expect.objectContaining({ code: 'invalid-public-key' }),
    );
  });

  it('refuses a bad secret key', () => {
    for (const agree of [ecdh, sharedPoint]) {
      expect(() => agree(scalar(ORDER), GENERATOR)).toThrow(
        expect.objectContaining({ code: 'invalid-secret-key' }),
      );
    }
  });
});

describe('verification', () => {
  const digest = keccak256(new Uint8Array(3));
  const signature = sign(digest, ONE).slice(0, 64);

  it('takes what the key signed, and nothing else', () => {
    expect(verify(digest, signature, GENERATOR)).toBe(true);
    expect(verify(keccak256(), signature, GENERATOR)).toBe(false);
    expect(verify(digest, signature, publicKeyOf(scalar(2n)))).toBe(false);
    for (let i = 0; i < 64; i += 9) {
      const changed = signature.slice();
      changed[i] = (changed[i] ?? 0) ^ 4;
      expect(verify(digest, changed, GENERATOR)).toBe(false);
    }
  });

  it('refuses s in the upper half', () => {
    const s = ORDER - BigInt(`0x${toBareHex(signature.subarray(32))}`);
    expect(verify(digest, Uint8Array.from([...signature.slice(0, 32), ...scalar(s)]), GENERATOR)).toBe(false);
  });

  it('is false for a point off the curve', () => {
    expect(verify(digest, signature, new Uint8Array(64))).toBe(false);
    expect(verify(digest, signature, Uint8Array.from([...GENERATOR.slice(0, 63), 0xb9]))).toBe(false);
  });

  it.each<[string, () => unknown, string]>([
    ['digest', () => verify(digest.slice(1), signature, GENERATOR), 'invalid-argument'],
    ['signature', () => verify(digest, sign(digest, ONE), GENERATOR), 'invalid-signature'],
    ['key', () => verify(digest, signature, GENERATOR.slice(1)), 'invalid-public-key'],
  ])('refuses a %s of another length', (_, call, code) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});

describe('decompression', () => {
  it('gives the key', () => {
    fc.assert(
      fc.property(secretKeys, (key) => {
        const publicKey = publicKeyOf(key);
        const parity = 2 + ((publicKey[63] ?? 0) & 1);
        expect(decompressPublicKey(Uint8Array.of(parity, ...publicKey.subarray(0, 32)))).toEqual(publicKey);
      }),
      { numRuns: runs(15) },
    );
  });

  it.each([
    ['whose x is on no point', Uint8Array.of(2, ...scalar(5n))],
    ['with another first byte', Uint8Array.of(6, ...GENERATOR.slice(0, 32))],
    ['of 65 bytes', Uint8Array.of(4, ...GENERATOR)],
    ['with x beyond the field', Uint8Array.of(2, ...scalar(FIELD + 1n))],
  ])('refuses a key %s', (_, compressed) => {
    expect(() => decompressPublicKey(compressed)).toThrow(
      expect.objectContaining({ code: 'invalid-public-key' }),
    );
  });
});
