/**
 * Frames of many sessions decoded in one call, checked. Results lie in shared slabs: a payload is a view, and a slab
 * lives as long as any view of it.
 */
import { EMPTY } from '../base/bytes.ts';
import { type ErrorCode, PeerlaneError } from '../base/errors.ts';
import {
  DECODE_LANE_WORDS,
  DECODE_MESSAGE_WORDS,
  type FrameSession,
  frameBound,
  MAX_MESSAGE_SIZE,
  PLACE,
  STATUS,
  type Status,
} from './backend.ts';
import { checkObjects, checkOwnBytes, numberOrType } from './checks.ts';
import { CheckedSession, type SessionState } from './frame-session.ts';
import { backend } from './load.ts';
import { checkApart, checkDisjoint, SlabPool } from './slab-pool.ts';

/** Payloads up to this are decompressed at once, larger ones when their reader asks for them. */
export const INLINE_LIMIT = 64 * 1024;
const INLINE_FRAME = frameBound(INLINE_LIMIT, true);
/** Messages that one call of the backend reports, an equal share of them for each lane. */
const TABLE_SIZE = 2048;
/** Room for one call at most: payloads beyond stay compressed. */
const MAX_ROOM = 4 * 1024 * 1024;
/** No snappy block decodes to more than this many times its length. */
const MAX_EXPANSION = 22;

/** Bytes that a session received, from the first one that was not consumed yet. They are decrypted in place. */
export interface FramesToDecode {
  readonly session: FrameSession;
  readonly input: Uint8Array;
}

/** How far a lane came. */
export interface DecodedLane {
  /**
   * `needMore` when all went well, `tableFull` when `maxMessages` came first; anything else is a failure, after which
   * the session decodes no more.
   */
  readonly status: Status;
  /** Bytes of the input that are done with. */
  readonly consumed: number;
  /** With `needMore`: bytes that are needed, from the first unconsumed one, for the next step. */
  readonly needed: number;
}

export interface DecodedMessage {
  /** Index of the lane. */
  readonly lane: number;
  readonly code: number;
  /** Decompressed: a view of the input, or of a slab that many messages share. */
  readonly payload: Uint8Array | undefined;
  /** In place of `payload`: a snappy block within the input, to be given to `uncompress`. */
  readonly compressed: Uint8Array | undefined;
  /** Of the decompressed payload; for a compressed one, as declared: at most `MAX_MESSAGE_SIZE`. */
  readonly length: number;
}

export interface DecodedFrames {
  readonly lanes: readonly DecodedLane[];
  /** Those of a lane in the order of its frames. Those before a failure count. */
  readonly messages: readonly DecodedMessage[];
}

interface LaneProgress {
  readonly lane: number;
  readonly session: SessionState;
  readonly input: Uint8Array;
  status: Status;
  consumed: number;
  needed: number;
}

const decodePool = new SlabPool();
const messageWords = new Uint32Array(DECODE_MESSAGE_WORDS * TABLE_SIZE);

/** A plain view: of a Buffer, `subarray` would be a Buffer, whose `slice` does not copy. */
function view(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

/**
 * Room for the payloads of these lanes. It follows from what arrived, not from what a block declares. A frame too
 * long for a payload of `INLINE_LIMIT` needs none.
 */
function roomFor(lanes: readonly LaneProgress[]): Uint8Array {
  let waiting = 0;
  for (const { session, input, consumed } of lanes) {
    const large = session.bodyLength > INLINE_FRAME ? session.bodyLength : 0;
    if (session.snappy) waiting += Math.max(0, input.length - consumed - large);
  }
  if (waiting === 0) return EMPTY;
  const expected = Math.max(Math.min(MAX_EXPANSION * waiting, INLINE_LIMIT), 2 * waiting);
  return decodePool.room(Math.min(expected, MAX_ROOM));
}

/** One call of the backend: updates `lanes`, appends to `messages`. */
function decodeOnce(
  lanes: readonly LaneProgress[],
  messages: DecodedMessage[],
  table: Uint32Array<ArrayBuffer>,
): void {
  const out = roomFor(lanes);
  const inputs = lanes.map(({ input, consumed }) =>
    consumed === 0 ? input : view(input, consumed, input.length),
  );
  const laneWords = new Uint32Array(DECODE_LANE_WORDS * lanes.length);
  const sessions = lanes.map(({ session }) => session.raw);
  checkApart(
    inputs,
    inputs.map(({ buffer }) => buffer),
    out,
  );
  const count = backend.decodeMany(sessions, inputs, out, INLINE_LIMIT, laneWords, table);
  let used = 0;
  for (let k = 0, word = 0; k < count; k++, word += DECODE_MESSAGE_WORDS) {
    const index = messageWords[word] ?? 0;
    const start = messageWords[word + 2] ?? 0;
    const end = messageWords[word + 3] ?? 0;
    const place = messageWords[word + 4] ?? 0;
    const bytes = view(place === PLACE.out ? out : (inputs[index] ?? EMPTY), start, end);
    if (place === PLACE.out) used = end;
    messages.push({
      lane: lanes[index]?.lane ?? index,
      code: messageWords[word + 1] ?? 0,
      payload: place === PLACE.compressed ? undefined : bytes,
      compressed: place === PLACE.compressed ? bytes : undefined,
      length: messageWords[word + 5] ?? 0,
    });
  }
  if (out.length > 0) decodePool.use(used);
  lanes.forEach((progress, i) => {
    const word = DECODE_LANE_WORDS * i;
    progress.status = (laneWords[word] ?? 0) as Status;
    progress.consumed += laneWords[word + 1] ?? 0;
    progress.needed = laneWords[word + 2] ?? 0;
    progress.session.bodyLength = progress.status === STATUS.needMore ? progress.needed : 0;
  });
}

/**
 * Decodes all whole frames at the start of each lane's input. A session may be in one lane only. Payloads of up
 * to `INLINE_LIMIT` bytes come decompressed as a rule; any other stays compressed, and is checked no further
 * than its declared length.
 * @param maxMessages ends the call early, an equal share of them for each lane; at most `TABLE_SIZE` count
 * @throws PeerlaneError `invalid-argument`; then no session has changed
 */
export function decodeFrames(lanes: readonly FramesToDecode[], maxMessages?: number): DecodedFrames {
  const size = maxMessages ?? TABLE_SIZE;
  if (!Number.isInteger(size) || size < 1) {
    throw new PeerlaneError(
      'invalid-argument',
      `maxMessages is ${numberOrType(size)}, not a positive integer`,
    );
  }
  const table = messageWords.subarray(0, DECODE_MESSAGE_WORDS * Math.min(size, TABLE_SIZE));
  // All is read before any is checked, as in `encodeFrames`.
  const wanted = checkObjects(lanes, 'lanes').map(({ session, input }) => ({ session, input }));
  const sessions = new Set<SessionState>();
  const progress = wanted.map(({ session, input }, lane): LaneProgress => {
    const state = CheckedSession.stateOf(session);
    checkOwnBytes(input, 'the input');
    sessions.add(state);
    return { lane, session: state, input, status: STATUS.needMore, consumed: 0, needed: 0 };
  });
  if (sessions.size !== wanted.length) {
    throw new PeerlaneError('invalid-argument', 'a session is in two lanes');
  }
  checkDisjoint(wanted.map(({ input }) => input));
  const messages: DecodedMessage[] = [];
  let left: readonly LaneProgress[] = progress;
  while (left.length > 0) {
    decodeOnce(left, messages, table);
    if (maxMessages !== undefined) break;
    left = left.filter(({ status }) => status === STATUS.tableFull);
  }
  return {
    lanes: progress.map(({ status, consumed, needed }) => ({ status, consumed, needed })),
    messages,
  };
}

const FRAME_ERRORS: Partial<Record<Status, readonly [ErrorCode, string]>> = {
  [STATUS.headerMac]: ['frame-header-mac', 'the MAC of a frame header is wrong'],
  [STATUS.bodyMac]: ['frame-body-mac', 'the MAC of a frame body is wrong'],
  [STATUS.frameTooLarge]: ['frame-too-large', 'a frame exceeds the allowed size'],
  [STATUS.frameEmpty]: ['frame-empty', 'a frame without a message code'],
  [STATUS.codeInvalid]: ['message-code-invalid', 'the message code is not a canonical RLP integer'],
  [STATUS.snappyTooLarge]: ['snappy-too-large', `a payload declares over ${MAX_MESSAGE_SIZE} bytes`],
  [STATUS.snappyInvalid]: ['snappy-invalid', 'a payload is not a snappy block'],
  [STATUS.sessionFailed]: ['closed', 'the frame session is over'],
};

/** The error that a lane's status stands for; `internal` for one that is no failure. */
export function frameErrorOf(status: Status): PeerlaneError {
  const [code, message] = FRAME_ERRORS[status] ?? ['internal', `status ${status} is no failure`];
  return new PeerlaneError(code, message);
}
