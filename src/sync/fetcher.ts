import { orAborted } from '../base/abort.ts';
import { setDeadline } from '../base/deadline.ts';
import type { Env, Timer } from '../base/env.ts';
import { type ErrorCode, isPeerlaneError, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import {
  type Assignment,
  answered,
  asked,
  type Limits,
  MAX_TIMEOUTS,
  newPeer,
  type PeerRecord,
  plan,
  released,
  timedOut,
} from './scheduler.ts';
import type { BlockSource, SourceSet } from './source.ts';
import { Wake } from './wake.ts';

/** A source that has too many requests already is left alone for this long. */
const OVERLOAD_REST_MS = 1_000;
/** After this long without an answer under way, sources are asked again for what they did not have. */
const RETRY_MS = 10_000;

/** Errors of a source that is over anyway. */
const GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['closed', 'aborted', 'remote-disconnect']);

/** What an answer was good for. */
export interface Taken {
  /** Wanted no more. */
  readonly delivered: readonly number[];
  /** The source does not have them, and is not asked for them again. */
  readonly lacked: readonly number[];
  /** What is wrong with the rest of it: the end of the source. */
  readonly fault?: PeerlaneError | undefined;
}

/** What is fetched, and how. */
export interface FetchTask<A> {
  readonly limits: Limits;
  /** Whether smaller or larger numbers are needed first. */
  readonly order: 'rising' | 'falling';
  usable(source: BlockSource): boolean;
  /** Whether the unit may be asked for now; if not, neither may those that are needed later. */
  isOpen(number: number): boolean;
  ask(source: BlockSource, numbers: readonly number[], signal: AbortSignal): Promise<A>;
  /** Takes an answer in. A `PeerlaneError` that it throws is the source's fault. */
  take(source: BlockSource, numbers: readonly number[], answer: A): Taken | Promise<Taken>;
}

export interface FetcherOptions {
  readonly sources: SourceSet;
  readonly env: Env;
  /** How long nothing may be under way and nothing arrive before it fails; default: for ever. */
  readonly patienceMs?: number | undefined;
}

interface Wanted {
  readonly number: number;
  holders: string[];
  askedAt: number;
  lackedBy: Set<string> | undefined;
}

/**
 * Keeps all sources busy with what is wanted: the shell around the scheduler, which owns the requests and their
 * timers. `wake` rings after every change that its owner may want to act on.
 */
export class Fetcher<A> implements Disposable {
  readonly wake = new Wake();
  readonly #task: FetchTask<A>;
  readonly #sources: SourceSet;
  readonly #env: Env;
  readonly #patienceMs: number | undefined;
  readonly #removeListener: () => void;
  readonly #peers = new Map<string, PeerRecord>();
  readonly #requests = new Map<AbortController, BlockSource>();
  #units: Wanted[] = [];
  #timer: Timer | undefined;
  #progressAt: number;
  /** When sources are asked again for what they did not have; set while nothing is under way. */
  #retryAt: number | undefined;
  #error: PeerlaneError | undefined;
  #disposed = false;

  constructor(task: FetchTask<A>, { sources, env, patienceMs }: FetcherOptions) {
    this.#task = task;
    this.#sources = sources;
    this.#env = env;
    this.#patienceMs = patienceMs;
    this.#progressAt = env.now();
    this.#removeListener = sources.onChange(() => {
      for (const [request, source] of this.#requests) if (!sources.has(source)) request.abort();
      this.pump();
      this.wake.ring();
    });
  }

  /** Wants more units; none of them may be wanted already. */
  add(numbers: Iterable<number>): void {
    for (const number of numbers) {
      this.#units.push({ number, holders: [], askedAt: 0, lackedBy: undefined });
    }
    const sign = this.#task.order === 'rising' ? 1 : -1;
    this.#units.sort((a, b) => sign * (a.number - b.number));
  }

  /** @throws PeerlaneError `no-peers`, `chain-not-found` once its patience is over, or what broke it */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Makes the requests that can be made now. */
  pump(): void {
    if (this.#disposed || this.#error !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.#env.now();
    if (this.#retryAt !== undefined && now >= this.#retryAt) {
      for (const unit of this.#units) unit.lackedBy = undefined;
      this.#retryAt = undefined;
    }
    const { assignments, wakeAt } = plan(now, this.#usable(), this.#ready(), this.#task.limits);
    for (const assignment of assignments) {
      const source = this.#sources.get(assignment.peer);
      if (source !== undefined) void this.#request(source, assignment, now);
    }
    if (this.#requests.size > 0) this.#retryAt = undefined;
    const next = this.#requests.size > 0 ? wakeAt : this.#idle(now, wakeAt);
    if (next !== undefined) {
      this.#timer = this.#env.setTimer(Math.max(0, next - now), () => this.pump());
    }
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#removeListener();
    this.#timer?.cancel();
    for (const request of this.#requests.keys()) request.abort();
  }

  #usable(): PeerRecord[] {
    const peers: PeerRecord[] = [];
    const present = new Set<string>();
    for (const source of this.#sources) {
      present.add(source.id);
      if (!this.#task.usable(source)) continue;
      const peer = this.#peers.get(source.id) ?? newPeer(source.id, this.#task.limits);
      this.#peers.set(source.id, peer);
      peers.push(peer);
    }
    for (const id of this.#peers.keys()) if (!present.has(id)) this.#peers.delete(id);
    return peers;
  }

  #ready(): readonly Wanted[] {
    const end = this.#units.findIndex(({ number }) => !this.#task.isOpen(number));
    return end < 0 ? this.#units : this.#units.slice(0, end);
  }

  /** Nothing is under way: when to try again, unless our patience is over. */
  #idle(now: number, wakeAt: number | undefined): number | undefined {
    if (this.#units.length === 0) {
      this.#progressAt = now;
      return undefined;
    }
    const patienceAt = this.#progressAt + (this.#patienceMs ?? Number.POSITIVE_INFINITY);
    if (now >= patienceAt) {
      this.#fail(outOfPatience(this.#sources));
      return undefined;
    }
    this.#retryAt ??= now + RETRY_MS;
    return Math.min(this.#retryAt, patienceAt, wakeAt ?? Number.POSITIVE_INFINITY);
  }

  async #request(source: BlockSource, { numbers, timeoutMs }: Assignment, sentAt: number): Promise<void> {
    const abort = new AbortController();
    this.#requests.set(abort, source);
    this.#update(source, asked);
    const units = this.#hold(source, numbers, sentAt);
    const timeout = new PeerlaneError('request-timeout', `no answer within ${Math.round(timeoutMs)} ms`);
    const timer = setDeadline(this.#env, source, timeoutMs, () => abort.abort(timeout));
    try {
      const answer = await orAborted(this.#task.ask(source, numbers, abort.signal), abort.signal);
      timer.cancel();
      const now = this.#env.now();
      const { delivered, lacked, fault } = await this.#task.take(source, numbers, answer);
      const counts = { now, sentAt, asked: numbers.length, delivered: delivered.length };
      this.#update(source, (peer) => answered(peer, counts, this.#task.limits));
      if (delivered.length > 0) this.#progressAt = this.#env.now();
      this.#settle(source, delivered, lacked);
      if (fault !== undefined && this.#sources.has(source)) this.#sources.fail(source, fault);
    } catch (error) {
      this.#blame(source, abort.signal.reason === timeout ? timeout : error);
    } finally {
      timer.cancel();
      this.#requests.delete(abort);
      for (const unit of units) unit.holders = unit.holders.filter((id) => id !== source.id);
    }
    if (this.#disposed) return;
    this.pump();
    this.wake.ring();
  }

  #hold(source: BlockSource, numbers: readonly number[], now: number): Wanted[] {
    const wanted = new Set(numbers);
    const units = this.#units.filter(({ number }) => wanted.has(number));
    for (const unit of units) {
      unit.holders = [...unit.holders, source.id];
      unit.askedAt = now;
    }
    return units;
  }

  #settle(source: BlockSource, delivered: readonly number[], lacked: readonly number[]): void {
    if (delivered.length > 0) {
      const gone = new Set(delivered);
      this.#units = this.#units.filter(({ number }) => !gone.has(number));
    }
    if (lacked.length > 0) {
      const missing = new Set(lacked);
      for (const unit of this.#units) {
        if (!missing.has(unit.number)) continue;
        unit.lackedBy ??= new Set();
        unit.lackedBy.add(source.id);
      }
    }
  }

  /** Works out what a request that failed says about its source. */
  #blame(source: BlockSource, error: unknown): void {
    if (this.#disposed || !this.#sources.has(source)) return;
    const { code } = toPeerlaneError(error);
    const rest = code === 'request-overload' ? this.#env.now() + OVERLOAD_REST_MS : undefined;
    this.#update(source, (peer) => (code === 'request-timeout' ? timedOut(peer) : released(peer, rest)));
    if (rest !== undefined) return;
    if (!isPeerlaneError(error) || code === 'internal') {
      this.#fail(toPeerlaneError(error));
    } else if (code === 'request-timeout') {
      source.report?.('timeout');
      const timeouts = this.#peers.get(source.id)?.timeouts ?? 0;
      if (timeouts < MAX_TIMEOUTS) return;
      this.#sources.fail(source, new PeerlaneError('slow-peer', `${timeouts} requests were not answered`));
    } else if (GONE.has(code)) {
      this.#sources.delete(source);
    } else {
      this.#sources.fail(source, error);
    }
  }

  #update(source: BlockSource, change: (peer: PeerRecord) => PeerRecord): void {
    const peer = this.#sources.has(source) ? this.#peers.get(source.id) : undefined;
    if (peer !== undefined) this.#peers.set(source.id, change(peer));
  }

  #fail(error: PeerlaneError): void {
    this.#error ??= error;
    this.wake.ring();
  }
}

/** The error for a wait that led to nothing. */
export function outOfPatience(sources: SourceSet): PeerlaneError {
  return sources.size === 0
    ? new PeerlaneError('no-peers', 'there were no peers to download from')
    : new PeerlaneError('chain-not-found', 'no peer has the blocks that are wanted');
}
