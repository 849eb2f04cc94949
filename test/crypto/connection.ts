/** Both ends of one connection's frames, for tests. */
import { expect } from 'vitest';
import {
  createFrameSession,
  decodeFrames,
  encodeFrames,
  type FrameSession,
  MAX_FRAME_SIZE,
  STATUS,
} from '../../src/crypto/index.ts';
import { OracleSender } from './oracles.ts';

export const aesSecret = new Uint8Array(32).fill(0xa1);
export const macSecret = new Uint8Array(32).fill(0xb2);
export const here = new Uint8Array(333).fill(0xc3);
export const there = new Uint8Array(222).fill(0xd4);

/** Both ends of one connection; `oracle` sends what `sender` would. */
export function connect({ snappy = false, maxFrameSize = MAX_FRAME_SIZE } = {}) {
  const sender = createFrameSession({ aesSecret, macSecret, egressSeed: here, ingressSeed: there });
  const receiver = createFrameSession({ aesSecret, macSecret, egressSeed: there, ingressSeed: here });
  const oracle = new OracleSender({ aesSecret, macSecret, seed: here });
  sender.configure(snappy, MAX_FRAME_SIZE);
  receiver.configure(snappy, maxFrameSize);
  return { sender, receiver, oracle };
}

export function encodeOne(
  session: FrameSession,
  code: number,
  payload: Uint8Array,
  snappy = false,
): Uint8Array {
  const { slab, results } = encodeFrames([{ session, code, payload, snappy }]);
  const [result] = results;
  expect(result?.status).toBe(STATUS.ok);
  return slab.slice(result?.start, result?.end);
}

export function decodeOne(session: FrameSession, input: Uint8Array) {
  const { lanes, messages } = decodeFrames([{ session, input }]);
  return { ...lanes[0], messages };
}

/** The frame of `data`, as one message of the connection's remote side. */
export function receive(data: Uint8Array, options: Parameters<typeof connect>[0] = {}) {
  const { receiver, oracle } = connect(options);
  return decodeOne(receiver, oracle.frame(data));
}

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
export const noise = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(i + seed, 0x9e3779b1) >>> 24) & 0xff);
