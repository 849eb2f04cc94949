/** What a link wants to send and has not encoded yet. */
import { dequeued, enqueued } from './shared-payloads.ts';

/**
 * Whose messages leave first when there is more to encode than one turn of the event loop takes: answers and requests, and
 * whatever else somebody waits for, before gossip. It decides between connections; within one, order is kept. Where the
 * upload of a server is limited, requests do not wait for answers, nor answers for gossip, not on one connection either.
 */
export const MESSAGE_PRIORITIES = ['request', 'answer', 'gossip'] as const;
export type MessagePriority = (typeof MESSAGE_PRIORITIES)[number];

/** An answer of so many bytes does not wait for the large ones of other connections either. */
export const SMALL_MESSAGE = 1024;

export interface QueuedMessage {
  /** On the wire. */
  readonly code: number;
  readonly payload: Uint8Array;
}

interface Entry extends QueuedMessage {
  readonly priority: MessagePriority;
}

export class Outbox {
  /** Of the base protocol: Ping and Pong. They overtake. */
  #control: QueuedMessage[] = [];
  #queue: Entry[] = [];
  #head = 0;
  #answers = 0;
  #length = 0;
  #queued = 0;
  #taken = 0;
  #waiters: { readonly until: number; readonly run: () => void }[] = [];

  /** Bytes of the payloads that wait. */
  get length(): number {
    return this.#length;
  }

  /** Whether there is something of the base protocol. */
  get hasControl(): boolean {
    return this.#control.length > 0;
  }

  get isEmpty(): boolean {
    return this.#control.length === 0 && this.#head === this.#queue.length;
  }

  /** Of the messages beside the base protocol's: 0 with an answer, 1 with gossip only. */
  get rank(): number {
    return this.#answers > 0 ? 0 : 1;
  }

  push(code: number, payload: Uint8Array, priority: MessagePriority = 'answer'): void {
    this.#queue.push({ code, payload, priority });
    enqueued(payload);
    this.#length += payload.length;
    this.#queued++;
    if (priority !== 'gossip') this.#answers++;
  }

  pushControl(code: number, payload: Uint8Array): void {
    this.#control.push({ code, payload });
    this.#length += payload.length;
  }

  /** Takes the base protocol's, which leave before anything else. */
  takeControl(): QueuedMessage[] {
    const taken = this.#control;
    this.#control = [];
    for (const { payload } of taken) this.#length -= payload.length;
    return taken;
  }

  /** Takes what may leave now: the base protocol's, and then the first message and more up to so many bytes. */
  take(maxLength: number): QueuedMessage[] {
    const taken = this.takeControl();
    let length = 0;
    for (;;) {
      const entry = this.#queue[this.#head];
      if (entry === undefined || (length > 0 && length + entry.payload.length > maxLength)) break;
      taken.push(entry);
      length += entry.payload.length;
      this.#head++;
      this.#taken++;
      if (entry.priority !== 'gossip') this.#answers--;
      // It may give memory back, for which others queue their messages.
      dequeued(entry.payload);
    }
    this.#length -= length;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head > 64) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return taken;
  }

  /** Calls `run` when what has been pushed so far has left: at once if it has. */
  afterOutput(run: () => void): void {
    if (this.#taken === this.#queued && this.#waiters.length === 0) run();
    else this.#waiters.push({ until: this.#queued, run });
  }

  /** What was taken has been encoded. */
  encoded(): void {
    while (this.#waiters.length > 0 && (this.#waiters[0]?.until ?? 0) <= this.#taken)
      this.#waiters.shift()?.run();
  }

  clear(): void {
    for (const { payload } of this.#queue.slice(this.#head)) dequeued(payload);
    this.#control = [];
    this.#queue = [];
    this.#head = 0;
    this.#answers = 0;
    this.#length = 0;
    this.#taken = this.#queued;
    this.encoded();
  }
}
