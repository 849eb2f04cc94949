import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { onAbort } from '../base/abort.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { DnsClient } from '../dnsdisc/index.ts';
import { NodeRecord } from '../enr/index.ts';
import { DnsResolver } from '../io/dns.ts';
import { replaceTextFile } from '../io/text-file.ts';
import { type KadNode, nodeOfRecord } from '../kad/index.ts';
import { Crawler, DEFAULT_CRAWL_RATE, DEFAULT_IDLE_MS } from '../server/crawler.ts';
import { MAX_NODE_SET_NODES, type NodeSet } from '../server/node-set.ts';
import { collected, count, duration, durationText, type ListenAddress, listenAddress } from './arguments.ts';
import { startAsking, withBootnodes } from './asking.ts';
import { type CommonOptions, type Context, runAction, withCommonOptions } from './command.ts';
import { Greetings } from './crawl/greetings.ts';
import { crawlPageOf } from './crawl/page.ts';
import { treeUrl } from './discovery.ts';
import { formatCount, formatDuration, formatNumber, printable } from './format.ts';
import { readNodeSet, writeNodeSet } from './node-set-file.ts';
import { readBootnodes } from './nodes.ts';

const DEFAULT_TIMEOUT_MS = 30 * 60_000;
/** How often the file is written, so that a crash loses little, and how often it is said how far the crawl is. */
const WRITE_INTERVAL_MS = 30_000;
const REPORT_INTERVAL_MS = { terminal: 1_000, plain: 10_000, json: 1_000 } as const;
/** Timers take no longer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

interface CrawlOptions extends CommonOptions {
  readonly bootnode?: readonly string[];
  readonly dns?: readonly string[];
  readonly listen?: ListenAddress;
  readonly key?: string;
  readonly timeout: number;
  readonly idle: number;
  readonly rate: number;
  readonly limit: number;
  readonly html?: string;
  readonly hello?: boolean;
}

export function addCrawlCommand(program: Command): void {
  withBootnodes(withCommonOptions(program.command('crawl <file>')))
    .description(
      'walk the network of discovery v4, and keep a node set of those who answer; a set that is there goes on',
    )
    .option(
      '--dns <url>',
      'enrtree:// URL of a list of nodes to begin with; may be repeated',
      collected(treeUrl),
    )
    .option('--listen <host:port>', 'where to send from; default: any free port', listenAddress)
    .option('--key <file>', 'node key to ask with; default: a new one')
    .addOption(timeOption('--timeout <duration>', 'end after this long', DEFAULT_TIMEOUT_MS))
    .addOption(
      timeOption('--idle <duration>', 'end when no new node has answered for so long', DEFAULT_IDLE_MS),
    )
    .option('--rate <number>', 'nodes that are asked in a second', positive, DEFAULT_CRAWL_RATE)
    .option('--limit <n>', 'nodes that the set may have', positive, MAX_NODE_SET_NODES)
    .option(
      '--hello',
      'connect to some of the nodes, too, to hear what client they are and which protocols they have',
    )
    .option('--html <file>', 'write a page with charts')
    .action((file: string, options: CrawlOptions) =>
      runAction(options, (context) => crawl(context, file, options)),
    );
}

async function crawl(context: Context, file: string, options: CrawlOptions): Promise<void> {
  const { env, output, signal } = context;
  if (options.html !== undefined && resolve(options.html) === resolve(file)) {
    throw new PeerlaneError(
      'invalid-argument',
      'the page would take the place of the set: --html needs another file',
    );
  }
  const set = await setOf(file, context);
  const bootnodes = await readBootnodes(options.bootnode, signal);
  const listed = await nodesOfLists(options.dns ?? [], context);
  if (set.size + bootnodes.length + listed.length === 0) {
    throw new PeerlaneError(
      'invalid-argument',
      'nobody to ask: give a --bootnode, a --dns list or a set with nodes',
    );
  }
  const begunAt = env.now();
  const ended = new AbortController();
  let failure: PeerlaneError | undefined;
  const fail = (error: PeerlaneError): void => {
    failure ??= error;
    ended.abort();
  };
  const timer = env.setTimer(options.timeout, () => ended.abort());
  const removeAbort = onAbort(signal, () => ended.abort());
  const nodes = [...bootnodes, ...listed];
  const seeds = [...nodes, ...seedsOf(set)];
  try {
    await using service = await startAsking(context, options, { nodes: bootnodes, seeds }, { signal, fail });
    await using greetings = options.hello === true ? new Greetings(env, ended.signal) : undefined;
    await greetings?.start();
    const isIpv6 = service.record.get('udp6') !== undefined;
    const crawler = new Crawler({
      reaches: ({ ip }) => isIpv6 || !ip.includes(':'),
      ...{ service, set, nodes, env, rate: options.rate, limit: options.limit, idleMs: options.idle },
      onAnswer: (node, { node: known }) => {
        if (known instanceof NodeRecord && known.get('eth') !== undefined) greetings?.ask(node);
      },
    });
    const report = (): void => printProgress(context, crawler, begunAt, options.timeout);
    const keeper = new SetKeeper(context, file, set, fail);
    const every = repeated(context, REPORT_INTERVAL_MS[output.mode], report);
    try {
      await crawler.run(ended.signal);
    } finally {
      every();
      await keeper.stop();
      // However it ended: the next run goes on from here.
      await writeNodeSet(file, set);
    }
    if (options.html !== undefined) {
      const page = crawlPageOf({ set, now: env.unixTime(), greetings: greetings?.known });
      await replaceTextFile(options.html, 'the page', page);
    }
    printSummary(context, crawler, { file, begunAt, greetings });
  } finally {
    timer.cancel();
    removeAbort();
  }
  if (failure !== undefined) throw failure;
}

async function setOf(file: string, context: Context): Promise<NodeSet> {
  try {
    return await readNodeSet(file, context);
  } catch (error) {
    if (isPeerlaneError(error, 'file-unreadable') && isMissing(error.cause)) return new Map();
    throw error;
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

/** A list that cannot be read is no reason not to crawl, if there is another start. */
async function nodesOfLists(urls: readonly string[], { env, output, signal }: Context): Promise<KadNode[]> {
  if (urls.length === 0) return [];
  const client = new DnsClient({ resolver: new DnsResolver(), env });
  const nodes: KadNode[] = [];
  for (const url of urls) {
    try {
      const { records } = await client.sync(url, { signal });
      nodes.push(...records.map(nodeOfRecord).filter((node) => node !== undefined));
    } catch (error) {
      if (!isPeerlaneError(error) || signal.aborted) throw error;
      const { code, message } = error;
      output.event(
        'list-failed',
        { url, code, message },
        `the list ${url} cannot be used: ${printable(message)}`,
      );
    }
  }
  return nodes;
}

/** Some nodes of the set, those that answered last, for the first lookups. */
function seedsOf(set: NodeSet): KadNode[] {
  const known = [...set.values()].sort((a, b) => (b.lastResponse ?? 0) - (a.lastResponse ?? 0));
  const records = known.map(({ node }) => node).filter((node) => node instanceof NodeRecord);
  return records
    .slice(0, 50)
    .map(nodeOfRecord)
    .filter((node) => node !== undefined);
}

/** Writes the set every now and then. */
class SetKeeper {
  readonly #stop: () => void;
  #writing: Promise<void> = Promise.resolve();

  constructor(context: Context, file: string, set: NodeSet, fail: (error: PeerlaneError) => void) {
    this.#stop = repeated(context, WRITE_INTERVAL_MS, () => {
      this.#writing = this.#writing
        .then(() => writeNodeSet(file, set))
        .catch((error: unknown) => {
          if (!isPeerlaneError(error)) throw error;
          fail(error);
        });
    });
  }

  async stop(): Promise<void> {
    this.#stop();
    await this.#writing;
  }
}

/** Calls `run` every `ms`; returns what ends it. */
function repeated({ env }: Context, ms: number, run: () => void): () => void {
  const again = (): void => {
    run();
    timer = env.setTimer(ms, again);
  };
  let timer = env.setTimer(ms, again);
  return () => timer.cancel();
}

function printProgress({ env, output }: Context, crawler: Crawler, begunAt: number, timeoutMs: number): void {
  const { nodes, waiting, checked, answered, added, removed } = crawler.stats;
  const seconds = (env.now() - begunAt) / 1_000;
  const left = Math.max(0, timeoutMs / 1_000 - seconds);
  output.event(
    'progress',
    { nodes, waiting, checked, answered, added, removed, seconds, secondsLeft: left },
    `${formatCount(nodes, 'node')}, ${formatNumber(checked)} checked (${formatNumber(Math.round(checked / seconds))}/s), ${formatNumber(answered)} answered, ${formatNumber(added)} new, ${formatNumber(removed)} gone, ${formatDuration(left)} left at most`,
  );
}

interface CrawlEnd {
  readonly file: string;
  readonly begunAt: number;
  readonly greetings: Greetings | undefined;
}

function printSummary(
  { env, output }: Context,
  crawler: Crawler,
  { file, begunAt, greetings }: CrawlEnd,
): void {
  const { nodes, checked, answered, added, removed } = crawler.stats;
  const seconds = (env.now() - begunAt) / 1_000;
  const hellos = greetings?.known.size;
  output.event(
    'summary',
    { file, nodes, checked, answered, added, removed, hellos, seconds },
    [
      `${file}: ${formatCount(nodes, 'node')}, ${formatNumber(added)} new, ${formatNumber(removed)} gone`,
      `checked ${formatNumber(checked)} in ${formatDuration(seconds)}, ${formatNumber(answered)} answered`,
      ...(hellos === undefined ? [] : [`${formatNumber(hellos)} took a connection`]),
    ].join('\n'),
  );
}

function timeOption(flags: string, description: string, defaultMs: number): Option {
  return new Option(flags, description).argParser(timeout).default(defaultMs, durationText(defaultMs));
}

function timeout(text: string): number {
  const ms = duration(text);
  if (ms > 0 && ms <= MAX_TIMEOUT_MS) return ms;
  throw new InvalidArgumentError('expected a duration above zero, of at most 24 days');
}

function positive(text: string): number {
  const value = count(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('expected a whole number above zero');
}
