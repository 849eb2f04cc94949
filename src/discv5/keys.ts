/** The keys of a session, and the proof of an identity (discv5-theory.md, "Handshake"). */

import { concatBytes } from '../base/bytes.ts';
import {
  COMPACT_SIGNATURE_LENGTH,
  COMPRESSED_KEY_LENGTH,
  decompressPublicKey,
  hkdfSha256,
  sha256,
  sharedPoint,
  sign,
  verify,
} from '../crypto/index.ts';
import { SESSION_KEY_LENGTH } from './packet.ts';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const KEY_AGREEMENT = ascii('discovery v5 key agreement');
const IDENTITY_PROOF = ascii('discovery v5 identity proof');

/** 16 bytes each: what the initiator encrypts with, who sent the handshake packet, and what the recipient does. */
export interface SessionKeys {
  readonly initiatorKey: Uint8Array;
  readonly recipientKey: Uint8Array;
}

export interface KeyAgreement {
  /** Of the initiator the ephemeral one, of the recipient that of its identity. */
  readonly secretKey: Uint8Array;
  /** Of the other side; 64 bytes, or the 33 of a handshake packet. */
  readonly publicKey: Uint8Array;
  readonly initiatorId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly challengeData: Uint8Array;
}

/**
 * The same on both sides (discv5-theory.md, "Step 3: Node A processes the challenge").
 * @throws PeerlaneError `invalid-secret-key`; `invalid-public-key` also if the key is not a point of the curve
 */
export function deriveKeys(agreement: KeyAgreement): SessionKeys {
  const { secretKey, publicKey, initiatorId, recipientId, challengeData } = agreement;
  const compressed = publicKey.length === COMPRESSED_KEY_LENGTH;
  const secret = sharedPoint(secretKey, compressed ? decompressPublicKey(publicKey) : publicKey);
  const info = concatBytes(KEY_AGREEMENT, initiatorId, recipientId);
  const keys = hkdfSha256(secret, challengeData, info, 2 * SESSION_KEY_LENGTH);
  secret.fill(0);
  const initiatorKey = keys.slice(0, SESSION_KEY_LENGTH);
  const recipientKey = keys.slice(SESSION_KEY_LENGTH);
  keys.fill(0);
  return { initiatorKey, recipientKey };
}

/** What the signature of a handshake packet is over. */
export interface IdentityProof {
  readonly challengeData: Uint8Array;
  /** The compressed public key, 33 bytes. */
  readonly ephemeralKey: Uint8Array;
  /** Of who sent WHOAREYOU. */
  readonly recipientId: Uint8Array;
}

function digestOf({ challengeData, ephemeralKey, recipientId }: IdentityProof): Uint8Array {
  return sha256(IDENTITY_PROOF, challengeData, ephemeralKey, recipientId);
}

/**
 * The `id-signature`, 64 bytes (discv5-theory.md, "Identity-Specific Cryptography in the Handshake").
 * @param proof `secretKey`: of our identity
 * @throws PeerlaneError `invalid-secret-key`
 */
export function signIdentity(proof: IdentityProof & { readonly secretKey: Uint8Array }): Uint8Array {
  return sign(digestOf(proof), proof.secretKey).slice(0, COMPACT_SIGNATURE_LENGTH);
}

/**
 * Whether the signature was made by `publicKey`, the 64 bytes of the initiator's record. As in go-ethereum s above half of
 * the order is refused.
 * @throws PeerlaneError `invalid-signature`, `invalid-public-key` for what has another length
 */
export function verifyIdentity(
  proof: IdentityProof & { readonly publicKey: Uint8Array; readonly signature: Uint8Array },
): boolean {
  return verify(digestOf(proof), proof.signature, proof.publicKey);
}
