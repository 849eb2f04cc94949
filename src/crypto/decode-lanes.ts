/** Frames of many sessions decoded in one call of the backend, checked; what comes out is told message by message. */
import { EMPTY } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import {
  DECODE_LANE_WORDS,
  DECODE_MESSAGE_WORDS,
  type FrameSession,
  frameBound,
  type InputPieces,
  PLACE,
  STATUS,
  type Status,
} from './backend.ts';
import { checkObjects, checkOwnBytes, lengthOf, numberOrType } from './checks.ts';
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
  /**
   * Where those bytes are, if they are not in `input` yet, one piece after another and as long as the input together: so
   * a body that arrived in pieces is decrypted into one without having been joined. They are only read; the input is
   * written, and holds nothing of use when the lane has failed.
   */
  readonly pieces?: readonly Uint8Array[] | undefined;
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

/**
 * Takes a message of lane `lane`, whose payload, of `length` bytes, is `memory[start..end)`: a snappy block within the
 * lane's input if `isCompressed`, else decompressed, in the input or a slab that many messages share.
 */
export type MessageSink = (
  lane: number,
  code: number,
  length: number,
  memory: Uint8Array,
  start: number,
  end: number,
  isCompressed: boolean,
) => void;

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
export function viewOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
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

/** One call of the backend: updates `lanes`. */
function decodeOnce(
  lanes: readonly LaneProgress[],
  pieces: InputPieces | undefined,
  table: Uint32Array<ArrayBuffer>,
  take: MessageSink,
): void {
  const out = roomFor(lanes);
  const inputs = lanes.map(({ input, consumed }) =>
    consumed === 0 ? input : viewOf(input, consumed, input.length),
  );
  const laneWords = new Uint32Array(DECODE_LANE_WORDS * lanes.length);
  const sessions = lanes.map(({ session }) => session.raw);
  const touched = pieces === undefined ? inputs : [...inputs, ...pieces.pieces];
  checkApart(
    touched,
    touched.map(({ buffer }) => buffer),
    out,
  );
  const count = backend.decodeMany(sessions, inputs, out, INLINE_LIMIT, laneWords, table, pieces);
  let used = 0;
  for (let k = 0, word = 0; k < count; k++, word += DECODE_MESSAGE_WORDS) {
    const index = table[word] ?? 0;
    const end = table[word + 3] ?? 0;
    const place = table[word + 4] ?? 0;
    const memory = place === PLACE.out ? out : (inputs[index] ?? EMPTY);
    if (place === PLACE.out) used = end;
    take(
      lanes[index]?.lane ?? index,
      table[word + 1] ?? 0,
      table[word + 5] ?? 0,
      memory,
      table[word + 2] ?? 0,
      end,
      place === PLACE.compressed,
    );
  }
  if (used > 0) decodePool.use(used);
  lanes.forEach((progress, i) => {
    const word = DECODE_LANE_WORDS * i;
    progress.status = (laneWords[word] ?? 0) as Status;
    progress.consumed += laneWords[word + 1] ?? 0;
    progress.needed = laneWords[word + 2] ?? 0;
    progress.session.bodyLength = progress.status === STATUS.needMore ? progress.needed : 0;
  });
}

/** The pieces of all lanes, checked. @throws PeerlaneError `invalid-argument` */
function checkPieces(lanes: readonly FramesToDecode[]): InputPieces | undefined {
  if (lanes.every(({ pieces }) => pieces === undefined)) return undefined;
  const all: Uint8Array[] = [];
  const counts = new Uint32Array(lanes.length);
  for (const [i, { input, pieces }] of lanes.entries()) {
    if (pieces === undefined) continue;
    let length = 0;
    for (const piece of pieces) {
      length += lengthOf(checkOwnBytes(piece, 'a piece'));
      all.push(piece);
    }
    counts[i] = pieces.length;
    if (pieces.length === 0 || length !== lengthOf(input)) {
      throw new PeerlaneError('invalid-argument', `the pieces have ${length} bytes, not those of the input`);
    }
  }
  return { pieces: all, counts };
}

/**
 * As `decodeFrames`, but messages are given to `take`, in the order in which they would be in its result.
 * @throws PeerlaneError `invalid-argument`; then no session has changed
 */
export function decodeEach(
  lanes: readonly FramesToDecode[],
  maxMessages: number | undefined,
  take: MessageSink,
): readonly DecodedLane[] {
  const size = maxMessages ?? TABLE_SIZE;
  if (!Number.isInteger(size) || size < 1) {
    throw new PeerlaneError(
      'invalid-argument',
      `maxMessages is ${numberOrType(size)}, not a positive integer`,
    );
  }
  const table = messageWords.subarray(0, DECODE_MESSAGE_WORDS * Math.min(size, TABLE_SIZE));
  // All is read before any is checked, as in `encodeFrames`.
  const wanted = checkObjects(lanes, 'lanes').map(({ session, input, pieces }) => {
    return { session, input, pieces: pieces === undefined ? undefined : checkObjects(pieces, 'pieces') };
  });
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
  const inputs = wanted.map(({ input }) => input);
  let pieces = checkPieces(wanted);
  checkDisjoint(pieces === undefined ? inputs : [...inputs, ...pieces.pieces]);
  let left: readonly LaneProgress[] = progress;
  while (left.length > 0) {
    decodeOnce(left, pieces, table, take);
    if (maxMessages !== undefined) break;
    left = left.filter(({ status }) => status === STATUS.tableFull);
    // Of a lane that goes on, what is left is in its input.
    pieces = undefined;
  }
  return progress;
}
