/** The options of a crawl, checked early and completed with named defaults. */
import {
  answerOf,
  checkDuration,
  checkEnv,
  checkFunction,
  checkInteger,
  checkLength,
  checkNames,
  checkObject,
  checkRate,
  invalidArgument,
  isObject,
  type NamesOf,
  readEach,
  reading,
} from '../base/checks.ts';
import { type Env, systemEnv } from '../base/env.ts';
import { detached } from '../base/observer.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import type { NodeRecord } from '../enr/index.ts';
import type { KadNode } from '../kad/index.ts';
import { checkNodeSet, MAX_NODE_SET_NODES, type NodeSet, type NodeSetEntry } from './node-set.ts';
import { nodeOf } from './service-options.ts';

/** Checks that begin in a second. */
export const DEFAULT_CRAWL_RATE = 50;
/** A node is checked no more often than this. */
export const DEFAULT_RECHECK_MS: number = 10 * 60_000;
/** A crawl is over when its set has been gone through and no node that it did not know has answered for so long. */
export const DEFAULT_IDLE_MS: number = 2 * 60_000;

/**
 * What a crawl asks with; `Discv4Service` and `Discv5Service` are such. Six errors say something of one node: `request-timeout`, that it has
 * not answered; `invalid-record`, that it has, with a record that is none of its own, so that it counts as one that has none;
 * `dial-failed` and `address-refused`, that there is no way to it, `request-overload`, that there is no room for a question, and
 * `request-withheld`, that none goes to its address now, after which it stays what it was. Every other error ends the crawl.
 */
export interface CrawlService {
  /** Of the node itself, 64 bytes: it is not asked. */
  readonly publicKey: Uint8Array;
  /** Nodes heard of on random lookups, without an end; they need not be there. */
  random(options: { readonly signal: AbortSignal }): AsyncGenerator<KadNode, void, undefined>;
  /**
   * The node's record.
   * @throws PeerlaneError `request-timeout`, `invalid-record`, `dial-failed`, `request-overload`, `request-withheld`
   */
  requestRecord(node: KadNode, options: { readonly signal: AbortSignal }): Promise<NodeRecord>;
  /** Resolves when the node has answered. @throws PeerlaneError as `requestRecord` */
  ping(node: KadNode, options: { readonly signal: AbortSignal; readonly named: true }): Promise<unknown>;
  /** Whether it has a way to the address of a node; without it: to any. */
  reaches?(node: KadNode): boolean;
}

export interface CrawlerOptions {
  readonly service: CrawlService;
  /** What is known, and what the crawl changes. */
  readonly set: NodeSet;
  /** Nodes to begin with that may not be in the set. */
  readonly nodes?: Iterable<KadNode>;
  /** Checks that begin in a second, at least one in an hour; default 50. */
  readonly rate?: number;
  /** Milliseconds, up to `MAX_TIMER_MS`; default ten minutes. */
  readonly recheckMs?: number;
  /** Milliseconds, up to `MAX_TIMER_MS`; default two minutes. */
  readonly idleMs?: number;
  /** Nodes that the set may have; of those it has at the start, the rest leaves it. Default and most: `MAX_NODE_SET_NODES`. */
  readonly limit?: number;
  /** Told of each node that has answered; for observation only: what it throws is reported as an uncaught error. */
  readonly onAnswer?: (node: KadNode, entry: NodeSetEntry) => void;
  /** Whether the service can send there: who cannot be asked is not silent. Default: what the service says. */
  readonly reaches?: (node: KadNode) => boolean;
  readonly env?: Env;
}

const OPTIONS: NamesOf<CrawlerOptions> = {
  service: true,
  set: true,
  nodes: true,
  rate: true,
  recheckMs: true,
  idleMs: true,
  limit: true,
  onAnswer: true,
  reaches: true,
  env: true,
};

export interface CrawlConfig extends Required<Omit<CrawlerOptions, 'nodes'>> {
  readonly nodes: readonly KadNode[];
}

/** @throws PeerlaneError `invalid-argument`, `invalid-enode`, `invalid-record` */
export function checkCrawlerOptions(options: CrawlerOptions): CrawlConfig {
  return reading('the options of a crawl', () => {
    checkNames('the options of a crawl', options, OPTIONS);
    const {
      service,
      set,
      nodes = [],
      rate = DEFAULT_CRAWL_RATE,
      recheckMs = DEFAULT_RECHECK_MS,
      idleMs = DEFAULT_IDLE_MS,
      limit = MAX_NODE_SET_NODES,
      onAnswer = () => undefined,
      env = systemEnv,
    } = options;
    checkService(service);
    checkNodeSet(set);
    checkRate('rate', rate);
    checkDuration('recheckMs', recheckMs);
    checkDuration('idleMs', idleMs);
    checkInteger('limit', limit, 1, MAX_NODE_SET_NODES);
    checkFunction('onAnswer', onAnswer);
    const { reaches = (node: KadNode) => service.reaches?.(node) ?? true } = options;
    checkFunction('reaches', reaches);
    checkEnv(env);
    return {
      ...{ service, set, rate, recheckMs, idleMs, limit, env },
      nodes: nodesOf(nodes),
      onAnswer: detached(onAnswer),
      reaches: (node) => answerOf('reaches', reaches, node),
    };
  });
}

function checkService(service: unknown): void {
  checkObject('service', service);
  for (const name of ['random', 'requestRecord', 'ping']) {
    checkFunction(`service.${name}`, isObject(service) ? Reflect.get(service, name) : undefined);
  }
  const reaches = isObject(service) ? Reflect.get(service, 'reaches') : undefined;
  if (reaches !== undefined) checkFunction('service.reaches', reaches);
  const publicKey = isObject(service) && 'publicKey' in service ? service.publicKey : undefined;
  checkLength('service.publicKey', publicKey, PUBLIC_KEY_LENGTH);
}

function nodesOf(nodes: Iterable<KadNode>): KadNode[] {
  if (!isObject(nodes) || !(Symbol.iterator in nodes)) throw invalidArgument('nodes is no list of nodes');
  return readEach('nodes', [...nodes], nodeOf);
}
