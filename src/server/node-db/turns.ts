/**
 * The order of nodes when networks take turns. Keys cost an attacker nothing, addresses do: so who stays, and who is a
 * seed, is decided between networks first and only then between the nodes of one.
 */
import { blockOf } from './network.ts';

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
  const next = new Map<number, number>();
  const count = (key: number): number => {
    const turn = next.get(key) ?? 0;
    next.set(key, turn + 1);
    return turn;
  };
  for (const [i, network] of networks.entries()) ofNetwork[i] = count(network);
  next.clear();
  const ofBlock = new Uint32Array(networks.length);
  for (const i of inTurn(ofNetwork)) ofBlock[i] = count(blockOf(networks[i] ?? 0));
  return { ofNetwork, ofBlock };
}

/** The numbers of nodes by their turns; those of one turn stay in their order. */
export function inTurn(turns: Uint32Array): Uint32Array {
  // By counting: a million nodes take as long as they are many.
  const ends = new Uint32Array(turns.reduce((most, turn) => Math.max(most, turn), 0) + 2);
  for (const turn of turns) ends[turn + 1] = (ends[turn + 1] ?? 0) + 1;
  for (let turn = 1; turn < ends.length; turn++) ends[turn] = (ends[turn] ?? 0) + (ends[turn - 1] ?? 0);
  const order = new Uint32Array(turns.length);
  for (const [i, turn] of turns.entries()) {
    const at = ends[turn] ?? 0;
    order[at] = i;
    ends[turn] = at + 1;
  }
  return order;
}
