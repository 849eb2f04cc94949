/**
 * What is being opened, when all of it is open: when one cannot be, none stays open.
 * @throws what the first has failed with
 */
export async function allOpen<T extends { close(): Promise<void> }>(
  opening: readonly Promise<T>[],
): Promise<T[]> {
  const ends = await Promise.allSettled(opening);
  const open = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure === undefined) return open;
  await Promise.all(open.map((one) => one.close()));
  throw failure.reason;
}
