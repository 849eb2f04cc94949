/** Which sources of nodes are asked next: a pure planner, in rounds. */

/**
 * A fallback is asked for so long after the start, and whenever nodes are wanted and the others have given none with a record
 * that was of use for so long. What they give without a record does not count: it costs nothing to make up.
 */
export const FALLBACK_AFTER_MS = 30_000;
/**
 * Nodes that are wanted for so long have a fallback asked with the others, whatever these give: what they give may be
 * somebody's who wants nobody else to be found.
 */
export const FALLBACK_IN_ANY_CASE_MS: number = 5 * 60_000;
/** A source is asked again so long after the end of its pass; after each that gave no node of use, twice as long. */
export const REST_MS = 1_000;
export const MAX_IDLE_REST_MS = 10_000;
/** After a failure it is asked again after `REST_MS`, after each further one in a row twice as long, up to this. */
export const MAX_FAILED_REST_MS: number = 5 * 60_000;

export interface SourceTurn {
  /** Asked at the start, and when the others give no node with a record of use (`FALLBACK_AFTER_MS`). */
  readonly isFallback: boolean;
  /** Its answer is awaited. */
  readonly isAsked: boolean;
  /** It is not asked before. */
  readonly restsUntil: number;
  /** Goes up: when it was asked last. */
  readonly turn: number;
}

export interface MixRound {
  readonly now: number;
  readonly sources: readonly SourceTurn[];
  /** How many may be asked. */
  readonly room: number;
  /** When nodes were wanted for the first time. */
  readonly startedAt: number;
  /** Since when nodes are wanted. */
  readonly wantedSince: number;
  /** Since when nodes are wanted and none of use, with a record, has come from a source that is no fallback. */
  readonly quietSince: number;
}

export interface MixPlan {
  /** Places in `sources`, in the order in which they are asked. */
  readonly ask: readonly number[];
  /** When the next round may ask another one without anything else happening; infinite when never. */
  readonly nextAt: number;
}

/** Whoever was asked longest ago comes first, so that none is asked twice before each was. */
export function planSources({ now, sources, room, startedAt, wantedSince, quietSince }: MixRound): MixPlan {
  const isAlone = sources.every(({ isFallback }) => isFallback);
  const inNeed = Math.min(quietSince + FALLBACK_AFTER_MS, wantedSince + FALLBACK_IN_ANY_CASE_MS);
  const fallbackAt = now < startedAt + FALLBACK_AFTER_MS ? now : inNeed;
  let nextAt = Number.POSITIVE_INFINITY;
  const due: number[] = [];
  for (const [place, { isFallback, isAsked, restsUntil }] of sources.entries()) {
    if (isAsked) continue;
    const at = isFallback && !isAlone ? Math.max(restsUntil, fallbackAt) : restsUntil;
    if (at <= now) due.push(place);
    else nextAt = Math.min(nextAt, at);
  }
  const turnOf = (place: number): number => sources[place]?.turn ?? 0;
  due.sort((a, b) => turnOf(a) - turnOf(b));
  return { ask: due.slice(0, Math.max(0, room)), nextAt };
}

/** How long a source rests after so many passes in a row that were of no use. */
export function idleRest(passes: number): number {
  return Math.min(MAX_IDLE_REST_MS, REST_MS * 2 ** passes);
}

/** How long a source rests after so many failures in a row. */
export function failedRest(failures: number): number {
  return Math.min(MAX_FAILED_REST_MS, REST_MS * 2 ** (failures - 1));
}
