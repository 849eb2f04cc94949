/** Who makes room for newcomers when all slots are taken: pure, in rounds. */

/** How often room is made, while newcomers are refused. */
export const EVICTION_INTERVAL_MS: number = 60_000;
/** How seldom at most, where those that made room are the ones that come back. */
export const MAX_EVICTION_INTERVAL_MS: number = 60 * 60_000;
/** In a round one in so many peers goes at most, and one of few. */
export const EVICTION_SHARE = 25;
/** A peer is idle when it has been of no use for so long. */
export const IDLE_MS: number = 10 * 60_000;
/** Nobody goes before it has had the time to be of use. */
export const MIN_STAY_MS: number = 5 * 60_000;
/** So many of the best score stay, of those with one above 0, however idle. */
export const PROTECTED_BY_SCORE = 4;
/** So many stay that have been connected the longest, each of another network: few can have been here for all of them. */
export const PROTECTED_BY_NETWORK = 8;

export interface EvictionCandidate {
  readonly key: string;
  /** Static or trusted: it takes no slot, and never goes. */
  readonly isKept: boolean;
  /** Its network (IPv4: /24, IPv6: /48); undefined for this machine and its LAN. */
  readonly network: string | undefined;
  /** Milliseconds on the clock of `now`, as is `usefulAt`. */
  readonly connectedAt: number;
  /** When it last sent a message of a protocol; undefined: never. */
  readonly usefulAt: number | undefined;
  readonly score: number;
  /** The policy has said of late that it behaves badly. */
  readonly isPenalised: boolean;
}

/** Keys of the peers that are to go at `now`, the least useful first; none when all are of use. */
export function planEviction(peers: readonly EvictionCandidate[], now: number): string[] {
  const slots = peers.filter(({ isKept }) => !isKept);
  const staying = new Set(protectedKeys(slots));
  return slots
    .filter((peer) => !staying.has(peer.key) && mayGo(peer, now))
    .sort(
      (a, b) => Number(b.isPenalised) - Number(a.isPenalised) || lastUse(a) - lastUse(b) || a.score - b.score,
    )
    .slice(0, Math.max(1, Math.floor(slots.length / EVICTION_SHARE)))
    .map(({ key }) => key);
}

/** Those that stay although they may be idle; nothing protects one that behaves badly. */
function protectedKeys(peers: readonly EvictionCandidate[]): string[] {
  const good = peers.filter(({ isPenalised }) => !isPenalised);
  const best = good.filter(({ score }) => score > 0).sort((a, b) => b.score - a.score);
  const oldest = new Map<string, EvictionCandidate>();
  for (const peer of [...good].sort((a, b) => a.connectedAt - b.connectedAt)) {
    const { network } = peer;
    if (network !== undefined && !oldest.has(network)) oldest.set(network, peer);
    if (oldest.size === PROTECTED_BY_NETWORK) break;
  }
  return [...best.slice(0, PROTECTED_BY_SCORE), ...oldest.values()].map(({ key }) => key);
}

function mayGo(peer: EvictionCandidate, now: number): boolean {
  if (now - peer.connectedAt < MIN_STAY_MS) return false;
  return peer.isPenalised || now - lastUse(peer) >= IDLE_MS;
}

function lastUse({ connectedAt, usefulAt = connectedAt }: EvictionCandidate): number {
  return Math.max(connectedAt, usefulAt);
}
