import { type Command, InvalidArgumentError } from 'commander';
import { onAbort } from '../base/abort.ts';
import { equalBytes } from '../base/bytes.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { NodeRecord } from '../enr/index.ts';
import { replaceTextFile, requireReplaceable } from '../io/text-file.ts';
import { type KadNode, nodeOfRecord } from '../kad/index.ts';
import type { GivenNode } from '../server/bootnodes.ts';
import { placeOf } from '../server/crawl-asking.ts';
import { DEFAULT_CRAWL_RATE, DEFAULT_IDLE_MS } from '../server/crawl-options.ts';
import { Crawler } from '../server/crawler.ts';
import type { NodeHello } from '../server/node-hello.ts';
import { MAX_NODE_SET_NODES, type NodeSet } from '../server/node-set.ts';
import { collected, count, dnsServer, type ListenAddress, listenAddress } from './arguments.ts';
import { startAskingBy, waysOfMachine, withBootnodes } from './asking.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { CrawlAsker } from './crawl/asker.ts';
import { Greetings, MAX_GREETINGS, nodesToGreet, wantsHello } from './crawl/greetings.ts';
import { KeptSet } from './crawl/kept-set.ts';
import { type Listed, nodesOfLists } from './crawl/lists.ts';
import { crawlPageOf } from './crawl/page.ts';
import { printProgress, printSummary, printUnreached } from './crawl/report.ts';
import { requireUseOfDnsServer, treeUrl } from './discovery.ts';
import { durationOption } from './durations.ts';
import { formatCount } from './format.ts';
import { lookupFrom } from './hosts.ts';
import { nobodyToAsk, readBootnodes } from './nodes.ts';
import { isSamePath } from './paths.ts';
import { repeated } from './repeated.ts';
import { type AskingEvent, isAnswer } from './services.ts';
import { type DiscoveryVersion, type VersionOptions, versionsOf, withVersions } from './versions.ts';

const DEFAULT_TIMEOUT_MS = 30 * 60_000;
/** How often it is said how far the crawl is. */
const REPORT_INTERVAL_MS = { terminal: 1_000, plain: 10_000, json: 1_000 } as const;
const PAGE = 'the page';
const NOBODY = 'nobody has answered';
/** Unless others are asked for. */
const VERSIONS: readonly DiscoveryVersion[] = ['v4'];

interface CrawlOptions extends CommonOptions, VersionOptions {
  readonly bootnode?: readonly GivenNode[];
  readonly dns?: readonly string[];
  readonly dnsServer?: readonly string[];
  readonly listen?: readonly ListenAddress[];
  readonly key?: string;
  readonly timeout: number;
  readonly idle: number;
  readonly rate: number;
  readonly limit: number;
  readonly html?: string;
  readonly hello?: boolean;
}

export function addCrawlCommand(program: Command, run: RunAction): void {
  withVersions(withBootnodes(withCommonOptions(program.command('crawl <file>'))), VERSIONS)
    .description(
      'walk the network of discovery, and keep a node set of those who answer; a set that is there goes on',
    )
    .option(
      '--dns <url>',
      'enrtree:// URL of a list of nodes to begin with; may be repeated',
      collected(treeUrl),
    )
    .option(
      '--dns-server <address>',
      'DNS server for --dns, with its port if it is not 53; may be repeated',
      collected(dnsServer),
    )
    .option(
      '--listen <host:port>',
      'where to send from; twice: an address of IPv4 and one of IPv6; default: any free port, of IPv6 too where the machine has it',
      collected(listenAddress),
    )
    .option('--key <file>', 'node key to ask with; default: a new one')
    .addOption(durationOption('--timeout <duration>', 'end after this long', DEFAULT_TIMEOUT_MS))
    .addOption(
      durationOption('--idle <duration>', 'end when no new node has answered for so long', DEFAULT_IDLE_MS),
    )
    .option('--rate <number>', 'nodes that are asked in a second', positive, DEFAULT_CRAWL_RATE)
    .option(
      '--limit <n>',
      'nodes that the set may have; of a larger one, the rest goes at the start',
      limit,
      MAX_NODE_SET_NODES,
    )
    .option(
      '--hello',
      `connect to nodes of eth, too, whose client is not known or not asked for a day, at most ${MAX_GREETINGS}, to keep its name and protocols in the set`,
    )
    .option('--html <file>', 'write a page with charts')
    .action((file: string, options: CrawlOptions, command: Command) => {
      requireUseOfDnsServer(command, options);
      return run(options, (context) => crawl(context, file, options));
    });
}

async function crawl(context: Context, file: string, options: CrawlOptions): Promise<void> {
  const { env, output, signal } = context;
  const { html } = options;
  if (html !== undefined && (await isSamePath(html, file))) {
    throw new PeerlaneError(
      'invalid-argument',
      'the page would take the place of the set: --html needs another file',
    );
  }
  await using kept = await KeptSet.open(file, context);
  const { set } = kept;
  // That they cannot be written is said before the crawl, not after it.
  if (html !== undefined) await requireReplaceable(html, PAGE);
  const begunAt = env.now();
  const ended = new AbortController();
  let failure: PeerlaneError | undefined;
  const fail = (error: PeerlaneError): void => {
    failure ??= error;
    ended.abort();
  };
  const timer = env.setTimer(options.timeout, () => ended.abort());
  const removeAbort = onAbort(signal, () => ended.abort());
  try {
    const lookup = await lookupFrom(options.listen);
    const reading = readBootnodes(options.bootnode, { output, lookup }, ended.signal);
    const { nodes: bootnodes, failure: nameFailure } = await beforeTheEnd(reading, signal);
    let isHeard = false;
    const onEvent = (event: AskingEvent): void => {
      if (isAnswer(event)) isHeard = true;
    };
    const asking = { nodes: bootnodes, seeds: [...bootnodes, ...seedsOf(set)], others: true, onEvent };
    // Before the lists, which take long: the key or the port may not be to be had.
    await using running = await startAskingBy(versionsOf(options, VERSIONS), context, options, asking, {
      fail,
    });
    const service = new CrawlAsker(running);
    const hasWay = waysOfMachine();
    const reaches = (node: KadNode): boolean => service.reaches(node) && hasWay(node);
    const listed = await nodesOfLists(context, { ...options, reaches }, ended.signal);
    if (failure !== undefined) throw failure;
    const others = listed.nodes.filter(({ publicKey }) => !equalBytes(publicKey, service.publicKey));
    for (const node of others) running.addBootnode(node);
    const nodes = [...bootnodes, ...others];
    if (set.size + nodes.length === 0) throw nobody(options, listed, nameFailure);
    printUnreached(output, listed.unreached + unreachedOf(set, reaches));
    const onHello = (key: string, hello: NodeHello): void => {
      const entry = set.get(key);
      // It may have left the set meanwhile.
      if (entry !== undefined) set.set(key, { ...entry, hello });
    };
    await using greetings =
      options.hello === true ? new Greetings({ env, signal: ended.signal, onHello, fail }) : undefined;
    await greetings?.start();
    const crawler = new Crawler({
      ...{
        service,
        set,
        nodes,
        reaches,
        env,
        rate: options.rate,
        limit: options.limit,
        idleMs: options.idle,
      },
      onAnswer: (node, entry) => {
        if (wantsHello(entry, env.unixTime())) greetings?.ask(node);
      },
    });
    if (greetings !== undefined) for (const node of nodesToGreet(set, env)) greetings.ask(node);
    const report = (): void =>
      printProgress(context, crawler, {
        ...{ begunAt, timeoutMs: options.timeout, greetings, versions: service.counts },
      });
    kept.writeAgainAndAgain(fail);
    const every = repeated(env, REPORT_INTERVAL_MS[output.mode], report);
    try {
      await crawler.run(ended.signal);
      await greetings?.done();
    } finally {
      every();
      // However it ended: the next run goes on from here.
      await kept.write();
    }
    if (html !== undefined && (isHeard || set.size > 0)) {
      await replaceTextFile(html, PAGE, crawlPageOf({ set, now: env.unixTime(), versions: service.counts }));
    }
    output.endProgress();
    printSummary(context, crawler, {
      ...{ file: kept.path, set, begunAt, greetings, versions: service.counts },
    });
    if (failure !== undefined) throw failure;
    if (!isHeard && !signal.aborted) throw new PeerlaneError('request-timeout', NOBODY);
  } finally {
    timer.cancel();
    removeAbort();
  }
}

/** @param nameFailure why the name of a bootnode could not be looked up */
function nobody(
  { dns }: CrawlOptions,
  { failure: cause, unreached }: Listed,
  nameFailure: PeerlaneError | undefined,
): PeerlaneError {
  if (cause !== undefined) {
    const message = `nobody to ask: no list gave a node: ${cause.message}`;
    return new PeerlaneError(cause.code, message, { cause });
  }
  if (dns !== undefined) {
    const why =
      unreached === 0
        ? 'there is no node in the list'
        : `from here there is no way to the ${formatCount(unreached, 'node')} of the list`;
    return new PeerlaneError('lookup-failed', `nobody to ask: ${why}`);
  }
  return nobodyToAsk(nameFailure, 'give a --bootnode, a --dns list or a set with nodes');
}

/** Nodes of a set that stay as they are, since the crawl has no way to them. */
function unreachedOf(set: NodeSet, reaches: (node: KadNode) => boolean): number {
  return [...set.values()].filter(
    ({ node }) => placeOf(node) !== undefined && placeOf(node, reaches) === undefined,
  ).length;
}

/** The result of what the end of the crawl aborts. @throws PeerlaneError `request-timeout` when that is no Ctrl-C */
async function beforeTheEnd<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (signal.aborted || !isPeerlaneError(error, 'aborted')) throw error;
    throw new PeerlaneError('request-timeout', 'the time was over before a node could be asked', {
      cause: error,
    });
  }
}

/** Some nodes of the set, those that answered last, for the first lookups. */
function seedsOf(set: NodeSet): KadNode[] {
  const known = [...set.values()].sort((a, b) => (b.lastResponse ?? 0) - (a.lastResponse ?? 0));
  const records = known.map(({ node }) => node).filter((node) => node instanceof NodeRecord);
  return records
    .slice(0, 50)
    .map((record) => nodeOfRecord(record))
    .filter((node) => node !== undefined);
}

function limit(text: string): number {
  const value = positive(text);
  if (value <= MAX_NODE_SET_NODES) return value;
  throw new InvalidArgumentError(`expected at most ${MAX_NODE_SET_NODES}`);
}

function positive(text: string): number {
  const value = count(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('expected a whole number above zero');
}
