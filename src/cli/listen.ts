import { type Command, Option } from 'commander';
import { onAbort } from '../base/abort.ts';
import { equalBytes } from '../base/bytes.ts';
import { invalidArgument } from '../base/checks.ts';
import { toPeerlaneError } from '../base/errors.ts';
import { publicKeyOf } from '../crypto/index.ts';
import { TOPIC_DISCOVERY_VERSION, topicDiscoveryEntries } from '../enr/index.ts';
import { lookupHost } from '../io/dns.ts';
import { type GivenNode, hasAddress, joinNode, kadNodeOf } from '../server/bootnodes.ts';
import { endpointsOf, ipv4First, LocalNode, placesOf } from '../server/local-node.ts';
import { LoopMeter } from '../server/loop-meter.ts';
import { NodeNat } from '../server/nat/node-nat.ts';
import { checkNetRestrict, mayBeDialed } from '../server/net-restrict.ts';
import { NodeDatabase } from '../server/node-db/node-database.ts';
import { NodeNotes } from '../server/node-notes.ts';
import { seedsOf } from '../server/node-sources.ts';
import type { RunningVersions } from '../server/running-versions.ts';
import { collected, LISTEN_HELP, type ListenAddress, listenAddress, METRICS_HELP } from './arguments.ts';
import { withBootnodes } from './asking.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { reportFailed } from './discovery.ts';
import { durationOption } from './durations.ts';
import { listenOnEach, reachesFromEach } from './hosts.ts';
import { ListenStats } from './listen-stats.ts';
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
import { startVersions } from './services.ts';
import { DISCOVERY_VERSIONS, type VersionOptions, versionsOf, withVersions } from './versions.ts';

const DEFAULT_LISTEN = '0.0.0.0:30303';
const DEFAULT_STATS_MS = 60_000;

interface ListenOptions extends CommonOptions, VersionOptions, NetOptions, NatCliOptions {
  readonly listen?: readonly ListenAddress[];
  readonly key?: string;
  readonly nodedb?: string;
  readonly bootnode?: readonly GivenNode[];
  readonly metrics?: ListenAddress;
  /** Milliseconds. */
  readonly stats: number;
}

export function addListenCommand(program: Command, run: RunAction): void {
  const command = withBootnodes(withCommonOptions(program.command('listen')));
  withNatOptions(withNetOptions(withVersions(command, DISCOVERY_VERSIONS)))
    .description('run a bootnode, which other nodes begin with, until Ctrl-C')
    .addOption(
      new Option('--listen <host:port>', `${LISTEN_HELP} (default: ${DEFAULT_LISTEN})`).argParser(
        collected(listenAddress),
      ),
    )
    .option('--key <file>', 'node key; default: a new one')
    .option('--nodedb <dir>', 'keep nodes that have answered here, for the next start')
    .option('--metrics <host:port>', METRICS_HELP, listenAddress)
    .addOption(durationOption('--stats <duration>', 'how often to print figures', DEFAULT_STATS_MS))
    .action((options: ListenOptions, command: Command) => {
      requireNatOptions(command, options);
      return run(options, (context) => listen(context, options));
    });
}

async function listen(context: Context, options: ListenOptions): Promise<void> {
  const { env, output, signal } = context;
  const versions = versionsOf(options, DISCOVERY_VERSIONS);
  const key = await nodeKey(options.key, env);
  const listen = await listenOnEach(options.listen ?? [listenAddress(DEFAULT_LISTEN)]);
  const { nat, externalIps } = checkedNat(options, listen);
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
    if (isTold) reportMoved(output, { enodes: local.enodes, enr: local.record.toString() });
  };
  // By which others know that v5 keeps advertisements of topics.
  const entries = () => topicDiscoveryEntries(versions.includes('v5') ? TOPIC_DISCOVERY_VERSION : undefined);
  const local = new LocalNode({ key, env, entries, database, failed, moved });
  await local.load();
  const notes = new NodeNotes(database, env);
  const failure = new AbortController();
  await using running = await startVersions(versions, {
    ...{ key, listen, env, topics: true },
    ...netRestrictOf(options),
    seeds: [...bootnodes.filter(hasAddress).map(kadNodeOf), ...(await seedsOf(database, signal))],
    record: () => local.record,
    onEvent: (event) => {
      if (event.kind === 'listener-failed') failure.abort(event.error);
      else notes.discovered(event);
      if (event.kind === 'node-answered') local.seen(event.node, event.seenAs);
    },
  });
  const places = placesOf([], running.endpoints);
  local.listens(endpointsOf(places, externalIps));
  using loop = new LoopMeter(env);
  const metrics = () => ({
    at: env.unixTime(),
    ...running.v4?.metrics(),
    ...running.v5?.metrics(),
    knownNodes: database.size,
    eventLoopDelay: loop.read(),
  });
  await using endpoint = await metricsAt(options.metrics, { metrics });
  // Nobody sees a number that a crash could make the node use again.
  await local.stored();
  const { enodes, record } = local;
  const { fields, lines } = listeningView({ enodes, record, isLearning: true });
  output.event(
    'listening',
    { ...fields, versions },
    [...lines, `version  ${versions.join(' and ')}`].join('\n'),
  );
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
  mapping.start(ipv4First(endpointsOf(places)));
  const stop = new AbortController();
  for (const one of [signal, failure.signal]) onAbort(one, () => stop.abort(one.reason));
  const publicKey = publicKeyOf(key);
  const isNamed = (node: GivenNode): boolean => !hasAddress(node) && !equalBytes(node.publicKey, publicKey);
  for (const node of bootnodes.filter(isNamed)) void join(context, running, node, listen, stop.signal);
  try {
    await new ListenStats(context, running, database).printEvery(options.stats, stop.signal);
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
  running: RunningVersions,
  node: GivenNode,
  listen: readonly ListenAddress[],
  signal: AbortSignal,
): Promise<void> {
  const reaches = reachesFromEach(listen);
  await joinNode(node, {
    ...{ env, signal },
    lookup: (name, signal) => lookupHost(name, signal, reaches),
    found: (found) => running.addBootnode(found),
    failed: (error, retryInMs) => reportFailed(output, { part: 'bootnode', error, retryInMs }),
  });
}
