import { type Env, isEnv, systemEnv } from '../../base/env.ts';
import { PeerlaneError } from '../../base/errors.ts';
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

export interface NodeDatabaseConfig {
  readonly maxNodes: number;
  readonly onEvent: (event: NodeDatabaseEvent) => void;
  readonly env: Env;
  readonly signal: AbortSignal | undefined;
}

/** @throws PeerlaneError `invalid-argument` */
export function checkOptions(options: NodeDatabaseOptions): NodeDatabaseConfig {
  if (typeof options !== 'object' || options === null) throw invalid('the options are an object');
  const { maxNodes = DEFAULT_MAX_NODES, onEvent = () => undefined, env = systemEnv, signal } = options;
  if (!Number.isInteger(maxNodes) || maxNodes < 1 || maxNodes > LARGEST_MAX_NODES) {
    throw invalid(`maxNodes must be an integer from 1 to ${LARGEST_MAX_NODES}`);
  }
  if (typeof onEvent !== 'function') throw invalid('onEvent is not a function');
  if (!isEnv(env)) throw invalid('env is not an Env');
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal is no AbortSignal');
  return { maxNodes, onEvent: detached(onEvent), env, signal };
}

/** An observer that throws is reported as an uncaught error, and stops nothing of what it observes. */
function detached<T>(observe: (event: T) => void): (event: T) => void {
  return (event) => {
    try {
      observe(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

function invalid(message: string): PeerlaneError {
  return new PeerlaneError('invalid-argument', message);
}
