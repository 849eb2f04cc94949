/** Sending something until it is answered. */
import type { Agenda } from '../base/agenda.ts';
import type { KadNode } from '../kad/index.ts';
import type { Outbox } from './outbox.ts';
import { packetHash } from './packet.ts';
import type { Pending, Remote } from './pending.ts';
import type { Proofs } from './proofs.ts';

/** How long an answer is awaited, and what is sent is valid. */
export const REPLY_TIMEOUT_MS = 500;
export const PACKET_LIFETIME_S = 20;
/**
 * How often a request of a lookup, or for a record, is sent before its node counts as silent: where a tenth of all packets
 * is lost, a fifth of all answers is missing, and two thirds of a bucket would not be found.
 */
export const ATTEMPTS = 2;

export interface AttemptsContext {
  readonly agenda: Agenda;
  readonly outbox: Outbox;
  readonly proofs: Proofs;
  /** Unix time, in seconds. */
  unixSeconds(): number;
  /** A node has left a request without an answer. */
  silent(node: KadNode): void;
}

export class Attempts {
  readonly #context: AttemptsContext;

  constructor(context: AttemptsContext) {
    this.#context = context;
  }

  /** Until when what is sent now is valid: Unix time in seconds. */
  get expiration(): number {
    return this.#context.unixSeconds() + PACKET_LIFETIME_S;
  }

  /**
   * Sends what `content` gives, and again as long as there are attempts left and no answer has come.
   * @param failed called when none has come to the last
   */
  begin(pending: Pending, content: () => Uint8Array, failed: () => void): void {
    const { agenda, outbox } = this.#context;
    pending.attemptsLeft--;
    pending.timeout = agenda.in(REPLY_TIMEOUT_MS, () => {
      if (pending.attemptsLeft > 0) this.begin(pending, content, failed);
      else failed();
    });
    outbox.putContent(content(), pending.remote.endpoint, (packet) => {
      pending.hashes.push(packetHash(packet).slice());
    });
  }

  /** A node has not answered what takes a proof of us. */
  unanswered({ endpointKey, publicKey, node }: Remote): void {
    const { agenda, proofs, silent } = this.#context;
    proofs.doubt(endpointKey, publicKey, agenda.now);
    silent(node);
  }
}
