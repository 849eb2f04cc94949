/** The pause after a failure; it doubles with each that follows. */
export const FIRST_PAUSE_MS = 1_000;
export const LONGEST_PAUSE_MS = 5 * 60 * 1_000;

/** The pause after so many failures in a row, in ms. */
export function pauseAfter(failures: number): number {
  return failures <= 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 30));
}
