/** WHOAREYOUs that we have sent, and await the handshakes for (discv5-theory.md, "Handshake Steps"). */
import { LatestMap } from '../base/recent.ts';
import type { NodeRecord } from '../enr/index.ts';
import type { Remote } from './remote.ts';

/** How long a handshake is awaited. */
export const HANDSHAKE_TIMEOUT_MS = 1_000;
/** Those who are challenged at a time. */
export const MAX_CHALLENGED = 2_048;

export interface Challenge {
  /** The WHOAREYOU packet. */
  readonly packet: Uint8Array;
  readonly challengeData: Uint8Array;
  /** The record whose sequence number it names. */
  readonly record: NodeRecord | undefined;
  readonly until: number;
}

/**
 * One for each node at an endpoint. While it lives, it is said again in the same words to whatever does not open: its answer may be
 * on the way, which another one would make worthless.
 */
export class Challenges {
  /** By node and endpoint, whoever was challenged first at the start. */
  readonly #of = new LatestMap<Challenge>(MAX_CHALLENGED);

  /** Those who are challenged. */
  get size(): number {
    return this.#of.size;
  }

  /** The one that the remote was sent, and may answer. */
  get({ key }: Remote, now: number): Challenge | undefined {
    const challenge = this.#of.get(key);
    return challenge !== undefined && challenge.until > now ? challenge : undefined;
  }

  /** Whether there is room for one more. Where there is none, others have to run out first. */
  hasRoom(now: number): boolean {
    this.#of.forgetWhile(({ until }) => until <= now);
    return this.#of.size < MAX_CHALLENGED;
  }

  /** To be called when there is room. */
  add({ key }: Remote, challenge: Challenge): void {
    this.#of.set(key, challenge);
  }

  /** It has been answered. */
  settle({ key }: Remote): void {
    this.#of.delete(key);
  }
}
