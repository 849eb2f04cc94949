import { isLocal } from '../base/ip-class.ts';
import type { DialOutcome } from './dial-backoff.ts';
import { addressOf } from './net-restrict.ts';

/** So many dials in a row that reach nobody are no accident, also where most nodes that are found are gone. */
export const OUTAGE_DIALS = 8;

/** Tells from dials whether there is a way out of the own network; a peer within it may be connected all the while. */
export class Outage {
  #inVain = 0;

  dialed(host: string, outcome: DialOutcome): void {
    if (isWithin(host) || outcome === 'own') return;
    this.#inVain = outcome === 'unreachable' ? this.#inVain + 1 : 0;
  }

  /** Whether it is likely that the node cannot be reached because nobody can. */
  hides(host: string): boolean {
    return this.#inVain >= OUTAGE_DIALS && !isWithin(host);
  }
}

/** Whether a node is within our own network: on this machine, or in the LAN. */
function isWithin(host: string): boolean {
  const address = addressOf(host);
  return address !== undefined && isLocal(address);
}
