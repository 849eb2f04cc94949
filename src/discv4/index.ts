/** Node discovery v4 (discv4.md), as a machine. */

export { PACKET_LIFETIME_S, REPLY_TIMEOUT_MS } from './attempts.ts';
export type { ClockSkew } from './clock-samples.ts';
export {
  Discv4Engine,
  type Discv4Host,
  type Discv4Options,
} from './engine.ts';
export type { Discv4Event, Discv4Sizes, Discv4Stats, DropReason } from './events.ts';
export { DEFAULT_LIMITS, type IntakeLimits } from './intake.ts';
export {
  decodeMessage,
  encodeMessage,
  MAX_NEIGHBORS,
  type Message,
  type Neighbor,
  type WireEndpoint,
} from './messages.ts';
export {
  isPacket,
  MAX_PACKET_SIZE,
  type PacketBatch,
  type PacketCrypto,
  type PacketResults,
  type PacketWorker,
  packetCrypto,
  packetCryptoBeside,
  packetHash,
  withHash,
} from './packet.ts';
export type { PingResult, RequestFailure } from './pending.ts';
export { PROOF_LIFETIME_MS } from './proofs.ts';
export { MAX_EXPIRATION_S, type Reception } from './screening.ts';
