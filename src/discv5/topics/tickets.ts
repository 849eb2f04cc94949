/**
 * Tickets (discv5-theory.md, "Tickets"): what a registrar would have to remember of an attempt, kept by the advertiser.
 * Nobody else reads them, so their form is ours: three times, and a MAC over them and all that the ticket is bound to.
 */
import { concatBytes } from '../../base/bytes.ts';
import { equalConstantTime, keccak256 } from '../../crypto/index.ts';
import type { NodeRecord } from '../../enr/index.ts';
import { bytes, encode, encodeList } from '../../rlp/index.ts';

/** Bytes of the secret that authenticates tickets. */
export const SECRET_LENGTH = 32;
const TIMES_LENGTH = 3 * 8;
const MAC_LENGTH = 32;
/** Bytes of our tickets. */
export const TICKET_LENGTH: number = TIMES_LENGTH + MAC_LENGTH;

/** Times of the registrar's own clock, in milliseconds. */
export interface TicketTimes {
  /** `tinit`: when the attempt began. */
  readonly startedAt: number;
  /** `tmod`: when this ticket was issued. */
  readonly issuedAt: number;
  /** `twait`: how long the advertiser was told to wait. */
  readonly waitMs: number;
}

/** What a ticket is bound to, besides the registrar. */
export interface TicketSubject {
  /** 32 bytes. */
  readonly topic: Uint8Array;
  readonly record: NodeRecord;
  /** The node id of who asks, 32 bytes. */
  readonly advertiser: Uint8Array;
}

const topicCodec = bytes(32);

/** The digest of `[topic, ENR]`, by Keccak-256. @param topic 32 bytes */
export function adDigest(topic: Uint8Array, record: NodeRecord): Uint8Array {
  return keccak256(encodeList([encode(topicCodec, topic), record.encoded]));
}

/** Issues the tickets of one registrar, and reads them again. */
export class Tickets {
  readonly #secret: Uint8Array;
  readonly #registrar: Uint8Array;

  /** @param secret 32 random bytes that nobody else knows @param registrar its node id, 32 bytes */
  constructor({ secret, registrar }: { secret: Uint8Array; registrar: Uint8Array }) {
    this.#secret = secret.slice();
    this.#registrar = registrar.slice();
  }

  issue(subject: TicketSubject, { startedAt, issuedAt, waitMs }: TicketTimes): Uint8Array {
    const times = new Uint8Array(TIMES_LENGTH);
    const view = new DataView(times.buffer);
    view.setFloat64(0, startedAt);
    view.setFloat64(8, issuedAt);
    view.setFloat64(16, waitMs);
    return concatBytes(times, this.#mac(subject, times));
  }

  /** The times of a ticket that this registrar issued to this advertiser for this record and topic; else `undefined`. */
  read(subject: TicketSubject, ticket: Uint8Array): TicketTimes | undefined {
    if (ticket.length !== TICKET_LENGTH) return undefined;
    const times = ticket.slice(0, TIMES_LENGTH);
    if (!equalConstantTime(ticket.subarray(TIMES_LENGTH), this.#mac(subject, times))) return undefined;
    const view = new DataView(times.buffer);
    return { startedAt: view.getFloat64(0), issuedAt: view.getFloat64(8), waitMs: view.getFloat64(16) };
  }

  /** A prefix is a MAC with Keccak, whose output gives nothing of its state away; all parts but the last have one length. */
  #mac({ topic, record, advertiser }: TicketSubject, times: Uint8Array): Uint8Array {
    return keccak256(this.#secret, this.#registrar, advertiser, adDigest(topic, record), times);
  }
}

/** Whether the registration window of a ticket is open. @param delta δ, in milliseconds */
export function isWindowOpen({ issuedAt, waitMs }: TicketTimes, now: number, delta: number): boolean {
  const opensAt = issuedAt + waitMs;
  return opensAt <= now && now <= opensAt + delta;
}
