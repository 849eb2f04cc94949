/** Nodes of discovery as they are written on the command line, and as they are shown. */

import { fromHex, toHex } from '../base/bytes.ts';
import { invalidArgument as invalid } from '../base/checks.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import {
  formatEnode,
  isPublicKey,
  type NodeRecord,
  nodeIdOf,
  parseEnode,
  parseRecord,
} from '../enr/index.ts';
import { ID_LENGTH, type KadNode, logDistance, nodeOfRecord } from '../kad/index.ts';
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
import type { DiscoveryVersion } from './versions.ts';

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
  /** What the version looks for: in v4 the public key, 64 bytes, in v5 the node id, 32 bytes. */
  readonly wanted: Uint8Array;
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** 64 bytes; undefined: only the id is known. */
  readonly publicKey: Uint8Array | undefined;
  /** Where the node is said to be, if something is said of that. */
  readonly node: KadNode | undefined;
  readonly record: NodeRecord | undefined;
  /** Why its host name could not be looked up. */
  readonly failure?: PeerlaneError | undefined;
}

function targetOf(publicKey: Uint8Array, version: DiscoveryVersion) {
  const id = nodeIdOf(publicKey);
  return { wanted: version === 'v5' ? id : publicKey, id, publicKey };
}

/** What nobody can foresee. */
export function randomTarget(version: DiscoveryVersion, { randomBytes }: Pick<Env, 'randomBytes'>): Target {
  const unplaced = { node: undefined, record: undefined };
  if (version === 'v4') return { ...targetOf(randomBytes(PUBLIC_KEY_LENGTH), version), ...unplaced };
  const id = randomBytes(ID_LENGTH);
  return { wanted: id, id, publicKey: undefined, ...unplaced };
}

/**
 * A public key of 128 hexadecimal digits, with or without `0x`, or a node; for v5 also a node id of 64 digits. One whose host
 * name cannot be looked up is told of, and may be found all the same.
 * @throws PeerlaneError `invalid-enode`, `invalid-record`, `invalid-argument`, `aborted`
 */
export async function readTarget(
  text: string,
  version: DiscoveryVersion,
  context: LookupContext,
  signal: AbortSignal,
): Promise<Target> {
  const unplaced = { node: undefined, record: undefined };
  if (text.startsWith('enr:')) {
    const record = parseRecord(text);
    return { ...targetOf(record.publicKey, version), node: nodeOfRecord(record), record };
  }
  if (text.startsWith('enode:')) {
    const { publicKey, udpPort } = parseEnode(text);
    const target = targetOf(publicKey, version);
    if (udpPort === 0) return { ...target, ...unplaced };
    const { nodes, failure } = await lookedUp(parseBootnode(text), 'node', context, signal);
    return { ...target, ...unplaced, node: nodes[0], failure };
  }
  const key = /^(?:0x)?([0-9a-fA-F]{128})$/.exec(text)?.[1];
  if (key !== undefined) return { ...targetOf(fromHex(key), version), ...unplaced };
  const digits = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text)?.[1];
  if (digits === undefined) {
    const or = version === 'v5' ? 'a node id of 64, ' : '';
    throw invalid(`expected a public key of 128 hexadecimal digits, ${or}an enode URL or a record`);
  }
  const id = fromHex(digits);
  if (version === 'v5') return { wanted: id, id, publicKey: undefined, ...unplaced };
  throw invalid(
    'this is a node id, which only --v5 looks for; discovery v4 looks for public keys, of 128 hexadecimal digits',
  );
}

/** Of a node id nobody can tell. @throws PeerlaneError `invalid-argument` */
export function requireKey({ publicKey }: Target): void {
  if (publicKey === undefined || isPublicKey(publicKey)) return;
  throw invalid('the public key is not a point of secp256k1: no node has it');
}

export function enodeOf({ publicKey, ip: host, udpPort, tcpPort }: KadNode): string {
  return formatEnode({ publicKey, host, tcpPort, udpPort });
}

/** A node that a lookup has found. @param target a node id */
export function nodeFields(node: KadNode, target: Uint8Array): Fields {
  return {
    nodeId: toHex(node.id),
    enode: enodeOf(node),
    enr: node.record?.toString(),
    distance: logDistance(target, node.id),
  };
}
