/** What is seen of a packet before its signature is: whatever is of no use, whoever signed it, costs little. */
import { unlessError } from '../base/errors.ts';
import { originOf, type UdpEndpoint } from '../kad/index.ts';
import { ClockSamples, type ClockSkew } from './clock-samples.ts';
import type { DropReason } from './events.ts';
import type { Intake } from './intake.ts';
import { decodeMessage, type Message } from './messages.ts';
import { isPacket, type PacketName, packetName } from './packet.ts';
import type { Proofs } from './proofs.ts';
import type { Requests } from './requests.ts';

/** Packets that claim to be valid for longer than this are refused, as they could be replayed for so long. */
export const MAX_EXPIRATION_S = 60 * 60;

/**
 * `queued`: it is verified by a call of `tick`. `foreign`: not a packet of this protocol. `refused`: one that is not worth
 * to be verified. `shed`: there is no time for it.
 */
export type Reception = 'queued' | 'foreign' | 'refused' | 'shed';

export interface ScreeningContext {
  readonly intake: Intake;
  readonly proofs: Proofs;
  readonly requests: Requests;
  /** Unix time, in seconds. */
  unixSeconds(): number;
}

export class Screening {
  /** Packets that were dropped, here and by `drop`. */
  readonly dropped: Record<DropReason, number> = {
    foreign: 0,
    shed: 0,
    signature: 0,
    malformed: 0,
    expired: 0,
    'far-future': 0,
    own: 0,
    unproven: 0,
    unsolicited: 0,
  };
  readonly #context: ScreeningContext;
  /** Of those whose answers are awaited. */
  readonly #clock = new ClockSamples();
  /** Of strangers, of whom anybody may be one. */
  readonly #strangersClock = new ClockSamples();

  constructor(context: ScreeningContext) {
    this.#context = context;
  }

  /** Puts a datagram of any content into the intake, or says why not. */
  receive(packet: Uint8Array, from: UdpEndpoint, now: number): Reception {
    const { intake, proofs, requests } = this.#context;
    const origin = originOf(from);
    if (origin === undefined) return this.drop('foreign');
    // A Pong that has come before it is a proof by the time that it is its turn.
    const isProven = proofs.knows(origin.key, now) || requests.pings.isAnswering(origin.key);
    // An answer to our Ping is one of somebody known, though it is not clear yet who sends it.
    const isExpected = isProven || requests.pings.expects(origin.key);
    const isAdmitted = isExpected
      ? intake.admitsKnownDatagram(origin, now)
      : intake.admitsDatagram(origin, now);
    if (!isAdmitted) return this.drop('shed');
    if (!isPacket(packet)) return this.drop('foreign');
    // To read it takes longer than the hash, and of a stranger only a Ping or a Pong can be of use.
    const useless = isProven ? undefined : ofStranger(packetName(packet));
    if (useless !== undefined) return this.#refuse(useless);
    const message = unlessError(() => decodeMessage(packet));
    if (message === undefined) return this.#refuse('malformed');
    const lifetime = this.#lifetime(message);
    if (lifetime !== undefined) {
      (isExpected ? this.#clock : this.#strangersClock).add(origin.network ?? origin.key, lifetime, now);
    }
    const reason = untimely(lifetime) ?? this.#unsolicited(message, origin.key);
    if (reason !== undefined) return this.#refuse(reason);
    // Whoever has not got our Ping cannot name its hash, and cannot pass for known.
    const isKnown = isProven || message.kind === 'pong';
    const isTaken = isKnown ? intake.admitsKnown(origin, now) : intake.admitsStranger(origin, now);
    if (!isTaken) return this.drop('shed');
    requests.admitted(message, origin.key);
    intake.push({ packet, from: origin, message, at: now }, isKnown);
    return 'queued';
  }

  #refuse(reason: DropReason): 'refused' {
    this.drop(reason);
    return 'refused';
  }

  /** Counts a packet that was dropped. */
  drop<R extends DropReason>(reason: R): R {
    this.dropped[reason]++;
    return reason;
  }

  /**
   * By how much the clocks of others differ from ours, as far as is known. Where nobody answers, who asks tells it: our packets
   * may have expired for all of them.
   */
  skew(now: number): ClockSkew | undefined {
    return this.#clock.size > 0 ? this.#clock.skew(now) : this.#strangersClock.skew(now);
  }

  /** Seconds for which a message is still valid. */
  #lifetime(message: Message): number | undefined {
    return message.kind === 'enrResponse' ? undefined : message.expiration - this.#context.unixSeconds();
  }

  /** An answer for which nobody at that endpoint was asked, so that nothing would come of it whoever has signed it. */
  #unsolicited(message: Message, endpointKey: string): DropReason | undefined {
    return this.#context.requests.admits(message, endpointKey) ? undefined : 'unsolicited';
  }
}

function untimely(lifetime = 0): DropReason | undefined {
  if (lifetime < 0) return 'expired';
  return lifetime > MAX_EXPIRATION_S ? 'far-future' : undefined;
}

/** Why a packet of this type is of no use from somebody who has proved nothing, and of whom nothing is expected. */
function ofStranger(name: PacketName | undefined): DropReason | undefined {
  if (name === 'ping' || name === 'pong') return undefined;
  return name === 'findNode' || name === 'enrRequest' ? 'unproven' : 'unsolicited';
}
