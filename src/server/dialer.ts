import { toBareHex } from '../base/bytes.ts';
import type { Env, Timer } from '../base/env.ts';
import { type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { Enode } from '../enr/index.ts';
import { DialHistory } from './dial-history.ts';
import { type DialCandidate, dueAt, planDials } from './dial-plan.ts';
import { type Connect, Dials } from './dials.ts';
import type { Peer } from './peer.ts';
import type { PeerSet } from './peers.ts';

/** A peer that was found and stayed for less than this counts as a failed dial. */
const SHORT_STAY_MS = 60_000;

interface Candidate extends DialCandidate {
  readonly enode: Enode;
  /** Found by discovery: forgotten when it is gone, for it to be found again. */
  readonly isFound: boolean;
  dialedAt: number | undefined;
}

export interface DialerOptions {
  readonly env: Env;
  /** Dials at a time that the dialer begins by itself. */
  readonly maxPending: number;
  readonly peers: PeerSet;
  readonly connect: Connect;
  /** Whether a node is not to be dialed at the moment, for how it has behaved. */
  readonly isShunned?: (enode: Enode) => boolean;
  /** Told of each dial that the dialer began by itself, and that failed. */
  readonly failed: (failure: DialFailure) => void;
  /** Told after each round: `demand` may have changed. */
  readonly planned?: () => void;
}

export interface DialFailure {
  readonly enode: Enode;
  readonly error: PeerlaneError;
  /** Milliseconds until the node is dialed again; undefined when that is not certain. */
  readonly redialInMs: number | undefined;
  readonly isFound: boolean;
}

/** Knows the nodes that a server is to be connected to, and dials them by and by, for as long as it runs. */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #candidates = new Map<string, Candidate>();
  readonly #dials: Dials;
  readonly #history = new DialHistory();
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
      isFound: false,
      dialedAt: known?.dialedAt,
    });
    this.plan();
  }

  /** How many more nodes there are slots for, and dials that may begin now. */
  get demand(): number {
    if (!this.#isRunning) return 0;
    const { env, peers, maxPending } = this.#options;
    const busy = new Set([...peers.keys(), ...this.#dials.keys()]);
    let waiting = 0;
    for (const candidate of this.#candidates.values()) {
      if (candidate.isStatic || this.#isShunned(candidate)) continue;
      if (!busy.has(candidate.key) && dueAt(candidate) <= env.now()) waiting++;
    }
    return Math.min(peers.freeDialSlots - this.#attemptsForSlots, maxPending - this.#dials.size) - waiting;
  }

  /** Whether there is no reason to dial the node if it is found: it is here, known, or was dialed a short time ago. */
  leavesOut(key: string): boolean {
    return (
      this.#candidates.has(key) ||
      this.#dials.has(key) ||
      this.#options.peers.get(key) !== undefined ||
      !this.#history.isOpen(key, this.#options.env.now())
    );
  }

  /** A node that was found, to be dialed once. There are no more of them than slots, since `demand` bounds them. */
  offer(enode: Enode): void {
    const key = toBareHex(enode.publicKey);
    if (!this.#isRunning || this.leavesOut(key) || this.#options.isShunned?.(enode)) return;
    this.#candidates.set(key, { key, enode, isStatic: false, isFound: true, dialedAt: undefined });
    this.plan();
  }

  /** A peer that stayed for so long is gone. */
  left(key: string, stayedMs: number): void {
    const candidate = this.#candidates.get(key);
    if (candidate?.isFound !== true) return;
    this.#forget(candidate, stayedMs < SHORT_STAY_MS);
  }

  #forget({ key, dialedAt }: Candidate, hasFailed: boolean): void {
    this.#candidates.delete(key);
    const at = dialedAt ?? this.#options.env.now();
    if (hasFailed) this.#history.failed(key, at);
    else this.#history.succeeded(key, at);
  }

  /** Forgets a node, and ends the dial to it. */
  remove(key: string): void {
    const candidate = this.#candidates.get(key);
    if (candidate !== undefined) this.#forget(candidate, true);
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
    const { env, maxPending, peers, planned } = this.#options;
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = env.now();
    const { dial, nextAt } = planDials({
      now,
      candidates: [...this.#candidates.values()].filter((candidate) => !this.#isShunned(candidate)),
      busy: new Set([...peers.keys(), ...this.#dials.keys()]),
      pending: this.#dials.size,
      maxPending,
      freeSlots: peers.freeDialSlots - this.#attemptsForSlots,
    });
    for (const key of dial) {
      const candidate = this.#candidates.get(key);
      if (candidate === undefined) continue;
      candidate.dialedAt = now;
      this.#dials.begin(key, candidate.enode).catch((error: unknown) => this.#failed(candidate, error));
    }
    if (nextAt !== Number.POSITIVE_INFINITY) {
      this.#timer = env.setTimer(Math.max(0, nextAt - now), () => this.plan());
    }
    planned?.();
  }

  #failed(candidate: Candidate, error: unknown): void {
    const { key, enode, isFound } = candidate;
    const isForgotten = isFound && this.#candidates.get(key) === candidate;
    if (isForgotten) this.#forget(candidate, true);
    const redialInMs = this.redialInMs(key);
    this.#options.failed({ enode, error: toPeerlaneError(error), redialInMs, isFound });
    // It counted as one that waits.
    if (isForgotten) this.#options.planned?.();
  }

  #isShunned({ enode }: Candidate): boolean {
    return this.#options.isShunned?.(enode) === true;
  }

  get #attemptsForSlots(): number {
    let count = 0;
    for (const key of this.#dials.keys()) if (!this.keeps(key)) count++;
    return count;
  }
}
