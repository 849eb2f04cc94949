/** Frames of many sessions encoded in one call, checked. */
import { unwritten } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import {
  DIRECT,
  DIRECT_BLOCK,
  ENCODE_LANE_WORDS,
  type FrameSession,
  frameBound,
  MAX_MESSAGE_CODE,
  MAX_MESSAGE_SIZE,
  STATUS,
  type StagedPayloads,
  type Status,
} from './backend.ts';
import { checkBytes, checkObjects, checkOwnBytes, lengthOf, numberOrType, ownBufferOf } from './checks.ts';
import { CheckedSession } from './frame-session.ts';
import { backend } from './load.ts';
import { checkApart, SLAB_SIZE, SlabPool } from './slab-pool.ts';

/** Offsets within a slab have 32 bits. */
const MAX_SLAB = 0xffffffff;
/** Payloads up to this are copied for the backend: an addon takes longer to look into an array. */
const STAGED_LIMIT = 1024;
/** And so many bytes of them at most. */
const STAGING_SIZE = 256 * 1024;

/** A message to send. */
export interface FrameToEncode {
  readonly session: FrameSession;
  /** 0 to `MAX_MESSAGE_CODE`. */
  readonly code: number;
  readonly payload: Uint8Array;
  /** What the session was configured with. */
  readonly snappy: boolean;
  /** The payload is a snappy block already, as `compress` makes it, for a session with `snappy`; default false. */
  readonly isBlock?: boolean | undefined;
}

/** Where a lane's frame lies in the slab; `start` equals `end` if it failed. */
export interface EncodedFrame {
  readonly status: Status;
  readonly start: number;
  readonly end: number;
}

/** The frames of a call, one for each lane, in a slab one behind the other. */
export class EncodedFrames {
  /** The frames and nothing else; its `buffer` is shared, and not cleared. */
  readonly slab: Uint8Array;
  /** How many lanes there were. */
  readonly length: number;
  readonly #words: Uint32Array;

  /** @internal */
  constructor(slab: Uint8Array, words: Uint32Array) {
    this.slab = slab;
    this.length = words.length / ENCODE_LANE_WORDS;
    this.#words = words;
  }

  /** Of lane `index`. */
  status(index: number): Status {
    return (this.#words[ENCODE_LANE_WORDS * index] ?? 0) as Status;
  }

  /** Where the frame of lane `index` begins in the slab: where the one before ends. */
  start(index: number): number {
    return index === 0 ? 0 : this.end(index - 1);
  }

  end(index: number): number {
    return this.#words[ENCODE_LANE_WORDS * index + 1] ?? 0;
  }

  /** Whether no lane failed. */
  get allOk(): boolean {
    for (let i = 0; i < this.length; i++) if (this.status(i) !== STATUS.ok) return false;
    return true;
  }

  /** The same as an object for each lane. */
  get results(): readonly EncodedFrame[] {
    return Array.from({ length: this.length }, (_, i) => {
      return { status: this.status(i), start: this.start(i), end: this.end(i) };
    });
  }
}

const encodePool = new SlabPool();

/** What the lanes of a call are made of, checked. */
interface Columns {
  readonly sessions: FrameSession[];
  readonly codes: Uint32Array;
  readonly payloads: readonly Uint8Array[];
  /** Of each payload. */
  readonly buffers: ArrayBufferLike[];
  readonly lengths: Uint32Array;
  readonly areBlocks: readonly boolean[];
  /** Room that the frames may take. */
  readonly bound: number;
}

/** @throws PeerlaneError `invalid-argument` */
function checkCode(code: number | undefined): number {
  if (code !== undefined && Number.isInteger(code) && code >= 0 && code <= MAX_MESSAGE_CODE) return code;
  throw new PeerlaneError(
    'invalid-argument',
    `the message code is ${numberOrType(code)}, not 0 to ${MAX_MESSAGE_CODE}`,
  );
}

/** @throws PeerlaneError `invalid-argument` */
function checkLanes(lanes: readonly FrameToEncode[]): Columns {
  const wanted = checkObjects(lanes, 'lanes');
  const count = wanted.length;
  // Of their length from the start: to grow them takes longer than to fill them.
  const given = new Array<FrameSession>(count);
  const numbers = new Array<number>(count);
  const payloads = new Array<Uint8Array>(count);
  const compressed = new Array<boolean>(count);
  const areBlocks = new Array<boolean>(count);
  let read = 0;
  // All is read before any is checked: what is read may have getters, which change what was checked before.
  for (const { session, code, payload, snappy, isBlock } of wanted) {
    given[read] = session;
    numbers[read] = code;
    payloads[read] = payload;
    areBlocks[read] = isBlock === true;
    compressed[read++] = snappy;
  }
  const sessions = new Array<FrameSession>(count);
  const codes = new Uint32Array(count);
  const buffers = new Array<ArrayBufferLike>(count);
  const lengths = new Uint32Array(count);
  let i = 0;
  let bound = 0;
  for (const payload of payloads) {
    const state = CheckedSession.stateOf(given[i]);
    buffers[i] = ownBufferOf(checkBytes(payload, 'the payload'), 'the payload');
    codes[i] = checkCode(numbers[i]);
    const length = lengthOf(payload);
    if (length > MAX_MESSAGE_SIZE) {
      throw new PeerlaneError('invalid-argument', `the payload has over ${MAX_MESSAGE_SIZE} bytes`);
    }
    if (compressed[i] !== state.snappy) {
      throw new PeerlaneError('invalid-argument', `the session has snappy ${state.snappy ? 'on' : 'off'}`);
    }
    const isBlock = areBlocks[i] === true;
    if (isBlock && !state.snappy) {
      throw new PeerlaneError('invalid-argument', 'the payload is a block, and the session has snappy off');
    }
    sessions[i] = state.raw;
    lengths[i] = length;
    bound += frameBound(length, state.snappy && !isBlock);
    i++;
  }
  if (bound > MAX_SLAB) {
    throw new PeerlaneError('invalid-argument', `the frames may take ${bound} bytes, over ${MAX_SLAB}`);
  }
  return { sessions, codes, payloads, buffers, lengths, areBlocks, bound };
}

const NOTHING = new Uint8Array(0);
/** Used by each call anew; grown when they are needed. */
let stagedBytes: Uint8Array = NOTHING;
let stagedPlaces = new Uint32Array(0);

/** Copies the short payloads; the others go to `direct`. @throws PeerlaneError `invalid-argument` for one that is gone meanwhile */
function stage({ payloads, lengths, areBlocks }: Columns, direct: Uint8Array[]): StagedPayloads {
  if (stagedPlaces.length < 2 * payloads.length) stagedPlaces = new Uint32Array(4 * payloads.length);
  if (stagedBytes.length === 0) stagedBytes = unwritten(STAGING_SIZE);
  const [bytes, places] = [stagedBytes, stagedPlaces];
  let [lane, at, end] = [0, 0, 0];
  let last: Uint8Array | undefined;
  for (const payload of payloads) {
    const length = lengthOf(payload);
    if (length !== lengths[lane]) {
      throw new PeerlaneError('invalid-argument', 'the memory of the payload is gone');
    }
    const isBlock = areBlocks[lane] === true;
    if (length <= STAGED_LIMIT && end + length <= bytes.length && !isBlock) {
      if (payload !== last) {
        at = end;
        bytes.set(payload, at);
        end += length;
        last = payload;
      }
      places[2 * lane] = at;
      places[2 * lane + 1] = length;
    } else {
      direct.push(payload);
      places[2 * lane + 1] = isBlock ? DIRECT_BLOCK : DIRECT;
    }
    lane++;
  }
  return { bytes, places };
}

/**
 * Writes one frame for each lane, one after another, into a slab. A payload that several lanes send (the same
 * memory, or up to 1 KiB of the same bytes) is compressed once. Statuses: `ok`, `frameTooLarge`, `sessionFailed`.
 * @param memory gives at least so many bytes for a large slab; default: new ones
 * @throws PeerlaneError `invalid-argument`; then no session has changed
 */
export function encodeFrames(
  lanes: readonly FrameToEncode[],
  memory: (length: number) => Uint8Array = unwritten,
): EncodedFrames {
  const columns = checkLanes(lanes);
  const { sessions, codes, payloads, buffers, bound } = columns;
  const pooled = bound <= SLAB_SIZE / 4;
  const slab = pooled ? encodePool.room(bound) : checkOwnBytes(memory(bound), 'the memory');
  if (slab.length < bound)
    throw new PeerlaneError('invalid-argument', `the memory has less than ${bound} bytes`);
  checkApart(payloads, buffers, slab);
  const words = new Uint32Array(ENCODE_LANE_WORDS * payloads.length);
  const direct: Uint8Array[] = [];
  backend.encodeMany(sessions, codes, direct, slab, words, stage(columns, direct));
  const end = words.at(-1) ?? 0;
  if (pooled) encodePool.use(end);
  // What lies behind was never written: it holds what the memory held before.
  return new EncodedFrames(slab.subarray(0, end), words);
}
