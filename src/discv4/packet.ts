/** The envelope of a packet: hash, signature, type, data (discv4.md, "Wire Protocol"). */
import { equalBytes } from '../base/bytes.ts';
import { detached } from '../base/observer.ts';
import { DIGEST_LENGTH, EnvelopeWorker, keccak256, SIGNATURE_LENGTH } from '../crypto/index.ts';

/** The longest packet that may be sent or is read, in bytes. */
export const MAX_PACKET_SIZE = 1280;
/** Hash and signature. */
export const HEAD_LENGTH = DIGEST_LENGTH + SIGNATURE_LENGTH;
/** A packet has a type and at least an empty list. */
export const MIN_PACKET_SIZE = HEAD_LENGTH + 2;

export const PACKET_TYPE = {
  ping: 0x01,
  pong: 0x02,
  findNode: 0x03,
  neighbors: 0x04,
  enrRequest: 0x05,
  enrResponse: 0x06,
} as const;

export type PacketName = keyof typeof PACKET_TYPE;

const NAMES: ReadonlyMap<number, PacketName> = new Map([
  [PACKET_TYPE.ping, 'ping'],
  [PACKET_TYPE.pong, 'pong'],
  [PACKET_TYPE.findNode, 'findNode'],
  [PACKET_TYPE.neighbors, 'neighbors'],
  [PACKET_TYPE.enrRequest, 'enrRequest'],
  [PACKET_TYPE.enrResponse, 'enrResponse'],
]);

/** What the type byte says; `undefined` for a type that the protocol lacks, or no packet at all. */
export function packetName(packet: Uint8Array): PacketName | undefined {
  return NAMES.get(packet[HEAD_LENGTH] ?? 0);
}

/** Views of the parts of a packet. */
export const packetHash = (packet: Uint8Array): Uint8Array => packet.subarray(0, DIGEST_LENGTH);
export const packetData = (packet: Uint8Array): Uint8Array => packet.subarray(HEAD_LENGTH + 1);

/**
 * Whether the bytes look like a packet of this protocol: size, type, and the hash, which is there to tell it from those
 * of others on the same port. Costs a digest, and says nothing of who made it.
 */
export function isPacket(packet: Uint8Array): boolean {
  if (packet.length < MIN_PACKET_SIZE || packet.length > MAX_PACKET_SIZE) return false;
  if (packetName(packet) === undefined) return false;
  return equalBytes(keccak256(packet.subarray(DIGEST_LENGTH)), packetHash(packet));
}

/** What signatures are to be checked and made. */
export interface PacketBatch {
  readonly packets: readonly Uint8Array[];
  /** Type and data of others. */
  readonly contents: readonly Uint8Array[];
}

export interface PacketResults {
  /** The 64-byte public key that signed each packet, a view; `undefined` for one with a bad signature. */
  readonly publicKeys: readonly (Uint8Array | undefined)[];
  /** The packet of each content. */
  readonly sealed: readonly Uint8Array[];
}

/** Signs packets of one node, and finds out who signed those of others; a simulation puts something cheap in its place. */
export interface PacketCrypto {
  /** The 64-byte public key that signed each packet; `undefined` for one with a bad signature. */
  open(packets: readonly Uint8Array[]): readonly (Uint8Array | undefined)[];
  /** The packets, each from its type and data. */
  seal(contents: readonly Uint8Array[]): readonly Uint8Array[];
  /** Packets that are opened at once before the caller looks at its socket again; default `OPENED_AT_ONCE`. */
  readonly openedAtOnce?: number;
  /** Where batches go that are not worked at once; absent: all are. */
  readonly beside?: PacketWorker;
}

/** Works batches while its caller does something else. */
export interface PacketWorker {
  /** Batches that may be under way. */
  readonly lanes: number;
  /** Begins with a batch. Its results are to be given to `Discv4Engine.complete`, after this has returned. */
  begin(batch: PacketBatch): void;
}

/** With `packetCrypto` in C a millisecond or two. */
export const OPENED_AT_ONCE = 64;
/** In JavaScript a signature takes thirty times as long. */
const OPENED_AT_ONCE_SLOWLY = 8;
/** Two threads beside the one of the caller; libuv's pool has four, and others need it too. */
const LANES = 2;

/** The cryptography of the protocol, for the node with this secret key. @throws PeerlaneError `invalid-secret-key` */
export function packetCrypto(secretKey: Uint8Array): PacketCrypto {
  return cryptoOf(new EnvelopeWorker(secretKey));
}

/**
 * The same, beside the thread of the caller where the backend can do that.
 * @param completed hands results to `Discv4Engine.complete`
 * @throws PeerlaneError `invalid-secret-key`
 */
export function packetCryptoBeside(
  secretKey: Uint8Array,
  completed: (batch: PacketBatch, results: PacketResults) => void,
): PacketCrypto {
  const worker = new EnvelopeWorker(secretKey);
  const crypto = cryptoOf(worker);
  if (!worker.isBeside) return crypto;
  // What it throws is an error of its own, not of a promise that nobody has.
  const report = detached(completed);
  const begin = async (batch: PacketBatch): Promise<void> => {
    const { packets: envelopes, contents } = batch;
    const work = { envelopes, contents };
    // Where there is no memory for another thread's copies, there may be for this one's.
    report(batch, await worker.workBeside(work).catch(() => worker.work(work)));
  };
  return { ...crypto, beside: { lanes: LANES, begin: (batch) => void begin(batch) } };
}

function cryptoOf(worker: EnvelopeWorker): PacketCrypto {
  return {
    open: (envelopes) => worker.work({ envelopes, contents: [] }).publicKeys,
    seal: (contents) => worker.work({ envelopes: [], contents }).sealed,
    openedAtOnce: worker.isBeside ? OPENED_AT_ONCE : OPENED_AT_ONCE_SLOWLY,
  };
}

/** A packet from its parts, whatever the signature is. */
export function withHash(signature: Uint8Array, content: Uint8Array): Uint8Array {
  const packet = new Uint8Array(DIGEST_LENGTH + signature.length + content.length);
  packet.set(signature, DIGEST_LENGTH);
  packet.set(content, DIGEST_LENGTH + signature.length);
  packet.set(keccak256(packet.subarray(DIGEST_LENGTH)));
  return packet;
}
