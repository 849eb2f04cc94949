/** Nodes to begin with: their texts, and the addresses behind their host names. */

import { throwIfAborted } from '../base/abort.ts';
import { invalidArgument as invalid } from '../base/checks.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { parseIp } from '../base/ip.ts';
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

/**
 * A node of discovery: it has a UDP port. The host of an enode URL may be a name.
 * @throws PeerlaneError `invalid-enode`, `invalid-record`; `invalid-argument` when the node takes no part in discovery
 */
export function parseUdpNode(text: string): GivenNode {
  if (isRecordText(text)) {
    const node = nodeOfRecord(parseRecord(text));
    if (node !== undefined) return givenNode(node);
    throw invalid('the record names no UDP endpoint: its node cannot be reached by discovery');
  }
  const enode = parseEnode(text);
  if (enode.udpPort === 0) throw invalid('the node takes no part in discovery: its UDP port is 0');
  return { ...enode, record: undefined };
}

const isRecordText = (text: string): boolean => typeof text === 'string' && text.startsWith('enr:');

function givenNode({ publicKey, ip: host, udpPort, tcpPort, record }: KadNode): GivenNode {
  return { publicKey, host, udpPort, tcpPort, record };
}

/** The node, once its host is an address. @throws PeerlaneError `invalid-argument` when it is not that of a host */
export function kadNodeOf({ publicKey, host: ip, udpPort, tcpPort, record }: GivenNode): KadNode {
  return kadNode({ publicKey, ip, udpPort, tcpPort, record });
}

export interface ResolveOptions {
  readonly env: Env;
  readonly lookup: HostLookup;
  readonly signal: AbortSignal;
  readonly failed: (error: PeerlaneError, retryInMs: number) => void;
}

/**
 * A node whose host is an address, as soon as its name can be looked up.
 * @throws PeerlaneError `aborted`
 */
export async function resolveNode<T extends Enode>(
  node: T,
  { env, lookup, signal, failed }: ResolveOptions,
): Promise<T> {
  for (let retryMs = RESOLVE_RETRY_MS; ; retryMs = Math.min(MAX_RESOLVE_RETRY_MS, 2 * retryMs)) {
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
      failed(new PeerlaneError('lookup-failed', text, { cause }), retryMs);
    }
    await sleep(env, retryMs, signal);
  }
}

export function hasAddress({ host }: Enode): boolean {
  return parseIp(host) !== undefined;
}
