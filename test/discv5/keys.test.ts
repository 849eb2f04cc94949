/** Session keys and id signatures (discv5-theory.md, "Handshake"). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decompressPublicKey, publicKeyOf, sharedPoint } from '../../src/crypto/index.ts';
import { deriveKeys, signIdentity, verifyIdentity } from '../../src/discv5/keys.ts';
import { compressPublicKey, nodeIdOf } from '../../src/enr/index.ts';
import { byteArrays } from '../crypto/arbitraries.ts';
import { runs } from '../support/runs.ts';
import { ECDH, ID_SIGNATURE, KEYS, NODE_A_ID, NODE_A_KEY, NODE_B_ID, NODE_B_KEY } from './vectors.ts';

/** Valid with near certainty. */
const secretKeys = byteArrays(32).map((key) => key.fill(1, 0, 1));
const KEY = new Uint8Array(32).fill(1);

describe('the vectors of the specification', () => {
  it('are of nodes with these ids', () => {
    expect(nodeIdOf(publicKeyOf(NODE_A_KEY))).toEqual(NODE_A_ID);
    expect(nodeIdOf(publicKeyOf(NODE_B_KEY))).toEqual(NODE_B_ID);
  });

  it('have the shared point', () => {
    expect(sharedPoint(ECDH.secretKey, decompressPublicKey(ECDH.publicKey))).toEqual(ECDH.sharedSecret);
  });

  it('have the keys', () => {
    const { initiatorKey, recipientKey } = KEYS;
    const agreement = {
      secretKey: KEYS.ephemeralKey,
      publicKey: KEYS.destPublicKey,
      initiatorId: NODE_A_ID,
      recipientId: NODE_B_ID,
      challengeData: KEYS.challengeData,
    };
    expect(deriveKeys(agreement)).toEqual({ initiatorKey, recipientKey });
    const publicKey = decompressPublicKey(KEYS.destPublicKey);
    expect(deriveKeys({ ...agreement, publicKey })).toEqual({ initiatorKey, recipientKey });
  });

  it('have the id signature', () => {
    const proof = {
      challengeData: ID_SIGNATURE.challengeData,
      ephemeralKey: ID_SIGNATURE.ephemeralPublicKey,
      recipientId: NODE_B_ID,
    };
    const signature = signIdentity({ ...proof, secretKey: ID_SIGNATURE.staticKey });
    expect(signature).toEqual(ID_SIGNATURE.idSignature);
    expect(verifyIdentity({ ...proof, signature, publicKey: publicKeyOf(ID_SIGNATURE.staticKey) })).toBe(
      true,
    );
  });
});

describe('session keys', () => {
  it('are the same on both sides, and others for another challenge or pair of nodes', () => {
    fc.assert(
      fc.property(secretKeys, secretKeys, byteArrays(63), (ephemeral, identity, challengeData) => {
        const [initiatorId, recipientId] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
        const shared = { initiatorId, recipientId, challengeData };
        const ours = { secretKey: ephemeral, publicKey: publicKeyOf(identity), ...shared };
        const publicKey = compressPublicKey(publicKeyOf(ephemeral));
        const keys = deriveKeys(ours);
        expect(deriveKeys({ secretKey: identity, publicKey, ...shared })).toEqual(keys);
        expect(keys.initiatorKey).not.toEqual(keys.recipientKey);
        expect([keys.initiatorKey.length, keys.recipientKey.length]).toEqual([16, 16]);
        expect([keys.initiatorKey.buffer.byteLength, keys.recipientKey.buffer.byteLength]).toEqual([16, 16]);
        const other = challengeData.map((byte, i) => (i === 30 ? byte ^ 1 : byte));
        expect(deriveKeys({ ...ours, challengeData: other })).not.toEqual(keys);
        expect(deriveKeys({ ...ours, initiatorId: recipientId, recipientId: initiatorId })).not.toEqual(keys);
      }),
      { numRuns: runs(10) },
    );
  });

  it.each([
    ['of 33 bytes that are no point', Uint8Array.of(2, ...new Uint8Array(32).fill(0xff))],
    ['of 64 bytes that are no point', new Uint8Array(64).fill(5)],
    ['of another length', new Uint8Array(65)],
  ])('do not follow from a public key %s', (_, publicKey) => {
    const ids = { initiatorId: NODE_A_ID, recipientId: NODE_B_ID };
    expect(() => deriveKeys({ secretKey: KEY, publicKey, ...ids, challengeData: KEY })).toThrow(
      expect.objectContaining({ code: 'invalid-public-key' }),
    );
  });
});

describe('an id signature', () => {
  const proof = {
    challengeData: ID_SIGNATURE.challengeData,
    ephemeralKey: ID_SIGNATURE.ephemeralPublicKey,
    recipientId: NODE_B_ID,
  };
  const publicKey = publicKeyOf(KEY);
  const signature = signIdentity({ ...proof, secretKey: KEY });
  const changed = (bytes: Uint8Array) => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));

  it('is of one key, challenge, ephemeral key and recipient', () => {
    const valid = { ...proof, publicKey, signature };
    expect(verifyIdentity(valid)).toBe(true);
    for (const name of ['challengeData', 'ephemeralKey', 'recipientId', 'signature'] as const) {
      expect(verifyIdentity({ ...valid, [name]: changed(valid[name]) }), name).toBe(false);
    }
    expect(verifyIdentity({ ...valid, publicKey: publicKeyOf(NODE_A_KEY) })).toBe(false);
    expect(verifyIdentity({ ...valid, publicKey: changed(publicKey) })).toBe(false);
    expect(verifyIdentity({ ...valid, signature: new Uint8Array(64) })).toBe(false);
    expect(verifyIdentity({ ...valid, signature: new Uint8Array(64).fill(0xff) })).toBe(false);
  });

  it('with s in the upper half of the order is refused, as by go-ethereum', () => {
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`);
    const upper = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex');
    const mirrored = Uint8Array.of(...signature.subarray(0, 32), ...upper);
    expect(verifyIdentity({ ...proof, publicKey, signature: mirrored })).toBe(false);
  });

  it('is not made with a bad key', () => {
    expect(() => signIdentity({ ...proof, secretKey: new Uint8Array(32) })).toThrow(
      expect.objectContaining({ code: 'invalid-secret-key' }),
    );
  });
});
