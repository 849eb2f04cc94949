/** What requests keep while they await their answers. */

import type { Appointment } from '../base/agenda.ts';
import { equalBytes, toBareHex } from '../base/bytes.ts';
import type { PeerlaneError } from '../base/errors.ts';
import { endpointKey, type KadNode, type Origin, type UdpEndpoint } from '../kad/index.ts';
import type { WireEndpoint } from './messages.ts';

/** Who sent a packet, as its signature says, and from where. */
export interface Sender {
  readonly packet: Uint8Array;
  readonly origin: Origin;
  readonly publicKey: Uint8Array;
}

/** Somebody who is asked. */
export interface Remote {
  readonly node: KadNode;
  readonly publicKey: Uint8Array;
  readonly endpoint: UdpEndpoint;
  /** Of the endpoint, and of the node at it. */
  readonly endpointKey: string;
  readonly key: string;
}

/** The answer to a Ping. */
export interface PingResult {
  /** Sequence number of the node's record, if it has one. */
  readonly enrSeq: bigint | undefined;
  /** The endpoint at which the node sees us. */
  readonly seenAs: WireEndpoint;
  /** Milliseconds from the Ping to the Pong. */
  readonly rtt: number;
}

/**
 * Why there is no result, unless it is that no answer came in time. The question was not even put: the Ping that has to
 * come before it had no answer, or was not sent, as nobody has answered the last ones to that address; or it had no turn
 * behind others to the node. Or the node's answer is none, and the error says why.
 */
export type RequestFailure =
  | 'unanswered-ping'
  | 'withheld-ping'
  | 'withheld-address'
  | 'no-turn'
  | PeerlaneError;

/** `undefined`: no answer in time, or what `failure` says. */
export type Done<T> = (result: T | undefined, failure?: RequestFailure) => void;

/** Something that was sent, and may be sent again. */
export interface Pending {
  readonly remote: Remote;
  /** Of each packet that was sent. */
  readonly hashes: Uint8Array[];
  attemptsLeft: number;
  timeout: Appointment;
}

/** Called without a reason when there are proofs both ways. */
export type BondDone = (failure?: RequestFailure) => void;

export interface BondWaiter {
  readonly settleMs: number;
  readonly done: BondDone;
  readonly timeout: Appointment;
}

export const NO_TIMEOUT: Appointment = { at: 0, cancel: () => undefined };

export function remoteKey(endpointKey: string, publicKey: Uint8Array): string {
  return `${endpointKey} ${toBareHex(publicKey)}`;
}

/** Whether one of the requests, of which there are few, has gone to that endpoint, in a packet with that hash. */
export function isAsked(requests: Iterable<Pending>, endpointKey: string, hash?: Uint8Array): boolean {
  for (const { remote, hashes } of requests) {
    if (remote.endpointKey !== endpointKey) continue;
    if (hash === undefined || hashes.some((sent) => equalBytes(sent, hash))) return true;
  }
  return false;
}

export function remoteOf(node: KadNode): Remote {
  const { ip, udpPort, publicKey } = node;
  const endpoint = { ip, port: udpPort };
  const key = endpointKey(endpoint);
  return { node, publicKey, endpoint, endpointKey: key, key: remoteKey(key, publicKey) };
}
