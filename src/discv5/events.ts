import type { NodeRecord } from '../enr/index.ts';
import type { KadNode } from '../kad/index.ts';
import type { Discv5DropReason } from './drop-reason.ts';
import type { Discv5MessageKind } from './messages.ts';
import type { Discv5Ping } from './questions.ts';
import type { TopicStats } from './topics/topic-stats.ts';

/** What an engine tells of; for observation, and for the node database. */
export type Discv5Event =
  /** The node has become an entry of the table, or is none any more. */
  | { readonly kind: 'node-added'; readonly node: KadNode }
  | { readonly kind: 'node-removed'; readonly node: KadNode }
  /** The node has answered a Ping, after so many milliseconds; it says at which endpoint it sees us. */
  | ({ readonly kind: 'node-answered'; readonly node: KadNode } & Pick<Discv5Ping, 'rtt' | 'seenAs'>)
  /** The node has left a request without an answer. */
  | { readonly kind: 'node-silent'; readonly node: KadNode }
  /** In a lookup the node has said which nodes it knows. */
  | { readonly kind: 'nodes-received'; readonly node: KadNode }
  | { readonly kind: 'record-received'; readonly node: KadNode; readonly record: NodeRecord }
  /** A registrar has let our advertisement of a topic in, or renewed it, for so many milliseconds. */
  | {
      readonly kind: 'topic-admitted';
      /** 32 bytes, here and below. */
      readonly topic: Uint8Array;
      readonly node: KadNode;
      readonly lifetimeMs: number;
    }
  /** As a registrar, this node has let the advertisement of another in, or renewed it. */
  | { readonly kind: 'topic-registered'; readonly topic: Uint8Array; readonly record: NodeRecord };

/** Entries of what an engine keeps beside its table. */
export interface Discv5Sizes {
  readonly sessions: number;
  /** Those who have been sent a WHOAREYOU, and have time to answer it. */
  readonly challenged: number;
  /** Endpoints, addresses and subnets whose rates are remembered. */
  readonly rated: number;
  /** Requests of our own. */
  readonly requests: number;
  /** Addresses and endpoints where nobody has answered. */
  readonly silent: number;
  /** Advertisements that this node keeps as a registrar. */
  readonly ads: number;
  /** Addresses and subnets whose rates of topic requests are remembered, and nodes that are left alone as registrars. */
  readonly topicRated: number;
}

export interface Discv5Stats {
  /** Messages that were read, by kind. */
  readonly received: number;
  readonly receivedOf: Readonly<Record<Discv5MessageKind, number>>;
  readonly dropped: Readonly<Record<Discv5DropReason, number>>;
  readonly sent: number;
  readonly sentBytes: number;
  /** WHOAREYOUs among `sent`. */
  readonly challenges: number;
  readonly requests: number;
  readonly sessions: number;
  /** Absent where topics are turned off. */
  readonly topics?: TopicStats;
}
