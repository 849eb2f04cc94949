/** Proofs both ways (discv4.md, "Endpoint Proof"), which a node wants before it answers a request. */
import type { Agenda } from '../base/agenda.ts';
import type { BondDone, BondWaiter, Done, PingResult, Remote } from './pending.ts';
import type { Proofs } from './proofs.ts';

/** How long the Ping is awaited with which a node asks us for a proof, once it has answered ours. */
const BOND_WAIT_MS = 500;
/**
 * How long after our Pong, which is its proof, a node is asked something: packets overtake each other. Clients that have
 * just taken in a Pong are known to pass over an ENRRequest right behind it, which then is lost for good.
 */
export const FIND_NODE_SETTLE_MS = 50;
export const ENR_SETTLE_MS = 500;

export interface BondsContext {
  readonly agenda: Agenda;
  readonly proofs: Proofs;
  ping(remote: Remote, done: Done<PingResult>): void;
}

export class Bonds {
  readonly #context: BondsContext;
  /** By node and endpoint: those who wait for its Ping. */
  readonly #waiting = new Map<string, BondWaiter[]>();

  constructor(context: BondsContext) {
    this.#context = context;
  }

  /** A Ping of the node with that key (`Remote.key`) has been answered, which gives it a proof of us. */
  pinged(key: string): void {
    const waiters = this.#waiting.get(key);
    if (waiters === undefined) return;
    this.#waiting.delete(key);
    for (const { timeout, settleMs, done } of waiters) {
      timeout.cancel();
      this.#context.agenda.in(settleMs, () => done());
    }
  }

  /** Sees to it that the node has a proof of us, and we one of it, and has taken it in. */
  make(remote: Remote, settleMs: number, done: BondDone): void {
    if (this.#settle(remote, settleMs, done)) return;
    this.#context.ping(remote, (pong, failure) => {
      if (pong === undefined) done(failure ?? 'unanswered-ping');
      else if (!this.#settle(remote, settleMs, done)) this.#awaitPing(remote, settleMs, done);
    });
  }

  /** Whether there are proofs both ways; it then goes on when they have been there for a while. */
  #settle({ endpointKey, publicKey }: Remote, ms: number, done: BondDone): boolean {
    const { agenda, proofs } = this.#context;
    const since = proofs.mutualSince(endpointKey, publicKey, agenda.now);
    if (since === undefined) return false;
    const rest = since + ms - agenda.now;
    if (rest <= 0) done();
    else agenda.in(rest, () => done());
    return true;
  }

  /** A node that has a proof of us from before sends no Ping. */
  #awaitPing(remote: Remote, settleMs: number, done: BondDone): void {
    const { key } = remote;
    const waiters = this.#waiting.get(key) ?? [];
    const timeout = this.#context.agenda.in(BOND_WAIT_MS, () => {
      const left = (this.#waiting.get(key) ?? []).filter((other) => other !== waiter);
      if (left.length > 0) this.#waiting.set(key, left);
      else this.#waiting.delete(key);
      done();
    });
    const waiter = { settleMs, done, timeout };
    this.#waiting.set(key, [...waiters, waiter]);
  }
}
