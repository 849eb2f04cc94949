/** Nodes to begin with, from lists in DNS. */
import { onAbort } from '../../base/abort.ts';
import { isPeerlaneError } from '../../base/errors.ts';
import { DnsClient } from '../../dnsdisc/index.ts';
import type { NodeRecord } from '../../enr/index.ts';
import { DnsResolver } from '../../io/dns.ts';
import { type KadNode, nodeOfRecord } from '../../kad/index.ts';
import type { Context } from '../command.ts';
import { formatCount, printable } from '../format.ts';

/** The part of the time of a crawl that lists may take: what has been read by then is begun with. */
const LIST_SHARE = 0.5;

export interface ListOptions {
  readonly dns?: readonly string[];
  readonly dnsServer?: readonly string[];
  /** Whether the crawl has a way there: other nodes are passed over. */
  readonly reaches: (node: KadNode) => boolean;
  /** Of the whole crawl, in ms. */
  readonly timeout: number;
}

/**
 * Reads the lists, one after another. One that cannot be read, or not to its end, is no reason not to crawl.
 * @param ended aborts when the time of the crawl is over, or with Ctrl-C
 * @throws PeerlaneError `aborted` by Ctrl-C
 */
export async function nodesOfLists(
  context: Context,
  { dns = [], dnsServer, timeout, reaches }: ListOptions,
  ended: AbortSignal,
): Promise<KadNode[]> {
  const { env, output, signal } = context;
  const resolver = new DnsResolver(dnsServer === undefined ? {} : { servers: dnsServer });
  if (dns.length === 0) return [];
  const client = new DnsClient({ resolver, env });
  const late = new AbortController();
  const timer = env.setTimer(timeout * LIST_SHARE, () => late.abort());
  const removeAbort = onAbort(ended, () => late.abort());
  const nodes: KadNode[] = [];
  try {
    for (const url of dns) {
      const before = nodes.length;
      const onRecord = (record: NodeRecord): void => {
        const node = nodeOfRecord(record, reaches);
        if (node !== undefined) nodes.push(node);
      };
      try {
        await client.sync(url, {
          ...{ signal: late.signal, onRecord },
          onProgress: ({ done, known }) => output.progress('list', done, known),
        });
      } catch (error) {
        if (!isPeerlaneError(error) || signal.aborted) throw error;
        const isLate = error.code === 'aborted';
        const { code, message } = isLate ? { code: 'lookup-timeout', message: LATE } : error;
        const found = nodes.length - before;
        output.event(
          'list-failed',
          { url, code, message, nodes: found },
          `the list ${url} cannot be read${found === 0 ? '' : ' to its end'}: ${printable(message)}; ${formatCount(found, 'node')} of it to begin with`,
        );
      } finally {
        output.endProgress();
      }
    }
    return nodes;
  } finally {
    timer.cancel();
    removeAbort();
  }
}

const LATE = 'half of the time of the crawl is over';
