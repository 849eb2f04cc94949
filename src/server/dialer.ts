import { toBareHex } from '../base/bytes.ts';
import type { Env, Timer } from '../base/env.ts';
import { type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { AddressSearch } from './address-search.ts';
import type { BanTarget } from './bans.ts';
import {
  backoffAfter,
  DialHistory,
  type DialOutcome,
  isOfUse,
  MAX_DIAL_BACKOFF_MS,
  outcomeOf,
  outcomeOfStay,
} from './dial-backoff.ts';
import { BLANK, backoffOfRemoved, type Candidate, readyAt, soonAgain } from './dial-candidate.ts';
import { Candidates } from './dial-candidates.ts';
import { OTHERS_TURN, planDials } from './dial-plan.ts';
import { type DialTarget, hasPlacesOf, isAt, rotated } from './dial-target.ts';
import type { DialerOptions } from './dialer-options.ts';
import { Dials } from './dials.ts';
import { Outage } from './outage.ts';
import type { Peer } from './peer.ts';

/** Knows the nodes that a server is to be connected to, and dials them by and by, for as long as it runs. */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #candidates: Candidates;
  readonly #dials: Dials;
  readonly #history = new DialHistory();
  readonly #outage = new Outage();
  readonly #search: AddressSearch;
  #isRunning = false;
  #timer: Timer | undefined;
  /** Dials that were begun by itself. */
  #begun = 0;

  constructor(options: DialerOptions) {
    this.#options = options;
    this.#candidates = new Candidates(options.peers.dialSlots);
    this.#dials = new Dials(options, () => this.plan());
    const { env, resolve = async () => undefined } = options;
    this.#search = new AddressSearch({
      ...{ env, resolve },
      found: (key, target) => this.#moved(key, target),
      failed: (target, error) => options.searched?.(target, error),
    });
  }

  start(): void {
    this.#isRunning = true;
    this.plan();
  }

  /** Ends all dials, and begins none any more. */
  close(): void {
    this.#isRunning = false;
    this.#timer?.cancel();
    this.#search.close();
    this.#dials.abortAll();
  }

  /**
   * A node to be dialed while there are slots; a static one is kept connected, and stays static. What it did before the user
   * named it so leaves no wait but that between two dials; where it is somewhere else now, what has happened there leaves none.
   */
  add(target: DialTarget, isStatic: boolean): void {
    const key = toBareHex(target.publicKey);
    const known = this.#candidates.get(key);
    if (known === undefined) {
      const backoff = soonAgain(this.#history.get(key), this.#options.env.now());
      const kind = { key, target, isFound: false, isStatic };
      this.#candidates.add({ ...BLANK, ...kind, backoff: isStatic ? backoff : this.#history.get(key) });
    } else {
      // The same object: the dial that may be under way tells it what becomes of it.
      const isMoved = !hasPlacesOf(known.target, target);
      const isWanted = isStatic && !known.isStatic && !known.isHeld;
      this.#candidates.change(known, {
        ...(isWanted && { backoff: undefined }),
        ...(isMoved && BLANK),
        ...{ target, isFound: false, isStatic: known.isStatic || isStatic },
      });
      if (isMoved) this.#dials.abortPlanned(key);
    }
    this.#history.delete(key);
    this.plan();
  }

  /** Nodes that are known and not connected: the static ones, those that are not dialed for how they behaved, and all. */
  get waiting(): { readonly kept: number; readonly shunned: number; readonly all: number } {
    let [kept, shunned, all] = [0, 0, 0];
    for (const { key, isStatic, target, isHeld } of this.#candidates) {
      if (this.#options.peers.get(key) !== undefined) continue;
      all++;
      if (isStatic) kept++;
      if (isHeld || this.#shunnedForMs(target) > 0) shunned++;
    }
    return { kept, shunned, all };
  }

  /** Dials under way. */
  get pending(): number {
    return this.#dials.size;
  }

  /** How many more nodes there are slots for, and dials that may begin now or in a turn that is theirs. */
  get demand(): number {
    if (!this.#isRunning) return 0;
    const { peers, maxPending } = this.#options;
    const forSlots = this.#attemptsForSlots;
    // While static nodes are being dialed one after the other, those that are found have their turns.
    const room = Math.max(maxPending - this.#dials.size, Math.ceil(maxPending / OTHERS_TURN) - forSlots);
    return Math.min(peers.freeDialSlots - forSlots, room) - this.#waitingForSlots().length;
  }

  /** Nodes that are to be dialed as soon as there is a slot. */
  #waitingForSlots(): Candidate[] {
    const now = this.#options.env.now();
    const ready = this.#candidates.ready(false, now);
    return ready.filter((one) => !this.#isBusy(one.key) && this.#dueAt(one) <= now);
  }

  /** Whether a node is connected, or being dialed. */
  #isBusy(key: string): boolean {
    return this.#dials.has(key) || this.#options.peers.get(key) !== undefined;
  }

  /** Whether there is no reason to dial the node if it is found: it is here, known, or was dialed a short time ago. */
  leavesOut(key: string): boolean {
    return (
      this.#candidates.has(key) || this.#isBusy(key) || !this.#history.isOpen(key, this.#options.env.now())
    );
  }

  /**
   * A node that was found, to be dialed once. There are no more of them than slots, since `demand` bounds them, and of one network
   * there is a part: another waits until it is found again.
   */
  offer(target: DialTarget): void {
    const key = toBareHex(target.publicKey);
    if (!this.#isRunning || this.leavesOut(key) || this.#shunnedForMs(target) > 0) return;
    if (!this.#candidates.hasRoomAt(target.host)) {
      this.#options.crowded?.(target);
      return;
    }
    const backoff = this.#history.get(key);
    this.#candidates.add({ ...BLANK, key, target, isStatic: false, isFound: true, backoff });
    this.plan();
  }

  /** A peer that stayed for so long is gone. */
  left(key: string, stayedMs: number, error: PeerlaneError): void {
    const candidate = this.#candidates.get(key);
    // The dial that is under way tells what becomes of it.
    if (candidate !== undefined && !this.#dials.has(key))
      this.#over(candidate, outcomeOfStay(error, stayedMs));
  }

  /** Whether that a node cannot be reached says nothing of it: nobody is there at all, or can be reached. */
  #isLonely({ host }: DialTarget): boolean {
    return this.#options.peers.size === 0 || this.#outage.hides(host);
  }

  /** A dial, or the peer that it led to, is over. */
  #over(candidate: Candidate, outcome: DialOutcome): void {
    const { key, target, isStatic, isFound, backoff } = candidate;
    const { env, random = () => randomOf(env) } = this.#options;
    const from = isOfUse(outcome) ? (candidate.dialedAt ?? Number.NEGATIVE_INFINITY) : env.now();
    const result = { outcome, from, isStatic, isLonely: this.#isLonely(target), random: random() };
    const isGone = outcome === 'own' ? candidate.isGone : outcome === 'unreachable';
    const next = backoffAfter(backoff, result);
    this.#candidates.change(candidate, { backoff: next, isGone });
    if (!isFound || this.#candidates.get(key) !== candidate) return;
    this.#candidates.delete(key);
    this.#history.put(key, next);
  }

  /** It can be reached there at once: its wait was for where it cannot. */
  #moved(key: string, target: DialTarget): void {
    const candidate = this.#candidates.get(key);
    if (candidate === undefined || !this.#isRunning) return;
    this.#candidates.change(candidate, { ...BLANK, target });
    this.#options.moved?.(target);
    this.plan();
  }

  /** Forgets a node, and ends the dial to it. */
  remove(key: string): void {
    const candidate = this.#candidates.get(key);
    this.#candidates.delete(key);
    this.#search.forget(key);
    if (candidate?.isFound === true)
      this.#history.put(key, backoffOfRemoved(candidate, this.#options.env.now()));
    this.#dials.abort(key);
  }

  /** Whether the node is kept connected. */
  keeps(key: string): boolean {
    return this.#candidates.get(key)?.isStatic === true;
  }

  /**
   * Whether there are nodes, beyond those that are kept, that would be dialed now if one had left a slot; for one that could not be
   * reached when it was last tried, nobody should.
   */
  get hasOthers(): boolean {
    return this.#waitingForSlots().some(({ isGone }) => !isGone);
  }

  /** Nodes that are known to be at an address, by the name that `banNameOf` gives it. */
  keysAt(name: string): string[] {
    return [...this.#candidates].filter(({ target }) => isAt(target, name)).map(({ key }) => key);
  }

  /** Whether a node that is kept connected is at an address. */
  keepsAt(name: string): boolean {
    return this.keysAt(name).some((key) => this.keeps(key));
  }

  /** Dials a node, or the nodes at an address, as if they had never failed: the user has taken them back. */
  forgive({ kind, name }: BanTarget): void {
    if (kind === 'node') this.#history.delete(name);
    for (const candidate of this.#candidates) {
      const { key, target, isHeld } = candidate;
      const isMeant = kind === 'node' ? key === name : isHeld || isAt(target, name);
      if (isMeant) this.#candidates.change(candidate, { backoff: undefined, isHeld: false, isGone: false });
    }
    this.plan();
  }

  /** Milliseconds until a node that is not connected is dialed again; undefined when that is not certain. */
  redialInMs(key: string): number | undefined {
    const candidate = this.#candidates.get(key);
    if (!this.#isRunning || candidate?.isStatic !== true) return undefined;
    return Math.max(0, Math.ceil(this.#dueAt(candidate) - this.#options.env.now()));
  }

  /** Dials a node now, for a caller. @throws PeerlaneError what `connect` throws, `aborted` */
  dial(key: string, target: DialTarget, signal: AbortSignal | undefined): Promise<Peer> {
    return this.#dials.join(key, target, signal);
  }

  /** Dials whom there is reason to dial; to be called when a peer is gone. */
  plan(): void {
    if (!this.#isRunning) return;
    const { env, maxPending, peers, planned } = this.#options;
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = env.now();
    const [pending, freeSlots] = [this.#dials.size, peers.freeDialSlots - this.#attemptsForSlots];
    const [busy, room] = [{ has: (key: string) => this.#isBusy(key) }, maxPending - pending];
    const query = { now, isBusy: busy.has, dueAt: (candidate: Candidate) => this.#dueAt(candidate) };
    const kept = this.#candidates.due(true, { ...query, max: room });
    const others = this.#candidates.due(false, { ...query, max: Math.min(room, freeSlots) });
    const { dial, nextAt } = planDials({
      ...{ now, candidates: [...kept, ...others], busy },
      ...{ pending, maxPending, freeSlots, planned: this.#begun },
    });
    this.#begun += dial.length;
    for (const key of dial) {
      const candidate = this.#candidates.get(key);
      if (candidate === undefined) continue;
      const { target } = candidate;
      this.#candidates.change(candidate, { dialedAt: now, isHeld: false });
      this.#dials.begin(key, target, !candidate.isStatic).then(
        () => {
          this.#candidates.change(candidate, { isGone: false });
          this.#search.forget(key);
          this.#outage.dialed(target.host, 'stayed');
          this.plan();
        },
        (error: unknown) => this.#failed(candidate, target, error),
      );
    }
    if (nextAt !== Number.POSITIVE_INFINITY) {
      // Bans end by the wall clock, which may be set.
      const waitMs = Math.min(Math.max(0, nextAt - now), MAX_DIAL_BACKOFF_MS);
      this.#timer = env.setTimer(waitMs, () => this.plan());
    }
    planned?.();
  }

  #failed(candidate: Candidate, enode: DialTarget, thrown: unknown): void {
    const { key, isFound } = candidate;
    const error = toPeerlaneError(thrown);
    const outcome = outcomeOf(error);
    this.#outage.dialed(enode.host, outcome);
    // Elsewhere it may be well.
    const isThere = hasPlacesOf(enode, candidate.target);
    if (isThere) {
      this.#over(candidate, outcome);
      this.#hold(candidate, error);
      this.#candidates.change(candidate, { target: rotated(candidate.target) });
    }
    const redialInMs = this.redialInMs(key);
    this.#options.failed({ enode, error, outcome, redialInMs, isFound });
    const isKept = !isFound && this.#candidates.get(key) === candidate;
    if (isKept && isThere && (outcome === 'unreachable' || error.code === 'unexpected-identity'))
      this.#search.want(key, enode);
    this.plan();
  }

  /**
   * All addresses of the node are banned, as far as one had to look up where its names lead: nobody was dialed. They may lead
   * elsewhere later, and the clock by which bans end may be set.
   */
  #hold(candidate: Candidate, { code, details }: PeerlaneError): void {
    if (code !== 'banned' || typeof details.until !== 'number') return;
    const { env } = this.#options;
    const leftMs = Math.min(MAX_DIAL_BACKOFF_MS, details.until - env.unixTime());
    const until = env.now() + Math.max(0, leftMs);
    const backoff = { until, failures: candidate.backoff?.failures ?? 0 };
    this.#candidates.change(candidate, { backoff, dialedAt: undefined, isHeld: true });
  }

  #shunnedForMs(target: DialTarget): number {
    return this.#options.shunnedForMs?.(target) ?? 0;
  }

  /** When a node may be dialed again, by what came of its last dial and by how it has behaved. */
  #dueAt(candidate: Candidate): number {
    const due = readyAt(candidate);
    const shunnedMs = this.#shunnedForMs(candidate.target);
    return shunnedMs === 0 ? due : Math.max(due, this.#options.env.now() + shunnedMs);
  }

  get #attemptsForSlots(): number {
    return this.#dials.takingSlots().filter((key) => !this.keeps(key)).length;
  }
}

function randomOf(env: Env): number {
  const [a = 0, b = 0] = env.randomBytes(2);
  return (a * 256 + b) / 65_536;
}
