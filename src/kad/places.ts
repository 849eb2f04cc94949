/** Nodes with an address of each family: where the one does not answer, they are looked for at the other. */
import { type KadNode, type OtherPlace, sameEndpoint } from './node.ts';
import type { Table } from './table.ts';

/** The result, or why there is none; `undefined` twice: no answer in time. */
type PlaceDone<T, F> = (result: T | undefined, failure?: F) => void;

export interface PlacesContext {
  readonly table: Pick<Table, 'get' | 'isLive'>;
  readonly otherPlace: OtherPlace;
  readonly room: { readonly isFull: boolean };
}

/**
 * Asks a node that somebody has given, and once more at its other place if there was no answer. The table knows where it
 * answered last: it begins there.
 */
export function askPlaces<T, F>(
  { table, otherPlace, room }: PlacesContext,
  node: KadNode,
  ask: (place: KadNode, done: PlaceDone<T, F>) => void,
  done: PlaceDone<T, F>,
): void {
  const entry = table.get(node.id);
  const isElsewhere = entry !== undefined && !sameEndpoint(entry, node) && table.isLive(node.id);
  const other = isElsewhere ? otherPlace(node) : undefined;
  const isThere = isElsewhere && other !== undefined && sameEndpoint(entry, other);
  ask(isThere ? other : node, (result, failure) => {
    // An error says what is wrong with the node or its answer, and without a turn it has not been asked.
    const isSilent = result === undefined && !(failure instanceof Error) && failure !== 'no-turn';
    // Few are silent: only of these a record is read for that.
    const second = isSilent && !room.isFull ? (isThere ? node : otherPlace(node)) : undefined;
    if (second === undefined) done(result, failure);
    else ask(second, done);
  });
}
