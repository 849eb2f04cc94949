import type { NodeRecord } from '../enr/index.ts';
import type { KadNode } from '../kad/index.ts';
import type { WireEndpoint } from './messages.ts';
import type { PacketName } from './packet.ts';

/** What an engine tells of; for observation, and for the node database. */
export type Discv4Event =
  /** The node has become an entry of the table, or is none any more. */
  | { readonly kind: 'node-added'; readonly node: KadNode }
  | { readonly kind: 'node-removed'; readonly node: KadNode }
  /** The node has answered a Ping, after so many milliseconds; it says at which endpoint it sees us. */
  | {
      readonly kind: 'node-answered';
      readonly node: KadNode;
      readonly rtt: number;
      readonly seenAs: WireEndpoint;
    }
  /** The node has left a Ping or another request without an answer. */
  | { readonly kind: 'node-silent'; readonly node: KadNode }
  /** Somebody else has named a node at an address to which there is no way, or with which this one has nothing to do. */
  | { readonly kind: 'node-unreached'; readonly node: KadNode }
  | { readonly kind: 'record-received'; readonly node: KadNode; readonly record: NodeRecord };

/** Why packets are dropped; `shed`: there was no time for them. */
export type DropReason =
  | 'foreign'
  | 'shed'
  | 'signature'
  | 'malformed'
  | 'expired'
  | 'far-future'
  | 'own'
  | 'unproven'
  | 'unsolicited';

/** Entries of what an engine keeps beside its table. */
export interface Discv4Sizes {
  /** Packets that wait to be verified, and to be signed. */
  readonly queued: number;
  readonly unsigned: number;
  /** Addresses and subnets whose rates are remembered. */
  readonly rated: number;
  /** Requests of our own, and Pings to strangers. */
  readonly requests: number;
  readonly pingBacks: number;
  readonly proofs: number;
  /** Addresses without a proof of which it is known what they sent and got. */
  readonly debtors: number;
}

export interface Discv4Stats {
  /** Packets that were looked at, and those that were dropped. */
  readonly received: number;
  /** `received` by type. */
  readonly receivedOf: Readonly<Record<PacketName, number>>;
  readonly dropped: Readonly<Record<DropReason, number>>;
  readonly sent: number;
  readonly sentBytes: number;
  /** `sent` by type. */
  readonly sentOf: Readonly<Record<PacketName, number>>;
  /** Requests that await an answer, and endpoints with a proof. */
  readonly requests: number;
  readonly proofs: number;
}
