/** The sessions that callers hold, checked. */
import { PeerlaneError } from '../base/errors.ts';
import { type FrameSession, type FrameSessionInit, MAX_FRAME_SIZE } from './backend.ts';
import { checkObject, checkOwnBytes, numberOrType } from './checks.ts';
import { backend } from './load.ts';

/** A session of the backend, and what the checks need to know of it. */
export interface SessionState {
  readonly raw: FrameSession;
  snappy: boolean;
  /** Bytes of the frame whose header was decoded, at the start of the next input. */
  bodyLength: number;
}

export class CheckedSession implements FrameSession {
  readonly #state: SessionState;

  constructor(raw: FrameSession) {
    this.#state = { raw, snappy: false, bodyLength: 0 };
  }

  /** @throws PeerlaneError `invalid-argument` if `session` is none, such as what a message to a thread makes of it */
  static stateOf(session: FrameSession | undefined): SessionState {
    if (typeof session === 'object' && session !== null && #state in session) return session.#state;
    throw new PeerlaneError('invalid-argument', 'not a session of createFrameSession');
  }

  configure(snappy: boolean, maxFrameSize: number): void {
    const state = CheckedSession.stateOf(this);
    if (typeof snappy !== 'boolean') throw new PeerlaneError('invalid-argument', 'snappy is not a boolean');
    if (!Number.isInteger(maxFrameSize) || maxFrameSize < 1 || maxFrameSize > MAX_FRAME_SIZE) {
      throw new PeerlaneError(
        'invalid-argument',
        `maxFrameSize is ${numberOrType(maxFrameSize)}, not 1 to ${MAX_FRAME_SIZE}`,
      );
    }
    state.snappy = snappy;
    state.raw.configure(snappy, maxFrameSize);
  }

  dispose(): void {
    CheckedSession.stateOf(this).raw.dispose();
  }
}

/** The frames of one connection after its handshake. @throws PeerlaneError `invalid-argument` */
export function createFrameSession(init: FrameSessionInit): FrameSession {
  checkObject(init, 'init');
  const { aesSecret, macSecret, egressSeed, ingressSeed } = init;
  checkOwnBytes(aesSecret, 'aesSecret', 32);
  checkOwnBytes(macSecret, 'macSecret', 32);
  checkOwnBytes(egressSeed, 'egressSeed');
  checkOwnBytes(ingressSeed, 'ingressSeed');
  return new CheckedSession(backend.createFrameSession({ aesSecret, macSecret, egressSeed, ingressSeed }));
}
