/**
 * The order of nodes when networks take turns. Keys cost an attacker nothing, addresses do: so who stays, and who is a
 * seed, is decided between networks first and only then between the nodes of one.
 */
import { blockOf, NO_NETWORK } from './network.ts';

/** The turn of each node, from 0. */
export interface Turns {
  /** In which turn of its network: each turn has one node. */
  readonly ofNetwork: Uint32Array;
  /** In which turn of its block, whose networks take turns among themselves. */
  readonly ofBlock: Uint32Array;
}

/** @param networks those of nodes, of which the first are to come before the others of their network */
export function turnsOf(networks: readonly number[]): Turns {
  const ofNetwork = new Uint32Array(networks.length);
  const ofBlock = new Uint32Array(networks.length);
  const next = new Map<number, number>();
  // By their numbers, here and below: an iterator takes several times as long, and there may be a million nodes.
  for (let i = 0; i < networks.length; i++) ofNetwork[i] = counted(next, networks[i] ?? NO_NETWORK);
  next.clear();
  const order = inTurn(ofNetwork);
  for (let at = 0; at < order.length; at++) {
    const i = order[at] ?? 0;
    ofBlock[i] = counted(next, blockOf(networks[i] ?? NO_NETWORK));
  }
  return { ofNetwork, ofBlock };
}

/** The numbers of nodes by their turns; those of one turn stay in their order. */
export function inTurn(turns: Uint32Array): Uint32Array {
  let last = 0;
  for (let i = 0; i < turns.length; i++) last = Math.max(last, turns[i] ?? 0);
  /** Where the next node of each turn goes. */
  const places = new Uint32Array(last + 2);
  for (let i = 0; i < turns.length; i++) {
    const after = (turns[i] ?? 0) + 1;
    places[after] = (places[after] ?? 0) + 1;
  }
  for (let turn = 1; turn < places.length; turn++)
    places[turn] = (places[turn] ?? 0) + (places[turn - 1] ?? 0);
  const order = new Uint32Array(turns.length);
  for (let i = 0; i < turns.length; i++) {
    const turn = turns[i] ?? 0;
    const place = places[turn] ?? 0;
    order[place] = i;
    places[turn] = place + 1;
  }
  return order;
}

/** How often `key` came before. */
function counted(counts: Map<number, number>, key: number): number {
  const count = counts.get(key) ?? 0;
  counts.set(key, count + 1);
  return count;
}
