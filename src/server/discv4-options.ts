/** The options of discovery v4, checked early. */
import { type Env, isEnv, systemEnv } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { parseIpv4, parseIpv6 } from '../base/ip.ts';
import { isValidSecretKey } from '../crypto/index.ts';
import type { Discv4Event, IntakeLimits } from '../discv4/index.ts';
import type { NodeRecord } from '../enr/index.ts';
import type { UdpOptions } from '../io/udp.ts';
import type { KadNode } from '../kad/index.ts';
import { kadNodeOf, parseUdpNode } from './bootnodes.ts';

/** An enode URL whose host is an address, the text of a record, or what a lookup gave. */
export type NodeSource = string | KadNode;

export interface Discv4ServiceOptions {
  /** The node's secret key, 32 bytes. */
  readonly key: Uint8Array;
  /** Where to listen: an IP address and a UDP port (0: any free one). */
  readonly listen: UdpOptions;
  /** The TCP port that Pings and the default record name; default 0, none. */
  readonly tcpPort?: number;
  /** The node's record, asked each time; default: one with the address and the ports. */
  readonly record?: () => NodeRecord;
  /** enode URLs or records of nodes to begin with. */
  readonly bootnodes?: readonly string[];
  /** Nodes that were found by earlier runs. */
  readonly seeds?: readonly KadNode[];
  /** What is shed of a flood; default `DEFAULT_LIMITS`. */
  readonly limits?: Partial<IntakeLimits>;
  /** Told what happens; for observation only. */
  readonly onEvent?: (event: Discv4ServiceEvent) => void;
  /** Clock, timers and randomness; default the system's. */
  readonly env?: Env;
}

export type Discv4ServiceEvent =
  | Discv4Event
  | { readonly kind: 'listening'; readonly host: string; readonly port: number }
  | { readonly kind: 'listener-failed'; readonly error: PeerlaneError };

export interface Discv4ServiceConfig {
  readonly key: Uint8Array;
  readonly listen: UdpOptions;
  readonly tcpPort: number;
  readonly record: (() => NodeRecord) | undefined;
  readonly seeds: readonly KadNode[];
  readonly limits: Partial<IntakeLimits>;
  readonly onEvent: (event: Discv4ServiceEvent) => void;
  readonly env: Env;
}

/** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record` */
export function checkDiscv4Options(options: Discv4ServiceOptions): Discv4ServiceConfig {
  if (typeof options !== 'object' || options === null) throw invalid('discovery takes an object of options');
  const {
    key,
    listen,
    tcpPort = 0,
    record,
    bootnodes = [],
    seeds = [],
    limits = {},
    onEvent = () => undefined,
    env = systemEnv,
  } = options;
  if (!(key instanceof Uint8Array) || !isValidSecretKey(key)) {
    throw new PeerlaneError('invalid-secret-key', 'options.key is not a secp256k1 secret key of 32 bytes');
  }
  if (typeof listen !== 'object' || listen === null) throw invalid('listen is no object of host and port');
  if (parseIpv4(listen.host) === undefined && parseIpv6(listen.host) === undefined) {
    throw invalid('listen.host is not an IP address');
  }
  checkPort('listen.port', listen.port);
  checkPort('tcpPort', tcpPort);
  if (record !== undefined && typeof record !== 'function') throw invalid('record is not a function');
  if (!Array.isArray(bootnodes) || !Array.isArray(seeds)) throw invalid('bootnodes and seeds are arrays');
  for (const rate of Object.values(limits)) {
    if (!(rate.perSecond > 0 && rate.burst >= 1)) throw invalid('a limit allows at least one packet');
  }
  if (typeof onEvent !== 'function') throw invalid('onEvent is not a function');
  if (!isEnv(env)) throw invalid('env is not an Env');
  const all = [...bootnodes.map(nodeOf), ...seeds];
  return { key, listen, tcpPort, record, seeds: all, limits, onEvent, env };
}

/** @throws PeerlaneError `invalid-argument` for a node without an address, `invalid-enode`, `invalid-record` */
export function nodeOf(source: NodeSource): KadNode {
  return typeof source === 'string' ? kadNodeOf(parseUdpNode(source)) : source;
}

function checkPort(name: string, port: unknown): void {
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535) return;
  throw invalid(`${name} must be an integer from 0 to 65535`);
}

function invalid(message: string): PeerlaneError {
  return new PeerlaneError('invalid-argument', message);
}
