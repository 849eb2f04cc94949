/** All of a list from the one at a place on, and then those before it. */
export function inCircle<T>(list: readonly T[], first: number): T[] {
  return [...list.slice(first), ...list.slice(0, first)];
}
