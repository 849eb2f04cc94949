/** How long a node is left alone after a dial, by what came of it: pure, and a memory of nodes that were found. */
import type { ErrorCode, PeerlaneError } from '../base/errors.ts';
import { setLatest } from '../base/recent.ts';
import { REDIAL_INTERVAL_MS } from './dial-plan.ts';

/** Nodes that are remembered: more than can be dialed within `REDIAL_INTERVAL_MS`. */
export const MAX_DIAL_HISTORY = 4096;
/** No node is left alone for longer. */
export const MAX_DIAL_BACKOFF_MS: number = 60 * 60_000;
/** A static node is wanted in any case. */
export const MAX_STATIC_BACKOFF_MS: number = 5 * 60_000;
/** While nobody can be reached, that a node cannot says more of our own network than of the node. */
export const MAX_LONELY_BACKOFF_MS = 60_000;
/** A wait is longer by up to this part of itself, also the longest: who failed together does not come back together. */
export const BACKOFF_JITTER = 1 / 4;
/** A peer that stayed for less than this counts as a failed dial. */
export const SHORT_STAY_MS = 60_000;

/**
 * `stayed`: it was a peer for a while. `own`: our doing, which says nothing of the node. `unreachable`: no connection, or it
 * broke. `full`: it has no slot for us. `left`: it went soon, or asked us to. `useless`: it does not speak what we do, or is of
 * another chain. `refused`: we want no more of it, for how it has behaved. `breach`: it does not keep to the protocol, or is not who it should be.
 */
export type DialOutcome =
  | 'stayed'
  | 'own'
  | 'unreachable'
  | 'full'
  | 'left'
  | 'useless'
  | 'refused'
  | 'breach';

interface Wait {
  /** After the first failure; after each more in a row twice as long, ... */
  readonly firstMs: number;
  /** ... up to this. */
  readonly maxMs: number;
}

const MINUTE_MS = 60_000;
const WAITS: Readonly<Record<DialOutcome, Wait>> = {
  stayed: { firstMs: REDIAL_INTERVAL_MS, maxMs: REDIAL_INTERVAL_MS },
  own: { firstMs: REDIAL_INTERVAL_MS, maxMs: REDIAL_INTERVAL_MS },
  unreachable: { firstMs: REDIAL_INTERVAL_MS, maxMs: MAX_DIAL_BACKOFF_MS },
  left: { firstMs: REDIAL_INTERVAL_MS, maxMs: MAX_DIAL_BACKOFF_MS },
  // When part of a network is gone, all that it filled has slots again: a node that was full when it began is asked soon.
  full: { firstMs: REDIAL_INTERVAL_MS, maxMs: 30 * MINUTE_MS },
  useless: { firstMs: 10 * MINUTE_MS, maxMs: MAX_DIAL_BACKOFF_MS },
  refused: { firstMs: 10 * MINUTE_MS, maxMs: MAX_DIAL_BACKOFF_MS },
  breach: { firstMs: 10 * MINUTE_MS, maxMs: MAX_DIAL_BACKOFF_MS },
};

const OUTCOMES: ReadonlyMap<ErrorCode, DialOutcome> = new Map<ErrorCode, DialOutcome>([
  ...group('own', ['aborted', 'closed', 'internal', 'already-connected', 'too-many-peers']),
  ...group('own', ['server-closing', 'disconnect-requested', 'handler-returned', 'handler-failed']),
  // A ban has its own end.
  ...group('own', ['pending-replaced', 'memory-budget', 'system-limit', 'address-refused', 'banned']),
  ...group('unreachable', ['dial-failed', 'dial-timeout', 'network-error', 'handshake-timeout']),
  ...group('unreachable', ['ping-timeout', 'read-timeout', 'write-timeout', 'slow-peer', 'lookup-failed']),
  ...group('left', ['status-timeout', 'request-timeout']),
  ...group('useless', ['no-shared-capability', 'incompatible-version', 'protocol-version-mismatch']),
  ...group('useless', ['network-mismatch', 'genesis-mismatch', 'fork-id-mismatch', 'connected-to-self']),
  ...group('useless', ['chain-not-found']),
  ...group('refused', ['bad-reputation']),
]);

/** What a peer means by the reason of its Disconnect; by any other that it does not want us for now. */
const REASONS: Readonly<Record<string, DialOutcome>> = {
  'too-many-peers': 'full',
  'already-connected': 'own',
  'useless-peer': 'useless',
  'incompatible-version': 'useless',
  'null-identity': 'useless',
  'unexpected-identity': 'useless',
  'connected-to-self': 'useless',
  'breach-of-protocol': 'useless',
  'subprotocol-error': 'useless',
};

function group(outcome: DialOutcome, codes: readonly ErrorCode[]): [ErrorCode, DialOutcome][] {
  return codes.map((code) => [code, outcome]);
}

/** What the error that a dial or a connection ended with says of the node. */
export function outcomeOf({ code, details }: PeerlaneError): DialOutcome {
  if (code === 'remote-disconnect') return REASONS[String(details.reason)] ?? 'left';
  return OUTCOMES.get(code) ?? 'breach';
}

/** Whether a node may be of use as soon as it can be reached, or has a slot. */
export function isOfUse(outcome: DialOutcome): boolean {
  return outcome !== 'useless' && outcome !== 'refused' && outcome !== 'breach';
}

/** What a peer that has left was worth: however long it stayed, one that is useless is not dialed at once. */
export function outcomeOfStay(error: PeerlaneError, stayedMs: number): DialOutcome {
  const outcome = outcomeOf(error);
  return stayedMs < SHORT_STAY_MS || !isOfUse(outcome) ? outcome : 'stayed';
}

export interface Backoff {
  /** The node is not dialed before, on the clock of `DialResult.from`. */
  readonly until: number;
  /** Dials in a row that came to nothing. */
  readonly failures: number;
}

export interface DialResult {
  readonly outcome: DialOutcome;
  /** When the dial began, or, for a wait that is long, when it came to nothing. */
  readonly from: number;
  readonly isStatic: boolean;
  /** There was no peer at all, or no dial has reached anybody for a while. */
  readonly isLonely: boolean;
  /** From 0 to 1, 1 not included. */
  readonly random: number;
}

/** When a node may be dialed again after a dial, from what was known of it before. */
export function backoffAfter(before: Backoff | undefined, result: DialResult): Backoff {
  const { outcome, from, isStatic, isLonely, random } = result;
  const known = before?.failures ?? 0;
  const failures = failuresAfter(known, result);
  const { firstMs, maxMs } = WAITS[outcome];
  const isOwnNetwork = isLonely && outcome === 'unreachable';
  const most = Math.min(
    maxMs,
    isStatic ? MAX_STATIC_BACKOFF_MS : maxMs,
    isOwnNetwork ? MAX_LONELY_BACKOFF_MS : maxMs,
  );
  const grown = firstMs * 2 ** Math.max(0, failures - 1);
  const isFailure = outcome !== 'stayed' && outcome !== 'own';
  const ms = Math.min(grown, most / (1 + BACKOFF_JITTER)) * (1 + BACKOFF_JITTER * random);
  return { until: from + (isFailure ? ms : firstMs), failures };
}

function failuresAfter(known: number, { outcome, isLonely }: DialResult): number {
  if (outcome === 'stayed') return 0;
  // For the node to be dialed soon when the network is back.
  if (outcome === 'own' || (isLonely && outcome === 'unreachable' && known > 0)) return known;
  return known + 1;
}

/** The waits of nodes that were found, which nobody else keeps. */
export class DialHistory {
  /** By the key of the node, the one that was dialed last at the end. */
  readonly #dialed = new Map<string, Backoff>();

  get size(): number {
    return this.#dialed.size;
  }

  get(key: string): Backoff | undefined {
    return this.#dialed.get(key);
  }

  /** Whether the node may be dialed. */
  isOpen(key: string, now: number): boolean {
    return (this.#dialed.get(key)?.until ?? Number.NEGATIVE_INFINITY) <= now;
  }

  delete(key: string): void {
    this.#dialed.delete(key);
  }

  put(key: string, backoff: Backoff): void {
    setLatest(this.#dialed, key, backoff, MAX_DIAL_HISTORY);
  }
}
