/**
 * Frames of one stream or of several: encoding them into one slab a call, and decoding what such calls have
 * written, as live sessions do it, snappy included. Payloads are random, which snappy stores as they are: then the
 * cost is that of the MAC and the cipher, for every implementation alike. Each message has a payload of its own,
 * since one that is sent to many is compressed once.
 */
import { concatBytes, unwritten } from '../base/bytes.ts';
import { systemEnv } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { release } from '../base/release.ts';
import type { FrameSessionInit } from '../crypto/index.ts';
import { LENT_PAYLOAD } from '../p2p/index.ts';
import { decodeSessions, encodeMessages, type OutgoingMessage, RlpxSession } from '../rlpx/index.ts';
import type { Figure } from './figure.ts';
import { now, overRounds, type Pace, rateOf } from './measure.ts';

export const SIZES = {
  '64': 64,
  '1k': 1024,
  '16k': 16 * 1024,
  '128k': 128 * 1024,
  '1m': 1024 * 1024,
} as const;

/** What a turn of the event loop has to send or has received, over all peers, if the messages are small. */
const TURN_BYTES = 65_536;
/** And at most so many messages, but one for each peer. */
const TURN_MESSAGES = 256;
/** Streams that a backend works side by side, at most: a call takes a multiple of them... */
const LANES = 8;
/** ...that makes about so many bytes, as a turn of a node does, if there are so many. */
const CALL_BYTES = 768 * 1024;
/** What a socket delivers at once. */
const CHUNK = 65_536;
/** Ciphertext that is made ahead: more than stays in the caches, as what sockets deliver does not either. */
const AHEAD_BYTES = 16 << 20;

const random = (length: number): Uint8Array => systemEnv.randomBytes(length);

/** Two sessions at the two ends of a stream. */
function pair(): readonly [RlpxSession, RlpxSession] {
  const [aesSecret, macSecret] = [random(32), random(32)];
  const [egressSeed, ingressSeed] = [random(300), random(300)];
  const a: FrameSessionInit = { aesSecret, macSecret, egressSeed, ingressSeed };
  const b: FrameSessionInit = { aesSecret, macSecret, egressSeed: ingressSeed, ingressSeed: egressSeed };
  const sessions = [new RlpxSession(a), new RlpxSession(b)] as const;
  for (const session of sessions) session.open(true);
  return sessions;
}

/** What one turn sends: as many messages for each of `senders`, those of one session behind each other. */
function turn(senders: readonly RlpxSession[], size: number): OutgoingMessage[] {
  const inTurn = Math.min(TURN_MESSAGES, Math.floor(TURN_BYTES / size));
  const each = Math.max(1, Math.floor(inTurn / senders.length));
  return senders.flatMap((session) =>
    Array.from({ length: each }, () => ({ session, code: 0x10, payload: random(size) })),
  );
}

/** Memory that is written again by each call, as a node does once sockets have taken what the call before wrote. */
function reusedMemory(): (length: number) => Uint8Array {
  let slab: Uint8Array = new Uint8Array(0);
  return (length) => {
    if (slab.length < length) slab = unwritten(length);
    return slab;
  };
}

/** Messages of `size` bytes in a call, if `count` wait. */
function inCall(size: number, count: number): number {
  if (size * count <= CALL_BYTES) return count;
  return Math.min(count, Math.max(LANES, LANES * Math.floor(CALL_BYTES / size / LANES)));
}

/** Payload in MB/s when `streams` sessions send messages of `size` bytes, each call those that are next in turn. */
export async function encodeRate(pace: Pace, size: number, streams: number): Promise<Figure> {
  const messages = turn(
    Array.from({ length: streams }, () => pair()[0]),
    size,
  );
  const count = inCall(size, messages.length);
  const twice = [...messages, ...messages];
  const memory = reusedMemory();
  let at = 0;
  return await rateOf(pace, (size * count) / 1e6, () => {
    encodeMessages(twice.slice(at, at + count), memory);
    at = (at + count) % messages.length;
  });
}

/** Payload in MB/s when `streams` sessions decode messages of `size` bytes. */
export async function decodeRate(pace: Pace, size: number, streams: number): Promise<Figure> {
  const pairs = Array.from({ length: streams }, pair);
  const senders = pairs.map(([sender]) => sender);
  const receivers = pairs.map(([, receiver]) => receiver);
  const messages = turn(senders, size);
  const bytes = size * messages.length;
  const mostTurns = Math.max(1, Math.floor(AHEAD_BYTES / bytes));
  let turns = 1;
  return await overRounds(pace, () => {
    let [decoded, elapsed] = [0, 0];
    // Ciphertext can be decoded only once, so each portion is encoded just before, which is not timed.
    while (elapsed < pace.roundMs) {
      const arrivals = ciphertext(messages, turns);
      const start = now();
      const length = decodeArrivals(receivers, arrivals);
      const took = now() - start;
      if (length !== turns * bytes) throw new PeerlaneError('internal', 'the streams did not decode');
      decoded += length;
      elapsed += took;
      // Until a portion takes as long as a round, or would be too large.
      if (took < pace.roundMs / 2) turns = Math.min(mostTurns, 2 * turns);
    }
    return decoded / 1e3 / elapsed;
  });
}

/** What sockets delivered in one turn of the event loop: to each session one chunk at most. */
type Arrival = readonly { readonly session: number; readonly chunk: Uint8Array }[];

/** Payload bytes that came out. */
function decodeArrivals(receivers: readonly RlpxSession[], arrivals: readonly Arrival[]): number {
  let decoded = 0;
  for (const arrival of arrivals) {
    for (const { session, chunk } of arrival) receivers[session]?.receive(chunk);
    for (let ready = readyOf(receivers); ready.length > 0; ready = readyOf(receivers)) {
      for (const { messages, error } of decodeSessions(someOf(ready))) {
        if (error !== undefined) throw error;
        for (const message of messages) {
          const payload = message.payload();
          decoded += payload.length;
          // As a channel does when its handler asks for the next message.
          if (payload.length >= LENT_PAYLOAD) release(payload);
        }
      }
    }
  }
  return decoded;
}

/** Those whose input makes one call. */
function someOf(ready: readonly RlpxSession[]): readonly RlpxSession[] {
  let [count, length] = [0, 0];
  for (const { pendingLength } of ready) {
    if (length >= CALL_BYTES && count % LANES === 0) break;
    length += pendingLength;
    count++;
  }
  return ready.slice(0, count);
}

const readyOf = (sessions: readonly RlpxSession[]): RlpxSession[] => sessions.filter(({ ready }) => ready);

/** So many turns of `messages`, cut as sockets deliver them. */
function ciphertext(messages: readonly OutgoingMessage[], turns: number): Arrival[] {
  const sessions = [...new Set(messages.map(({ session }) => session))];
  const indexes = new Map(sessions.map((session, index) => [session, index]));
  const streams: StreamChunks[] = sessions.map(() => new StreamChunks(Math.ceil(CHUNK / sessions.length)));
  for (let sent = 0; sent < turns; sent++) {
    const encoded = encodeMessages(messages);
    for (const [i, { session }] of messages.entries()) {
      const index = indexes.get(session);
      if (index !== undefined) streams[index]?.add(encoded.frame(i));
    }
  }
  const chunks = streams.map((stream) => stream.end());
  const longest = Math.max(...chunks.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) =>
    chunks.flatMap((ofStream, session) => {
      const chunk = ofStream[at];
      return chunk === undefined ? [] : [{ session, chunk }];
    }),
  );
}

/** The frames of one stream in chunks: small frames together up to `share` bytes, large ones cut by the socket. */
class StreamChunks {
  readonly #share: number;
  readonly #chunks: Uint8Array[] = [];
  #group: Uint8Array[] = [];
  #length = 0;

  constructor(share: number) {
    this.#share = share;
  }

  add(frame: Uint8Array): void {
    if (frame.length > this.#share) {
      this.#close();
      for (let at = 0; at < frame.length; at += CHUNK) this.#chunks.push(frame.slice(at, at + CHUNK));
      return;
    }
    if (this.#length + frame.length > this.#share) this.#close();
    this.#group.push(frame);
    this.#length += frame.length;
  }

  end(): readonly Uint8Array[] {
    this.#close();
    return this.#chunks;
  }

  #close(): void {
    if (this.#group.length > 0) this.#chunks.push(concatBytes(...this.#group));
    this.#group = [];
    this.#length = 0;
  }
}
