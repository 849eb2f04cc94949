/** What many numbers come to, and what registrars have to carry. */
import type { HonestPeer } from './peer.ts';

export interface Spread {
  readonly count: number;
  /** Those of which there is no number. */
  readonly missing: number;
  readonly median: number;
  /** Nine of ten are no more. */
  readonly most: number;
  readonly max: number;
}

/** NaN where there is nothing. */
export function spreadOf(numbers: readonly (number | undefined)[]): Spread {
  const sorted = numbers.filter((number) => number !== undefined).toSorted((a, b) => a - b);
  const at = (part: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
  return {
    ...{ count: sorted.length, missing: numbers.length - sorted.length },
    ...{ median: at(0.5), most: at(0.9), max: at(1) },
  };
}

export interface LoadFigures {
  /** Requests that a registrar was sent in a minute: on average, and the one that was sent most. */
  readonly requests: { readonly mean: number; readonly max: number };
  /** Advertisements in its cache. */
  readonly ads: { readonly mean: number; readonly max: number };
}

export type Load = ReadonlyMap<HonestPeer, number>;

export function loadOf(peers: readonly HonestPeer[]): Load {
  return new Map(peers.map((peer) => [peer, peer.served.regTopic + peer.served.topicQuery]));
}

/** Since `before`, of those who have been there all the time. */
export function loadFigures(peers: readonly HonestPeer[], before: Load, minutes: number): LoadFigures {
  const requests: number[] = [];
  for (const [peer, count] of loadOf(peers)) {
    const earlier = before.get(peer);
    if (earlier !== undefined) requests.push((count - earlier) / minutes);
  }
  const ads = peers.map(({ registrar }) => registrar.stats.ads);
  return { requests: meanAndMax(requests), ads: meanAndMax(ads) };
}

function meanAndMax(numbers: readonly number[]): { mean: number; max: number } {
  return {
    mean: numbers.reduce((a, b) => a + b, 0) / numbers.length,
    max: numbers.reduce((a, b) => Math.max(a, b), 0),
  };
}
