import { type Command, Option } from 'commander';
import { onAbort } from '../base/abort.ts';
import { equalBytes } from '../base/bytes.ts';
import { invalidArgument } from '../base/checks.ts';
import { isPeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { sleep } from '../base/sleep.ts';
import type { Discv4Stats } from '../discv4/index.ts';
import { lookupHost } from '../io/dns.ts';
import type { TableStats } from '../kad/index.ts';
import { type GivenNode, hasAddress, joinNode, kadNodeOf } from '../server/bootnodes.ts';
import { Discv4Service, NodeDatabase } from '../server/index.ts';
import { reachesFrom } from '../server/listen-host.ts';
import { endpointsOf, LocalNode } from '../server/local-node.ts';
import { LoopMeter } from '../server/loop-meter.ts';
import { NodeNat } from '../server/nat/node-nat.ts';
import { checkNetRestrict, mayBeDialed } from '../server/net-restrict.ts';
import { NodeNotes } from '../server/node-notes.ts';
import { seedsOf } from '../server/node-sources.ts';
import { type ListenAddress, listenAddress, METRICS_HELP } from './arguments.ts';
import { withBootnodes } from './asking.ts';
import { type CommonOptions, type Context, runAction, withCommonOptions } from './command.ts';
import { reportFailed } from './discovery.ts';
import { durationOption } from './durations.ts';
import { formatBytes, formatNumber } from './format.ts';
import { listenOn } from './hosts.ts';
import { listeningView, reportMoved } from './listening.ts';
import { metricsAt, reportMetrics } from './metrics.ts';
import {
  checkedNat,
  type NatCliOptions,
  reportNat,
  requireNatOptions,
  withNatOptions,
} from './nat-options.ts';
import { type NetOptions, netRestrictOf, withNetOptions } from './net-options.ts';
import { nodeKey } from './node.ts';
import { NodeDatabaseWarnings, openNodeDatabase } from './node-database.ts';
import { requireFew } from './nodes.ts';
import type { Output } from './output.ts';

const DEFAULT_LISTEN = '0.0.0.0:30303';
const DEFAULT_STATS_MS = 60_000;

interface ListenOptions extends CommonOptions, NetOptions, NatCliOptions {
  readonly listen: ListenAddress;
  readonly key?: string;
  readonly nodedb?: string;
  readonly bootnode?: readonly GivenNode[];
  readonly metrics?: ListenAddress;
  /** Milliseconds. */
  readonly stats: number;
}

export function addListenCommand(program: Command): void {
  withNatOptions(withNetOptions(withBootnodes(withCommonOptions(program.command('listen')))))
    .description('run a bootnode, which other nodes begin with, until Ctrl-C')
    .addOption(
      new Option('--listen <host:port>', 'where to listen; port 0 is any free one')
        .argParser(listenAddress)
        .default(listenAddress(DEFAULT_LISTEN), DEFAULT_LISTEN),
    )
    .option('--key <file>', 'node key; default: a new one')
    .option('--nodedb <dir>', 'keep nodes that have answered here, for the next start')
    .option('--metrics <host:port>', METRICS_HELP, listenAddress)
    .addOption(durationOption('--stats <duration>', 'how often to print figures', DEFAULT_STATS_MS))
    .action((options: ListenOptions, command: Command) => {
      requireNatOptions(command, options);
      return runAction(options, (context) => listen(context, options));
    });
}

async function listen(context: Context, options: ListenOptions): Promise<void> {
  const { env, output, signal } = context;
  const key = await nodeKey(options.key, env);
  const listen = await listenOn(options.listen);
  const { nat, externalIp } = checkedNat(options, listen.host);
  const { bootnode: bootnodes = [] } = options;
  requireFew(bootnodes);
  for (const node of bootnodes) requireAllowed(node, options);
  using warnings = new NodeDatabaseWarnings(output);
  await using database =
    (await openNodeDatabase(options.nodedb, context, warnings)) ?? (await NodeDatabase.inMemory({ env }));
  /** Whether the first line has been printed. */
  let isTold = false;
  const failed = (error: unknown): void =>
    warnings.tell({ kind: 'node-database-failed', error: toPeerlaneError(error) });
  const moved = (): void => {
    if (isTold) reportMoved(output, { enode: local.enode, enr: local.record.toString() });
  };
  const local = new LocalNode({ key, env, database, failed, moved });
  await local.load();
  const notes = new NodeNotes(database, env);
  const failure = new AbortController();
  await using service = new Discv4Service({
    ...{ key, listen, env },
    ...netRestrictOf(options),
    seeds: [...bootnodes.filter(hasAddress).map(kadNodeOf), ...(await seedsOf(database, signal))],
    record: () => local.record,
    onEvent: (event) => {
      if (event.kind === 'listener-failed') failure.abort(event.error);
      else notes.discovered(event);
      if (event.kind === 'node-answered') local.seen(event.node, event.seenAs);
    },
  });
  await service.start();
  const own = { host: listen.host, port: service.port };
  local.listens(endpointsOf(undefined, own, externalIp));
  using loop = new LoopMeter(env);
  const metrics = () => ({
    ...service.metrics(),
    knownNodes: database.size,
    eventLoopDelay: loop.read(),
  });
  await using endpoint = await metricsAt(options.metrics, { metrics });
  // Nobody sees a number that a crash could make the node use again.
  await local.stored();
  const { enode, record } = local;
  const { fields, lines } = listeningView({ enode, record, isLearning: true });
  output.event('listening', fields, lines.join('\n'));
  isTold = true;
  reportMetrics(output, endpoint);
  warnings.release();
  await using mapping = new NodeNat({
    env,
    nat,
    local,
    moved,
    failed,
    onEvent: (event) => reportNat(output, event),
  });
  mapping.start(endpointsOf(undefined, own));
  const stop = new AbortController();
  for (const one of [signal, failure.signal]) onAbort(one, () => stop.abort(one.reason));
  const isNamed = (node: GivenNode): boolean =>
    !hasAddress(node) && !equalBytes(node.publicKey, service.publicKey);
  for (const node of bootnodes.filter(isNamed)) void join(context, service, node, listen.host, stop.signal);
  try {
    await report(context, service, database, options.stats, stop.signal);
  } finally {
    stop.abort();
  }
  if (failure.signal.aborted && !signal.aborted) throw failure.signal.reason;
}

/** One that would never be asked is a mistake. @throws PeerlaneError `invalid-argument` */
function requireAllowed(node: GivenNode, options: NetOptions): void {
  if (mayBeDialed(node, checkNetRestrict(netRestrictOf(options)))) return;
  throw invalidArgument(
    `the bootnode at ${node.host} is in a network that --netrestrict or --netdeny refuses`,
  );
}

/** Begins with a bootnode as soon as its host name can be looked up. */
async function join(
  { env, output }: Context,
  service: Discv4Service,
  node: GivenNode,
  host: string,
  signal: AbortSignal,
): Promise<void> {
  const reaches = reachesFrom(host);
  await joinNode(node, {
    ...{ env, signal },
    lookup: (name, signal) => lookupHost(name, signal, reaches),
    found: (found) => service.addBootnode(found),
    failed: (error, retryInMs) => reportFailed(output, { part: 'bootnode', error, retryInMs }),
  });
}

/** Prints figures again and again. */
async function report(
  { env, output }: Context,
  service: Discv4Service,
  database: NodeDatabase,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  let before = { at: env.now(), received: service.stats().received };
  while (!signal.aborted) {
    try {
      await sleep(env, intervalMs, signal);
    } catch (error) {
      if (isPeerlaneError(error, 'aborted')) return;
      throw error;
    }
    const stats = service.stats();
    const now = env.now();
    const perSecond = ((stats.received - before.received) * 1_000) / Math.max(1, now - before.at);
    before = { at: now, received: stats.received };
    printStats(output, stats, service.table.stats(), { perSecond, known: database.size });
  }
}

function printStats(
  output: Output,
  { received, dropped, sent, sentBytes }: Discv4Stats,
  { entries, live, replacements }: TableStats,
  { perSecond, known }: { readonly perSecond: number; readonly known: number },
): void {
  output.event(
    'stats',
    {
      ...{ table: entries, live, replacements, known },
      packetsPerSecond: Math.round(perSecond * 10) / 10,
      ...{ received, dropped: { ...dropped }, shed: dropped.shed, sent, sentBytes },
    },
    [
      `table ${formatNumber(entries)}, of which ${formatNumber(live)} live`,
      `${formatNumber(known)} known`,
      `${formatNumber(Math.round(perSecond * 10) / 10)} packets/s`,
      `${formatNumber(dropped.shed)} shed`,
      `sent ${formatBytes(sentBytes)}`,
    ].join(', '),
  );
}
