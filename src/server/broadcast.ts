import { PeerlaneError } from '../base/errors.ts';
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
  readonly sent: readonly Peer[];
  /** Peers that are gone, do not share the protocol, or have not taken what they were sent before. */
  readonly skipped: readonly Peer[];
}

/**
 * Queues one message for many peers: in the batch of this turn it is compressed once, and framed for all side by side.
 * @throws PeerlaneError `invalid-argument`, `message-code-out-of-range`, `message-too-large`; then nobody was sent it
 */
export function broadcastTo(peers: Iterable<Peer>, message: Broadcast): BroadcastResult {
  if (typeof message !== 'object' || message === null) {
    throw new PeerlaneError('invalid-argument', 'a broadcast is an object of protocol, code and payload');
  }
  const { protocol, code, payload } = message;
  if (typeof protocol !== 'string')
    throw new PeerlaneError('invalid-argument', 'protocol is the name of one');
  const receivers: [Peer, Channel][] = [];
  const [sent, skipped]: [Peer[], Peer[]] = [[], []];
  const invalid = (): PeerlaneError =>
    new PeerlaneError('invalid-argument', 'peers is no list of peers of a server');
  if (typeof peers !== 'object' || peers === null || !(Symbol.iterator in peers)) throw invalid();
  for (const peer of new Set(peers)) {
    if (!(peer instanceof Peer)) throw invalid();
    const channel = peer.channel(protocol);
    if (channel === undefined) {
      skipped.push(peer);
    } else {
      channel.check(code, payload);
      receivers.push([peer, channel]);
    }
  }
  for (const [peer, channel] of receivers) (channel.offer(code, payload) ? sent : skipped).push(peer);
  return { sent, skipped };
}
