/** Nodes of discovery as they are written on the command line, and as they are shown. */

import { fromHex, toHex } from '../base/bytes.ts';
import { invalidArgument as invalid } from '../base/checks.ts';
import { PeerlaneError } from '../base/errors.ts';
import {
  formatEnode,
  isPublicKey,
  type NodeRecord,
  nodeIdOf,
  parseEnode,
  parseRecord,
} from '../enr/index.ts';
import { type KadNode, logDistance, nodeOfRecord } from '../kad/index.ts';
import {
  type GivenNode,
  type HostLookup,
  kadNodeOf,
  lookUpNode,
  parseBootnode,
  parseUdpNode,
} from '../server/bootnodes.ts';
import { type DiscoveryFailure, reportFailed } from './discovery.ts';
import type { Fields, Output } from './output.ts';

/** More bootnodes are no start but a network. */
const MAX_BOOTNODES = 1_000;

/**
 * A node by its enode URL, whose host is looked up if it is a name, or by its record.
 * @throws PeerlaneError `invalid-enode`, `invalid-record`, `lookup-failed`, `aborted`; `invalid-argument` when the node
 * takes no part in discovery
 */
export async function readNode(text: string, lookup: HostLookup, signal: AbortSignal): Promise<KadNode> {
  const node = parseUdpNode(text);
  return kadNodeOf({ ...node, host: await lookup(node.host, signal) });
}

/** @throws PeerlaneError `invalid-argument` */
export function requireFew(bootnodes: readonly GivenNode[]): void {
  if (bootnodes.length > MAX_BOOTNODES) throw invalid(`expected at most ${MAX_BOOTNODES} bootnodes`);
}

/** How host names are looked up, and where it is told of those that cannot be. */
export interface LookupContext {
  readonly output: Output;
  readonly lookup: HostLookup;
}

/** What has become of host names that have been looked up. */
export interface LookedUp {
  readonly nodes: readonly KadNode[];
  /** Why one of the names could not be. */
  readonly failure: PeerlaneError | undefined;
}

/**
 * The nodes to begin with. One whose name cannot be looked up is told of, and is no reason not to ask the others.
 * @throws PeerlaneError `invalid-argument` for too many, `aborted`
 */
export async function readBootnodes(
  given: readonly GivenNode[] = [],
  context: LookupContext,
  signal: AbortSignal,
): Promise<LookedUp> {
  requireFew(given);
  const results = await Promise.all(given.map((node) => lookedUp(node, 'bootnode', context, signal)));
  return {
    nodes: results.flatMap(({ nodes }) => nodes),
    failure: results.find(({ failure }) => failure !== undefined)?.failure,
  };
}

/** @throws PeerlaneError `aborted` */
async function lookedUp(
  node: GivenNode,
  part: DiscoveryFailure['part'],
  { output, lookup }: LookupContext,
  signal: AbortSignal,
): Promise<LookedUp> {
  try {
    return { nodes: [kadNodeOf(await lookUpNode(node, lookup, signal))], failure: undefined };
  } catch (failure) {
    if (!(failure instanceof PeerlaneError) || failure.code === 'aborted') throw failure;
    reportFailed(output, { part, error: failure });
    return { nodes: [], failure };
  }
}

/** @param failure why one of those that were given cannot be asked @param hint what to give */
export function nobodyToAsk(failure: PeerlaneError | undefined, hint: string): PeerlaneError {
  if (failure === undefined) return invalid(`nobody to ask: ${hint}`);
  return new PeerlaneError(failure.code, `nobody to ask: ${failure.message}`, { cause: failure });
}

/** What is looked for. */
export interface Target {
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Where the node is said to be, if something is said of that. */
  readonly node: KadNode | undefined;
  readonly record: NodeRecord | undefined;
  /** Why its host name could not be looked up. */
  readonly failure?: PeerlaneError | undefined;
}

/**
 * A public key of 128 hexadecimal digits, with or without `0x`, or a node. One whose host name cannot be looked up is told
 * of, and may be found all the same.
 * @throws PeerlaneError `invalid-enode`, `invalid-record`, `invalid-argument`, `aborted`
 */
export async function readTarget(text: string, context: LookupContext, signal: AbortSignal): Promise<Target> {
  if (text.startsWith('enr:')) {
    const record = parseRecord(text);
    return { publicKey: record.publicKey, node: nodeOfRecord(record), record };
  }
  if (text.startsWith('enode:')) {
    const { publicKey, udpPort } = parseEnode(text);
    if (udpPort === 0) return { publicKey, node: undefined, record: undefined };
    const { nodes, failure } = await lookedUp(parseBootnode(text), 'node', context, signal);
    return { publicKey, node: nodes[0], record: undefined, failure };
  }
  const digits = /^(?:0x)?([0-9a-fA-F]{128})$/.exec(text)?.[1];
  if (digits !== undefined) return { publicKey: fromHex(digits), node: undefined, record: undefined };
  const isId = /^(?:0x)?[0-9a-fA-F]{64}$/.test(text);
  throw invalid(
    isId
      ? 'this is a node id; discovery v4 looks for public keys, of 128 hexadecimal digits'
      : 'expected a public key of 128 hexadecimal digits, an enode URL or a record',
  );
}

/** @throws PeerlaneError `invalid-argument` */
export function requireKey({ publicKey }: Target): void {
  if (!isPublicKey(publicKey)) throw invalid('the public key is not a point of secp256k1: no node has it');
}

export function enodeOf({ publicKey, ip: host, udpPort, tcpPort }: KadNode): string {
  return formatEnode({ publicKey, host, tcpPort, udpPort });
}

/** A node that a lookup has found. */
export function nodeFields(node: KadNode, target: Uint8Array): Fields {
  return {
    nodeId: toHex(node.id),
    enode: enodeOf(node),
    enr: node.record?.toString(),
    distance: logDistance(nodeIdOf(target), node.id),
  };
}
