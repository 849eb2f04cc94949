/** Feeds both backends the same operations. Where there is no addon, npm's libraries stand in for it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, EMPTY, fromHex, toBareHex } from '../../src/base/bytes.ts';
import {
  type Backend,
  DECODE_LANE_WORDS,
  DECODE_MESSAGE_WORDS,
  type FrameSession,
  type FrameSessionInit,
  frameBound,
  type InputPieces,
  MAX_FRAME_SIZE,
  MAX_MESSAGE_CODE,
  PLACE,
  STATUS,
  snappyBound,
} from '../../src/crypto/backend.ts';
import { jsBackend as js } from '../../src/crypto/js.ts';
import { runs } from '../support/runs.ts';
import { byteArrays, payloads } from './arbitraries.ts';
import { OracleSender } from './oracles.ts';
import { hex, native, reason, shifted } from './parity.ts';

const KEY = new Uint8Array(32).fill(0x77);
const secret = byteArrays(32);
const seed = byteArrays(0, 300);
const inits: fc.Arbitrary<FrameSessionInit> = fc.record({
  aesSecret: secret,
  macSecret: secret,
  egressSeed: seed,
  ingressSeed: seed,
});
const codes = fc.oneof(fc.nat(0xff), fc.constantFrom(0x7f, 0x80, 0xffff, 0x10000), fc.nat(MAX_MESSAGE_CODE));

interface Outgoing {
  readonly session: number;
  readonly code: number;
  readonly payload: number;
}

const outgoing: fc.Arbitrary<Outgoing> = fc.record({ session: fc.nat(), code: codes, payload: fc.nat() });

/** All that a call of `encodeMany` gives. */
function encode(
  backend: Backend,
  sessions: readonly FrameSession[],
  lanes: readonly Outgoing[],
  pool: Uint8Array[],
) {
  const bodies = lanes.map(({ payload }) => pool[payload % pool.length] ?? EMPTY);
  const out = shifted(new Uint8Array(bodies.reduce((sum, { length }) => sum + frameBound(length, true), 0)));
  const words = new Uint32Array(2 * lanes.length);
  const used = lanes.flatMap(({ session }) => sessions[session % sessions.length] ?? []);
  backend.encodeMany(
    used,
    Uint32Array.from(lanes, ({ code }) => code),
    bodies,
    out,
    words,
  );
  return { words: [...words], frames: hex(out.subarray(0, words[words.length - 1])) };
}

/** A frame that a remote side sends: a message, or whatever else. */
type Incoming = { readonly code: number; readonly payload: Uint8Array } | { readonly data: Uint8Array };

const incoming: fc.Arbitrary<Incoming> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ code: codes, payload: payloads(3000) }) },
  { weight: 1, arbitrary: fc.record({ data: byteArrays(0, 40) }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom('01', '8180', '8100', '85', '01ffffff07', '01ffffff08', '01808008'),
        byteArrays(0, 9),
      )
      .map(([start, rest]) => ({ data: concatBytes(fromHex(start), rest) })),
  },
);

interface Connection {
  readonly init: FrameSessionInit;
  readonly snappy: boolean;
  readonly maxFrameSize: number;
  readonly frames: readonly Incoming[];
  /** Where a bit is flipped, if at all. */
  readonly flip: number | null;
}

const connections: fc.Arbitrary<Connection> = fc.record({
  init: inits,
  snappy: fc.boolean(),
  maxFrameSize: fc.constantFrom(200, 2048, MAX_FRAME_SIZE, MAX_FRAME_SIZE),
  frames: fc.array(incoming, { maxLength: 8 }),
  flip: fc.option(fc.nat(), { freq: 4 }),
});

/** The RLP of a message code. */
function codeBytes(code: number): Uint8Array {
  if (code === 0) return Uint8Array.of(0x80);
  if (code < 0x80) return Uint8Array.of(code);
  const digits = fromHex(
    code.toString(16).padStart(code > 0xffffff ? 8 : code > 0xffff ? 6 : code > 0xff ? 4 : 2, '0'),
  );
  return Uint8Array.of(0x80 + digits.length, ...digits);
}

function frameData(frame: Incoming, snappy: boolean): Uint8Array {
  if ('data' in frame) return frame.data;
  const room = new Uint8Array(snappyBound(frame.payload.length));
  const body = snappy ? room.subarray(0, js.snappyCompress(frame.payload, room)) : frame.payload;
  return concatBytes(codeBytes(frame.code), body);
}

function streamOf({ init, snappy, frames, flip }: Connection): Uint8Array {
  const sender = new OracleSender({ ...init, seed: init.ingressSeed });
  const stream = concatBytes(...frames.map((frame) => sender.frame(frameData(frame, snappy))));
  if (flip !== null && stream.length > 0)
    stream[flip % stream.length] = (stream[flip % stream.length] ?? 0) ^ 0x40;
  return stream;
}

interface Limits {
  readonly table: number;
  readonly out: number;
  readonly inline: number;
}

/** Each stream in pieces of the lengths in `cuts`, in turn; one that is empty, or meets a zero there, is left whole. */
function cutUp(streams: readonly Uint8Array[], cuts: readonly number[]): InputPieces {
  const pieces: Uint8Array[] = [];
  const counts = new Uint32Array(streams.length);
  for (const [i, stream] of streams.entries()) {
    if (stream.length === 0 || cuts[i % cuts.length] === 0) continue;
    let at = 0;
    for (let k = i; at < stream.length; k++) {
      // A piece may be empty.
      const length = k === i + cuts.length ? stream.length : (cuts[k % cuts.length] ?? 0);
      pieces.push(shifted(stream.subarray(at, at + length)));
      at += length;
      counts[i] = (counts[i] ?? 0) + 1;
    }
  }
  return { pieces, counts };
}

/** All that a call of `decodeMany` gives, with the bytes of each payload. */
function decode(
  backend: Backend,
  sessions: readonly FrameSession[],
  streams: readonly Uint8Array[],
  limits: Limits,
  cuts?: readonly number[],
) {
  const pieces = cuts === undefined ? undefined : cutUp(streams, cuts);
  // Inputs that are in pieces hold what memory holds that was used before.
  const inputs = streams.map((stream, i) =>
    shifted((pieces?.counts[i] ?? 0) > 0 ? new Uint8Array(stream.length).fill(0x99) : stream),
  );
  const out = shifted(new Uint8Array(limits.out));
  const laneWords = new Uint32Array(DECODE_LANE_WORDS * streams.length);
  const table = new Uint32Array(DECODE_MESSAGE_WORDS * limits.table);
  const count = backend.decodeMany(sessions, inputs, out, limits.inline, laneWords, table, pieces);
  const messages = Array.from({ length: count }, (_, k) => {
    const words = [...table.subarray(DECODE_MESSAGE_WORDS * k, DECODE_MESSAGE_WORDS * (k + 1))];
    const [lane = 0, , start, end, place] = words;
    return { words, payload: hex((place === PLACE.out ? out : inputs[lane])?.subarray(start, end)) };
  });
  const lanes = streams.map((_, i) => [
    ...laneWords.subarray(DECODE_LANE_WORDS * i, DECODE_LANE_WORDS * (i + 1)),
  ]);
  return { count, lanes, messages };
}

if (native === undefined) {
  describe(`JavaScript's frames are those of rlpx.md (no addon here: ${reason})`, () => {
    it('when it sends', () => {
      fc.assert(
        fc.property(
          inits,
          fc.array(fc.record({ code: codes, payload: payloads(500) }), { maxLength: 6 }),
          (init, sent) => {
            const sender = new OracleSender({ ...init, seed: init.egressSeed });
            const session = js.createFrameSession(init);
            for (const [i, message] of sent.entries()) {
              const { frames } = encode(
                js,
                [session],
                [{ session: 0, code: message.code, payload: i }],
                sent.map(({ payload }) => payload),
              );
              expect(frames).toBe(hex(sender.frame(frameData(message, false))));
            }
          },
        ),
        { numRuns: runs(40) },
      );
    });
  });
} else {
  const addon = native;

  describe('the frames of JavaScript and of the addon agree', () => {
    it('when they are sent: every byte and every status', () => {
      const turn = fc.record({
        lanes: fc.array(outgoing, { maxLength: 24 }),
        configure: fc.option(fc.tuple(fc.nat(), fc.boolean())),
        dispose: fc.option(fc.nat(), { freq: 8 }),
      });
      fc.assert(
        fc.property(
          fc.array(inits, { minLength: 1, maxLength: 12 }),
          fc.array(payloads(20_000), { minLength: 1, maxLength: 4 }),
          fc.array(turn, { minLength: 1, maxLength: 5 }),
          (inits, pool, turns) => {
            const sides = [js, addon].map((backend) => ({
              backend,
              sessions: inits.map((init) => backend.createFrameSession(init)),
            }));
            for (const { lanes, configure, dispose } of turns) {
              for (const { sessions } of sides) {
                if (configure !== null)
                  sessions[configure[0] % sessions.length]?.configure(configure[1], 5000);
                if (dispose !== null) sessions[dispose % sessions.length]?.dispose();
              }
              const [mine, theirs] = sides.map(({ backend, sessions }) =>
                encode(backend, sessions, lanes, pool),
              );
              expect(mine).toEqual(theirs);
            }
          },
        ),
        { numRuns: runs(60) },
      );
    });

    it('when they are received in pieces, damaged or not: every byte and every status', () => {
      fc.assert(
        fc.property(
          fc.array(connections, { minLength: 1, maxLength: 10 }),
          fc.array(fc.oneof(fc.nat(100), fc.nat(5000)), { minLength: 1, maxLength: 20 }),
          fc.record({
            table: fc.integer({ min: 1, max: 6 }),
            out: fc.nat(5000),
            inline: fc.constantFrom(0, 100, 65_536),
          }),
          (peers, sizes, limits) => {
            const streams = peers.map(streamOf);
            const waiting = peers.map((): Uint8Array => EMPTY);
            const sides = [js, addon].map((backend) => ({
              backend,
              sessions: peers.map(({ init, snappy, maxFrameSize }) => {
                const session = backend.createFrameSession(init);
                session.configure(snappy, maxFrameSize);
                return session;
              }),
            }));
            for (let turn = 0; ; turn++) {
              streams.forEach((stream, i) => {
                const size = (sizes[(turn * 7 + i) % sizes.length] ?? 0) + 1;
                waiting[i] = concatBytes(waiting[i] ?? EMPTY, stream.subarray(0, size));
                streams[i] = stream.subarray(size);
              });
              let full = true;
              while (full) {
                const [mine, theirs] = sides.map(({ backend, sessions }) =>
                  decode(backend, sessions, waiting, limits),
                );
                expect(mine).toEqual(theirs);
                mine?.lanes.forEach(([, consumed], i) => {
                  waiting[i] = waiting[i]?.subarray(consumed) ?? EMPTY;
                });
                full = mine?.lanes.some(([status]) => status === STATUS.tableFull) ?? false;
              }
              if (streams.every(({ length }) => length === 0)) break;
            }
          },
        ),
        { numRuns: runs(60) },
      );
    });

    it('when each step is given just what it needs, in pieces that are not joined', () => {
      const cut = fc.oneof(fc.nat(3), fc.nat(40), fc.nat(140), fc.nat(3000));
      fc.assert(
        fc.property(
          fc.array(connections, { minLength: 1, maxLength: 10 }),
          fc.array(cut, { minLength: 1, maxLength: 12 }),
          fc.record({
            table: fc.integer({ min: 1, max: 12 }),
            out: fc.nat(5000),
            inline: fc.constantFrom(0, 100, 65_536),
          }),
          fc.nat(40),
          (peers, cuts, limits, more) => {
            const streams = peers.map(streamOf);
            const needed = peers.map(() => 32);
            const sides = [js, addon].map((backend) => ({
              backend,
              sessions: peers.map(({ init, snappy, maxFrameSize }) => {
                const session = backend.createFrameSession(init);
                session.configure(snappy, maxFrameSize);
                return session;
              }),
            }));
            for (let turn = 0; streams.some(({ length }) => length > 0); turn++) {
              // Now and then more than a step, to which the next one may belong.
              const extra = turn % 5 === 4 ? more : 0;
              const inputs = streams.map((stream, i) => stream.subarray(0, (needed[i] ?? 0) + extra));
              const [mine, theirs] = sides.map(({ backend, sessions }) =>
                decode(backend, sessions, inputs, limits, [...cuts.slice(turn % cuts.length), ...cuts]),
              );
              expect(mine).toEqual(theirs);
              mine?.lanes.forEach(([status, consumed, wanted = 0], i) => {
                const isOver = status !== STATUS.needMore && status !== STATUS.tableFull;
                const isShort = (streams[i]?.length ?? 0) < wanted;
                streams[i] = isOver || isShort ? EMPTY : (streams[i]?.subarray(consumed) ?? EMPTY);
                if (wanted > 0) needed[i] = wanted;
              });
            }
          },
        ),
        { numRuns: runs(150) },
      );
    });

    it('after a failure: nothing more is decoded, and the other direction goes on', () => {
      const init = { aesSecret: KEY, macSecret: KEY, egressSeed: EMPTY, ingressSeed: EMPTY };
      const [mine, theirs] = [js, addon].map((backend) => {
        const session = backend.createFrameSession(init);
        const limits = { table: 2, out: 0, inline: 0 };
        return [
          decode(backend, [session], [new Uint8Array(40)], limits),
          decode(backend, [session], [new Uint8Array(40)], limits),
          encode(backend, [session], [{ session: 0, code: 1, payload: 0 }], [KEY]),
        ];
      });
      expect(mine).toEqual(theirs);
    });

    it.each([1, 2, 3, 7, 8, 9, 50, 1000])('of %i sessions in one call, ragged: both ways', (count) => {
      const word = (number: number) => js.keccak256(Uint8Array.of(number, number >> 8));
      const init = (i: number): FrameSessionInit => ({
        aesSecret: word(i),
        macSecret: word(i + 1),
        // Every alignment of the MAC states.
        egressSeed: new Uint8Array(1 + (i % 300)).fill(i),
        ingressSeed: new Uint8Array(300 - (i % 300)).fill(i),
      });
      const mirrored = (i: number): FrameSessionInit => {
        const { egressSeed, ingressSeed, ...secrets } = init(i);
        return { ...secrets, egressSeed: ingressSeed, ingressSeed: egressSeed };
      };
      // From nothing to several times what is absorbed at once; some are sent to many, as in a broadcast.
      const pool = [0, 1, 64, 119, 120, 137, 1000, 5000].map((length) =>
        new Uint8Array(length).map((_, i) => (i * length) >> 2),
      );
      const lanes = Array.from({ length: 2 * count + 3 }, (_, i) => ({
        session: (i * 11) % count,
        code: i % 200,
        payload: (i * 5 + (i >> 3)) % pool.length,
      }));
      const limits = { table: 4 * count + 16, out: 4096, inline: 4096 };
      const [mine, theirs] = [js, addon].map((backend) => {
        const session = (i: number, of: typeof init) => {
          const made = backend.createFrameSession(of(i));
          made.configure(i % 5 > 0, MAX_FRAME_SIZE);
          return made;
        };
        const senders = Array.from({ length: count }, (_, i) => session(i, init));
        const receivers = Array.from({ length: count }, (_, i) => session(i, mirrored));
        const sent = encode(backend, senders, lanes, pool);
        const bytes = Buffer.from(sent.frames ?? '', 'hex');
        const streams = receivers.map((_, i) =>
          concatBytes(
            ...lanes.flatMap((lane, k) =>
              lane.session === i
                ? [new Uint8Array(bytes.subarray(sent.words[2 * k - 1] ?? 0, sent.words[2 * k + 1]))]
                : [],
            ),
          ),
        );
        // One lane is damaged, and fails alone.
        const damaged = streams[count >> 1];
        if (count > 2 && damaged !== undefined) damaged[40] = (damaged[40] ?? 0) ^ 1;
        return { sent, received: decode(backend, receivers, streams, limits) };
      });
      expect(mine).toEqual(theirs);
      const failed = mine?.received.lanes.filter(([status]) => status !== STATUS.needMore);
      expect(failed?.length).toBe(count > 2 ? 1 : 0);
      const lost = count > 2 ? lanes.filter(({ session }) => session === count >> 1).length : 0;
      expect(mine?.received.count).toBe(lanes.length - lost);
    });

    it('at the largest frame, and beyond', () => {
      const init = { aesSecret: KEY, macSecret: KEY, egressSeed: EMPTY, ingressSeed: EMPTY };
      let state = 1;
      const noise = new Uint8Array(MAX_FRAME_SIZE);
      for (let i = 0; i < noise.length; i++) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        noise[i] = state >>> 24;
      }
      for (const snappy of [false, true]) {
        const [mine, theirs] = [js, addon].map((backend) => {
          const session = backend.createFrameSession(init);
          session.configure(snappy, 2048);
          const lanes = [0, 1, 2].map((payload) => ({ session: 0, code: 1, payload }));
          const { words, frames } = encode(backend, [session], lanes, [
            noise,
            noise.subarray(1),
            noise.subarray(0, 9),
          ]);
          return {
            words,
            digest: toBareHex(js.keccak256(Buffer.from((frames ?? '').slice(-200_000), 'hex'))),
          };
        });
        expect(mine).toEqual(theirs);
        expect(mine?.words[0]).toBe(STATUS.frameTooLarge);
      }
    });
  });
}
