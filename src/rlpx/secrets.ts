import { keccak256 } from '../crypto/index.ts';

/** Both 32 bytes. */
export interface RlpxSecrets {
  readonly aesSecret: Uint8Array;
  readonly macSecret: Uint8Array;
}

/**
 * The secrets that both sides derive from the handshake (rlpx.md, "Initial Handshake"). One pair serves both
 * directions: that is how the protocol is made, and `docs/security.md` says what follows.
 */
export function deriveSecrets({
  ephemeralSecret,
  initiatorNonce,
  recipientNonce,
}: {
  /** ECDH of the two ephemeral keys, 32 bytes. */
  readonly ephemeralSecret: Uint8Array;
  readonly initiatorNonce: Uint8Array;
  readonly recipientNonce: Uint8Array;
}): RlpxSecrets {
  const sharedSecret = keccak256(ephemeralSecret, keccak256(recipientNonce, initiatorNonce));
  const aesSecret = keccak256(ephemeralSecret, sharedSecret);
  const macSecret = keccak256(ephemeralSecret, aesSecret);
  return { aesSecret, macSecret };
}
