/**
 * The raw interface of the crypto backends. `native` (the addon) and `js` implement it byte for byte alike;
 * a parity test feeds both the same operations.
 *
 * A backend is dumb: arguments have been checked by `crypto.ts`, which stands above both, so a backend neither
 * validates lengths nor throws for bad input of a peer. It answers with a status instead.
 *
 * Work on frames comes in batches over sessions ("lanes"): one call serves what many connections want to send,
 * or have received, in one turn of the event loop. A session may appear in several lanes of a call that
 * encodes; its lanes are worked in order. In one that decodes it has one lane. A failed lane leaves the others alone.
 */

/** Results that one lane, or one call, can have. Values are part of the interface with the addon. */
export const STATUS = {
  ok: 0,
  /** More input is needed: the lane's `needed` says how many bytes from its unconsumed start. */
  needMore: 1,
  headerMac: 2,
  bodyMac: 3,
  frameTooLarge: 4,
  frameEmpty: 5,
  codeInvalid: 6,
  snappyTooLarge: 7,
  snappyInvalid: 8,
  /** The message table of the call is full; call again with what is left. */
  tableFull: 9,
  /** The session has been disposed of, or decoding failed earlier and it decodes no more. */
  sessionFailed: 10,
} as const;

export type Status = (typeof STATUS)[keyof typeof STATUS];

/** Bytes of a public key: x and y, big-endian, without the prefix byte. */
export const PUBLIC_KEY_LENGTH = 64;
export const SECRET_KEY_LENGTH = 32;
/** The parity of y (2 for even, 3 for odd), and x. */
export const COMPRESSED_KEY_LENGTH = 33;
/** r, s (32 bytes each, s in the lower half) and the recovery id. */
export const SIGNATURE_LENGTH = 65;
/** r and s alone. */
export const COMPACT_SIGNATURE_LENGTH = 64;
/** What AES-GCM adds to a plaintext. */
export const GCM_TAG_LENGTH = 16;
/** R (65) || iv (16) || c || d (32): what ECIES adds to a plaintext. */
export const ECIES_OVERHEAD = 65 + 16 + 32;
/** header (16) || header MAC (16), and the MAC behind the body. */
export const FRAME_HEADER_LENGTH = 32;
export const FRAME_MAC_LENGTH = 16;
/** 24-bit size: message code and payload of one frame (rlpx.md, "Framing"). */
export const MAX_FRAME_SIZE = 0xffffff;
/** The bound on a message's decoded payload (rlpx.md, "Message Encoding"). */
export const MAX_MESSAGE_SIZE = 0xffffff;
/** Highest message code that a frame may carry; codes are RLP integers of at most four bytes. */
export const MAX_MESSAGE_CODE = 0xffffffff;

/**
 * Code of Disconnect (rlpx.md, "Disconnect (0x01)"): a payload of it that is no snappy block is taken as it is,
 * since some clients never compress it.
 */
export const DISCONNECT_CODE = 0x01;

/** What a session starts from; both seeds are absorbed into fresh Keccak-256 states. */
export interface FrameSessionInit {
  /** 32 bytes each. */
  readonly aesSecret: Uint8Array;
  readonly macSecret: Uint8Array;
  /** `(mac-secret ^ remote nonce) || the handshake packet sent`. */
  readonly egressSeed: Uint8Array;
  /** `(mac-secret ^ own nonce) || the handshake packet received`. */
  readonly ingressSeed: Uint8Array;
}

/** The state of one connection's frames, both directions: two AES-256-CTR streams, two running MAC states. */
export interface FrameSession {
  /**
   * `snappy`: whether payloads are compressed from the next frame on, both ways. `maxFrameSize`: the largest
   * frame-size accepted from the remote side. A new session has `snappy` off and `maxFrameSize` 2,048.
   */
  configure(snappy: boolean, maxFrameSize: number): void;
  /** Overwrites the secrets; the session takes no more work. May be called twice. */
  dispose(): void;
}

/** Words a lane takes in the `lanes` array of `decodeMany`: status, consumed, needed, messages. */
export const DECODE_LANE_WORDS = 4;
/** Words a message takes in the `messages` array of `decodeMany`. */
export const DECODE_MESSAGE_WORDS = 6;
/** Words a lane takes in the `lanes` array of `encodeMany`: status, end. */
export const ENCODE_LANE_WORDS = 2;

/**
 * Payloads of one call of `encodeMany` that were copied one behind another, which for short ones is faster than for the
 * addon to look into an array for each.
 */
export interface StagedPayloads {
  readonly bytes: Uint8Array;
  /**
   * Two words for each lane: where its payload begins in `bytes`, and its length; `DIRECT` or `DIRECT_BLOCK` as length if
   * it is not here.
   */
  readonly places: Uint32Array;
}

/** The payload is the next one of the call's array. */
export const DIRECT = 0xffffffff;
/** The same, and it is compressed already. */
export const DIRECT_BLOCK = 0xfffffffe;

/** Inputs of one call of `decodeMany` whose bytes are still in the pieces in which they arrived. */
export interface InputPieces {
  /** Those of the first such lane, then those of the next. */
  readonly pieces: readonly Uint8Array[];
  /** How many of them each lane has; 0 where the input holds its bytes. Together they are as long as the input. */
  readonly counts: Uint32Array;
}

/** Where the payload of a decoded message lies (word 4 of a message). */
export const PLACE = {
  /** In `out`, decompressed. */
  out: 0,
  /** In the lane's `input` (decrypted in place), and not compressed. */
  input: 1,
  /** In the lane's `input` (decrypted in place), still a snappy block: `uncompressed` says its decoded length. */
  compressed: 2,
} as const;

/** hash (32) || signature: what stands before the content of an envelope. */
export const ENVELOPE_HEAD_LENGTH = 32 + SIGNATURE_LENGTH;
/** Bytes of the result of an envelope that was opened: 1 and the public key of who signed it, or zeros. */
export const OPENED_LENGTH = 1 + PUBLIC_KEY_LENGTH;
/** Bytes of all inputs of one batch. */
export const MAX_ENVELOPE_BATCH = 4 * 1024 * 1024;

/** Packets of discovery v4, `hash || signature || content` (discv4.md, "Wire Protocol"), to be opened or made. */
export interface EnvelopeBatch {
  /** Envelopes, and behind them contents of others, all one behind another. */
  readonly inputs: Uint8Array;
  /** Of each. */
  readonly lengths: Uint32Array;
  /** How many of them, the first ones, are envelopes; each has at least `ENVELOPE_HEAD_LENGTH` bytes. */
  readonly opens: number;
  /** Signs the contents. */
  readonly secretKey: Uint8Array;
}

export interface Backend {
  readonly name: 'native' | 'js';
  /** What does the work, for people: instruction tiers, library versions. */
  readonly detail: string;

  /** Keccak-256 of the concatenation of `parts`. Returns 32 new bytes. */
  keccak256(...parts: readonly Uint8Array[]): Uint8Array;
  /** Digests of `inputs`, 32 bytes each, one after another into `out`. */
  keccak256Many(inputs: readonly Uint8Array[], out: Uint8Array): void;

  /** The 64-byte public key, or `undefined` if `secretKey` is zero or not below the group order. */
  publicKey(secretKey: Uint8Array): Uint8Array | undefined;
  /** Deterministic (RFC 6979) recoverable signature of a 32-byte digest; `undefined` for a bad key. */
  sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array | undefined;
  /** The signer's 64-byte public key; `undefined` if the signature is not one. Takes s in either half. */
  recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined;
  /** x coordinate of the shared point, 32 bytes; `undefined` for a bad key or a point off the curve. */
  ecdh(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  /** The shared point, compressed to 33 bytes; `undefined` as for `ecdh`. */
  sharedPoint(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  /**
   * Whether `signature`, r and s, is that of the key for a 32-byte digest. One with s in the upper half is none, and neither
   * has a point off the curve any.
   */
  verify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean;
  /** The 64-byte form of a compressed public key; `undefined` if it is none. */
  decompress(compressed: Uint8Array): Uint8Array | undefined;

  /** SHA-256 of the concatenation of `parts`. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  /** HKDF with HMAC-SHA-256 (RFC 5869), both steps; at most 8,160 bytes. */
  hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;

  /** AES-128-CTR of a whole message, which encrypts and decrypts alike. */
  aes128Ctr(key: Uint8Array, iv: Uint8Array, message: Uint8Array): Uint8Array;
  /** AES-128-GCM with a nonce of 12 bytes: the ciphertext and the tag. */
  gcmSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, authData: Uint8Array): Uint8Array;
  /** The plaintext; `undefined` if the tag is wrong. `sealed` has at least `GCM_TAG_LENGTH` bytes. */
  gcmOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    authData: Uint8Array,
  ): Uint8Array | undefined;

  /**
   * A packet of discovery v5 (discv5-wire.md, "Packet Encoding"): `head`, masking-iv and header, of which the latter is
   * masked with 16 bytes of `destId`; and what `gcmSeal` makes of the plaintext, with the nonce in `head`, which is
   * authenticated. Both together are at most 2,048 bytes. The packet may share its memory with others: one that is kept
   * keeps 16 KiB.
   */
  sealPacket(destId: Uint8Array, key: Uint8Array, head: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The first `end` bytes of a packet of at most 2,048, 16 at least, with all behind the masking-iv unmasked. */
  unmask(localId: Uint8Array, packet: Uint8Array, end: number): Uint8Array;

  /**
   * ECIES of RLPx (rlpx.md, "ECIES Encryption") with the ephemeral key and the IV given. Returns
   * `R || iv || c || d`; `undefined` for a bad key.
   */
  eciesEncrypt(
    publicKey: Uint8Array,
    ephemeralKey: Uint8Array,
    iv: Uint8Array,
    plaintext: Uint8Array,
    authData: Uint8Array,
  ): Uint8Array | undefined;
  /** The plaintext; `undefined` if the tag, the point or the prefix byte is wrong. `packet` has >= 113 bytes. */
  eciesDecrypt(secretKey: Uint8Array, packet: Uint8Array, authData: Uint8Array): Uint8Array | undefined;

  /**
   * Opens envelopes, whose hash is not looked at, and makes others: into `out` `OPENED_LENGTH` bytes for each of the ones,
   * then the whole envelopes of the others. A signature with s in the upper half opens none. Whether the key is one.
   */
  envelopes(batch: EnvelopeBatch, out: Uint8Array): boolean;
  /**
   * The same beside this thread, if the backend can do that; the batch is copied before the call returns. Resolves to
   * what `envelopes` would write, `undefined` for a bad key.
   */
  envelopesBeside?(batch: EnvelopeBatch): Promise<Uint8Array | undefined>;

  createFrameSession(init: FrameSessionInit): FrameSession;

  /**
   * Writes one frame for each lane into `out`, one after another: `codes[i]` for `sessions[i]`, with the payload that
   * `staged` has for the lane, or else the next of `payloads`. `out` has room for the sum of `frameBound(payload, snappy)`. For lane i, `lanes[2 * i]` is
   * its status and `lanes[2 * i + 1]` the offset in `out` where its frame ends (where it began, if it failed).
   * Statuses: `ok`, `frameTooLarge` (code and payload, after compression, exceed `MAX_FRAME_SIZE`; the session
   * is as before), `sessionFailed`. With snappy on, the payload is compressed; the code never is.
   */
  encodeMany(
    sessions: readonly FrameSession[],
    codes: Uint32Array,
    payloads: readonly Uint8Array[],
    out: Uint8Array,
    lanes: Uint32Array,
    staged?: StagedPayloads,
  ): void;

  /**
   * Decodes all whole frames at the start of each lane's input, which is decrypted in place. A frame's header is
   * consumed by itself as soon as its 32 bytes are there; the session remembers it.
   *
   * For lane i, `lanes[4 * i ...]` is: status; bytes consumed of `inputs[i]`; bytes needed from there for the
   * next step (with `needMore`: 32, or the body's padded size and its MAC); messages decoded. Statuses:
   * `needMore` when all went well, `tableFull` after as many messages as are each lane's equal share of the table (one
   * too small for that is filled in the order of the lanes), or a failure, after which the session decodes no more and the
   * messages before it still count; it still encodes, so that the reason can be told.
   *
   * An input that is in `pieces` is memory for those bytes, which need not be copied before they are decrypted. When the
   * lane has failed, what is in it is not said.
   *
   * Message k has `messages[6 * k ...]`: lane; code; start; end; place (`PLACE`); decoded length. A payload that
   * decompresses to at most `inlineLimit` bytes, and for which `out` has room left, is decompressed into `out`;
   * any other stays in the input as `PLACE.compressed`. Its declared length is at most `MAX_MESSAGE_SIZE`, else
   * the lane fails with `snappyTooLarge`. A payload of `DISCONNECT_CODE` that is no block, or too large a one, stays
   * in the input as `PLACE.input` instead. Returns the number of messages, at most `messages.length / 6`.
   */
  decodeMany(
    sessions: readonly FrameSession[],
    inputs: readonly Uint8Array[],
    out: Uint8Array,
    inlineLimit: number,
    lanes: Uint32Array,
    messages: Uint32Array,
    pieces?: InputPieces,
  ): number;

  /** Compresses `input` into a snappy block at the start of `out`, which has `snappyBound` bytes; the length. */
  snappyCompress(input: Uint8Array, out: Uint8Array): number;
  /**
   * Uncompresses the block `input` into `out`, whose length is the declared one. Returns whether the block is
   * valid and fills `out` exactly.
   */
  snappyUncompress(input: Uint8Array, out: Uint8Array): boolean;
}

/** The longest snappy block that `length` bytes can compress to. */
export function snappyBound(length: number): number {
  return 32 + length + Math.floor(length / 6);
}

/** An upper bound of the frame that carries a payload of `length` bytes. */
export function frameBound(length: number, snappy: boolean): number {
  const data = 5 + (snappy ? snappyBound(length) : length);
  return FRAME_HEADER_LENGTH + (data + 15 - ((data + 15) % 16)) + FRAME_MAC_LENGTH;
}
