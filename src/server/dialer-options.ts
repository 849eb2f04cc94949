import type { Env } from '../base/env.ts';
import type { PeerlaneError } from '../base/errors.ts';
import type { Enode } from '../enr/index.ts';
import type { ResolveRecord } from './address-search.ts';
import type { DialOutcome } from './dial-backoff.ts';
import type { DialTarget } from './dial-target.ts';
import type { Connect } from './dials.ts';
import type { PeerSet } from './peers.ts';

export interface DialerOptions {
  readonly env: Env;
  /** Dials at a time that the dialer begins by itself. */
  readonly maxPending: number;
  readonly peers: PeerSet;
  readonly connect: Connect;
  /** For how many milliseconds a node is not to be dialed for how it has behaved, as things are; default: none. */
  readonly shunnedForMs?: (target: DialTarget) => number;
  /** Told of each dial that the dialer began by itself, and that failed. */
  readonly failed: (failure: DialFailure) => void;
  /** Told after each round: `demand` may have changed. */
  readonly planned?: () => void;
  /** Asks discovery for the record of a node that is kept and cannot be reached; default: nobody is asked. */
  readonly resolve?: ResolveRecord;
  /** Told of a node that was found to be elsewhere, too. */
  readonly moved?: (target: DialTarget) => void;
  /** Told of a node that was found and is left out, since its network has its part of the slots. */
  readonly crowded?: (target: DialTarget) => void;
  /** Told of a search that found nothing else; of its error if there was one. */
  readonly searched?: (target: DialTarget, error: PeerlaneError | undefined) => void;
  /** From 0 to 1, 1 not included; default: of `env`. */
  readonly random?: () => number;
}

export interface DialFailure {
  readonly enode: Enode;
  readonly error: PeerlaneError;
  readonly outcome: DialOutcome;
  /** Milliseconds until the node is dialed again; undefined when that is not certain. */
  readonly redialInMs: number | undefined;
  readonly isFound: boolean;
}
