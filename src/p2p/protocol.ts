import type { ErrorCode, PeerlaneError } from '../base/errors.ts';
import type { ReputationEventKind } from '../base/reputation-events.ts';
import type { MessagePriority } from './outbox.ts';

/** A protocol name and version, as Hello announces it (rlpx.md, "Hello (0x00)"). */
export interface Capability {
  readonly name: string;
  readonly version: number;
}

/** Payloads from this size on, in bytes, are lent; see `PayloadView`. */
export const LENT_PAYLOAD = 1024 * 1024;

/**
 * Bytes that the receiver may read but not write, and copies with `.slice()` if they are to live long. Small payloads
 * are views into one shared buffer, so keeping one of 10 bytes keeps its neighbours alive too; that `.buffer` is not
 * cleared, and holds bytes of other peers and of nobody's. Payloads of
 * `LENT_PAYLOAD` bytes and more are lent until the next message is asked for; then they are empty. A loop that waits
 * for its next message still holds the last one, and a silent peer would make it hold that for ever.
 */
export type PayloadView = Uint8Array;

export interface Message {
  /** Counted from the start of the protocol's own range. */
  readonly code: number;
  /** The RLP of the message, decompressed. */
  readonly payload: PayloadView;
}

/** What a handler knows of the other side. */
export interface PeerInfo {
  /** The 64-byte public key. */
  readonly id: Uint8Array;
  /** `enode://...`, with the address as seen from here. */
  readonly enode: string;
  readonly clientId: string;
  readonly capabilities: readonly Capability[];
  readonly inbound: boolean;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/**
 * One protocol on one connection. Iterating yields the peer's messages in order and ends when the connection
 * does; a loop that lags behind stops the reading of the socket, not the growing of a queue.
 */
export interface ProtocolChannel extends AsyncIterable<Message> {
  readonly peer: PeerInfo;
  readonly name: string;
  readonly version: number;
  /** Aborted, with the `PeerlaneError` behind it as reason, when the connection is over. */
  readonly signal: AbortSignal;
  /**
   * Queues a message; resolves when there is room for the next one. When the connections of a server have more to send
   * than a turn of the event loop takes, those with answers (the default) come before those with gossip.
   * Where the server's upload is limited, gossip waits for longer, and answers of the same connection overtake it; requests
   * and the handshake of a protocol, sent with the priority `request`, overtake both.
   * @throws PeerlaneError `closed` when the connection is over, `message-code-out-of-range`,
   * `message-too-large`, `invalid-argument`
   */
  send(code: number, payload: Uint8Array, priority?: MessagePriority): Promise<void>;
  /**
   * Bytes that a message may have now and be sent without any waiting: for who can make smaller ones while memory is
   * short.
   */
  readonly room: number;
  /**
   * Queues a message, as gossip, if that needs no waiting: for who would rather leave a peer out than wait for it. What
   * is offered to many peers at once is framed as one batch. Resolves in a later turn of the event loop: to true when
   * the socket has the message, to false when it was not queued, or the connection is over.
   * @throws PeerlaneError `message-code-out-of-range`, `message-too-large`
   */
  offer(code: number, payload: Uint8Array): Promise<boolean>;
  /**
   * Resolves when a message of so many bytes, sent at once, needs no waiting: for who makes large messages and would
   * not have them lie about while the peer, or the memory that all peers share, does not take them.
   * @throws PeerlaneError `closed` when the connection is over
   */
  writable(size: number): Promise<void>;
  /**
   * Milliseconds, in all, in which nothing was read from the peer for limits of the server's own (`bandwidth`, or memory that other peers
   * have): meanwhile it can be late with nothing. Absent where there are no such limits.
   */
  readonly heldMs?: number;
  /** For a protocol with `confirms`: the peer has passed its handshake and keeps its slot. */
  confirm(): void;
  /**
   * Tells how the peer behaves, for its reputation; errors that end the connection count without that. Absent where
   * nobody keeps count.
   * @throws PeerlaneError `invalid-argument` for an event that there is not
   */
  report?(kind: ReputationEventKind): void;
  /** Ends the connection; the reason sent to the peer follows from the error's code. */
  disconnect(error: PeerlaneError): void;
  /**
   * For observation, where somebody observes: a request to the peer begins to wait for its answer. What it gives is called
   * once, after so many milliseconds, with the code of the error if there was no answer.
   * @param request one of `Protocol.messageNames`
   */
  requested?(request: string): (ms: number, cause?: ErrorCode) => void;
}

/** A subprotocol that a server offers. */
export interface Protocol extends Capability {
  /** Number of message codes that it uses, from 0. */
  readonly length: number;
  /** Bound on a decoded payload in bytes; default 16 MiB - 1. */
  readonly maxMessageSize?: number;
  /**
   * Names of messages by their codes, for observation: 1 to 64 letters, digits and the like, each once. One without a name goes
   * by its code, as `0x05`, or with others as `other`: these are no names.
   */
  readonly messageNames?: readonly (string | undefined)[];
  /**
   * The protocol has a handshake of its own, and its handler calls `channel.confirm()` after it. Until one of
   * its protocols has confirmed a peer, the peer gives way to newcomers when the slots are full, so that nodes
   * that connect and fall silent keep nobody out. Default false: a peer is confirmed from the start.
   */
  readonly confirms?: boolean;
  /**
   * Called once for each peer that shares this protocol, at this version. The connection ends when it returns
   * (reason `requested`) or throws (the reason follows from the error's code).
   */
  readonly handler: (channel: ProtocolChannel) => Promise<void>;
}
