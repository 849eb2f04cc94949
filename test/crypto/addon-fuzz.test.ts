/**
 * Batches with random damage, to arguments and to ciphertext. The addon refuses a damaged call as a whole, and then no
 * session has changed: the sound call after it gives what JavaScript gives.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, EMPTY } from '../../src/base/bytes.ts';
import {
  type Backend,
  DECODE_LANE_WORDS,
  DECODE_MESSAGE_WORDS,
  ENCODE_LANE_WORDS,
  type FrameSession,
  type FrameSessionInit,
  frameBound,
  MAX_FRAME_SIZE,
} from '../../src/crypto/backend.ts';
import { jsBackend as js } from '../../src/crypto/js.ts';
import { runs } from '../support/runs.ts';
import { byteArrays, payloads } from './arbitraries.ts';
import { detached, detachedBytes, resizable, sharedBytes } from './memory.ts';
import { hex, native, reason } from './parity.ts';

/** What can be wrong with the bytes of a lane. */
const BYTES: Record<string, (bytes: Uint8Array) => unknown> = {
  detached: detachedBytes,
  shared: sharedBytes,
  nothing: () => undefined,
  words: () => new Uint32Array(3),
  proxy: (bytes) => new Proxy(bytes, {}),
};

interface Damage {
  readonly argument: number;
  readonly lane: number;
  readonly kind: string;
}

const damages: fc.Arbitrary<Damage> = fc.record({
  argument: fc.nat(5),
  lane: fc.nat(),
  kind: fc.constantFrom(...Object.keys(BYTES), 'short', 'overlap', 'foreign', 'twice', 'getter', 'fewer'),
});

type Call = [sessions: FrameSession[], lanes: Uint8Array[], ...others: unknown[]];

/** A copy of `call` that is wrong in one way, or `undefined` where that damage does not apply. */
function damaged(call: Call, { argument, lane, kind }: Damage, decoding: boolean): unknown[] | undefined {
  const copy: unknown[] = call.map((value) => (Array.isArray(value) ? [...value] : value));
  const [sessions, bytes] = call;
  const at = lane % Math.max(1, bytes.length);
  const victim = bytes[at];
  const lanes = copy[1] as unknown[];
  const spoil = BYTES[kind];
  if (victim === undefined) return undefined;
  if (spoil !== undefined) {
    if (argument > 1 && call[argument] instanceof Uint8Array) copy[argument] = spoil(call[argument]);
    else if (argument > 1 && call[argument] instanceof Uint32Array) copy[argument] = detached(call[argument]);
    else lanes[at] = spoil(victim);
    return copy;
  }
  const results = call.findIndex((value, i) => i > 2 && value instanceof Uint32Array);
  switch (kind) {
    case 'short':
      copy[results] = new Uint32Array((call[results] as Uint32Array).length - 1);
      return copy;
    case 'overlap': {
      if (victim.length === 0) return undefined;
      const memory = new ArrayBuffer(1 << 17);
      const out = call.findIndex((value, i) => i > 1 && value instanceof Uint8Array);
      const { length } = call[out] as Uint8Array;
      if (length === 0) return undefined;
      lanes[at] = new Uint8Array(memory, Math.min(length - 1, lane % 64), victim.length);
      copy[out] = new Uint8Array(memory, 0, length);
      return copy;
    }
    case 'foreign':
      (copy[0] as unknown[])[at] = js.createFrameSession({
        aesSecret: new Uint8Array(32),
        macSecret: new Uint8Array(32),
        egressSeed: EMPTY,
        ingressSeed: EMPTY,
      });
      return copy;
    case 'twice':
      if (!decoding || bytes.length < 2) return undefined;
      (copy[0] as unknown[])[at] = sessions[(at + 1) % bytes.length];
      return copy;
    case 'getter':
      Object.defineProperty(lanes, at, {
        get: () => {
          throw new EvalError('from a getter');
        },
      });
      return copy;
    default:
      (argument % 2 === 0 ? lanes : (copy[0] as unknown[])).pop();
      return copy;
  }
}

/** Memory of every sound kind. */
function placed(bytes: Uint8Array, kind: number): Uint8Array {
  if (kind % 4 === 0) return bytes.slice();
  if (kind % 4 === 1) return Buffer.from(bytes);
  const buffer = resizable(bytes.length + 1, 1 << 16);
  const view = kind % 4 === 2 ? new Uint8Array(buffer, 1) : new Uint8Array(buffer, 0, bytes.length);
  view.set(bytes);
  return view;
}

const secret = byteArrays(32);
const inits: fc.Arbitrary<FrameSessionInit> = fc.record({
  aesSecret: secret,
  macSecret: secret,
  egressSeed: byteArrays(0, 200),
  ingressSeed: byteArrays(0, 200),
});
const message = fc.record({
  code: fc.nat(300),
  payload: payloads(2000),
  memory: fc.nat(3),
  session: fc.nat(),
});
const turns = fc.record({
  messages: fc.array(message, { maxLength: 12 }),
  encoding: fc.option(damages),
  decoding: fc.option(damages),
  cut: fc.option(fc.nat()),
  flip: fc.option(fc.nat(), { freq: 6 }),
  dispose: fc.option(fc.nat(), { freq: 8 }),
  room: fc.nat(3000),
  table: fc.integer({ min: 1, max: 30 }),
});

/** Both ends of some connections, in one backend. */
class Side {
  readonly backend: Backend;
  readonly senders: FrameSession[];
  readonly receivers: FrameSession[];

  constructor(backend: Backend, inits: readonly FrameSessionInit[]) {
    const configured = (init: FrameSessionInit, i: number) => {
      const session = backend.createFrameSession(init);
      session.configure(i % 2 === 0, MAX_FRAME_SIZE);
      return session;
    };
    this.backend = backend;
    this.senders = inits.map(configured);
    this.receivers = inits.map((init, i) =>
      configured({ ...init, egressSeed: init.ingressSeed, ingressSeed: init.egressSeed }, i),
    );
  }

  encode(turn: Turn, damage: Damage | null) {
    const used = turn.messages.flatMap(({ session }) => this.senders[session % this.senders.length] ?? []);
    const bodies = turn.messages.map(({ payload, memory }) => placed(payload, memory));
    const codes = Uint32Array.from(turn.messages, ({ code }) => code);
    const out = new Uint8Array(bodies.reduce((sum, { length }) => sum + frameBound(length, true), 0));
    const words = new Uint32Array(ENCODE_LANE_WORDS * used.length);
    const run = (sessions: unknown, lanes: unknown, ...rest: unknown[]) =>
      Reflect.apply(this.backend.encodeMany, this.backend, [sessions, rest[0], lanes, rest[1], rest[2]]);
    this.#refused(run, [used, bodies, codes, out, words], damage, false);
    run(used, bodies, codes, out, words);
    return { words: [...words], frames: out.slice(0, words.at(-1) ?? 0) };
  }

  decode(streams: readonly Uint8Array[], turn: Turn, damage: Damage | null) {
    const inputs = streams.map((stream, i) => placed(stream, i));
    const out = new Uint8Array(turn.room);
    const words = new Uint32Array(DECODE_LANE_WORDS * inputs.length);
    const table = new Uint32Array(DECODE_MESSAGE_WORDS * turn.table);
    const run = (...parameters: unknown[]) =>
      Reflect.apply(this.backend.decodeMany, this.backend, parameters) as number;
    this.#refused(run, [this.receivers, inputs, out, 1000, words, table], damage, true);
    const count = run(this.receivers, inputs, out, 1000, words, table);
    const messages = [...table.subarray(0, DECODE_MESSAGE_WORDS * count)];
    return { words: [...words], messages, out: hex(out), inputs: inputs.map(hex) };
  }

  /** JavaScript below its checks takes anything, so only the addon is called wrongly. */
  #refused(run: (...call: Call) => unknown, call: Call, damage: Damage | null, decoding: boolean): void {
    if (damage === null || this.backend === js) return;
    const wrong = damaged(call, damage, decoding);
    const before = call[1].map(hex);
    if (wrong === undefined) return;
    const code = damage.kind === 'foreign' || damage.kind === 'fewer' ? 'internal' : 'invalid-argument';
    expect(() => Reflect.apply(run, undefined, wrong), JSON.stringify(damage)).toThrow(
      expect.objectContaining({ name: 'PeerlaneError', code }),
    );
    expect(call[1].map(hex)).toEqual(before);
  }
}

type Turn = typeof turns extends fc.Arbitrary<infer T> ? T : never;

/** Plays all turns; everything that came out. */
function play(backend: Backend, inits: readonly FrameSessionInit[], script: readonly Turn[]): unknown[] {
  const side = new Side(backend, inits);
  const waiting: Uint8Array[] = inits.map(() => EMPTY);
  return script.map((turn) => {
    if (turn.dispose !== null) side.senders[turn.dispose % inits.length]?.dispose();
    const sent = side.encode(turn, turn.encoding);
    turn.messages.forEach(({ session }, k) => {
      const frame = sent.frames.subarray(k === 0 ? 0 : sent.words[2 * k - 1], sent.words[2 * k + 1]);
      const i = session % inits.length;
      waiting[i] = concatBytes(waiting[i] ?? EMPTY, frame);
    });
    const streams = waiting.map((bytes) =>
      bytes.slice(0, turn.cut === null ? bytes.length : turn.cut % (bytes.length + 1)),
    );
    const stream = streams[(turn.flip ?? 0) % streams.length];
    if (turn.flip !== null && stream !== undefined && stream.length > 0) {
      stream[turn.flip % stream.length] = (stream[turn.flip % stream.length] ?? 0) ^ (1 << (turn.flip % 8));
    }
    const received = side.decode(streams, turn, turn.decoding);
    waiting.forEach((bytes, i) => {
      waiting[i] = bytes.subarray(received.words[DECODE_LANE_WORDS * i + 1] ?? 0);
    });
    return [sent.words, hex(sent.frames), received];
  });
}

const without = native === undefined ? ` (no addon here: ${reason})` : '';

describe.runIf(native !== undefined)(`batches with damaged arguments${without}`, () => {
  it('are refused as a whole, and those after them give the same in both backends', () => {
    fc.assert(
      fc.property(
        fc.array(inits, { minLength: 1, maxLength: 10 }),
        fc.array(turns, { minLength: 1, maxLength: 6 }),
        (inits, script) => {
          expect(play(native ?? js, inits, script)).toEqual(play(js, inits, script));
        },
      ),
      { numRuns: runs(150) },
    );
  });
});
