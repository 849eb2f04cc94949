/** Cryptography of Ethereum's peer-to-peer protocols, by an addon or in JavaScript, byte for byte alike. */
export { aes128Ctr, gcmOpen, gcmSeal, hkdfSha256, sealPacket, sha256, unmaskPacket } from './aes.ts';
export {
  COMPACT_SIGNATURE_LENGTH,
  COMPRESSED_KEY_LENGTH,
  ECIES_OVERHEAD,
  FRAME_HEADER_LENGTH,
  FRAME_MAC_LENGTH,
  type FrameSession,
  type FrameSessionInit,
  frameBound,
  GCM_TAG_LENGTH,
  MAX_FRAME_SIZE,
  MAX_MESSAGE_CODE,
  MAX_MESSAGE_SIZE,
  PUBLIC_KEY_LENGTH,
  SECRET_KEY_LENGTH,
  SIGNATURE_LENGTH,
  STATUS,
  type Status,
  snappyBound,
} from './backend.ts';
export {
  DIGEST_LENGTH,
  decompressPublicKey,
  type EciesDecryptOptions,
  type EciesEncryptOptions,
  ecdh,
  eciesDecrypt,
  eciesEncrypt,
  equalConstantTime,
  generateSecretKey,
  isValidSecretKey,
  keccak256,
  keccak256Many,
  publicKeyOf,
  recover,
  sharedPoint,
  sign,
  verify,
} from './crypto.ts';
export { type DecodedLane, type FramesToDecode, INLINE_LIMIT } from './decode-lanes.ts';
export { type EncodedFrame, EncodedFrames, encodeFrames, type FrameToEncode } from './encode-frames.ts';
export { type EnvelopeResults, type EnvelopeWork, EnvelopeWorker } from './envelopes.ts';
export { createFrameSession } from './frame-session.ts';
export { type DecodedFrames, type DecodedMessage, decodeFrames, frameErrorOf } from './frames.ts';
export { type BackendInfo, info as backend } from './load.ts';
export { compress, uncompress, uncompressedLength } from './snappy.ts';
