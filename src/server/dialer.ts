import { toBareHex } from '../base/bytes.ts';
import type { Env, Timer } from '../base/env.ts';
import { type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { Enode } from '../enr/index.ts';
import { type DialCandidate, dueAt, planDials } from './dial-plan.ts';
import { type Connect, Dials } from './dials.ts';
import type { Peer } from './peer.ts';
import type { PeerSet } from './peers.ts';

interface Candidate extends DialCandidate {
  readonly enode: Enode;
  dialedAt: number | undefined;
}

export interface DialerOptions {
  readonly env: Env;
  /** Dials at a time that the dialer begins by itself. */
  readonly maxPending: number;
  readonly peers: PeerSet;
  readonly connect: Connect;
  /** Told of each dial that the dialer began by itself, and that failed. */
  readonly failed: (enode: Enode, error: PeerlaneError, redialInMs: number | undefined) => void;
}

/** Knows the nodes that a server is to be connected to, and dials them by and by, for as long as it runs. */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #candidates = new Map<string, Candidate>();
  readonly #dials: Dials;
  #isRunning = false;
  #timer: Timer | undefined;

  constructor(options: DialerOptions) {
    this.#options = options;
    this.#dials = new Dials(options.connect, () => this.plan());
  }

  start(): void {
    this.#isRunning = true;
    this.plan();
  }

  /** Ends all dials, and begins none any more. */
  close(): void {
    this.#isRunning = false;
    this.#timer?.cancel();
    this.#dials.abortAll();
  }

  /** A node to be dialed while there are slots; a static one is kept connected, and stays static. */
  add(enode: Enode, isStatic: boolean): void {
    const key = toBareHex(enode.publicKey);
    const known = this.#candidates.get(key);
    this.#candidates.set(key, {
      key,
      enode,
      isStatic: isStatic || known?.isStatic === true,
      dialedAt: known?.dialedAt,
    });
    this.plan();
  }

  /** Forgets a node, and ends the dial to it. */
  remove(key: string): void {
    this.#candidates.delete(key);
    this.#dials.abort(key);
  }

  /** Whether the node is kept connected. */
  keeps(key: string): boolean {
    return this.#candidates.get(key)?.isStatic === true;
  }

  /** Whether the node is dialed while there are slots only. */
  needsSlot(key: string): boolean {
    return this.#candidates.get(key)?.isStatic === false;
  }

  /** Milliseconds until a node that is not connected is dialed again; undefined when that is not certain. */
  redialInMs(key: string): number | undefined {
    const candidate = this.#candidates.get(key);
    if (!this.#isRunning || candidate?.isStatic !== true) return undefined;
    return Math.max(0, Math.ceil(dueAt(candidate) - this.#options.env.now()));
  }

  /** Dials a node now, for a caller. @throws PeerlaneError what `connect` throws, `aborted` */
  dial(key: string, enode: Enode, signal: AbortSignal | undefined): Promise<Peer> {
    return this.#dials.join(key, enode, signal);
  }

  /** Dials whom there is reason to dial; to be called when a peer is gone. */
  plan(): void {
    if (!this.#isRunning) return;
    const { env, maxPending, peers, failed } = this.#options;
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = env.now();
    const { dial, nextAt } = planDials({
      now,
      candidates: [...this.#candidates.values()],
      busy: new Set([...peers.keys(), ...this.#dials.keys()]),
      pending: this.#dials.size,
      maxPending,
      freeSlots: peers.freeDialSlots - this.#attemptsForSlots,
    });
    for (const key of dial) {
      const candidate = this.#candidates.get(key);
      if (candidate === undefined) continue;
      candidate.dialedAt = now;
      const { enode } = candidate;
      this.#dials
        .begin(key, enode)
        .catch((error: unknown) => failed(enode, toPeerlaneError(error), this.redialInMs(key)));
    }
    if (nextAt !== Number.POSITIVE_INFINITY) {
      this.#timer = env.setTimer(Math.max(0, nextAt - now), () => this.plan());
    }
  }

  get #attemptsForSlots(): number {
    let count = 0;
    for (const key of this.#dials.keys()) if (!this.keeps(key)) count++;
    return count;
  }
}
