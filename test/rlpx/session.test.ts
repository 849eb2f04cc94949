import { describe, expect, it } from 'vitest';
import { decodeSessions, encodeMessages, RlpxSession } from '../../src/rlpx/index.ts';
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
});
