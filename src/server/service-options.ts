/** The options of the services of discovery, which are alike for both versions, checked early. */
import { equalBytes } from '../base/bytes.ts';
import {
  checkEnv,
  checkFunction,
  checkNames,
  checkPort,
  invalidArgument,
  isObject,
  type NamesOf,
  readEach,
  reading,
} from '../base/checks.ts';
import { type Env, systemEnv } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { detached } from '../base/observer.ts';
import type { Rate } from '../base/rate-limit.ts';
import { isValidSecretKey } from '../crypto/index.ts';
import { NodeRecord } from '../enr/index.ts';
import { type KadNode, kadNode, reachedNode } from '../kad/index.ts';
import { kadNodeOf, parseUdpNode, udpNodeOf } from './bootnodes.ts';
import { checkedExternalIps } from './listen-endpoints.ts';
import { type AddressRule, checkNetRestrict, type NetRestrictOptions } from './net-restrict.ts';
import { SharedUdp, type UdpListen } from './shared-udp.ts';

/** An enode URL whose host is an address, a record or the text of one, or what a lookup gave. */
export type NodeSource = string | NodeRecord | KadNode;

/** @typeParam Limits the names of its limits @typeParam Event what it tells of */
export interface ServiceOptions<Limits extends string, Event> extends NetRestrictOptions {
  /** The node's secret key, 32 bytes. */
  readonly key: Uint8Array;
  /**
   * Where to listen: an IP address and a UDP port (0: any free one), two of these, one of IPv4 and one of IPv6, or what both
   * versions share. `{ host: '::' }` alone takes both families by one socket.
   */
  readonly listen: UdpListen | SharedUdp;
  /**
   * The IP address at which others reach the node, or one of each family, for its record; default: the one that it listens on,
   * or, where these are all, what enough nodes say that have answered its Pings. Not together with `record`.
   */
  readonly externalIp?: string | readonly string[] | undefined;
  /** The TCP port that Pings and the default record name, or one for each address of `listen`; default 0, none. */
  readonly tcpPort?: number | readonly number[];
  /** The node's record, asked each time; default: one with the address and the ports, which counts up with the time. */
  readonly record?: () => NodeRecord;
  /** enode URLs or records of nodes to begin with. */
  readonly bootnodes?: readonly string[];
  /** Nodes that were found by earlier runs. */
  readonly seeds?: readonly KadNode[];
  /** What is shed of a flood. */
  readonly limits?: Partial<Readonly<Record<Limits, Rate>>>;
  /** Told what happens; for observation only. */
  readonly onEvent?: (event: Event) => void;
  /** Clock, timers and randomness; default the system's. */
  readonly env?: Env;
}

const OPTIONS: NamesOf<ServiceOptions<string, unknown>> = {
  key: true,
  listen: true,
  externalIp: true,
  tcpPort: true,
  record: true,
  bootnodes: true,
  seeds: true,
  limits: true,
  netRestrict: true,
  netDeny: true,
  onEvent: true,
  env: true,
};

/** What a service tells of beside its engine. */
export type ServiceEvent =
  | { readonly kind: 'listening'; readonly host: string; readonly port: number }
  | { readonly kind: 'listener-failed'; readonly error: PeerlaneError }
  /** Others see a node that listens on all addresses at one that its record did not name; `record` is the new one. */
  | { readonly kind: 'endpoint-changed'; readonly record: NodeRecord }
  /** `record` has thrown, or gave no record of the node; the one of before is shown. */
  | { readonly kind: 'record-failed'; readonly error: PeerlaneError };

export interface ServiceConfig<Limits extends string, Event> {
  readonly key: Uint8Array;
  /** Its hosts are the one text of an address, which may have a zone. */
  readonly listen: SharedUdp;
  /** None, one, or one of each family. */
  readonly externalIps: readonly string[];
  /** Whether it has to do with an address. */
  readonly allows: AddressRule;
  /** Whether it does, and the socket sends there. */
  readonly reaches: AddressRule;
  /** By the addresses of `listen`; 0: none. */
  readonly tcpPorts: readonly number[];
  readonly record: (() => NodeRecord) | undefined;
  readonly seeds: readonly KadNode[];
  readonly limits: Partial<Readonly<Record<Limits, Rate>>>;
  readonly onEvent: (event: Event) => void;
  readonly env: Env;
}

/**
 * @param moreNames of options that the caller sees to
 * @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record`
 */
export function checkServiceOptions<Limits extends string, Event>(
  options: ServiceOptions<Limits, Event>,
  limitNames: NamesOf<Record<Limits, Rate>, unknown>,
  moreNames: Readonly<Record<string, true>> = {},
): ServiceConfig<Limits, Event> {
  return reading('the options of discovery', () => {
    checkNames<object>('the options of discovery', options, { ...OPTIONS, ...moreNames });
    const {
      key,
      listen: given,
      externalIp,
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
    const listen = given instanceof SharedUdp ? given : new SharedUdp(given);
    const allows = checkNetRestrict(options);
    const reaches: AddressRule = (ip) => listen.reaches(ip) && allows(ip);
    if (record !== undefined) checkFunction('record', record);
    if (record !== undefined && externalIp !== undefined) {
      throw invalidArgument('externalIp is given, and record too, which says where the node is');
    }
    checkFunction('onEvent', onEvent);
    checkEnv(env);
    const nodeHere = (source: NodeSource) => nodeOf(source, reaches);
    return {
      key: key.slice(),
      ...{ listen, allows, reaches, record, limits: checkedLimits(limits, limitNames), env },
      tcpPorts: checkedTcpPorts(tcpPort, listen),
      externalIps: checkedExternalIps(
        externalIp,
        listen.endpoints.map(({ host }) => host),
      ),
      seeds: [...readEach('bootnodes', bootnodes, nodeHere), ...readEach('seeds', seeds, nodeHere)],
      onEvent: detached(onEvent),
    };
  });
}

function checkedTcpPorts(tcpPort: number | readonly number[], { endpoints }: SharedUdp): readonly number[] {
  if (typeof tcpPort !== 'number' && !Array.isArray(tcpPort)) {
    throw invalidArgument('tcpPort is neither a port nor an array of them');
  }
  const all: readonly number[] = typeof tcpPort === 'number' ? endpoints.map(() => tcpPort) : [...tcpPort];
  for (const port of all) checkPort('tcpPort', port);
  if (all.length === endpoints.length) return all;
  throw invalidArgument(`tcpPort has ${all.length} ports, and listen ${endpoints.length} addresses`);
}

function checkedLimits<Limits extends string>(
  limits: Partial<Readonly<Record<Limits, Rate>>>,
  names: NamesOf<Record<Limits, Rate>, unknown>,
): Partial<Readonly<Record<Limits, Rate>>> {
  checkNames<object>('limits', limits, names);
  const checked: Partial<Record<Limits, Rate>> = {};
  for (const name of Object.keys(names) as Limits[]) {
    const rate = limits[name];
    if (rate !== undefined) checked[name] = checkedRate(`limits.${name}`, rate);
  }
  return checked;
}

const RATE: NamesOf<Rate> = { perSecond: true, burst: true };

function checkedRate(name: string, rate: Rate): Rate {
  checkNames(name, rate, RATE);
  const { perSecond, burst } = rate;
  if (isNumber(perSecond) && perSecond > 0 && isNumber(burst) && burst >= 1) return { perSecond, burst };
  throw invalidArgument(`${name} must have a number perSecond above 0 and a burst of 1 or more`);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/**
 * A node that somebody names, where it is reached: at its address, or else at another one that its record names. One that
 * is not reached stays where it is. One that was found by a lookup is checked as any other: anybody can have made it.
 * @throws PeerlaneError `invalid-argument` for a node without an address, `invalid-enode`, `invalid-record`
 */
export function nodeOf(source: NodeSource, reaches: (ip: string) => boolean = () => true): KadNode {
  return reading('the node', () => {
    const node = readNode(source);
    return reachedNode(node, ({ ip }) => reaches(ip)) ?? node;
  });
}

function readNode(source: NodeSource): KadNode {
  if (typeof source === 'string') return kadNodeOf(parseUdpNode(source));
  return source instanceof NodeRecord ? udpNodeOf(source) : checkedNode(source);
}

function checkedNode(source: KadNode): KadNode {
  if (!isObject(source)) throw invalidArgument('a node is an enode URL, a record, or a KadNode');
  const node = kadNode(source);
  if (source.id instanceof Uint8Array && equalBytes(source.id, node.id)) return node;
  throw invalidArgument('the id of a node is not that of its public key');
}
