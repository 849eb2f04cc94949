import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toBareHex } from '../../src/base/bytes.ts';
import {
  compress,
  createFrameSession,
  encodeFrames,
  INLINE_LIMIT,
  MAX_FRAME_SIZE,
  MAX_MESSAGE_CODE,
  STATUS,
  uncompress,
} from '../../src/crypto/index.ts';
import { runs } from '../support/runs.ts';
import { byteArrays, payloads } from './arbitraries.ts';
import {
  aesSecret,
  bytes,
  connect,
  decodeOne,
  encodeOne,
  here,
  macSecret,
  noise,
  receive,
  there,
} from './connection.ts';

describe('a frame', () => {
  it('is the one of rlpx.md, header by header', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(0x7f), byteArrays(0, 100)), { minLength: 1, maxLength: 6 }),
        (messages) => {
          const { sender, oracle } = connect();
          for (const [code, payload] of messages) {
            const data = concatBytes(bytes(code === 0 ? 0x80 : code), payload);
            expect(encodeOne(sender, code, payload)).toEqual(oracle.frame(data));
          }
        },
      ),
      { numRuns: runs(30) },
    );
  });

  it('is the same of a payload and of the block that it is compressed to', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(MAX_MESSAGE_CODE), payloads(9_000)), { maxLength: 6 }), (sent) => {
        const [one, other] = [connect({ snappy: true }), connect({ snappy: true })];
        const frames = encodeFrames(
          sent.map(([code, payload]) => ({ session: one.sender, code, payload, snappy: true })),
        );
        const ofBlocks = encodeFrames(
          sent.map(([code, payload], i) => {
            const isBlock = i % 2 === 0;
            const given = isBlock ? compress(payload) : payload;
            return { session: other.sender, code, payload: given, snappy: true, isBlock };
          }),
        );
        expect(ofBlocks.slab).toEqual(frames.slab);
      }),
    );
    const { sender } = connect();
    const block = { session: sender, code: 1, payload: compress(bytes(1)), snappy: false, isBlock: true };
    expect(() => encodeFrames([block])).toThrow('snappy off');
  });

  it('carries its message to the other side, compressed or not', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.tuple(fc.nat(MAX_MESSAGE_CODE), payloads(90_000)), { minLength: 1, maxLength: 4 }),
        (snappy, sent) => {
          const { sender, receiver } = connect({ snappy });
          const stream = concatBytes(
            ...sent.map(([code, payload]) => encodeOne(sender, code, payload, snappy)),
          );
          const { status, consumed, messages } = decodeOne(receiver, stream);
          expect({ status, consumed }).toEqual({ status: STATUS.needMore, consumed: stream.length });
          const received = messages.map(({ code, payload, compressed, length }) => {
            const decoded = payload ?? uncompress(compressed ?? bytes(), length);
            expect(decoded.length).toBe(length);
            return [code, toBareHex(decoded)];
          });
          expect(received).toEqual(sent.map(([code, payload]) => [code, toBareHex(payload)]));
        },
      ),
      { numRuns: runs(25) },
    );
  });

  it('leaves the message code uncompressed', () => {
    const { sender, oracle } = connect({ snappy: true });
    const payload = new Uint8Array(1000);
    expect(encodeOne(sender, 0x21, payload, true)).toEqual(
      oracle.frame(concatBytes(bytes(0x21), compress(payload))),
    );
  });

  it('is not padded when code and payload fill their blocks', () => {
    const { sender } = connect();
    expect(encodeOne(sender, 1, new Uint8Array(15)).length).toBe(32 + 16 + 16);
    expect(encodeOne(sender, 1, new Uint8Array(16)).length).toBe(32 + 32 + 16);
  });

  it('holds at most 0xffffff bytes of code and payload', () => {
    const { sender, receiver } = connect();
    const payload = new Uint8Array(MAX_FRAME_SIZE);
    const { results } = encodeFrames([
      { session: sender, code: 1, payload, snappy: false },
      { session: sender, code: 1, payload: payload.subarray(1), snappy: false },
    ]);
    expect(results[0]).toEqual({ status: STATUS.frameTooLarge, start: 0, end: 0 });
    expect(results[1]).toEqual({ status: STATUS.ok, start: 0, end: 32 + 0x1000000 + 16 });
    // The refused frame has left no trace in the session.
    const { messages } = decodeOne(receiver, encodeOne(connect().sender, 2, bytes(7)));
    expect(messages[0]?.payload).toEqual(bytes(7));
  });
});

describe('the message code', () => {
  it.each([
    ['80', 0],
    ['01', 1],
    ['7f', 0x7f],
    ['8180', 0x80],
    ['81ff', 0xff],
    ['820100', 0x100],
    ['83010000', 0x10000],
    ['8401000000', 0x1000000],
    ['84ffffffff', MAX_MESSAGE_CODE],
  ])('%s is %i', (hex, code) => {
    const payload = bytes(0xc1, 0x05);
    expect(receive(concatBytes(fromHex(hex), payload)).messages).toEqual([
      { lane: 0, code, payload, compressed: undefined, length: 2 },
    ]);
    const { sender, oracle } = connect();
    expect(encodeOne(sender, code, payload)).toEqual(oracle.frame(concatBytes(fromHex(hex), payload)));
  });

  it.each([
    ['zero as a byte', '00'],
    ['a long form of one byte', '817f'],
    ['a long form of zero', '8100'],
    ['a leading zero', '820001'],
    ['five bytes', '850100000000'],
    ['a long string', 'b801'],
    ['a list', 'c0'],
    ['cut short', '8201'],
    ['a length without bytes', '81'],
  ])('is refused as %s', (_, hex) => {
    const { status, messages } = receive(fromHex(hex));
    expect({ status, messages }).toEqual({ status: STATUS.codeInvalid, messages: [] });
  });

  it('may not lean on the padding', () => {
    const { receiver, oracle } = connect();
    expect(decodeOne(receiver, oracle.frame(bytes(0x82, 0x01, 0x01), { size: 2 })).status).toBe(
      STATUS.codeInvalid,
    );
  });
});

describe('a received stream', () => {
  const { sender, oracle } = connect();
  const sent = [noise(3), noise(0), noise(500), noise(16)];
  const stream = concatBytes(...sent.map((payload) => encodeOne(sender, 5, payload)));

  it('decodes alike in pieces of any size', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (sizes) => {
        const { receiver } = connect();
        const received: Uint8Array[] = [];
        let waiting: Uint8Array = bytes();
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          waiting = Uint8Array.from([...waiting, ...stream.subarray(at, at + size)]);
          at += size;
          const { status, consumed = 0, needed = 0, messages } = decodeOne(receiver, waiting);
          expect(status).toBe(STATUS.needMore);
          expect(needed).toBeGreaterThan(waiting.length - consumed);
          for (const { payload } of messages) received.push(payload?.slice() ?? bytes());
          waiting = waiting.slice(consumed);
        }
        expect(received).toEqual(sent);
        expect(waiting.length).toBe(0);
      }),
      { numRuns: runs(30) },
    );
  });

  it('says what the next step takes: a header, then the padded body and its MAC', () => {
    const { receiver } = connect();
    const step = (input: Uint8Array) => {
      const { consumed, needed } = decodeOne(receiver, input);
      return [consumed, needed];
    };
    expect(step(bytes())).toEqual([0, 32]);
    expect(step(stream.slice(0, 31))).toEqual([0, 32]);
    expect(step(stream.slice(0, 32))).toEqual([32, 16 + 16]);
    expect(step(stream.slice(32, 63))).toEqual([0, 16 + 16]);
    expect(step(stream.slice(32, 64))).toEqual([32, 32]);
  });

  it('may bring more messages than one call of the backend reports', () => {
    const { receiver } = connect();
    const oneSender = connect().sender;
    const many = concatBytes(
      ...Array.from({ length: 700 }, (_, i) => encodeOne(oneSender, i, bytes(i & 0xff))),
    );
    const { status, consumed, messages } = decodeOne(receiver, many);
    expect({ status, consumed }).toEqual({ status: STATUS.needMore, consumed: many.length });
    expect(messages.map(({ code }) => code)).toEqual(Array.from({ length: 700 }, (_, i) => i));
    expect(messages.every(({ payload }, i) => payload?.[0] === (i & 0xff))).toBe(true);
  });

  it('ignores what the header says behind the size', () => {
    const { receiver, oracle } = connect();
    const frame = oracle.frame(bytes(1, 2), { headerData: noise(13) });
    expect(decodeOne(receiver, frame).messages[0]?.payload).toEqual(bytes(2));
  });

  it('fails where its first bit is wrong, and stays failed', () => {
    const one = oracle.frame(concatBytes(bytes(5), noise(20)));
    for (const [at, expected] of [
      [0, STATUS.headerMac],
      [15, STATUS.headerMac],
      [16, STATUS.headerMac],
      [31, STATUS.headerMac],
      [32, STATUS.bodyMac],
      [63, STATUS.bodyMac],
      [64, STATUS.bodyMac],
      [79, STATUS.bodyMac],
    ] as const) {
      const { sender, receiver } = connect();
      const good = encodeOne(sender, 4, bytes(4));
      const bad = encodeOne(sender, 5, noise(20));
      expect(bad.length).toBe(one.length);
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      const { status, messages } = decodeOne(receiver, concatBytes(good, bad));
      expect(status).toBe(expected);
      expect(messages.map(({ payload }) => payload)).toEqual([bytes(4)]);
      expect(decodeOne(receiver, encodeOne(sender, 6, bytes())).status).toBe(STATUS.sessionFailed);
    }
  });
});

describe('bounds', () => {
  it('a new session takes frames of up to 2,048 bytes', () => {
    const receiverOf = () =>
      createFrameSession({ aesSecret, macSecret, egressSeed: there, ingressSeed: here });
    const frame = (size: number) => connect().oracle.frame(new Uint8Array(size).fill(1));
    expect(decodeOne(receiverOf(), frame(2048)).messages.length).toBe(1);
    // Refused from the header alone.
    expect(decodeOne(receiverOf(), frame(2049).slice(0, 32)).status).toBe(STATUS.frameTooLarge);
  });

  it('a session takes frames up to its configured size', () => {
    expect(receive(new Uint8Array(100).fill(1), { maxFrameSize: 100 }).messages.length).toBe(1);
    expect(receive(new Uint8Array(101).fill(1), { maxFrameSize: 100 }).status).toBe(STATUS.frameTooLarge);
  });

  it('a frame has at least a message code', () => {
    expect(receive(bytes()).status).toBe(STATUS.frameEmpty);
  });

  it.each([
    ['without a declared length', '', STATUS.snappyInvalid],
    ['with a declared length over 32 bits', 'ffffffff1f', STATUS.snappyInvalid],
    ['that declares 0x1000000 bytes', '80808008', STATUS.snappyTooLarge],
    ['that is no block', '0500', STATUS.snappyInvalid],
    ['with a byte too many', '0000', STATUS.snappyInvalid],
  ])('a compressed payload %s is refused', (_, hex, expected) => {
    expect(receive(concatBytes(bytes(2), fromHex(hex)), { snappy: true }).status).toBe(expected);
    // Disconnect is taken as it is.
    const { messages } = receive(concatBytes(bytes(1), fromHex(hex)), { snappy: true });
    expect(messages).toMatchObject([{ code: 1, payload: fromHex(hex), length: hex.length / 2 }]);
  });

  it('a payload above the inline limit stays compressed, whatever its block is worth', () => {
    const block = compress(new Uint8Array(INLINE_LIMIT + 1));
    const [message] = receive(concatBytes(bytes(1), block), { snappy: true }).messages;
    expect(message).toEqual({
      lane: 0,
      code: 1,
      payload: undefined,
      compressed: block,
      length: INLINE_LIMIT + 1,
    });
    const nonsense = receive(concatBytes(bytes(1), fromHex('ffffff07')), { snappy: true });
    expect(nonsense.status).toBe(STATUS.needMore);
    expect(nonsense.messages[0]?.length).toBe(0xffffff);
    const inline = receive(concatBytes(bytes(1), compress(new Uint8Array(INLINE_LIMIT))), { snappy: true });
    expect(inline.messages[0]?.payload).toEqual(new Uint8Array(INLINE_LIMIT));
  });

  it('memory follows what arrived: small inputs share a slab', () => {
    const { sender, receiver } = connect({ snappy: true });
    const slabs = new Set<ArrayBufferLike>();
    for (let i = 0; i < 1000; i++) {
      const { messages } = decodeOne(receiver, encodeOne(sender, 1, noise(100, i), true));
      slabs.add(messages[0]?.payload?.buffer ?? new ArrayBuffer(0));
    }
    // 100,000 bytes: half a slab, and a rest of one that other tests began.
    expect(slabs.size).toBeLessThanOrEqual(2);
  });

  it('garbage never gets further than an error', () => {
    fc.assert(
      fc.property(fc.boolean(), byteArrays(0, 400), (snappy, input) => {
        const { receiver } = connect({ snappy });
        const { status, messages } = decodeOne(receiver, input);
        expect(messages).toEqual([]);
        expect(status).toBe(input.length < 32 ? STATUS.needMore : STATUS.headerMac);
      }),
      { numRuns: runs(100) },
    );
  });

  it('garbage behind good MACs never gets further than an error', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(byteArrays(0, 60), { maxLength: 5 }), (snappy, frames) => {
        const { receiver, oracle } = connect({ snappy });
        const { status, messages } = decodeOne(
          receiver,
          concatBytes(...frames.map((data) => oracle.frame(data))),
        );
        if (status === STATUS.needMore) expect(messages.length).toBe(frames.length);
        else {
          expect([
            STATUS.frameEmpty,
            STATUS.codeInvalid,
            STATUS.snappyInvalid,
            STATUS.snappyTooLarge,
          ]).toContain(status);
          expect(messages.length).toBeLessThan(frames.length);
        }
      }),
      { numRuns: runs(150) },
    );
  });
});
