/**
 * The framed part of an RLPx connection, as a machine: ciphertext in, messages out, and the other way. Sessions
 * are worked in batches, so that the frames of many connections can go through the crypto backend in one call.
 */
import { ByteQueue, concatBytes } from '../base/bytes.ts';
import { type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { release } from '../base/release.ts';
import { decodeEach } from '../crypto/decode-lanes.ts';
import {
  compress,
  createFrameSession,
  type DecodedLane,
  encodeFrames,
  FRAME_HEADER_LENGTH,
  type FrameSession,
  type FrameSessionInit,
  type FramesToDecode,
  type FrameToEncode,
  frameErrorOf,
  MAX_FRAME_SIZE,
  STATUS,
  type Status,
} from '../crypto/index.ts';
import { giveBackMemory, takeMemory } from './body-memory.ts';
import { IncomingMessage } from './incoming-message.ts';

/** What is shorter is joined before it is decoded, and so is what is longer, which gives back one chunk after the other. */
const MIN_PIECES_LENGTH = 16 * 1024;
const MAX_PIECES_LENGTH = 2 * 1024 * 1024;

/** One connection's session, from the end of the handshake on. */
export class RlpxSession {
  readonly #frames: FrameSession;
  readonly #received = new ByteQueue();
  #needed = FRAME_HEADER_LENGTH;
  #snappy = false;
  #opened = false;
  #failed = false;

  constructor(init: FrameSessionInit) {
    this.#frames = createFrameSession(init);
  }

  /**
   * Ends the phase in which only Hello is expected: frames up to the protocol's limit are accepted, and payloads
   * are compressed if `snappy` (rlpx.md, "Message Encoding").
   */
  open(snappy: boolean): void {
    this.#snappy = snappy;
    this.#opened = true;
    this.#frames.configure(snappy, MAX_FRAME_SIZE);
  }

  get snappy(): boolean {
    return this.#snappy;
  }

  receive(chunk: Uint8Array): void {
    this.#received.push(chunk);
  }

  /** Bytes that have arrived and do not make a whole frame yet. */
  get pendingLength(): number {
    return this.#received.length;
  }

  /** Whether the next frame has begun to arrive. */
  get midFrame(): boolean {
    return this.#received.length > 0 || this.#needed !== FRAME_HEADER_LENGTH;
  }

  /** Whether enough has arrived for a step of decoding. */
  get ready(): boolean {
    return !this.#failed && this.#received.length >= this.#needed;
  }

  /** Overwrites the secrets and forgets what has arrived. */
  dispose(): void {
    this.#failed = true;
    this.#received.clear();
    this.#frames.dispose();
  }

  /** @internal The next piece of input to decode. Before `open`, a single step, since the limits change then. */
  takeInput(): FramesToDecode | undefined {
    if (!this.ready) return undefined;
    const session = this.#frames;
    const needed = this.#needed;
    if (needed >= MIN_PIECES_LENGTH && needed <= MAX_PIECES_LENGTH && this.#received.isSplit(needed)) {
      const pieces = this.#received.takePieces(needed);
      return { session, input: takeMemory(needed), pieces };
    }
    const input = this.#opened ? this.#received.takeAtLeast(this.#needed) : this.#received.take(this.#needed);
    return input === undefined ? undefined : { session, input };
  }

  /** @internal */
  afterDecode({ input, pieces }: FramesToDecode, consumed: number, needed: number, failed: boolean): void {
    this.#failed ||= failed;
    if (needed > 0) this.#needed = needed;
    if (failed) this.#received.clear();
    else this.#received.unshift(input.subarray(consumed));
    // Of a chunk that is whole nobody has a view: what a queue gives out is cut off, or leaves it.
    for (const piece of pieces ?? []) release(piece);
  }

  /** @internal */
  get frames(): FrameSession {
    return this.#frames;
  }
}

const GOOD: ReadonlySet<Status> = new Set([STATUS.ok, STATUS.needMore, STATUS.tableFull]);

/** What one step of decoding gave for a session. */
export interface DecodeStep {
  readonly session: RlpxSession;
  readonly messages: IncomingMessage[];
  /** Set when the session has failed; the messages before the failure still count. */
  error?: PeerlaneError;
}

/**
 * Decodes a step for each session that is `ready`, in one call of the backend. Call again while any is ready:
 * what a message changes (Hello turns compression on) holds from the next step.
 * @param maxMessages ends the step early, an equal share of them for each session; default: no bound
 */
export function decodeSessions(sessions: readonly RlpxSession[], maxMessages?: number): DecodeStep[] {
  const steps: DecodeStep[] = [];
  const lanes: FramesToDecode[] = [];
  for (const session of sessions) {
    const lane = session.takeInput();
    if (lane === undefined) continue;
    steps.push({ session, messages: [] });
    lanes.push(lane);
  }
  if (lanes.length > 0) decodeLanes(lanes, steps, maxMessages);
  return steps;
}

/** Decodes lane i for step i. An input that is refused, such as one whose memory is gone, fails its own session. */
function decodeLanes(
  lanes: readonly FramesToDecode[],
  steps: readonly DecodeStep[],
  maxMessages: number | undefined,
): void {
  /** The lanes in pieces whose messages lie in their memory. */
  const kept = new Set<Uint8Array>();
  let decoded: readonly DecodedLane[];
  try {
    decoded = decodeEach(lanes, maxMessages, (lane, code, length, memory, start, end, isCompressed) => {
      const { input, pieces } = lanes[lane] ?? {};
      const isOwn = pieces !== undefined && input?.buffer === memory.buffer;
      if (isOwn) kept.add(input);
      steps[lane]?.messages.push(new IncomingMessage(code, length, memory, start, end, isCompressed, isOwn));
    });
  } catch (error) {
    const [lane] = lanes;
    const [step] = steps;
    if (lanes.length > 1) {
      lanes.forEach((lane, i) => {
        decodeLanes([lane], steps.slice(i, i + 1), maxMessages);
      });
    } else if (lane !== undefined && step !== undefined) {
      step.session.afterDecode(lane, 0, 0, true);
      step.error = toPeerlaneError(error);
    }
    return;
  }
  for (const [index, step] of steps.entries()) {
    const lane = lanes[index];
    const result = decoded[index];
    if (lane === undefined || result === undefined) continue;
    const { status, consumed } = result;
    const failed = !GOOD.has(status);
    // Nothing that could come next is shorter than a header.
    const needed = status === STATUS.tableFull ? FRAME_HEADER_LENGTH : result.needed;
    step.session.afterDecode(lane, consumed, needed, failed);
    const isDone = lane.pieces !== undefined && consumed === lane.input.length;
    if (isDone && !kept.has(lane.input)) giveBackMemory(lane.input);
    if (failed) step.error = frameErrorOf(status);
  }
}

/** A message on its way out. */
export interface OutgoingMessage {
  readonly session: RlpxSession;
  readonly code: number;
  readonly payload: Uint8Array;
  /** The payload is a snappy block already; only for a session with snappy. */
  readonly isBlock?: boolean | undefined;
}

/** What `payload` is in a frame of a session with snappy. @throws PeerlaneError `invalid-argument` */
export function blockOf(payload: Uint8Array): Uint8Array {
  return compress(payload);
}

/** What a call of `encodeMessages` gave: result i belongs to message i. */
export class EncodedMessages {
  readonly length: number;
  /** All frames, one behind the other; a failed message has none. */
  readonly #slab: Uint8Array;
  readonly #ends: (index: number) => number;
  readonly #errors: ReadonlyMap<number, PeerlaneError>;

  /** @internal */
  constructor(
    slab: Uint8Array,
    length: number,
    ends: (index: number) => number,
    errors: ReadonlyMap<number, PeerlaneError>,
  ) {
    this.length = length;
    this.#slab = slab;
    this.#ends = ends;
    this.#errors = errors;
  }

  /** The frames of the messages from `first` to before `end`, in one piece: a view into the slab of the call. */
  frames(first: number, end: number): Uint8Array {
    return this.#slab.subarray(first === 0 ? 0 : this.#ends(first - 1), end === 0 ? 0 : this.#ends(end - 1));
  }

  frame(index: number): Uint8Array {
    return this.frames(index, index + 1);
  }

  /**
   * Why message `index` has no frame, or one of its session before it. `frame-too-large` and `invalid-argument` leave the
   * session usable; with `closed` it had been disposed.
   */
  error(index: number): PeerlaneError | undefined {
    return this.#errors.get(index);
  }

  /** The first error of the messages from `first` to before `end`. */
  errorIn(first: number, end: number): PeerlaneError | undefined {
    if (this.#errors.size === 0) return undefined;
    for (let i = first; i < end; i++) {
      const error = this.#errors.get(i);
      if (error !== undefined) return error;
    }
    return undefined;
  }
}

const NO_ERRORS: ReadonlyMap<number, PeerlaneError> = new Map();
const NOTHING_ENCODED = new EncodedMessages(new Uint8Array(0), 0, () => 0, NO_ERRORS);

/** What is shorter fits into a frame, whatever it is compressed to. */
const SURE_LENGTH = 14_000_000;

/**
 * Encodes all messages, in their order, in one call of the backend. Of a session nothing is encoded behind a message that
 * has failed: what its frames are depends on the frames before them, so none can be left out later.
 * @param memory as for `encodeFrames`; called once at most
 */
export function encodeMessages(
  messages: readonly OutgoingMessage[],
  memory?: (length: number) => Uint8Array,
): EncodedMessages {
  if (messages.length === 0) return NOTHING_ENCODED;
  if (messages.length > 1 && messages.some(({ payload }) => payload.length > SURE_LENGTH)) {
    return oneByOne(messages);
  }
  try {
    return encodeTogether(messages, memory);
  } catch (error) {
    // A payload is refused, such as one whose memory is gone; no session has changed, and the others go on.
    if (messages.length > 1) return oneByOne(messages);
    return new EncodedMessages(new Uint8Array(0), 1, () => 0, new Map([[0, toPeerlaneError(error)]]));
  }
}

function oneByOne(messages: readonly OutgoingMessage[]): EncodedMessages {
  const frames: Uint8Array[] = [];
  const ends: number[] = [];
  const errors = new Map<number, PeerlaneError>();
  const failed = new Map<RlpxSession, PeerlaneError>();
  let end = 0;
  for (const [index, message] of messages.entries()) {
    const { session } = message;
    const encoded = failed.has(session) ? NOTHING_ENCODED : encodeMessages([message]);
    const error = failed.get(session) ?? encoded.error(0);
    if (error !== undefined) {
      errors.set(index, error);
      failed.set(session, error);
    }
    const frame = encoded.frames(0, encoded.length);
    frames.push(frame);
    end += frame.length;
    ends.push(end);
  }
  return new EncodedMessages(concatBytes(...frames), messages.length, (index) => ends[index] ?? end, errors);
}

function encodeTogether(
  messages: readonly OutgoingMessage[],
  memory: ((length: number) => Uint8Array) | undefined,
): EncodedMessages {
  const lanes: FrameToEncode[] = [];
  for (const { session, code, payload, isBlock } of messages) {
    lanes.push({ session: session.frames, snappy: session.snappy, code, payload, isBlock });
  }
  const encoded = encodeFrames(lanes, memory);
  let errors = NO_ERRORS;
  if (!encoded.allOk) {
    errors = new Map(
      encoded.results.flatMap(({ status }, index) =>
        status === STATUS.ok ? [] : [[index, frameErrorOf(status)]],
      ),
    );
  }
  return new EncodedMessages(encoded.slab, encoded.length, (index) => encoded.end(index), errors);
}
