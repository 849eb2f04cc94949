import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import type { ErrorCode } from '../../src/base/errors.ts';
import {
  createFrameSession,
  decodeFrames,
  encodeFrames,
  type FrameSession,
  frameErrorOf,
  STATUS,
  type Status,
} from '../../src/crypto/index.ts';

import {
  aesSecret,
  bytes,
  connect,
  decodeOne,
  encodeOne,
  here,
  macSecret,
  noise,
  there,
} from './connection.ts';

describe('lanes', () => {
  it('serve many sessions in one call, and a failed one leaves the others alone', () => {
    const pairs = Array.from({ length: 20 }, (_, i) => connect({ snappy: i % 2 === 0 }));
    pairs[3]?.sender.dispose();
    const { slab, results } = encodeFrames(
      pairs.map(({ sender }, i) => ({
        session: sender,
        code: i,
        payload: noise(i * 50, i),
        snappy: i % 2 === 0,
      })),
    );
    expect(results.map(({ status }) => status)).toEqual(
      pairs.map((_, i) => (i === 3 ? STATUS.sessionFailed : STATUS.ok)),
    );
    const inputs = results.map(({ start, end }) => slab.slice(start, end));
    inputs[7]?.fill(0, 0, 32);
    const { lanes, messages } = decodeFrames(
      pairs.map(({ receiver }, i) => ({ session: receiver, input: inputs[i] ?? bytes() })),
    );
    expect(lanes.map(({ status }) => status)).toEqual(
      pairs.map((_, i) => (i === 7 ? STATUS.headerMac : STATUS.needMore)),
    );
    expect(messages.map(({ lane, code, payload }) => [lane, code, payload])).toEqual(
      pairs.map((_, i) => [i, i, noise(i * 50, i)]).filter(([i]) => i !== 3 && i !== 7),
    );
  });

  it('send one payload to many sessions', () => {
    const pairs = Array.from({ length: 9 }, (_, i) => connect({ snappy: i !== 4 }));
    const payload = concatBytes(noise(500), new Uint8Array(500));
    const { slab, results } = encodeFrames(
      pairs.map(({ sender }, i) => ({ session: sender, code: i + 0x7c, payload, snappy: i !== 4 })),
    );
    const { messages } = decodeFrames(
      pairs.map(({ receiver }, i) => ({
        session: receiver,
        input: slab.slice(results[i]?.start, results[i]?.end),
      })),
    );
    expect(messages.map(({ code, payload }) => [code, payload])).toEqual(
      pairs.map((_, i) => [i + 0x7c, payload]),
    );
  });

  it('send several messages of one session in order', () => {
    const { sender, receiver } = connect();
    const { slab, results } = encodeFrames(
      [1, 2, 3].map((code) => ({ session: sender, code, payload: bytes(code), snappy: false })),
    );
    const { messages } = decodeOne(receiver, slab.slice(0, results[2]?.end));
    expect(messages.map(({ code }) => code)).toEqual([1, 2, 3]);
  });

  it('share a full table without losing a message', () => {
    const pairs = Array.from({ length: 3 }, () => connect());
    const inputs = pairs.map(({ sender }) =>
      concatBytes(...Array.from({ length: 200 }, (_, i) => encodeOne(sender, i, bytes()))),
    );
    const { lanes, messages } = decodeFrames(
      pairs.map(({ receiver }, i) => ({ session: receiver, input: inputs[i] ?? bytes() })),
    );
    expect(lanes.map(({ consumed }) => consumed)).toEqual(inputs.map(({ length }) => length));
    expect(messages.map(({ lane, code }) => lane * 200 + code)).toEqual(
      Array.from({ length: 600 }, (_, i) => i),
    );
  });

  it('are none: no work', () => {
    expect(encodeFrames([]).results).toEqual([]);
    expect(decodeFrames([])).toEqual({ lanes: [], messages: [] });
  });
});

describe('payload views', () => {
  it('keep their bytes while later calls fill the slab', () => {
    const { sender, receiver } = connect({ snappy: true });
    const kept: Uint8Array[] = [];
    for (let i = 0; i < 40; i++) {
      const { messages } = decodeOne(receiver, encodeOne(sender, 1, noise(20_000, i), true));
      kept.push(messages[0]?.payload ?? bytes());
    }
    expect(kept.every((payload, i) => Buffer.compare(payload, noise(20_000, i)) === 0)).toBe(true);
  });

  it('encoded frames keep their bytes too', () => {
    const { sender, receiver } = connect();
    const frames = Array.from({ length: 40 }, (_, i) => {
      const { slab, results } = encodeFrames([
        { session: sender, code: i, payload: noise(9000, i), snappy: false },
      ]);
      return slab.subarray(results[0]?.start, results[0]?.end);
    });
    const { messages } = decodeOne(receiver, concatBytes(...frames));
    expect(messages.map(({ code }) => code)).toEqual(frames.map((_, i) => i));
  });

  it('of a Buffer are plain arrays, whose slice() copies', () => {
    for (const snappy of [false, true]) {
      const { sender, receiver } = connect({ snappy });
      const input = Buffer.from(encodeOne(sender, 1, noise(40), snappy));
      const payload = decodeOne(receiver, input).messages[0]?.payload ?? bytes();
      payload.slice().fill(0);
      expect(payload).toEqual(noise(40));
      expect(Buffer.isBuffer(payload)).toBe(false);
    }
  });
});

describe('the slab', () => {
  it.each([10, 200_000])('holds the frames of payloads of %i bytes and nothing behind them', (length) => {
    const pairs = [connect({ snappy: true }), connect({ snappy: true })];
    const { slab, results } = encodeFrames(
      pairs.map(({ sender }) => ({
        session: sender,
        code: 1,
        payload: new Uint8Array(length),
        snappy: true,
      })),
    );
    expect(results.map(({ status }) => status)).toEqual([STATUS.ok, STATUS.ok]);
    expect(slab.length).toBe(results.at(-1)?.end);
  });
});

describe('checked arguments', () => {
  const { sender, receiver } = connect();
  const good = { session: sender, code: 1, payload: bytes(1), snappy: false };
  const other: FrameSession = { configure: () => undefined, dispose: () => undefined };
  const text: Uint8Array = JSON.parse('"text"');
  const one: boolean = JSON.parse('1');

  it.each([
    ['a negative code', () => encodeFrames([{ ...good, code: -1 }])],
    ['a fraction as code', () => encodeFrames([{ ...good, code: 1.5 }])],
    ['a code over 32 bits', () => encodeFrames([{ ...good, code: 2 ** 32 }])],
    ['a payload that is no bytes', () => encodeFrames([{ ...good, payload: text }])],
    [
      'a payload over the message size',
      () => encodeFrames([{ ...good, payload: new Uint8Array(0x1000000) }]),
    ],
    ['another idea of snappy', () => encodeFrames([{ ...good, snappy: true }])],
    ['a foreign session', () => encodeFrames([{ ...good, session: other }])],
    ['a foreign session to decode', () => decodeFrames([{ session: other, input: bytes() }])],
    ['an input that is no bytes', () => decodeFrames([{ session: receiver, input: text }])],
    [
      'a session in two lanes',
      () => decodeFrames([receiver, receiver].map((session) => ({ session, input: bytes() }))),
    ],
    ['a frame size of zero', () => receiver.configure(false, 0)],
    ['a frame size over 24 bits', () => receiver.configure(false, 0x1000000)],
    ['snappy that is no boolean', () => receiver.configure(one, 100)],
    [
      'a short secret',
      () => createFrameSession({ aesSecret: bytes(1), macSecret, egressSeed: here, ingressSeed: there }),
    ],
    [
      'a long MAC secret',
      () => createFrameSession({ aesSecret, macSecret: here, egressSeed: here, ingressSeed: there }),
    ],
    ['no lanes', () => encodeFrames(undefined as never)],
    ['no lanes to decode', () => decodeFrames(undefined as never)],
    ['a lane that is none', () => encodeFrames([undefined as never])],
    ['a lane to decode that is none', () => decodeFrames([undefined as never])],
    ['no secrets', () => createFrameSession(undefined as never)],
  ])('refuse %s', (_, run) => {
    expect(run).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('are checked before any session changes', () => {
    expect(() => encodeFrames([good, { ...good, code: -1 }])).toThrow();
    expect(decodeOne(receiver, encodeOne(sender, 9, bytes(9))).messages[0]?.code).toBe(9);
  });
});

describe('a disposed session', () => {
  it('takes no more work, either way', () => {
    const { sender, receiver } = connect();
    const frame = encodeOne(sender, 1, bytes());
    for (const session of [sender, receiver]) {
      session.dispose();
      session.dispose();
      session.configure(false, 100);
    }
    expect(decodeOne(receiver, frame)).toEqual({
      status: STATUS.sessionFailed,
      consumed: 0,
      needed: 0,
      messages: [],
    });
    const { results } = encodeFrames([{ session: sender, code: 1, payload: bytes(), snappy: false }]);
    expect(results).toEqual([{ status: STATUS.sessionFailed, start: 0, end: 0 }]);
  });
});

describe('frameErrorOf', () => {
  it.each<[Status, ErrorCode]>([
    [STATUS.headerMac, 'frame-header-mac'],
    [STATUS.bodyMac, 'frame-body-mac'],
    [STATUS.frameTooLarge, 'frame-too-large'],
    [STATUS.frameEmpty, 'frame-empty'],
    [STATUS.codeInvalid, 'message-code-invalid'],
    [STATUS.snappyTooLarge, 'snappy-too-large'],
    [STATUS.snappyInvalid, 'snappy-invalid'],
    [STATUS.sessionFailed, 'closed'],
    [STATUS.ok, 'internal'],
    [STATUS.needMore, 'internal'],
    [STATUS.tableFull, 'internal'],
  ])('status %i is %s', (status, code) => {
    expect(frameErrorOf(status).code).toBe(code);
  });
});
