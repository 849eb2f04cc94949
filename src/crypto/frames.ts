/**
 * Frames of many sessions decoded in one call. Results lie in shared slabs: a payload is a view, and a slab lives as
 * long as any view of it.
 */
import { type ErrorCode, PeerlaneError } from '../base/errors.ts';
import { MAX_MESSAGE_SIZE, STATUS, type Status } from './backend.ts';
import { type DecodedLane, decodeEach, type FramesToDecode, viewOf } from './decode-lanes.ts';

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

/**
 * Decodes all whole frames at the start of each lane's input. A session may be in one lane only. Payloads of up
 * to `INLINE_LIMIT` bytes come decompressed as a rule; any other stays compressed, and is checked no further
 * than its declared length.
 * @param maxMessages ends the call early, an equal share of them for each lane; at most `TABLE_SIZE` count
 * @throws PeerlaneError `invalid-argument`; then no session has changed
 */
export function decodeFrames(lanes: readonly FramesToDecode[], maxMessages?: number): DecodedFrames {
  const messages: DecodedMessage[] = [];
  const decoded = decodeEach(lanes, maxMessages, (lane, code, length, memory, start, end, isCompressed) => {
    const bytes = viewOf(memory, start, end);
    const payload = isCompressed ? undefined : bytes;
    messages.push({ lane, code, payload, compressed: isCompressed ? bytes : undefined, length });
  });
  return {
    lanes: decoded.map(({ status, consumed, needed }) => ({ status, consumed, needed })),
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
