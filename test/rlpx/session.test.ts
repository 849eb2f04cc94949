import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { decodeSessions, encodeMessages, type IncomingMessage, RlpxSession } from '../../src/rlpx/index.ts';
import { detachedBytes, sharedBytes } from '../crypto/memory.ts';

const secret = new Uint8Array(32).fill(1);
const here = new Uint8Array(40).fill(2);
const there = new Uint8Array(50).fill(3);

function connect() {
  const secrets = { aesSecret: secret, macSecret: secret };
  const sender = new RlpxSession({ ...secrets, egressSeed: here, ingressSeed: there });
  const receiver = new RlpxSession({ ...secrets, egressSeed: there, ingressSeed: here });
  sender.open(true);
  receiver.open(true);
  return { sender, receiver };
}

/** Bytes that do not compress. */
function random(length: number): Uint8Array {
  let state = length;
  return new Uint8Array(length).map(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

/** The codes that arrive, step by step until nothing is left. */
function codesOf(sessions: readonly RlpxSession[]): number[][] {
  const codes = sessions.map((): number[] => []);
  while (sessions.some(({ ready }) => ready)) {
    for (const { session, messages } of decodeSessions(sessions)) {
      codes[sessions.indexOf(session)]?.push(...messages.map(({ code }) => code));
    }
  }
  return codes;
}

describe('a batch of sessions', () => {
  it.each([
    ['detached', detachedBytes(here)],
    ['shared', sharedBytes(here)],
  ])(
    'goes on without a message whose payload is %s and those of its session behind it, the frames one behind the other',
    (_, payload) => {
      const pairs = [connect(), connect(), connect()];
      const encoded = encodeMessages(
        pairs.flatMap(({ sender }, i) =>
          [1, 2, 3].map((code) => ({
            session: sender,
            code,
            payload: i === 1 && code === 2 ? payload : here,
          })),
        ),
      );
      expect(Array.from({ length: encoded.length }, (_, k) => encoded.error(k)?.code)).toEqual(
        Array.from({ length: 9 }, (_, k) => (k === 4 || k === 5 ? 'invalid-argument' : undefined)),
      );
      expect([0, 3, 6].map((first) => encoded.errorIn(first, first + 3)?.code)).toEqual([
        undefined,
        'invalid-argument',
        undefined,
      ]);
      expect(encoded.frame(4)).toEqual(new Uint8Array(0));
      for (const [i, { receiver }] of pairs.entries()) {
        receiver.receive(encoded.frames(3 * i, 3 * i + 3).slice());
      }
      expect(codesOf(pairs.map(({ receiver }) => receiver))).toEqual([[1, 2, 3], [1], [1, 2, 3]]);
    },
  );

  it('goes on without a session whose input is refused', () => {
    const pairs = [connect(), connect(), connect()];
    for (const [i, { sender, receiver }] of pairs.entries()) {
      const frame = encodeMessages([{ session: sender, code: 7, payload: here }])
        .frame(0)
        .slice();
      receiver.receive(i === 1 ? sharedBytes(frame) : frame);
    }
    const steps = decodeSessions(pairs.map(({ receiver }) => receiver));
    expect(steps.map(({ messages, error }) => [messages.map(({ code }) => code), error?.code])).toEqual([
      [[7], undefined],
      [[], 'invalid-argument'],
      [[7], undefined],
    ]);
    expect(pairs.map(({ receiver }) => receiver.ready)).toEqual([false, false, false]);
    pairs[1]?.receiver.receive(new Uint8Array(100));
    expect(pairs[1]?.receiver.ready).toBe(false);
  });

  it('puts bodies together that arrived in pieces, and uses their memory again', () => {
    const pairs = Array.from({ length: 9 }, connect);
    const payloads = [20_000, 70_000, 150_000, 300_000].map((length) => random(length));
    const sizes = [20_000, 65_536, 999, 50_000, 65_536];
    const got: Uint8Array[][] = pairs.map(() => []);
    const waiting: IncomingMessage[][] = pairs.map(() => []);
    for (let round = 0; round < 3; round++) {
      for (const [i, { sender, receiver }] of pairs.entries()) {
        const encoded = encodeMessages(payloads.map((payload) => ({ session: sender, code: 7, payload })));
        const stream = encoded.frames(0, payloads.length);
        for (let at = 0, k = i; at < stream.length; k++) {
          const size = sizes[k % sizes.length] ?? 1;
          receiver.receive(stream.slice(at, at + size));
          at += size;
        }
      }
      while (pairs.some(({ receiver }) => receiver.ready)) {
        for (const { session, messages, error } of decodeSessions(pairs.map(({ receiver }) => receiver))) {
          expect(error).toBeUndefined();
          const index = pairs.findIndex(({ receiver }) => receiver === session);
          const late = waiting[index] ?? [];
          late.push(...messages);
          // Some are asked for at once, others when the memory of other bodies has been used again.
          if (index % 2 === 0 || late.length > 2) {
            for (const message of late.splice(0)) {
              const payload = message.payload();
              expect(equalBytes(message.payload(), payload)).toBe(true);
              got[index]?.push(payload);
            }
          }
        }
      }
    }
    for (const [index, late] of waiting.entries()) {
      got[index]?.push(...late.map((message) => message.payload()));
    }
    for (const received of got) {
      expect(received).toHaveLength(3 * payloads.length);
      expect(received.every((payload, k) => equalBytes(payload, payloads[k % 4] ?? here))).toBe(true);
    }
  });

  it('loses the session whose body has a wrong MAC in its last piece, or a piece whose memory is gone', () => {
    const pairs = [connect(), connect(), connect()];
    for (const [i, { sender, receiver }] of pairs.entries()) {
      const frame = encodeMessages([{ session: sender, code: 7, payload: random(100_000) }])
        .frame(0)
        .slice();
      if (i === 1) frame[frame.length - 1] = ~(frame.at(-1) ?? 0);
      receiver.receive(frame.slice(0, 50_000));
      receiver.receive(frame.slice(50_000, 90_000));
      receiver.receive(i === 2 ? sharedBytes(frame.slice(90_000)) : frame.slice(90_000));
    }
    const receivers = pairs.map(({ receiver }) => receiver);
    expect(decodeSessions(receivers).every(({ messages }) => messages.length === 0)).toBe(true);
    expect(
      decodeSessions(receivers).map(({ messages, error }) => [messages[0]?.payload().length, error?.code]),
    ).toEqual([
      [100_000, undefined],
      [undefined, 'frame-body-mac'],
      [undefined, 'invalid-argument'],
    ]);
    expect(receivers.map(({ ready }) => ready)).toEqual([false, false, false]);
  });
});
