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
import { lookupHost } from '../io/dns.ts';
import { type KadNode, logDistance, nodeOfRecord } from '../kad/index.ts';
import { kadNodeOf, parseUdpNode } from '../server/bootnodes.ts';
import type { Fields } from './output.ts';

/** More bootnodes are no start but a network. */
const MAX_BOOTNODES = 1_000;

/**
 * A node by its enode URL, whose host is looked up if it is a name, or by its record.
 * @throws PeerlaneError `invalid-enode`, `invalid-record`, `lookup-failed`, `aborted`; `invalid-argument` when the node
 * takes no part in discovery
 */
export async function readNode(text: string, signal: AbortSignal): Promise<KadNode> {
  const node = parseUdpNode(text);
  return kadNodeOf({ ...node, host: await lookupHost(node.host, signal) });
}

/** The nodes to begin with. @throws PeerlaneError as `readNode`; the message says which one is meant */
export async function readBootnodes(
  texts: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<KadNode[]> {
  const given = texts ?? [];
  if (given.length > MAX_BOOTNODES) throw invalid(`expected at most ${MAX_BOOTNODES} bootnodes`);
  const nodes: KadNode[] = [];
  for (const [i, text] of given.entries()) {
    try {
      nodes.push(await readNode(text, signal));
    } catch (error) {
      if (!(error instanceof PeerlaneError) || error.code === 'aborted') throw error;
      throw new PeerlaneError(error.code, `bootnode ${i + 1}: ${error.message}`, { cause: error });
    }
  }
  return nodes;
}

/** What is looked for. */
export interface Target {
  /** 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Where the node is said to be, if something is said of that. */
  readonly node: KadNode | undefined;
  readonly record: NodeRecord | undefined;
}

/** A public key of 128 hexadecimal digits, with or without `0x`, or a node. @throws PeerlaneError as `readNode` */
export async function readTarget(text: string, signal: AbortSignal): Promise<Target> {
  if (text.startsWith('enr:')) {
    const record = parseRecord(text);
    return { publicKey: record.publicKey, node: nodeOfRecord(record), record };
  }
  if (text.startsWith('enode:')) {
    const { publicKey, udpPort } = parseEnode(text);
    return { publicKey, node: udpPort === 0 ? undefined : await readNode(text, signal), record: undefined };
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
