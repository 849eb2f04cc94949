/**
 * Frames of one stream: encoding them into one slab a call, and decoding what such a call has written, as a live
 * session does it, snappy included. Payloads are random, which snappy stores as they are: then the cost is that
 * of the MAC and the cipher, for every implementation alike.
 */
import { randomFillSync } from 'node:crypto';
import { backend, type FrameSessionInit } from '../src/crypto/index.ts';
import { decodeSessions, encodeMessages, RlpxSession } from '../src/rlpx/index.ts';
import { measure, quick, summary } from './measure.ts';
import type { BenchRow } from './row.ts';

export const SIZES: Readonly<Record<string, number>> = {
  '64': 64,
  '1k': 1024,
  '16k': 16 * 1024,
  '128k': 128 * 1024,
  '1m': 1024 * 1024,
};
/** Bytes that one round encodes or decodes. */
const ROUND_BYTES = quick ? 1 << 20 : 16 << 20;
const ROUNDS = quick ? 3 : 9;

const random = (length: number) => randomFillSync(new Uint8Array(length));

/** Two sessions at the two ends of a stream. */
function pair(): [RlpxSession, RlpxSession] {
  const [aesSecret, macSecret, egressSeed, ingressSeed] = [32, 32, 300, 300].map(random) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const a: FrameSessionInit = { aesSecret, macSecret, egressSeed, ingressSeed };
  const b: FrameSessionInit = { aesSecret, macSecret, egressSeed: ingressSeed, ingressSeed: egressSeed };
  const sessions: [RlpxSession, RlpxSession] = [new RlpxSession(a), new RlpxSession(b)];
  for (const session of sessions) session.open(true);
  return sessions;
}

export async function frames(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [name, size] of Object.entries(SIZES)) {
    // What a turn of the event loop has to send to one peer: up to 64 KiB of small messages, or one large one.
    const batch = Math.max(1, Math.min(256, Math.floor(65_536 / size)));
    const payload = random(size);
    const [sender] = pair();
    const messages = Array.from({ length: batch }, () => ({ session: sender, code: 0x10, payload }));
    rows.push(
      await measure({
        id: `frame-encode-${name}-x1`,
        subject: backend.name,
        unit: 'MB/s',
        amount: (size * batch) / 1e6,
        run: () => {
          encodeMessages(messages);
        },
      }),
    );
    rows.push({ id: `frame-decode-${name}-x1`, subject: backend.name, unit: 'MB/s', ...decodeRate(payload) });
  }
  return rows;
}

/** Ciphertext can be decoded only once, so each round decodes what was encoded for it just before. */
function decodeRate(payload: Uint8Array): { value: number; spread: number } {
  const count = Math.max(1, Math.floor(ROUND_BYTES / payload.length));
  const [sender, receiver] = pair();
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const chunks = socketChunks(sender, payload, count);
    let decoded = 0;
    const start = performance.now();
    for (const chunk of chunks) {
      receiver.receive(chunk);
      while (receiver.ready) {
        for (const { messages, error } of decodeSessions([receiver])) {
          if (error !== undefined) throw error;
          for (const message of messages) decoded += message.payload().length;
        }
      }
    }
    const elapsed = performance.now() - start;
    if (decoded !== count * payload.length) throw new Error('the stream did not decode');
    if (round > 0) rates.push(decoded / 1e3 / elapsed);
  }
  return summary(rates);
}

/** The stream in pieces of 64 KiB, as a socket delivers it. */
function socketChunks(sender: RlpxSession, payload: Uint8Array, count: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const perCall = Math.max(1, Math.floor(65_536 / payload.length));
  for (let sent = 0; sent < count; sent += perCall) {
    const messages = Array.from({ length: Math.min(perCall, count - sent) }, () => ({
      session: sender,
      code: 0x10,
      payload,
    }));
    for (const { frame } of encodeMessages(messages)) {
      for (let at = 0; at < frame.length; at += 65_536) chunks.push(frame.slice(at, at + 65_536));
    }
  }
  return payload.length >= 65_536 ? chunks : merged(chunks);
}

function merged(frames: readonly Uint8Array[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let length = 0;
  const close = () => {
    if (group.length > 0) chunks.push(new Uint8Array(Buffer.concat(group)));
    group = [];
    length = 0;
  };
  for (const frame of frames) {
    if (length + frame.length > 65_536) close();
    group.push(frame);
    length += frame.length;
  }
  close();
  return chunks;
}
