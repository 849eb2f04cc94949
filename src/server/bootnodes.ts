/** Nodes to begin with: their texts, and the addresses behind their host names. */
import { throwIfAborted } from '../base/abort.ts';
import type { Env } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { parseIp } from '../base/ip.ts';
import { sleep } from '../base/sleep.ts';
import { type Enode, enodeOfRecord, formatEnode, parseEnode, parseRecord } from '../enr/index.ts';

/** A name that could not be looked up is looked up again after this, then after twice as long, and so on. */
export const RESOLVE_RETRY_MS = 10_000;
export const MAX_RESOLVE_RETRY_MS: number = 10 * 60_000;

/** The IP address of a host. It throws when there is none. */
export type HostLookup = (host: string, signal: AbortSignal) => Promise<string>;

/**
 * A node by its enode URL, or by its record.
 * @throws PeerlaneError `invalid-enode`, `invalid-record`; `invalid-argument` for a record without an address
 */
export function parseNode(text: string): Enode {
  if (typeof text !== 'string' || !text.startsWith('enr:')) return parseEnode(text);
  const enode = enodeOfRecord(parseRecord(text));
  if (enode === undefined) throw new PeerlaneError('invalid-argument', 'the record names no address');
  return enode;
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
export async function resolveNode(
  node: Enode,
  { env, lookup, signal, failed }: ResolveOptions,
): Promise<Enode> {
  for (let retryMs = RESOLVE_RETRY_MS; ; retryMs = Math.min(MAX_RESOLVE_RETRY_MS, 2 * retryMs)) {
    throwIfAborted(signal);
    try {
      const host = await lookup(node.host, signal);
      if (parseIp(host) === undefined) throw new PeerlaneError('lookup-failed', 'no address was found');
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
