/** How fast a server may send and receive, by all peers and by each. */
import { Throttle, type ThrottleOptions } from './throttle.ts';

/** What may be asked for at least, in bytes a second: with less a chunk of a socket would keep all others waiting for long. */
export const MIN_BANDWIDTH: number = 64 * 1024;
/**
 * What `download` must have for each of `maxPeers`, and of the nodes beyond them that are static or trusted, in bytes a second.
 * When all send without end, each is read again after a chunk of every other, and twice that at first, when all have brought one
 * at once: in 8 s, where nodes leave a peer that
 * takes nothing for 20 s.
 */
export const MIN_DOWNLOAD_OF_PEER: number = 16 * 1024;

/** Bytes a second; absent: no limit. */
export interface BandwidthOptions {
  /** What is sent to all peers together, ... */
  readonly upload?: number | undefined;
  /** ... and to each of them. */
  readonly uploadPerPeer?: number | undefined;
  /**
   * Of what is sent, gossip to all peers together: broadcasts, announcements, and whatever else is sent with the priority
   * `gossip`. Payloads are counted as they are before compression.
   */
  readonly uploadGossip?: number | undefined;
  /**
   * What is read from all peers together, at least 16 KiB a second for each of `maxPeers` and for
   * each static or trusted node, ... There are no classes here: what
   * a peer sends is known when it has been read.
   */
  readonly download?: number | undefined;
  /** ... and from each of them. */
  readonly downloadPerPeer?: number | undefined;
}

/** Both directions of a server; undefined where nothing is limited, which costs nothing then. */
export interface Bandwidth {
  readonly up: Throttle | undefined;
  readonly down: Throttle | undefined;
}

export function bandwidthOf(options: BandwidthOptions, env: ThrottleOptions['env']): Bandwidth {
  const { upload, uploadPerPeer, uploadGossip, download, downloadPerPeer } = options;
  const hasUp = upload !== undefined || uploadPerPeer !== undefined || uploadGossip !== undefined;
  const hasDown = download !== undefined || downloadPerPeer !== undefined;
  const up = { env, total: upload, perPeer: uploadPerPeer, gossip: uploadGossip, oneByOne: false };
  const down = { env, total: download, perPeer: downloadPerPeer, oneByOne: true };
  return { up: hasUp ? new Throttle(up) : undefined, down: hasDown ? new Throttle(down) : undefined };
}
