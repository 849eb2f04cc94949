/** What the commands share that ask nodes by discovery. */
import type { Command } from 'commander';
import { equalBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { publicKeyOf } from '../crypto/index.ts';
import { ownIpv6 } from '../io/interfaces.ts';
import { type KadNode, reachedNode } from '../kad/index.ts';
import { type GivenNode, parseBootnode } from '../server/bootnodes.ts';
import { EVERY_IP, EVERY_IPV4, reachesFrom } from '../server/listen-host.ts';
import type { RunningVersions } from '../server/running-versions.ts';
import { collected, type ListenAddress, listenAddress, readWith } from './arguments.ts';
import { type CommonOptions, type Context, withCommonOptions } from './command.ts';
import type { Work } from './deadline.ts';
import { durationOption } from './durations.ts';
import { listenOnEach, reachesFromEach } from './hosts.ts';
import { nodeKey } from './node.ts';
import { type AskingEvent, type AskingService, startVersions } from './services.ts';
import { type DiscoveryVersion, type VersionOptions, versionOf, withVersion } from './versions.ts';

export interface DiscoveryOptions extends CommonOptions {
  readonly listen?: readonly ListenAddress[];
  readonly key?: string;
}

/** Of a command that asks by one version. */
export interface AskingOptions extends DiscoveryOptions, VersionOptions {}

/** Of one that ends in any case. */
export interface TimedOptions extends AskingOptions {
  /** Milliseconds. */
  readonly timeout: number;
}

export interface SearchOptions extends TimedOptions {
  readonly bootnode?: readonly GivenNode[];
}

export const NODE = 'enode URL or record (enr:...)';

/** @param timeoutMs without it there is no limit unless one is asked for */
export function withDiscoveryOptions(command: Command, timeoutMs?: number): Command {
  return withVersion(withAskingOptions(command, timeoutMs));
}

/** As `withDiscoveryOptions`, for a command whose version is given. */
export function withAskingOptions(command: Command, timeoutMs?: number): Command {
  return withCommonOptions(command)
    .option(
      '--listen <host:port>',
      'where to send from; twice: an address of IPv4 and one of IPv6; default: any free port',
      collected(listenAddress),
    )
    .option('--key <file>', 'node key to ask with; default: a new one')
    .addOption(durationOption('--timeout <duration>', 'how long it may take in all', timeoutMs));
}

export function withBootnodes(command: Command): Command {
  return command.option(
    '--bootnode <node>',
    'enode URL or record of a node to begin with; may be repeated',
    collected((text) => readWith(parseBootnode, text)),
  );
}

export interface Asking {
  /** Nodes that are going to be asked: it must be possible to reach them. */
  readonly nodes: readonly KadNode[];
  /** Others come that may be of either family, and that may be left alone. */
  readonly others?: boolean;
  /** Those of them that the table begins with. */
  readonly seeds?: readonly KadNode[];
  /** Whether topics are searched. */
  readonly topics?: boolean;
  readonly onEvent?: (event: AskingEvent) => void;
}

/**
 * A running service that asks by the version of the options.
 * @throws PeerlaneError `key-unreadable`, `port-in-use`, `listen-failed`, `invalid-argument`
 */
export async function startAsking(
  context: Pick<Context, 'env'>,
  options: AskingOptions,
  asking: Asking,
  work: Pick<Work, 'fail'>,
): Promise<AskingService> {
  const running = await startAskingBy([versionOf(options)], context, options, asking, work);
  const [service] = running.all;
  if (service === undefined) throw new TypeError('no version of discovery runs');
  return service;
}

/**
 * Running services that ask, of each version, on one socket.
 * @throws PeerlaneError as `startAsking`
 */
export async function startAskingBy(
  versions: readonly DiscoveryVersion[],
  { env }: Pick<Context, 'env'>,
  options: DiscoveryOptions,
  { nodes, seeds = [], others = false, topics = false, onEvent = () => undefined }: Asking,
  { fail }: Pick<Work, 'fail'>,
): Promise<RunningVersions> {
  const key = await nodeKey(options.key, env);
  requireOthers(nodes, key);
  const listen = await sendFrom(options.listen, nodes, others);
  return await startVersions(versions, {
    ...{ key, listen, seeds, topics, env },
    onEvent: (event) => {
      if (event.kind === 'listener-failed') fail(event.error);
      onEvent(event);
    },
  });
}

/** @throws PeerlaneError `invalid-argument` when one of the nodes has the secret key */
export function requireOthers(nodes: readonly KadNode[], key: Uint8Array): void {
  const own = publicKeyOf(key);
  if (!nodes.some(({ publicKey }) => equalBytes(publicKey, own))) return;
  throw new PeerlaneError(
    'invalid-argument',
    'the node has the key to ask with: a node asks others, not itself',
  );
}

/**
 * By default a socket of IPv4, which every machine has, unless there are nodes with an address of IPv6, or may be: by such a node,
 * whatever other address it has, one comes to those that have no other.
 * @throws PeerlaneError `listen-failed` when a node has such an address, and the machine has none; `invalid-argument`
 */
export async function sendFrom(
  given: readonly ListenAddress[] | undefined,
  nodes: readonly KadNode[],
  others: boolean,
  hasIpv6: boolean = ownIpv6().isThere,
): Promise<readonly ListenAddress[]> {
  if (given === undefined) {
    const reaches = reachesFrom(EVERY_IPV4);
    const unreached = nodes.find((node) => reachedNode(node, ({ ip }) => reaches(ip)) === undefined);
    if (unreached !== undefined && !hasIpv6) {
      throw new PeerlaneError(
        'listen-failed',
        `there is no way to ${unreached.ip}: this machine has no IPv6`,
      );
    }
    const namesIpv6 = (node: KadNode): boolean => reachedNode(node, ({ ip }) => !reaches(ip)) !== undefined;
    const isWanted = others || nodes.some(namesIpv6);
    return [{ host: isWanted && hasIpv6 ? EVERY_IP : EVERY_IPV4, port: 0 }];
  }
  const listen = await listenOnEach(given);
  const reaches = reachesFromEach(listen);
  const unreached = nodes.find((node) => reachedNode(node, ({ ip }) => reaches(ip)) === undefined);
  if (unreached === undefined) return listen;
  const hosts = listen.map(({ host }) => host).join(' and ');
  throw new PeerlaneError('invalid-argument', `from ${hosts} there is no way to ${unreached.ip}`);
}

const isIpv4 = reachesFrom(EVERY_IPV4);

/** Whether the machine has a way to a node: if it has none, the node's silence says nothing of it. */
export function waysOfMachine({ isThere, isInNet } = ownIpv6()): (node: KadNode) => boolean {
  return ({ ip }) => isIpv4(ip) || isInNet || (isThere && ip === '::1');
}
