import { EMPTY } from '../../base/bytes.ts';
import type { TopicNode } from './capability.ts';
import {
  EARLIEST_RENEWAL,
  MAX_TICKET_LENGTH,
  MAX_TICKETS,
  MAX_WAITED_E,
  MIN_RENEWAL_MS,
  MIN_RETRY_MS,
  RENEWAL_SHARE,
  WAIT_MARGIN,
  WAITED_TICKETS_PER_E,
} from './parameters.ts';

/** What a REGCONFIRMATION says. */
export type Answer =
  | { readonly kind: 'admitted'; readonly lifetimeMs: number }
  | { readonly kind: 'wait'; readonly ticket: Uint8Array; readonly waitMs: number };

/** What is to be thought of an answer. */
export type Verdict = 'taken' | 'wrong' | 'too-long';

/** What a registrar told us, by our own clock. */
type Told =
  /** Nothing yet, or what it told is of no use any more. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'ticket'; readonly ticket: Uint8Array; readonly opensAt: number };

/** An advertisement at one registrar, or the attempt to get one in there. */
export class Registration {
  /** By the record of it that is newest when it is asked. */
  node: TopicNode;
  readonly distance: number;
  /** When it is to be asked for next; infinite while a request is under way. */
  nextAt: number;
  #told: Told = { kind: 'nothing' };
  /** Until when the registrar keeps the advertisement. */
  #activeUntil = Number.NEGATIVE_INFINITY;
  #startedAt: number;
  #tickets = 0;
  #isVoid = false;

  constructor(node: TopicNode, distance: number, now: number) {
    this.node = node;
    this.distance = distance;
    this.nextAt = now;
    this.#startedAt = now;
  }

  get isAsking(): boolean {
    return this.nextAt === Number.POSITIVE_INFINITY;
  }

  /** Whether the registrar has the advertisement; renewals of it may be pending. */
  get isActive(): boolean {
    return this.#activeUntil > Number.NEGATIVE_INFINITY;
  }

  get hasTicket(): boolean {
    return this.#told.kind === 'ticket';
  }

  /** What the next request carries. */
  get ticket(): Uint8Array {
    return this.#told.kind === 'ticket' ? this.#told.ticket : EMPTY;
  }

  /** A request is under way. */
  ask(): void {
    this.nextAt = Number.POSITIVE_INFINITY;
  }

  /**
   * Whether the window of the ticket has gone by while nobody asked, as when the process was stopped.
   * @param delta δ, in milliseconds
   */
  isMissed(now: number, delta: number): boolean {
    if (now >= this.#activeUntil) this.#activeUntil = Number.NEGATIVE_INFINITY;
    return !this.isAsking && this.#told.kind === 'ticket' && now > this.#told.opensAt + delta;
  }

  /** Begins anew, at once or as soon as there is an answer: what was told counts no more. */
  restart(now: number): void {
    this.#isVoid = this.isAsking;
    if (!this.isAsking) this.#begin(now);
  }

  /** Takes an answer, unless it is one that no registrar gives that keeps to the rules, or we have waited for long enough. */
  answered(answer: Answer, now: number, e: number): Verdict {
    if (answer.kind === 'admitted') {
      if (!(answer.lifetimeMs > 0)) return 'wrong';
      const lifetimeMs = Math.min(answer.lifetimeMs, MAX_WAITED_E * e);
      this.#activeUntil = now + lifetimeMs;
      this.#begin(this.#isVoid ? now : now + this.#renewalAfter(lifetimeMs, now - this.#startedAt));
      return 'taken';
    }
    const { ticket, waitMs } = answer;
    if (ticket.length === 0 || ticket.length > MAX_TICKET_LENGTH) return 'wrong';
    // The text: a single wait should not be longer than E.
    if (!(waitMs >= 0 && waitMs <= e)) return 'wrong';
    if (now + waitMs - this.#startedAt > MAX_WAITED_E * e) return 'too-long';
    const waitedFor = ((now - this.#startedAt) / e) * WAITED_TICKETS_PER_E;
    if (++this.#tickets > MAX_TICKETS + waitedFor) return 'wrong';
    if (this.#isVoid) {
      this.#begin(now);
      return 'taken';
    }
    const opensAt = now + waitMs;
    this.#told = { kind: 'ticket', ticket: ticket.slice(), opensAt };
    this.nextAt = Math.max(now + MIN_RETRY_MS, opensAt + margin(waitMs));
    return 'taken';
  }

  /** To be let in again will take as long as it has taken: as far as may be, it is to be over when the advertisement ends. */
  #renewalAfter(lifetimeMs: number, waitedMs: number): number {
    const latest = lifetimeMs * (1 - RENEWAL_SHARE);
    const wanted = lifetimeMs - waitedMs - 2 * margin(lifetimeMs);
    const earliest = lifetimeMs * EARLIEST_RENEWAL;
    return Math.max(MIN_RENEWAL_MS, Math.max(earliest, Math.min(latest, wanted)) + margin(lifetimeMs));
  }

  /** An attempt begins at a time. */
  #begin(at: number): void {
    this.#told = { kind: 'nothing' };
    this.#startedAt = at;
    this.#tickets = 0;
    this.#isVoid = false;
    this.nextAt = at;
  }
}

/** The other clock may be slower than ours, and who comes too early begins anew. */
function margin(ms: number): number {
  return ms * WAIT_MARGIN.share + WAIT_MARGIN.ms;
}
