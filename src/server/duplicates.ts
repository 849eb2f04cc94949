/** Two nodes that dial each other at the same moment: which of the two connections stays. */
import type { Env, Timer } from '../base/env.ts';
import { type ErrorCode, PeerlaneError } from '../base/errors.ts';
import type { Connection } from './connection.ts';

/** Connections to and from a node that began within this time may have crossed each other. */
export const SIMULTANEOUS_MS = 5_000;
/** How long the node with the larger key waits for the other to refuse one, as go-ethereum and reth do at once. */
export const DECIDE_MS = 1_000;
/** How long the other one waits for that node's decision. */
export const AWAIT_DECISION_MS = 10_000;

/** Whether both nodes may have begun before either knew of the other's connection. */
export function haveCrossed(a: Connection, b: Connection): boolean {
  return a.inbound !== b.inbound && Math.abs(a.openedAt - b.openedAt) <= SIMULTANEOUS_MS;
}

/** Why we end the connection to a node, and not one of two to it. */
const UNWANTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'disconnect-requested',
  'banned',
  'bad-reputation',
  'server-closing',
]);

interface Held {
  readonly connection: Connection;
  readonly timer: Timer;
  readonly admit: () => void;
}

/**
 * The second connection is not refused at once: where both sides refuse what came second to them, that may be one each,
 * and none is left. It is held, and takes the place of the first when the other side ends that. The node with the larger
 * key waits only so long as somebody needs who decides at once, and then ends the second itself; what is second to it is
 * so for both. The other one leaves it to that.
 */
export class Duplicates {
  readonly #env: Pick<Env, 'setTimer'>;
  /** By the key of the node: one at most, for a peer that there is. */
  readonly #held = new Map<string, Held>();

  constructor(env: Pick<Env, 'setTimer'>) {
    this.#env = env;
  }

  get size(): number {
    return this.#held.size;
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  /**
   * @param decides whether our key is the larger one
   * @param admit makes a peer of it
   */
  hold(key: string, connection: Connection, decides: boolean, admit: () => void): void {
    const timer = this.#env.setTimer(decides ? DECIDE_MS : AWAIT_DECISION_MS, () => {
      connection.close(alreadyConnected());
    });
    this.#held.set(key, { connection, timer, admit });
  }

  /** A connection of the node is over: if it was the one that is held, it is forgotten, else it gets the place. */
  ended(key: string, connection: Connection, ofPeer: PeerlaneError | undefined): void {
    const held = this.#held.get(key);
    if (held === undefined || (held.connection !== connection && ofPeer === undefined)) return;
    this.#held.delete(key);
    held.timer.cancel();
    if (held.connection === connection || ofPeer === undefined) return;
    // Whom we do not want does not come back by the other one.
    if (UNWANTED.has(ofPeer.code)) held.connection.close(ofPeer);
    else held.admit();
  }
}

export function alreadyConnected(): PeerlaneError {
  return new PeerlaneError('already-connected', 'the node is connected already');
}
