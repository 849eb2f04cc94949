import {
  checkEnv,
  checkFunction,
  checkInteger,
  checkNames,
  checkSignal,
  type NamesOf,
  reading,
} from '../../base/checks.ts';
import { type Env, systemEnv } from '../../base/env.ts';
import { detached } from '../../base/observer.ts';
import type { NodeDatabaseEvent } from './events.ts';

/** More than a crawl of the main network meets in a day. */
export const DEFAULT_MAX_NODES = 20_000;
const LARGEST_MAX_NODES = 1_000_000;

export interface NodeDatabaseOptions {
  /** Most nodes that are kept; default 20,000. In memory each takes about 300 bytes. */
  readonly maxNodes?: number | undefined;
  /** Told of damage and failures; for observation only. */
  readonly onEvent?: ((event: NodeDatabaseEvent) => void) | undefined;
  /** Clock, timers and randomness; default the system's. */
  readonly env?: Env | undefined;
  /** Ends the opening. */
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS: NamesOf<NodeDatabaseOptions> = {
  maxNodes: true,
  onEvent: true,
  env: true,
  signal: true,
};

export interface NodeDatabaseConfig {
  readonly maxNodes: number;
  readonly onEvent: (event: NodeDatabaseEvent) => void;
  readonly env: Env;
  readonly signal: AbortSignal | undefined;
}

/** @throws PeerlaneError `invalid-argument` */
export function checkOptions(options: NodeDatabaseOptions): NodeDatabaseConfig {
  return reading('the options of a node database', () => {
    checkNames('the options of a node database', options, OPTIONS);
    const { maxNodes = DEFAULT_MAX_NODES, onEvent = () => undefined, env = systemEnv, signal } = options;
    checkInteger('maxNodes', maxNodes, 1, LARGEST_MAX_NODES);
    checkFunction('onEvent', onEvent);
    checkEnv(env);
    checkSignal(signal);
    return { maxNodes, onEvent: detached(onEvent), env, signal };
  });
}
