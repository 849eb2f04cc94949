import { equalBytes } from '../base/bytes.ts';
import { checkNames, type NamesOf } from '../base/checks.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { ReputationEventKind } from '../base/reputation-events.ts';
import type { PeerInfo, ProtocolChannel } from '../p2p/protocol.ts';
import type { RlpList } from '../rlp/index.ts';
import type { Body } from './body.ts';
import type { Header } from './header.ts';
import {
  type EncodedMessage,
  type EthVersion,
  encodeMessage,
  type MessageInputs,
  type MessageName,
  messageRow,
  type NotificationName,
} from './messages.ts';
import { type AnnouncedTransaction, announcementsOf, checkTransactions } from './notifications.ts';
import type { Receipt } from './receipt.ts';
import type { Claim, Requester, RequestOptions } from './requester.ts';
import type { BlockRange, Status } from './status.ts';
import type { Transaction } from './transaction.ts';

/** What `getBlockHeaders` asks for. */
export interface HeadersRequest {
  /** Number or 32-byte hash of the first block. */
  readonly start: number | bigint | Uint8Array;
  /** The most headers wanted; at least 1. Servers give no more than about 1,024. */
  readonly limit: number;
  /** Blocks left out between two headers; default 0. */
  readonly skip?: number | bigint;
  /** Falling numbers; default false. */
  readonly reverse?: boolean;
}

const HEADERS_REQUEST: NamesOf<HeadersRequest> = { start: true, limit: true, skip: true, reverse: true };

/** The end of a peer's chain. */
export interface PeerHead {
  /** Unknown for a peer that speaks eth/68. */
  readonly number?: number;
  readonly hash: Uint8Array;
}

/**
 * A peer that speaks eth and has sent a fitting Status.
 *
 * The `get...` methods give what the peer answers, which may be fewer items than asked for, or none. The items
 * are decoded when they are looked at and not checked against the request: that they are the right ones is the
 * caller's to see. They throw PeerlaneError `request-timeout`, `aborted`, `request-overload` (64 are pending),
 * `closed` once the connection is over, and `invalid-argument`. The sending methods resolve when there is room
 * for the next message, and throw `closed` and `invalid-argument`, the latter for messages that the version
 * does not have: see `supports`.
 */
export class EthPeer {
  readonly info: PeerInfo;
  readonly version: EthVersion;
  /** What the peer said when the session began. */
  readonly status: Status;
  readonly #channel: ProtocolChannel;
  readonly #requester: Requester;
  #head: PeerHead;
  #earliest: number | undefined;

  /** @internal */
  constructor(channel: ProtocolChannel, version: EthVersion, status: Status, requester: Requester) {
    this.info = channel.peer;
    this.version = version;
    this.status = status;
    this.#channel = channel;
    this.#requester = requester;
    this.#head = status.head;
    this.#earliest = status.earliest;
  }

  /** The end of the peer's chain, as last heard: from its Status, or its latest BlockRangeUpdate. */
  get head(): PeerHead {
    return this.#head;
  }

  /** Number of the first block whose body the peer has, as last heard; unknown for eth/68. */
  get earliest(): number | undefined {
    return this.#earliest;
  }

  /** Aborted, with the error behind it as reason, when the connection is over. */
  get signal(): AbortSignal {
    return this.#channel.signal;
  }

  /**
   * Milliseconds, in all, in which nothing was read from the peer for limits of the server's own (`bandwidth`): meanwhile it
   * can be late with nothing.
   */
  get heldMs(): number {
    return this.#channel.heldMs ?? 0;
  }

  /** Number of requests that await the peer's answer. */
  get pendingRequests(): number {
    return this.#requester.pending;
  }

  /** Whether the version spoken with this peer has the message. */
  supports(name: MessageName): boolean {
    return messageRow(this.version, name) !== undefined;
  }

  /** Canonical headers, `skip` apart (caps/eth.md, "GetBlockHeaders (0x03)"). */
  async getBlockHeaders(request: HeadersRequest, options?: RequestOptions): Promise<RlpList<Header>> {
    checkNames('a request for headers', request, HEADERS_REQUEST);
    const { start, limit, skip = 0, reverse = false } = request;
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new PeerlaneError('invalid-argument', 'limit must be a positive integer');
    }
    const query = {
      start: start instanceof Uint8Array ? start : toUint64(start, 'start'),
      limit: BigInt(limit),
      skip: toUint64(skip, 'skip'),
      reverse,
    };
    return this.#requester.request('GetBlockHeaders', { query }, limit, options, this.#claimOf(start));
  }

  /** Bodies of the blocks with these hashes, in their order, up to the first that the peer does not have. */
  async getBlockBodies(hashes: readonly Uint8Array[], options?: RequestOptions): Promise<RlpList<Body>> {
    return this.#requester.request('GetBlockBodies', { hashes }, hashes.length, options);
  }

  /** Receipts of the blocks with these hashes, in their order, up to the first that the peer does not have. */
  async getReceipts(
    hashes: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<RlpList<RlpList<Receipt>>> {
    return this.#requester.request('GetReceipts', { hashes }, hashes.length, options);
  }

  /** Transactions of the peer's pool, in the order of `hashes`, without those that it does not have. */
  async getPooledTransactions(
    hashes: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<RlpList<Transaction>> {
    return this.#requester.request('GetPooledTransactions', { hashes }, hashes.length, options);
  }

  /** Sends transactions whole, 1 to 5,000; blob transactions are only announced (EIP-4844, "Networking"). */
  async sendTransactions(transactions: readonly Transaction[]): Promise<void> {
    checkTransactions(transactions);
    await this.#notify('Transactions', transactions);
  }

  /** Tells which transactions the peer may ask for, in messages of at most 4,096, the specification's soft limit. */
  async announceTransactions(transactions: readonly AnnouncedTransaction[]): Promise<void> {
    await this.#notify('NewPooledTransactionHashes', ...announcementsOf(transactions));
  }

  /** Tells of new blocks by their hashes; eth/68 only. */
  async announceBlocks(blocks: MessageInputs['NewBlockHashes']): Promise<void> {
    await this.#notify('NewBlockHashes', blocks);
  }

  /** Sends a new block whole; eth/68 only. */
  async sendNewBlock(newBlock: MessageInputs['NewBlock']): Promise<void> {
    await this.#notify('NewBlock', newBlock);
  }

  /** Tells which blocks are served now; since eth/69. */
  async sendBlockRangeUpdate(range: BlockRange): Promise<void> {
    await this.#notify('BlockRangeUpdate', range);
  }

  /** Tells how the peer behaves, for its reputation; whether requests are answered counts without that. */
  report(kind: ReputationEventKind): void {
    this.#channel.report?.(kind);
  }

  /** Ends the connection; the reason sent to the peer follows from the error's code. */
  disconnect(error: PeerlaneError): void {
    this.#channel.disconnect(error);
  }

  /** Takes note of a BlockRangeUpdate. @internal */
  updateRange({ earliest, latest, latestHash }: BlockRange): void {
    this.#earliest = earliest;
    // A copy: the message is a view that would keep its whole buffer alive.
    this.#head = { number: latest, hash: latestHash.slice() };
  }

  /** Sends a message of this peer's version as `ProtocolChannel.offer` does. @internal */
  offer({ code, payload }: EncodedMessage): Promise<boolean> {
    return this.#channel.offer(code, payload);
  }

  /** Whether the peer has said that it has the block. */
  #claimOf(block: number | bigint | Uint8Array): Claim {
    const { number, hash } = this.#head;
    if (block instanceof Uint8Array) return equalBytes(block, hash) ? 'announced' : 'unknown';
    if (number === undefined) return 'unknown';
    return block > number ? 'beyond' : 'announced';
  }

  async #notify<N extends NotificationName>(name: N, ...values: readonly MessageInputs[N][]): Promise<void> {
    // All of them before the first is sent, so that a bad value sends nothing.
    const messages = values.map((value) => encodeMessage(this.version, name, value));
    for (const { code, payload } of messages) await this.#channel.send(code, payload, 'gossip');
  }
}

function toUint64(value: number | bigint, name: string): bigint {
  const isInteger = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (!isInteger || value < 0 || value >= 2n ** 64n) {
    throw new PeerlaneError('invalid-argument', `${name} must be an integer of 64 bits`);
  }
  return BigInt(value);
}
