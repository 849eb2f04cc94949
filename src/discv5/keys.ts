/** The cryptography of a handshake (discv5-theory.md, "Handshake Steps"). */
import { concatBytes } from '../base/bytes.ts';
import { hkdfSha256, sha256, sharedPoint, sign, verify } from '../crypto/index.ts';
import { ID_SIGNATURE_LENGTH } from './packet.ts';

const encoder = new TextEncoder();
const KEY_AGREEMENT = encoder.encode('discovery v5 key agreement');
const IDENTITY_PROOF = encoder.encode('discovery v5 identity proof');
const KEY_LENGTH = 16;

/** 16 bytes each. */
export interface SessionKeys {
  readonly initiatorKey: Uint8Array;
  readonly recipientKey: Uint8Array;
}

export interface KeyAgreement {
  /** The initiator's ephemeral key and the recipient's static one: of one the secret key, of the other the public key. */
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly initiatorId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly challengeData: Uint8Array;
}

/** The keys of a session, the same on both sides. @throws PeerlaneError `invalid-secret-key`, `invalid-public-key` */
export function deriveKeys(agreement: KeyAgreement): SessionKeys {
  const { secretKey, publicKey, initiatorId, recipientId, challengeData } = agreement;
  const info = concatBytes(KEY_AGREEMENT, initiatorId, recipientId);
  const data = hkdfSha256(sharedPoint(secretKey, publicKey), challengeData, info, 2 * KEY_LENGTH);
  return { initiatorKey: data.slice(0, KEY_LENGTH), recipientKey: data.slice(KEY_LENGTH) };
}

/** What an id signature is of. */
export interface IdentityProof {
  readonly challengeData: Uint8Array;
  /** Compressed: 33 bytes. */
  readonly ephemeralKey: Uint8Array;
  readonly recipientId: Uint8Array;
}

function digestOf({ challengeData, ephemeralKey, recipientId }: IdentityProof): Uint8Array {
  return sha256(IDENTITY_PROOF, challengeData, ephemeralKey, recipientId);
}

/** r and s of the initiator. @throws PeerlaneError `invalid-secret-key` */
export function signIdentity({
  secretKey,
  ...proof
}: IdentityProof & { readonly secretKey: Uint8Array }): Uint8Array {
  return sign(digestOf(proof), secretKey).slice(0, ID_SIGNATURE_LENGTH);
}

/** Whether the initiator with that public key, 64 bytes, has signed; as other clients have it, s in the upper half is not signed. */
export function verifyIdentity({
  publicKey,
  signature,
  ...proof
}: IdentityProof & { readonly publicKey: Uint8Array; readonly signature: Uint8Array }): boolean {
  return verify(digestOf(proof), signature, publicKey);
}
