import { checkNames, type NamesOf } from '../base/checks.ts';
import { PeerlaneError } from '../base/errors.ts';
import { offerToAll } from '../p2p/index.ts';
import type { Channel } from './channel.ts';
import { Peer } from './peer.ts';

/** A message for many peers. */
export interface Broadcast {
  /** Name of the protocol, at whatever version each peer shares. */
  readonly protocol: string;
  /** Counted from the start of the protocol's own range. */
  readonly code: number;
  /** Not to be written to until the broadcast has left. */
  readonly payload: Uint8Array;
}

export interface BroadcastResult {
  /** Peers whose connection has the whole message. */
  readonly sent: readonly Peer[];
  /**
   * Peers that are gone, do not share the protocol, have not taken what they were sent before, or for whose copy there
   * is no memory (`memoryBudget`).
   */
  readonly skipped: readonly Peer[];
}

const BROADCAST: NamesOf<Broadcast> = { protocol: true, code: true, payload: true };

/**
 * Sends one message to many peers: in the batch of a turn it is compressed once, and framed for all side by side. As
 * many are served at a time as there is memory for, while their sockets take it.
 * @throws PeerlaneError `invalid-argument`, `message-code-out-of-range`, `message-too-large`; then nobody was sent it
 */
export async function broadcastTo(peers: Iterable<Peer>, message: Broadcast): Promise<BroadcastResult> {
  const { receivers, others } = receiversOf(peers, message);
  const { code, payload } = message;
  const { sent, skipped } = await offerToAll(receivers, ({ channel }) => channel.offer(code, payload));
  const peerOf = ({ peer }: Receiver): Peer => peer;
  return { sent: sent.map(peerOf), skipped: [...others, ...skipped.map(peerOf)] };
}

interface Receiver {
  readonly peer: Peer;
  readonly channel: Channel;
}

function receiversOf(
  peers: Iterable<Peer>,
  message: Broadcast,
): { readonly receivers: readonly Receiver[]; readonly others: readonly Peer[] } {
  checkNames('a broadcast', message, BROADCAST);
  const { protocol, code, payload } = message;
  if (typeof protocol !== 'string')
    throw new PeerlaneError('invalid-argument', 'protocol is the name of one');
  const invalid = (): PeerlaneError =>
    new PeerlaneError('invalid-argument', 'peers is no list of peers of a server');
  if (typeof peers !== 'object' || peers === null || !(Symbol.iterator in peers)) throw invalid();
  const [receivers, others]: [Receiver[], Peer[]] = [[], []];
  for (const peer of new Set(peers)) {
    if (!(peer instanceof Peer)) throw invalid();
    const channel = peer.channel(protocol);
    channel?.check(code, payload);
    if (channel === undefined) others.push(peer);
    else receivers.push({ peer, channel });
  }
  return { receivers, others };
}
