/** The backend that needs nothing but Node.js. */

import { EMPTY } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import {
  type Backend,
  DECODE_LANE_WORDS,
  DECODE_MESSAGE_WORDS,
  DIRECT,
  DIRECT_BLOCK,
  ENCODE_LANE_WORDS,
  type FrameSession,
  type InputPieces,
  type StagedPayloads,
} from './backend.ts';
import { eciesDecrypt, eciesEncrypt } from './js/ecies.ts';
import { envelopes } from './js/envelopes.ts';
import { type DecodeBatch, type EncodeBatch, JsFrameSession, SharedBlock } from './js/frame.ts';
import { keccak256, keccak256Many } from './js/keccak.ts';
import { aes128Ctr, gcmOpen, gcmSeal, hkdfSha256, sha256 } from './js/node.ts';
import { decompress, ecdh, publicKey, recover, sharedPoint, sign, verify } from './js/secp256k1.ts';
import { snappyCompress, snappyUncompress } from './js/snappy.ts';
import { sealPacket, unmask } from './js/v5-packet.ts';

function own(session: FrameSession | undefined): JsFrameSession {
  if (session instanceof JsFrameSession) return session;
  throw new PeerlaneError('internal', 'a frame session of another backend');
}

const NO_PLACES = new Uint32Array(0);

function encodeMany(
  sessions: readonly FrameSession[],
  codes: Uint32Array,
  payloads: readonly Uint8Array[],
  out: Uint8Array,
  lanes: Uint32Array,
  staged?: StagedPayloads,
): void {
  const batch: EncodeBatch = { out, end: 0 };
  const shared = new SharedBlock();
  const inOrder = staged === undefined ? payloads : unstaged(staged, payloads, sessions.length);
  const places = staged?.places ?? NO_PLACES;
  for (let i = 0; i < sessions.length; i++) {
    const payload = inOrder[i] ?? EMPTY;
    const again = inOrder[i + 1] === payload;
    const written = places[2 * i + 1] === DIRECT_BLOCK ? undefined : { shared, again };
    lanes[ENCODE_LANE_WORDS * i] = own(sessions[i]).encode(batch, codes[i] ?? 0, payload, written);
    lanes[ENCODE_LANE_WORDS * i + 1] = batch.end;
  }
}

/** The payload of each lane; the same object again where the lane before has the same place. */
function unstaged(
  { bytes, places }: StagedPayloads,
  payloads: readonly Uint8Array[],
  count: number,
): readonly Uint8Array[] {
  const inOrder: Uint8Array[] = [];
  let direct = 0;
  for (let i = 0; i < count; i++) {
    const at = places[2 * i] ?? 0;
    const length = places[2 * i + 1] ?? 0;
    const before = inOrder[i - 1];
    if (length === DIRECT || length === DIRECT_BLOCK) inOrder.push(payloads[direct++] ?? EMPTY);
    else if (before !== undefined && at === places[2 * i - 2] && length === places[2 * i - 1])
      inOrder.push(before);
    else inOrder.push(bytes.subarray(at, at + length));
  }
  return inOrder;
}

/** Copies pieces to where they belong. */
function join({ pieces, counts }: InputPieces, inputs: readonly Uint8Array[]): void {
  let next = 0;
  for (const [i, input] of inputs.entries()) {
    let at = 0;
    for (let left = counts[i] ?? 0; left > 0; left--) {
      const piece = pieces[next++] ?? EMPTY;
      input.set(piece, at);
      at += piece.length;
    }
  }
}

function decodeMany(
  sessions: readonly FrameSession[],
  inputs: readonly Uint8Array[],
  out: Uint8Array,
  inlineLimit: number,
  lanes: Uint32Array,
  messages: Uint32Array,
  pieces?: InputPieces,
): number {
  if (pieces !== undefined) join(pieces, inputs);
  const capacity = Math.floor(messages.length / DECODE_MESSAGE_WORDS);
  const share = Math.floor(capacity / sessions.length);
  const batch: DecodeBatch = {
    out,
    inlineLimit,
    messages,
    limit: 0,
    count: 0,
    end: 0,
    lane: 0,
    consumed: 0,
    needed: 0,
  };
  for (let i = 0; i < sessions.length; i++) {
    const before = batch.count;
    batch.lane = i;
    batch.limit = share > 0 ? before + share : capacity;
    const word = DECODE_LANE_WORDS * i;
    lanes[word] = own(sessions[i]).decode(inputs[i] ?? EMPTY, batch);
    lanes[word + 1] = batch.consumed;
    lanes[word + 2] = batch.needed;
    lanes[word + 3] = batch.count - before;
  }
  return batch.count;
}

export const jsBackend: Backend = {
  name: 'js',
  detail: `keccak and snappyjs in JavaScript, @noble/curves, OpenSSL ${process.versions.openssl}`,
  keccak256,
  keccak256Many,
  publicKey,
  sign,
  recover,
  ecdh,
  sharedPoint,
  verify,
  decompress,
  sha256,
  hkdfSha256,
  aes128Ctr,
  gcmSeal,
  gcmOpen,
  sealPacket,
  unmask,
  eciesEncrypt,
  eciesDecrypt,
  envelopes,
  createFrameSession: (init) => new JsFrameSession(init),
  encodeMany,
  decodeMany,
  snappyCompress,
  snappyUncompress,
};
