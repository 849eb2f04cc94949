import type { PeerlaneError } from '../base/errors.ts';
import type { PeerInfo } from '../p2p/index.ts';
import type { NatEvent } from './nat/node-nat.ts';
import type { NodeSourceName } from './node-mix.ts';
import type { ReputationDecision } from './reputation.ts';

/** What of discovery has failed: a source, the name of a bootnode, the node's own record. */
export type DiscoveryPart = NodeSourceName | 'bootnode' | 'record';

/** As the properties of `Server`. */
export interface ServerNames {
  readonly enode: string;
  readonly enodes: readonly string[];
  readonly enr: string;
}

/** What a server tells an observer. */
export type ServerEvent =
  | ({ readonly kind: 'listening' } & ServerNames)
  /** Others see a server that listens on all addresses, or one behind a router, at an address that its record did not name. */
  | ({ readonly kind: 'endpoint-changed' } & ServerNames)
  | { readonly kind: 'peer-connected'; readonly peer: PeerInfo }
  | {
      readonly kind: 'peer-disconnected';
      readonly peer: PeerInfo;
      readonly error: PeerlaneError;
      /** For a node that is kept connected: milliseconds after which it is dialed again, 0 for at once. */
      readonly redialInMs: number | undefined;
    }
  /** A connection that never became a peer: its handshake failed, it timed out, or it was refused. */
  | {
      readonly kind: 'connection-failed';
      readonly inbound: boolean;
      readonly remoteAddress: string;
      readonly remotePort: number;
      readonly error: PeerlaneError;
    }
  /** A dial that the server began by itself has failed. */
  | {
      readonly kind: 'dial-failed';
      readonly enode: string;
      readonly error: PeerlaneError;
      /** As for `peer-disconnected`. */
      readonly redialInMs: number | undefined;
      /** The node was found by discovery, of whose nodes many are gone. */
      readonly isFound: boolean;
    }
  /** A part of discovery has failed; the others go on, and it is tried again. */
  | {
      readonly kind: 'discovery-failed';
      readonly part: DiscoveryPart;
      readonly error: PeerlaneError;
      readonly retryInMs: number | undefined;
    }
  /**
   * A protocol's handler threw something that is not a `PeerlaneError`, or it found fault with the last words of a
   * peer that had left already.
   */
  | { readonly kind: 'handler-failed'; readonly peer: PeerInfo | undefined; readonly error: unknown }
  /** What was decided about a node for how it behaves; `node` is the hex of its public key, or an address. */
  | { readonly kind: 'reputation'; readonly node: string; readonly decision: ReputationDecision }
  /** A policy of the user has thrown, or decided what there is not: nothing was done. */
  | { readonly kind: 'policy-failed'; readonly error: PeerlaneError }
  /** Stored bans were damaged, or could not be read or written; the server goes on with those that it has. */
  | { readonly kind: 'bans-failed'; readonly error: PeerlaneError }
  /** A handler of `discovery.v5.serveTalk` has thrown, or its answer is none that can be sent: the other side gets an empty one. */
  | { readonly kind: 'talk-failed'; readonly protocol: string; readonly error: unknown }
  | NatEvent
  | { readonly kind: 'listener-failed'; readonly error: PeerlaneError };
