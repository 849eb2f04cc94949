/** Nodes with an address of each family: where the one does not answer, they are looked for at the other. */
import { toBareHex } from '../base/bytes.ts';
import { LatestMap } from '../base/recent.ts';
import { endpointKey } from './address.ts';
import { type KadNode, type OtherPlace, sameEndpoint } from './node.ts';
import type { Table } from './table.ts';

/** Nodes that have answered at their second place, of which that is remembered. */
const MAX_ELSEWHERE = 1024;

/** The result, or why there is none; `undefined` twice: no answer in time. */
type PlaceDone<T, F> = (result: T | undefined, failure?: F) => void;

interface PlacesContext {
  readonly table: Pick<Table, 'get' | 'isLive'>;
  readonly otherPlace: OtherPlace;
  readonly room: { readonly isFull: boolean };
}

/** Asks nodes that somebody has given, and once more at their other place if there was no answer. */
export class Places {
  readonly #context: PlacesContext;
  /** Where a node has answered when it did not at the place that was asked first. */
  readonly #elsewhere = new LatestMap<string>(MAX_ELSEWHERE);

  constructor(context: PlacesContext) {
    this.#context = context;
  }

  /**
   * It begins where the node answered last, as far as that is known.
   * @param mayGoOn whether it may be asked a second time; default always
   */
  ask<T, F>(
    node: KadNode,
    ask: (place: KadNode, done: PlaceDone<T, F>) => void,
    done: PlaceDone<T, F>,
    mayGoOn: () => boolean = () => true,
  ): void {
    const { otherPlace, room } = this.#context;
    const elsewhere = this.#otherThan(node);
    ask(elsewhere ?? node, (result, failure) => {
      // An error says what is wrong with the node or its answer, and without a turn it has not been asked.
      const isSilent = result === undefined && !(failure instanceof Error) && failure !== 'no-turn';
      // Few are silent: only of these a record is read for that.
      const isWanted = isSilent && !room.isFull && mayGoOn();
      const second = isWanted ? (elsewhere === undefined ? otherPlace(node) : node) : undefined;
      if (second === undefined) {
        done(result, failure);
        return;
      }
      ask(second, (answer, why) => {
        if (answer !== undefined) this.#elsewhere.set(toBareHex(node.id), endpointOf(second));
        done(answer, why);
      });
    });
  }

  /** Its other place, if it is there that it answered last. */
  #otherThan(node: KadNode): KadNode | undefined {
    const { table, otherPlace } = this.#context;
    const entry = table.get(node.id);
    const isMoved = entry !== undefined && !sameEndpoint(entry, node) && table.isLive(node.id);
    const known = isMoved ? endpointOf(entry) : this.#elsewhere.get(toBareHex(node.id));
    if (known === undefined || known === endpointOf(node)) return undefined;
    const other = otherPlace(node);
    return other !== undefined && endpointOf(other) === known ? other : undefined;
  }
}

const endpointOf = ({ ip, udpPort }: KadNode): string => endpointKey({ ip, port: udpPort });
