import { abortedError, onAbort } from '../base/abort.ts';
import { checkNames, type NamesOf } from '../base/checks.ts';
import { Deadline } from '../base/deadline.ts';
import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { ProtocolChannel } from '../p2p/protocol.ts';
import {
  answerTo,
  type EthVersion,
  encodeMessage,
  type MessageInputs,
  type MessageValues,
  type RequestName,
  type ResponseName,
  type ResponseOf,
} from './messages.ts';
import { RequestTracker } from './requests.ts';

/** How long an answer is waited for unless the caller says otherwise. */
export const REQUEST_TIMEOUT_MS = 10_000;

/**
 * An answer with nothing counts once in so many milliseconds, by what the peer has said of its chain. Who has announced a block
 * and gives nothing lacks it in a hundred answers of one second. Where it may just not have the block yet, so few count that
 * they never come up to half of a penalty, however long one that follows the chain asks. What lies `beyond` all that it has
 * announced it need not have.
 */
export const USELESS_EVERY_MS = {
  announced: 10_000,
  unknown: 5 * 60_000,
} as const;
/** Requests that are late within so many milliseconds count once: a line that is cut for a moment makes all of them late. */
const LATE_TOGETHER_MS = 1_000;

/** Whether a peer should have what it is asked for, by the end of the chain that it has announced. */
export type Claim = keyof typeof USELESS_EVERY_MS | 'beyond';

export interface RequestOptions {
  /** Gives the request up; its answer, should it still come, is dropped. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds from when it is sent to the answer, default 10,000; as long it waits to be sent at most. The time stands, for
   * two minutes at most, while the server does not read from the peer for its own `bandwidth`.
   */
  readonly timeoutMs?: number;
}

const OPTIONS: NamesOf<RequestOptions> = { signal: true, timeoutMs: true };

/** What a request is about, without its id. */
export type Query<N extends RequestName> = Omit<MessageInputs[N], 'id'>;

/** The items of the answer to a request. */
export type Items<N extends RequestName> = MessageValues[ResponseOf<N>]['items'];

/** A request whose answer is waited for. */
class Waiting {
  readonly claim: Claim;
  /** For the answer; undefined until the request is sent. */
  deadline: Deadline | undefined;
  readonly answer: Promise<unknown>;
  resolve: (items: unknown) => void = () => undefined;
  reject: (error: PeerlaneError) => void = () => undefined;

  constructor(claim: Claim) {
    this.claim = claim;
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** The requests to one peer: gives them ids, sends them, and settles each with its answer or an error. */
export class Requester {
  readonly #channel: ProtocolChannel;
  readonly #version: EthVersion;
  readonly #env: Env;
  readonly #onStart: () => void;
  readonly #tracker: RequestTracker<Waiting>;
  /** When the peer was blamed for the last time. */
  readonly #blamedAt = { 'useless-answer': Number.NEGATIVE_INFINITY, timeout: Number.NEGATIVE_INFINITY };
  #timer: Timer | undefined;
  #timerAt: number | undefined;
  #closed: PeerlaneError | undefined;

  /** @param onStart called when a request begins to wait for its answer */
  constructor(channel: ProtocolChannel, version: EthVersion, env: Env, onStart: () => void) {
    this.#channel = channel;
    this.#version = version;
    this.#env = env;
    this.#onStart = onStart;
    const seed = new DataView(env.randomBytes(8).slice().buffer);
    this.#tracker = new RequestTracker({ firstId: seed.getBigUint64(0) });
  }

  /** Number of requests that await their answer. */
  get pending(): number {
    return this.#tracker.pending;
  }

  /**
   * Sends a request and gives the items of its answer, at most `maxItems`.
   * @param claim whether the peer has said that it has them
   * @throws PeerlaneError `invalid-argument`, `request-overload`, `request-timeout`, `aborted`, `closed`
   */
  async request<N extends RequestName>(
    name: N,
    query: Query<N>,
    maxItems: number,
    options: RequestOptions = {},
    claim: Claim = 'unknown',
  ): Promise<Items<N>> {
    checkNames('the options of a request', options, OPTIONS);
    const { signal, timeoutMs = REQUEST_TIMEOUT_MS } = options;
    if (!(timeoutMs > 0)) throw new PeerlaneError('invalid-argument', 'timeoutMs must be positive');
    if (signal?.aborted) throw abortedError(signal);
    if (this.#closed !== undefined) throw this.#closed;

    const waiting = new Waiting(claim);
    const began = this.#env.now();
    const toBeSent = { answer: answerTo(name), maxItems, deadline: began + timeoutMs, context: waiting };
    const id = this.#tracker.track(toBeSent);
    const settled = this.#channel.requested?.(name);
    const removeListener = onAbort(signal, () => this.#giveUp(id, abortedError(signal)));
    try {
      this.#send(name, query, id, () => this.#sent(id, waiting, timeoutMs));
      const items = (await waiting.answer) as Items<N>;
      settled?.(this.#env.now() - began);
      return items;
    } catch (error) {
      settled?.(this.#env.now() - began, toPeerlaneError(error).code);
      throw error;
    } finally {
      removeListener();
      this.#schedule();
    }
  }

  /**
   * Takes an answer of the peer.
   * @throws PeerlaneError `request-unknown`, `response-too-long`
   */
  settle(name: ResponseName, id: bigint, items: { readonly length: number }): void {
    const waiting = this.#tracker.answer(name, id, items.length);
    if (waiting === undefined) return;
    const { claim } = waiting;
    if (items.length > 0) this.#channel.report?.('good-answer');
    // Pooled transactions are gone when they are in a block, and nobody is to blame for that.
    else if (name !== 'PooledTransactions' && claim !== 'beyond') {
      this.#blame('useless-answer', USELESS_EVERY_MS[claim]);
    }
    waiting.resolve(items);
  }

  /** Ends every request with `error`, and every later one. */
  close(error: PeerlaneError): void {
    this.#closed ??= error;
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const { reject } of this.#tracker.clear()) reject(error);
  }

  #send<N extends RequestName>(name: N, query: Query<N>, id: bigint, sent: () => void): void {
    try {
      const message = encodeMessage(this.#version, name, { ...query, id } as MessageInputs[N]);
      this.#channel
        .send(message.code, message.payload, 'request')
        .then(sent, (error: unknown) => this.#giveUp(id, error));
      this.#schedule();
      this.#onStart();
    } catch (error) {
      this.#giveUp(id, error);
    }
  }

  /** From now on it is up to the peer. */
  #sent(id: bigint, waiting: Waiting, timeoutMs: number): void {
    const now = this.#env.now();
    waiting.deadline = new Deadline(this.#channel, now, timeoutMs);
    this.#tracker.putOff(id, now + timeoutMs);
  }

  #giveUp(id: bigint, error: unknown): void {
    this.#tracker.giveUp(id)?.reject(toPeerlaneError(error));
  }

  #blame(kind: 'useless-answer' | 'timeout', everyMs: number): void {
    const now = this.#env.now();
    if (now - this.#blamedAt[kind] < everyMs) return;
    this.#blamedAt[kind] = now;
    this.#channel.report?.(kind);
  }

  /** Keeps one timer, at the earliest deadline or before. */
  #schedule(): void {
    const next = this.#closed === undefined ? this.#tracker.nextDeadline() : undefined;
    if (next === undefined) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    if (this.#timer !== undefined && this.#timerAt !== undefined && this.#timerAt <= next) return;
    this.#timer?.cancel();
    this.#timerAt = next;
    this.#timer = this.#env.setTimer(Math.max(0, next - this.#env.now()), () => {
      this.#timer = undefined;
      const now = this.#env.now();
      for (const { deadline, reject } of this.#tracker.expire(
        now,
        (waiting) => waiting.deadline?.left(now) ?? 0,
      )) {
        const why =
          deadline === undefined ? 'it could not be sent in time' : 'the peer did not answer in time';
        if (deadline !== undefined) this.#blame('timeout', LATE_TOGETHER_MS);
        reject(new PeerlaneError('request-timeout', why));
      }
      this.#schedule();
    });
  }
}
