/** Nodes to begin with, from lists in DNS. */
import { onAbort } from '../../base/abort.ts';
import { toBareHex } from '../../base/bytes.ts';
import { isPeerlaneError, PeerlaneError } from '../../base/errors.ts';
import { DnsClient } from '../../dnsdisc/index.ts';
import type { NodeRecord } from '../../enr/index.ts';
import { DnsResolver } from '../../io/dns.ts';
import { type KadNode, nodeOfRecord } from '../../kad/index.ts';
import { MAX_NODE_SET_NODES } from '../../server/node-set.ts';
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

export interface Listed {
  readonly nodes: readonly KadNode[];
  /** Nodes that the crawl has no way to. */
  readonly unreached: number;
  /** Why the last list that could not be read to its end was not. */
  readonly failure: PeerlaneError | undefined;
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
): Promise<Listed> {
  const { env, output, signal } = context;
  if (dns.length === 0) return { nodes: [], unreached: 0, failure: undefined };
  const resolver = new DnsResolver(dnsServer === undefined ? {} : { servers: dnsServer });
  /** What was wrong when an entry was asked for last; it is asked for again. */
  let problem: PeerlaneError | undefined;
  const onProblem = (error: PeerlaneError): void => {
    problem = error;
  };
  const client = new DnsClient({ resolver, env, onProblem });
  const late = new AbortController();
  const timer = env.setTimer(timeout * LIST_SHARE, () => late.abort());
  const removeAbort = onAbort(ended, () => late.abort());
  const nodes = new Map<string, KadNode>();
  let failure: PeerlaneError | undefined;
  let unreached = 0;
  try {
    for (const url of dns) {
      // It is over before the half, since something has failed: whoever has failed says so.
      if (ended.aborted) break;
      const before = nodes.size;
      problem = undefined;
      const onRecord = (record: NodeRecord): void => {
        const node = nodeOfRecord(record, reaches);
        if (node !== undefined && nodes.size < MAX_NODE_SET_NODES) nodes.set(toBareHex(node.id), node);
        if (node === undefined && nodeOfRecord(record) !== undefined) unreached++;
      };
      try {
        await client.sync(url, {
          ...{ signal: late.signal, onRecord },
          onProgress: ({ done, known }) => {
            problem = undefined;
            output.progress('list', done, known);
          },
        });
      } catch (error) {
        if (!isPeerlaneError(error) || signal.aborted) throw error;
        if (ended.aborted && error.code === 'aborted') break;
        failure = error.code === 'aborted' ? lateError(problem) : error;
        const { code, message } = failure;
        const found = nodes.size - before;
        output.event(
          'list-failed',
          { url, code, message, nodes: found },
          `the list ${url} cannot be read${found === 0 ? '' : ' to its end'}: ${printable(message)}; ${formatCount(found, 'node')} of it to begin with`,
        );
      } finally {
        output.endProgress();
      }
    }
    return { nodes: [...nodes.values()], unreached, failure };
  } finally {
    timer.cancel();
    removeAbort();
  }
}

const LATE = 'half of the time of the crawl is over';

function lateError(problem: PeerlaneError | undefined): PeerlaneError {
  if (problem === undefined) return new PeerlaneError('lookup-timeout', LATE);
  return new PeerlaneError(problem.code, `${problem.message}; ${LATE}`, { cause: problem });
}
