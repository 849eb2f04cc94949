import { PeerlaneError } from '../base/errors.ts';
import { forgetOldest } from '../base/recent.ts';

/** Requests that may await their answer at one peer; what servers answer in turn, and the bound on our memory. */
export const MAX_PENDING_REQUESTS = 64;

/** Ids of given-up requests that are remembered per peer, so that a late answer is no breach. */
export const MAX_REMEMBERED_IDS = 1024;

const ID_MASK = (1n << 64n) - 1n;

/** A request that awaits its answer. */
export interface TrackedRequest<T> {
  /** Name of the message that answers it. */
  readonly answer: string;
  /** The most items that the answer may hold. */
  readonly maxItems: number;
  /** Milliseconds on the caller's clock. */
  readonly deadline: number;
  /** What the caller wants back together with the answer. */
  readonly context: T;
}

/**
 * The requests under way at one peer (caps/eth.md, "Protocol Messages", `request-id`). It has no timer: whoever
 * owns it calls `expire` when `nextDeadline` has come.
 */
export class RequestTracker<T> {
  #nextId: bigint;
  readonly #maxPending: number;
  readonly #maxRemembered: number;
  readonly #pending = new Map<bigint, TrackedRequest<T>>();
  /** In the order in which they were given up. */
  readonly #givenUp = new Set<bigint>();

  constructor({
    firstId,
    maxPending = MAX_PENDING_REQUESTS,
    maxRemembered = MAX_REMEMBERED_IDS,
  }: {
    readonly firstId: bigint;
    readonly maxPending?: number;
    readonly maxRemembered?: number;
  }) {
    this.#nextId = firstId & ID_MASK;
    this.#maxPending = maxPending;
    this.#maxRemembered = maxRemembered;
  }

  /** Number of requests that await their answer. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Takes a request in and returns the 64-bit id to send it with.
   * @throws PeerlaneError `request-overload` when as many as allowed are pending
   */
  track(request: TrackedRequest<T>): bigint {
    if (this.#pending.size >= this.#maxPending) {
      throw new PeerlaneError('request-overload', `${this.#pending.size} requests are pending at this peer`);
    }
    while (this.#pending.has(this.#nextId) || this.#givenUp.has(this.#nextId)) this.#advance();
    const id = this.#nextId;
    this.#advance();
    this.#pending.set(id, request);
    return id;
  }

  /**
   * Matches an answer of `count` items: the context of the request that it answers, or `undefined` when that
   * request was given up and the answer is to be dropped. Either way the id is used up.
   * @throws PeerlaneError `request-unknown` for an id that was not asked, or was asked with another message;
   * `response-too-long`
   */
  answer(name: string, id: bigint, count: number): T | undefined {
    const request = this.#pending.get(id);
    if (request === undefined) {
      if (this.#givenUp.delete(id)) return undefined;
      throw new PeerlaneError('request-unknown', `${name} answers a request that was not made`, {
        details: { id },
      });
    }
    if (request.answer !== name) {
      throw new PeerlaneError('request-unknown', `${name} answers a request for ${request.answer}`, {
        details: { id },
      });
    }
    if (count > request.maxItems) {
      throw new PeerlaneError(
        'response-too-long',
        `${name} holds ${count} items, asked: ${request.maxItems}`,
        {
          details: { id, count, asked: request.maxItems },
        },
      );
    }
    this.#pending.delete(id);
    return request.context;
  }

  /** Gives a request up and frees its place; its answer, should it still come, is dropped. */
  giveUp(id: bigint): T | undefined {
    const request = this.#pending.get(id);
    if (request === undefined) return undefined;
    this.#pending.delete(id);
    this.#givenUp.add(id);
    forgetOldest(this.#givenUp, this.#maxRemembered);
    return request.context;
  }

  /** Gives a request more time, if it is still pending. */
  putOff(id: bigint, deadline: number): void {
    const request = this.#pending.get(id);
    if (request !== undefined) this.#pending.set(id, { ...request, deadline });
  }

  /**
   * Gives up every request whose deadline is not after `now`; returns their contexts.
   * @param more how many milliseconds one has from now on all the same
   */
  expire(now: number, more: (context: T) => number = () => 0): T[] {
    const expired: T[] = [];
    for (const [id, request] of this.#pending) {
      if (request.deadline > now) continue;
      const ms = more(request.context);
      if (ms > 0) {
        this.putOff(id, now + ms);
        continue;
      }
      this.giveUp(id);
      expired.push(request.context);
    }
    return expired;
  }

  /** When `expire` has something to do next. */
  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const { deadline } of this.#pending.values()) {
      if (next === undefined || deadline < next) next = deadline;
    }
    return next;
  }

  /** Forgets every request; returns the contexts of those that were pending. */
  clear(): T[] {
    const contexts = [...this.#pending.values()].map(({ context }) => context);
    this.#pending.clear();
    this.#givenUp.clear();
    return contexts;
  }

  #advance(): void {
    this.#nextId = (this.#nextId + 1n) & ID_MASK;
  }
}
