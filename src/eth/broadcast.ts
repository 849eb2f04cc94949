/**
 * Telling many peers the same: each message is encoded once, compressed once and framed for all in one batch. Nobody
 * is waited for; peers that have not taken what they were sent before are skipped. What cannot be sent to one is sent
 * to nobody. All functions throw PeerlaneError `invalid-argument`, and resolve when the frames are with the sockets.
 */
import { PeerlaneError } from '../base/errors.ts';
import { offerToAll } from '../p2p/offer.ts';
import {
  type EncodedMessage,
  encodeMessage,
  type MessageInputs,
  type MessageRow,
  messageRow,
  type NotificationName,
} from './messages.ts';
import { type AnnouncedTransaction, announcementsOf, checkTransactions } from './notifications.ts';
import { EthPeer } from './peer.ts';
import type { BlockRange } from './status.ts';
import type { Transaction } from './transaction.ts';

export interface EthBroadcastResult {
  /** Peers whose connection has the whole of it. */
  readonly sent: readonly EthPeer[];
  /**
   * Peers that are gone, whose version does not have the message, that have not taken what they were sent before, or
   * for whose copy there is no memory (`memoryBudget`).
   */
  readonly skipped: readonly EthPeer[];
}

/**
 * Sends transactions whole, 1 to 5,000 and up to `MAX_MESSAGE_SIZE` bytes together; blob transactions are only
 * announced (EIP-4844, "Networking").
 */
export async function broadcastTransactions(
  peers: Iterable<EthPeer>,
  transactions: readonly Transaction[],
): Promise<EthBroadcastResult> {
  checkTransactions(transactions);
  return await broadcast(peers, 'Transactions', [transactions]);
}

/**
 * Tells which transactions the peers may ask for, in messages of at most `MAX_ANNOUNCED`. Of more than that, a peer
 * that is skipped may have been sent the first ones.
 */
export async function announceTransactions(
  peers: Iterable<EthPeer>,
  transactions: readonly AnnouncedTransaction[],
): Promise<EthBroadcastResult> {
  return await broadcast(peers, 'NewPooledTransactionHashes', announcementsOf(transactions));
}

/** Tells of new blocks by their hashes; eth/68 only. */
export async function announceBlocks(
  peers: Iterable<EthPeer>,
  blocks: MessageInputs['NewBlockHashes'],
): Promise<EthBroadcastResult> {
  return await broadcast(peers, 'NewBlockHashes', [blocks]);
}

/** Sends a new block whole; eth/68 only. */
export async function broadcastNewBlock(
  peers: Iterable<EthPeer>,
  newBlock: MessageInputs['NewBlock'],
): Promise<EthBroadcastResult> {
  return await broadcast(peers, 'NewBlock', [newBlock]);
}

/** Tells which blocks are served now; since eth/69. */
export async function broadcastBlockRangeUpdate(
  peers: Iterable<EthPeer>,
  range: BlockRange,
): Promise<EthBroadcastResult> {
  return await broadcast(peers, 'BlockRangeUpdate', [range]);
}

interface Receiver {
  readonly peer: EthPeer;
  /** What has not been taken for the peer yet. */
  readonly left: EncodedMessage[];
}

async function broadcast<N extends NotificationName>(
  peers: Iterable<EthPeer>,
  name: N,
  values: readonly MessageInputs[N][],
): Promise<EthBroadcastResult> {
  const { receivers, others } = receiversOf(peers, name, values);
  const { sent, skipped } = await offerToAll(receivers, offerLeft);
  const peerOf = ({ peer }: Receiver): EthPeer => peer;
  return { sent: sent.map(peerOf), skipped: [...others, ...skipped.map(peerOf)] };
}

async function offerLeft({ peer, left }: Receiver): Promise<boolean> {
  for (let [message] = left; message !== undefined; [message] = left) {
    if (!(await peer.offer(message))) return false;
    left.shift();
  }
  return true;
}

function receiversOf<N extends NotificationName>(
  peers: Iterable<EthPeer>,
  name: N,
  values: readonly MessageInputs[N][],
): { readonly receivers: readonly Receiver[]; readonly others: readonly EthPeer[] } {
  const invalid = (): PeerlaneError =>
    new PeerlaneError('invalid-argument', 'peers is no list of peers that speak eth');
  if (typeof peers !== 'object' || peers === null || !(Symbol.iterator in peers)) throw invalid();
  // Versions that share the row of a message share its bytes.
  const encoded = new Map<MessageRow, readonly EncodedMessage[]>();
  const [receivers, others]: [Receiver[], EthPeer[]] = [[], []];
  for (const peer of new Set(peers)) {
    if (!(peer instanceof EthPeer)) throw invalid();
    const { version } = peer;
    const row = messageRow(version, name);
    if (row === undefined) {
      others.push(peer);
      continue;
    }
    const messages = encoded.get(row) ?? values.map((value) => encodeMessage(version, name, value));
    encoded.set(row, messages);
    receivers.push({ peer, left: [...messages] });
  }
  return { receivers, others };
}
