import { type Command, Option } from 'commander';
import { onAbort } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { parseRecord } from '../enr/index.ts';
import { type EthVersion, ethProtocols } from '../eth/index.ts';
import { Server, type ServerEvent } from '../server/index.ts';
import { Listeners } from '../server/listeners.ts';
import { bindEach } from '../server/udp-sockets.ts';
import { importChain } from '../sync/index.ts';
import { collected, LISTEN_HELP, type ListenAddress, listenAddress, METRICS_HELP } from './arguments.ts';
import { openStore, readChainDirectory } from './chain-dir.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { isConductEvent, reportConduct } from './conduct-events.ts';
import { DiagnosisReport } from './diagnosing.ts';
import {
  discoveryOf,
  FIND_OPTIONS,
  type FindOptions,
  reportDiscovery,
  requireUseOfDnsServer,
  withFindOptions,
} from './discovery.ts';
import { formatBytes, formatCount, printable } from './format.ts';
import { listenOn, listenOnEach } from './hosts.ts';
import { listeningView, reportMoved } from './listening.ts';
import { metricsAt, reportMetrics } from './metrics.ts';
import {
  checkedNat,
  isNatEvent,
  type NatCliOptions,
  natOf,
  reportNat,
  requireNatOptions,
  withNatOptions,
} from './nat-options.ts';
import { type NetOptions, netRestrictOf, withNetOptions } from './net-options.ts';
import { clientId, ethVersion, nodeKey } from './node.ts';
import { NodeDatabaseWarnings, openNodeDatabase, requireOwnDirectory } from './node-database.ts';
import type { Output } from './output.ts';

interface ServeOptions extends CommonOptions, FindOptions, NetOptions, NatCliOptions {
  /** False: `--no-discovery`. */
  readonly discovery: boolean;
  readonly chain: string;
  readonly listen: readonly ListenAddress[];
  readonly key?: string;
  readonly protocol?: readonly EthVersion[];
  readonly store?: string;
  readonly metrics?: ListenAddress;
}

export function addServeCommand(program: Command, run: RunAction): void {
  withNatOptions(withNetOptions(withFindOptions(withCommonOptions(program.command('serve')))))
    .description('serve a chain to peers until Ctrl-C')
    .requiredOption('--chain <dir>', 'directory with genesis.json and chain.rlp or chain.rlp.gz')
    .requiredOption('--listen <host:port>', LISTEN_HELP, collected(listenAddress))
    .option('--key <file>', 'node key; default: a new one')
    .option('--protocol <name>', 'eth/68 or eth/69; may be repeated; default: both', collected(ethVersion))
    .option('--store <dir>', 'keep the imported chain here; default: a temporary directory')
    .option('--metrics <host:port>', METRICS_HELP, listenAddress)
    .addOption(new Option('--no-discovery', 'neither find nodes nor be found').conflicts([...FIND_OPTIONS]))
    .action((options: ServeOptions, command: Command) => {
      requireUseOfDnsServer(command, options);
      requireNatOptions(command, options);
      return run(options, (context) => serve(context, options));
    });
}

async function serve(context: Context, options: ServeOptions): Promise<void> {
  const { env, output, signal } = context;
  await requireOwnDirectory(options.nodedb, options.store);
  const { genesis, chainFile, fileBytes: total } = await readChainDirectory(options.chain);
  const key = await nodeKey(options.key, env);
  const listen = await listenOnEach(options.listen);
  checkedNat(options, listen);
  await requireFree(listen, options);
  using warnings = new NodeDatabaseWarnings(output);
  await using nodeDatabase = await openNodeDatabase(options.nodedb, context, warnings);
  await using opened = await openStore(genesis, options.store);
  const { store } = opened;
  await importChain(store, chainFile, {
    signal,
    onProgress: ({ fileBytes }) => {
      // Nothing comes before `listening` in the JSON.
      if (output.mode !== 'json') output.progress('import', fileBytes, total, formatBytes);
    },
  });
  output.endProgress();

  const { networkId, hash: genesisHash, schedule } = genesis;
  const network = { networkId, genesisHash, schedule };
  const versions = options.protocol === undefined ? {} : { versions: options.protocol };
  await using server = new Server({
    key,
    listen,
    externalIp: options.extip,
    name: clientId(),
    protocols: ethProtocols({ network, chain: store, env, ...versions }),
    discovery: options.discovery && discoveryOf(options, network, store),
    discoveryPort: options.discoveryPort,
    bootnodes: options.bootnode ?? [],
    ...netRestrictOf(options),
    ...natOf(options),
    nodeDatabase,
    onEvent: (event) => warnings.after(() => report(output, event)),
    env,
  });
  await server.start();
  await using metrics = await metricsAt(options.metrics, server);
  const { enodes, enr } = server;
  const { number, hash } = store.head();
  const record = parseRecord(enr);
  const { fields, lines } = listeningView({ enodes, record, isLearning: options.discovery });
  output.event(
    'listening',
    fields,
    [
      `chain    ${formatCount(number, 'block')} of network ${networkId}, head ${toHex(hash)}`,
      `genesis  ${toHex(genesisHash)}`,
      ...lines,
    ].join('\n'),
  );
  reportMetrics(output, metrics);
  warnings.release();
  using _diagnosis = new DiagnosisReport(env, output, server);
  await new Promise<void>((resolve) => void onAbort(signal, resolve));
}

/**
 * An import takes long: that a port is taken, or wanted twice, is said before it.
 * @throws PeerlaneError `port-in-use`, `listen-failed`
 */
async function requireFree(listen: readonly ListenAddress[], options: ServeOptions): Promise<void> {
  await using _listen = await tcpProbe(listen);
  await using _metrics = options.metrics && (await tcpProbe([await listenOn(options.metrics)]));
  if (!options.discovery) return;
  const { discoveryPort } = options;
  const udp = listen.map(({ host, port }) => ({ host, port: discoveryPort ?? port }));
  await using _ = await bindEach(udp, { message: () => undefined, failed: () => undefined });
}

async function tcpProbe(listen: readonly ListenAddress[]): Promise<AsyncDisposable> {
  const listeners = new Listeners(listen, { accept: (wire) => wire.destroy(), failed: () => undefined });
  await listeners.open();
  return listeners;
}

/** Tells of peers as they come and go. */
function report(output: Output, event: ServerEvent): void {
  if (event.kind === 'peer-connected') {
    const { enode, clientId: client } = event.peer;
    output.event(event.kind, { enode, client }, `peer ${printable(client)} connected, ${enode}`);
  } else if (event.kind === 'peer-disconnected') {
    const { enode, clientId: client } = event.peer;
    const { code, message } = event.error;
    output.event(
      event.kind,
      { enode, client, code, message },
      `peer ${printable(client)} left: ${printable(message)}`,
    );
  } else if (event.kind === 'endpoint-changed') {
    reportMoved(output, event);
  } else if (isNatEvent(event)) {
    reportNat(output, event);
  } else if (isConductEvent(event)) {
    reportConduct(output, event);
  } else if (event.kind === 'listener-failed') {
    const { code, message } = event.error;
    output.event(event.kind, { code, message }, `the listener failed: ${message} (${code})`);
  } else {
    reportDiscovery(output, event);
  }
}
