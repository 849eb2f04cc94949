import type { PeerlaneError } from '../base/errors.ts';
import type { PeerInfo } from '../p2p/index.ts';

/** What a server tells an observer. */
export type ServerEvent =
  | { readonly kind: 'listening'; readonly enode: string; readonly enr: string }
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
  /** A dial that the server began by itself, to a bootnode or a static node, has failed. */
  | {
      readonly kind: 'dial-failed';
      readonly enode: string;
      readonly error: PeerlaneError;
      /** As for `peer-disconnected`. */
      readonly redialInMs: number | undefined;
    }
  /**
   * A protocol's handler threw something that is not a `PeerlaneError`, or it found fault with the last words of a
   * peer that had left already.
   */
  | { readonly kind: 'handler-failed'; readonly peer: PeerInfo | undefined; readonly error: unknown }
  | { readonly kind: 'listener-failed'; readonly error: PeerlaneError };
