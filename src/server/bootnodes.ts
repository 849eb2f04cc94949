/** Nodes to begin with: their texts, and the addresses behind their host names. */

import { throwIfAborted } from '../base/abort.ts';
import { fromHex } from '../base/bytes.ts';
import { invalidArgument as invalid } from '../base/checks.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { parseIp } from '../base/ip.ts';
import { isHostAddress } from '../base/ip-class.ts';
import { sleep } from '../base/sleep.ts';
import {
  type Enode,
  enodeOfRecord,
  formatEnode,
  type NodeRecord,
  parseEnode,
  parseRecord,
} from '../enr/index.ts';
import { type KadNode, kadNode, nodeOfRecord } from '../kad/index.ts';
import { endpointsOf, withRecordEndpoints } from './dial-target.ts';

/** A name that could not be looked up is looked up again after this, then after twice as long, and so on. */
export const RESOLVE_RETRY_MS = 10_000;
export const MAX_RESOLVE_RETRY_MS: number = 10 * 60_000;

/** A node that may have been given by its record. */
export interface GivenNode extends Enode {
  readonly record: NodeRecord | undefined;
}

/** The IP address of a host. It throws when there is none. */
export type HostLookup = (host: string, signal: AbortSignal) => Promise<string>;

/**
 * A node by its enode URL, or by its record.
 * @throws PeerlaneError `invalid-enode`, `invalid-record`; `invalid-argument` for a record without an address
 */
export function parseNode(text: string): GivenNode {
  if (!isRecordText(text)) return { ...parseEnode(text), record: undefined };
  const record = parseRecord(text);
  const enode = enodeOfRecord(record);
  if (enode === undefined) throw invalid('the record names no address');
  return { ...enode, record };
}

/** 128 hexadecimal digits, as events and bans name nodes. */
const KEY_TEXT = /^(?:0x)?[0-9a-f]{128}$/i;

/**
 * The public key of a node that is named by its enode URL, its record, or the key itself, 128 hexadecimal digits.
 * @throws PeerlaneError as `parseNode`
 */
export function publicKeyOfNode(text: string): Uint8Array {
  return isKeyText(text) ? fromHex(text) : parseNode(text).publicKey;
}

export function isKeyText(text: string): boolean {
  return typeof text === 'string' && KEY_TEXT.test(text);
}

/**
 * A node that is to be dialed. One of discovery only, at TCP port 0, is valid as such, and refused here.
 * @throws PeerlaneError as `parseNode`; `invalid-argument` where nobody can be dialed
 */
export function parseDialedNode(text: string): GivenNode {
  const node = parseNode(text);
  const address = parseIp(node.host);
  if (address !== undefined && !isHostAddress(address)) {
    throw invalid(`the node cannot be dialed: ${node.host} is not the address of a host`);
  }
  if (endpointsOf(withRecordEndpoints(node, node.record)).every(({ port }) => port === 0)) {
    throw invalid('the node cannot be dialed: its TCP port is 0, as of one that does not listen');
  }
  return node;
}

/**
 * A node of discovery: it has a UDP port. The host of an enode URL may be a name.
 * @throws PeerlaneError `invalid-enode`, `invalid-record`; `invalid-argument` when the node takes no part in discovery
 */
export function parseUdpNode(text: string): GivenNode {
  if (isRecordText(text)) return givenNode(udpNodeOf(parseRecord(text)));
  const enode = parseEnode(text);
  if (enode.udpPort === 0) throw invalid('the node takes no part in discovery: its UDP port is 0');
  return { ...enode, record: undefined };
}

/** The node of a record. @throws PeerlaneError `invalid-argument` when it takes no part in discovery */
export function udpNodeOf(record: NodeRecord): KadNode {
  const node = nodeOfRecord(record);
  if (node !== undefined) return node;
  throw invalid('the record names no UDP endpoint: its node cannot be reached by discovery');
}

const isRecordText = (text: string): boolean => typeof text === 'string' && text.startsWith('enr:');

function givenNode({ publicKey, ip: host, udpPort, tcpPort, record }: KadNode): GivenNode {
  return { publicKey, host, udpPort, tcpPort, record };
}

/**
 * A node for discovery to begin with, whose host may still be a name.
 * @throws PeerlaneError as `parseUdpNode`; `invalid-argument` for an address that is not a host's
 */
export function parseBootnode(text: string): GivenNode {
  const node = parseUdpNode(text);
  if (hasAddress(node)) kadNodeOf(node);
  return node;
}

/** The node, once its host is an address. @throws PeerlaneError `invalid-argument` when it is not that of a host */
export function kadNodeOf({ publicKey, host: ip, udpPort, tcpPort, record }: GivenNode): KadNode {
  return kadNode({ publicKey, ip, udpPort, tcpPort, record });
}

/**
 * The node with an address in place of its host name.
 * @throws PeerlaneError `lookup-failed`, whose message names the node; `aborted`
 */
export async function lookUpNode<T extends Enode>(
  node: T,
  lookup: HostLookup,
  signal: AbortSignal,
): Promise<T> {
  throwIfAborted(signal);
  try {
    const host = await lookup(node.host, signal);
    if (typeof host !== 'string' || parseIp(host) === undefined)
      throw new PeerlaneError('lookup-failed', 'no address was found');
    return { ...node, host };
  } catch (cause) {
    throwIfAborted(signal);
    const { message } = toPeerlaneError(cause);
    const text = `the host of ${formatEnode(node)} cannot be looked up: ${message}`;
    throw new PeerlaneError('lookup-failed', text, { cause });
  }
}

export interface JoinOptions {
  readonly env: Env;
  readonly lookup: HostLookup;
  readonly signal: AbortSignal;
  /** Takes the node; what it throws is told to `failed`. */
  readonly found: (node: KadNode) => void;
  /** @param retryInMs undefined: it is not tried again */
  readonly failed: (error: PeerlaneError, retryInMs: number | undefined) => void;
}

/** Begins with a bootnode as soon as its host name can be looked up, unless `signal` aborts before. Never rejects. */
export async function joinNode(node: GivenNode, options: JoinOptions): Promise<void> {
  const { signal, found, failed } = options;
  try {
    found(kadNodeOf(await resolvedNode(node, options)));
  } catch (error) {
    if (!signal.aborted) failed(toPeerlaneError(error), undefined);
  }
}

/** @throws PeerlaneError `aborted` */
async function resolvedNode(
  node: GivenNode,
  { env, lookup, signal, failed }: JoinOptions,
): Promise<GivenNode> {
  for (let retryMs = RESOLVE_RETRY_MS; ; retryMs = Math.min(MAX_RESOLVE_RETRY_MS, 2 * retryMs)) {
    try {
      return await lookUpNode(node, lookup, signal);
    } catch (error) {
      throwIfAborted(signal);
      failed(toPeerlaneError(error), retryMs);
    }
    await sleep(env, retryMs, signal);
  }
}

export function hasAddress({ host }: Enode): boolean {
  return parseIp(host) !== undefined;
}
