/** The options of a client and of its calls, checked early and completed with named defaults. */
import {
  checkDuration,
  checkEnv,
  checkFunction,
  checkInteger,
  checkNames,
  checkRate,
  checkUint64,
  invalidArgument,
  isObject,
  type NamesOf,
  reading,
  signalOf,
} from '../base/checks.ts';
import { type Env, systemEnv } from '../base/env.ts';
import type { PeerlaneError } from '../base/errors.ts';
import type { NodeRecord } from '../enr/index.ts';
import type { SyncProgress } from './sync.ts';

export const DEFAULT_TIMEOUT_MS = 5_000;
export const DEFAULT_RATE = 3;
export const DEFAULT_CACHE_SIZE = 1_000;
const MAX_CACHE_SIZE = 1_000_000;

export interface Resolver {
  /**
   * The TXT records at `name`, the strings of each put together, in UTF-8 or (as Node.js gives them) one character a byte;
   * empty if there are none. The signal aborts when nobody waits for the answer any more.
   */
  resolveTxt(name: string, signal: AbortSignal): Promise<readonly string[]>;
}

export interface DnsClientOptions {
  readonly resolver: Resolver;
  readonly env?: Env;
  /** How long an answer may take, in ms; up to `MAX_TIMER_MS`. */
  readonly timeoutMs?: number;
  /** Entries visited in a second, cached ones included: who goes through a tree again and again does not spin. At least one in an hour. */
  readonly rate?: number;
  /** Number of entries that are kept, up to a million. */
  readonly cacheSize?: number;
  /**
   * Told of answers that failed or were wrong; `name` is what was looked up. The search goes on all the same, and when
   * it throws, too: that is reported as an uncaught error.
   */
  readonly onProblem?: (problem: PeerlaneError, name: string) => void;
}

const OPTIONS: NamesOf<DnsClientOptions> = {
  resolver: true,
  env: true,
  timeoutMs: true,
  rate: true,
  cacheSize: true,
  onProblem: true,
};

export interface WaitOptions {
  readonly signal?: AbortSignal;
}

export interface SyncOptions extends WaitOptions {
  /** A root with a lower number is refused. */
  readonly minSeq?: bigint;
  /** Told at the end of each entry that could not be had; `name` is what was looked up. For observation only, as `onProblem`. */
  readonly onMissing?: (problem: PeerlaneError, name: string) => void;
  /** For observation only, as `onProblem`. */
  readonly onProgress?: (progress: SyncProgress) => void;
  /**
   * Told of each record as it comes: it is part of the tree, whose root is signed, also if the rest cannot be had. For
   * observation only, as `onProblem`.
   */
  readonly onRecord?: (record: NodeRecord) => void;
}

/** @throws PeerlaneError `invalid-argument` */
export function checkClientOptions(options: DnsClientOptions): Required<DnsClientOptions> {
  return reading('the options of a DNS client', () => {
    checkNames('the options of a DNS client', options, OPTIONS);
    const {
      resolver,
      env = systemEnv,
      timeoutMs = DEFAULT_TIMEOUT_MS,
      rate = DEFAULT_RATE,
      cacheSize = DEFAULT_CACHE_SIZE,
      onProblem = () => undefined,
    } = options;
    if (!isObject(resolver) || typeof resolver.resolveTxt !== 'function') {
      throw invalidArgument('resolver is not an object with resolveTxt');
    }
    checkEnv(env);
    checkDuration('timeoutMs', timeoutMs);
    checkRate('rate', rate);
    checkInteger('cacheSize', cacheSize, 0, MAX_CACHE_SIZE);
    checkFunction('onProblem', onProblem);
    return { resolver, env, timeoutMs, rate, cacheSize, onProblem };
  });
}

const SYNC_OPTIONS: NamesOf<SyncOptions> = {
  signal: true,
  minSeq: true,
  onMissing: true,
  onProgress: true,
  onRecord: true,
};

/** @throws PeerlaneError `invalid-argument` */
export function checkSyncOptions(
  options: SyncOptions,
): Required<Omit<SyncOptions, 'signal'>> & { readonly signal: AbortSignal | undefined } {
  const signal = signalOf(options, SYNC_OPTIONS);
  return reading('the options of the call', () => {
    const {
      minSeq = 0n,
      onMissing = () => undefined,
      onProgress = () => undefined,
      onRecord = () => undefined,
    } = options;
    checkUint64('minSeq', minSeq);
    checkFunction('onMissing', onMissing);
    checkFunction('onProgress', onProgress);
    checkFunction('onRecord', onRecord);
    return { signal, minSeq, onMissing, onProgress, onRecord };
  });
}
