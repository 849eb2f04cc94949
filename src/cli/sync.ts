import type { Command } from 'commander';
import { onAbort } from '../base/abort.ts';
import { toBareHex, toHex } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { parseEnode } from '../enr/index.ts';
import { type EthVersion, ethProtocols, type Genesis } from '../eth/index.ts';
import { parseDialedNode } from '../server/bootnodes.ts';
import { Server, type ServerEvent } from '../server/index.ts';
import { type ChainStore, Downloader, type DownloadSummary, peerSource } from '../sync/index.ts';
import { block, checkedWith, collected } from './arguments.ts';
import { openStore } from './chain-dir.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { reportConduct } from './conduct-events.ts';
import { DiagnosisReport } from './diagnosing.ts';
import {
  discoveryOf,
  type FindOptions,
  reportDiscovery,
  requireUseOfDnsServer,
  withFindOptions,
} from './discovery.ts';
import { durationOption } from './durations.ts';
import { formatBytes, formatCount, formatDuration, formatNumber, printable } from './format.ts';
import { readGenesisFile } from './genesis-file.ts';
import { type NetOptions, netRestrictOf, withNetOptions } from './net-options.ts';
import { clientId, ethVersion, nodeKey } from './node.ts';
import { NodeDatabaseWarnings, openNodeDatabase, requireOwnDirectory } from './node-database.ts';
import type { Output } from './output.ts';

/** How long the end of a download waits for peers besides those that were there. */
const SETTLE_MS = 10_000;
const DEFAULT_PATIENCE_MS = 60_000;

interface SyncOptions extends CommonOptions, FindOptions, NetOptions {
  readonly genesis: string;
  readonly peer?: readonly string[];
  readonly store: string;
  readonly to?: ReturnType<typeof block>;
  readonly key?: string;
  readonly protocol?: readonly EthVersion[];
  /** Milliseconds. */
  readonly patience: number;
}

export function addSyncCommand(program: Command, run: RunAction): void {
  withNetOptions(withFindOptions(withCommonOptions(program.command('sync'))))
    .description('download a chain and verify it; an interrupted run goes on where it was')
    .requiredOption('--genesis <file>', "genesis file of the chain, in go-ethereum's format")
    .option(
      '--peer <node>',
      'enode URL or record of a node to download from; may be repeated',
      collected(checkedWith(parseDialedNode)),
    )
    .requiredOption('--store <dir>', 'where the chain is kept')
    .option(
      '--to <block>',
      'last block wanted, by its number or its hash; default: the head that the peers announce',
      block,
    )
    .option('--key <file>', 'node key; default: a new one')
    .option('--protocol <name>', 'eth/68 or eth/69; may be repeated; default: both', collected(ethVersion))
    .addOption(
      durationOption(
        '--patience <duration>',
        'give up after this long without a peer that has what is missing',
        DEFAULT_PATIENCE_MS,
      ),
    )
    .action((options: SyncOptions, command: Command) => {
      if (!isFinding(options)) {
        if (options.peer === undefined) {
          command.error('error: one of --peer, --bootnode, --dns and --nodedb is required');
        }
        const { discoveryPort, v4, v5 } = options;
        const unused = Object.entries({ '--discovery-port': discoveryPort, '--v4': v4, '--v5': v5 });
        const flag = unused.find(([, value]) => value !== undefined)?.[0];
        if (flag !== undefined) {
          command.error(
            `error: ${flag} is for --bootnode, --dns and --nodedb: without them there is no discovery`,
          );
        }
      }
      requireUseOfDnsServer(command, options);
      return run(options, (context) => sync(context, options));
    });
}

/** Whether nodes are found beside those that are given. */
function isFinding({ bootnode, dns, nodedb }: FindOptions): boolean {
  return (bootnode ?? dns ?? nodedb) !== undefined;
}

async function sync(context: Context, options: SyncOptions): Promise<void> {
  await requireOwnDirectory(options.nodedb, options.store);
  const genesis = await readGenesisFile(options.genesis);
  await using opened = await openStore(genesis, options.store);
  const { store } = opened;
  const { head: stored, headers, bodies, bytes, seconds } = await download(context, options, genesis, store);
  // The store may have been beyond `--to` already.
  const { to } = options;
  const wanted = to?.kind === 'hash' ? await store.numberOf(to.hash) : to?.number;
  const number = Math.min(stored.number, wanted ?? stored.number);
  const head = { number, hash: (await store.hashOf(number)) ?? stored.hash };
  const { output } = context;
  output.endProgress();
  output.event('stored', { bytes }, `stored ${formatBytes(bytes)}`);
  output.event(
    'done',
    { head: toHex(head.hash), headers, bodies, seconds: Math.round(seconds * 1000) / 1000 },
    `done: block ${formatNumber(head.number)} ${toHex(head.hash)}, ` +
      `${formatCount(headers, 'header')} and ${formatCount(bodies, 'body', 'bodies')} in ${formatDuration(seconds)}`,
  );
}

async function download(
  context: Context,
  options: SyncOptions,
  genesis: Genesis,
  store: ChainStore,
): Promise<DownloadSummary> {
  const { env, output, signal } = context;
  const { to, patience, protocol, peer: staticNodes = [], bootnode: bootnodes = [] } = options;
  /** Whether a peer came when the block to go to had been chosen. */
  let isUnheard = false;
  const downloader = new Downloader({
    store,
    env,
    target: to ?? { kind: 'best' },
    noPeersTimeoutMs: patience,
    onProgress: ({ stage, at, to: end }) => {
      // The headers stage listens to all peers that it sees.
      if (stage === 'headers') isUnheard = false;
      output.progress(stage, at, end);
    },
  });
  const peers = new PeerReport(output, staticNodes);
  const { networkId, hash: genesisHash, schedule } = genesis;
  const network = { networkId, genesisHash, schedule };
  using warnings = new NodeDatabaseWarnings(output);
  await using nodeDatabase = await openNodeDatabase(options.nodedb, context, warnings);
  warnings.release();
  await using server = new Server({
    key: await nodeKey(options.key, env),
    name: clientId(),
    staticNodes,
    bootnodes,
    ...netRestrictOf(options),
    discovery: isFinding(options) && discoveryOf(options, network, store),
    discoveryPort: options.discoveryPort,
    nodeDatabase,
    protocols: ethProtocols({
      network,
      chain: store,
      env,
      ...(protocol === undefined ? {} : { versions: protocol }),
      onPeer: (peer) => {
        downloader.addSource(peerSource(peer));
        isUnheard = true;
        peers.settle(toBareHex(peer.info.id));
      },
    }),
    onEvent: (event) => peers.tell(event),
    env,
  });
  await server.start();
  using diagnosis = new DiagnosisReport(env, output, server);
  try {
    const first = await downloader.run({ signal });
    if (to?.kind === 'hash' || (peers.isSettled && !isUnheard)) return first;
    // Those that were there may all be behind one that is slow to come, or on another chain than most.
    await peers.settled(env, signal);
    if (downloader.sources.size === 0) return first;
    const { head, headers, bodies, bytes, seconds } = await downloader.run({ signal });
    return {
      head,
      headers: first.headers + headers,
      bodies: first.bodies + bodies,
      bytes: first.bytes + bytes,
      seconds: first.seconds + seconds,
    };
  } catch (error) {
    if (isPeerlaneError(error, 'no-peers')) diagnosis.tell();
    throw peers.explained(error);
  } finally {
    peers.silence();
  }
}

/** Tells of peers as they come and go, and remembers why the last one went. */
class PeerReport {
  readonly #output: Output;
  /** Node keys of peers that were neither of use nor failed yet. */
  readonly #awaited: Set<string>;
  #allSettled: () => void = () => undefined;
  #last: PeerlaneError | undefined;
  #isSilent = false;

  constructor(output: Output, nodes: readonly string[]) {
    this.#output = output;
    this.#awaited = new Set(nodes.map((node) => toBareHex(parseDialedNode(node).publicKey)));
  }

  /** Whether each peer was there, or has failed. */
  get isSettled(): boolean {
    return this.#awaited.size === 0;
  }

  /** Waits until that is so, but not for long. */
  async settled(env: Env, signal: AbortSignal): Promise<void> {
    if (this.isSettled) return;
    await new Promise<void>((resolve) => {
      const timer = env.setTimer(SETTLE_MS, resolve);
      const stop = onAbort(signal, resolve);
      this.#allSettled = () => {
        timer.cancel();
        stop();
        resolve();
      };
    });
  }

  settle(key: string): void {
    this.#awaited.delete(key);
    if (this.#awaited.size === 0) this.#allSettled();
  }

  tell(event: ServerEvent): void {
    if (this.#isSilent) return;
    switch (event.kind) {
      case 'peer-connected': {
        const { enode, clientId: client } = event.peer;
        this.#output.event(event.kind, { enode, client }, `peer ${printable(client)} connected, ${enode}`);
        break;
      }
      case 'peer-disconnected': {
        const { enode, clientId: client } = event.peer;
        const { code, message } = event.error;
        this.#last = event.error;
        this.settle(toBareHex(event.peer.id));
        const { redialInMs } = event;
        const text = `peer ${printable(client)} left: ${printable(message)} (${code})${redial(redialInMs)}`;
        this.#output.event(event.kind, { enode, client, code, message, redialInMs }, text);
        break;
      }
      case 'handler-failed': {
        // A peer of another chain may leave before we have read its Status, which says more than its reason.
        if (isPeerlaneError(event.error)) this.#last = event.error;
        break;
      }
      case 'dial-failed': {
        const { enode, redialInMs, isFound } = event;
        const { code, message } = event.error;
        this.#last = event.error;
        // Many of those that are found are gone.
        if (isFound) break;
        this.settle(toBareHex(parseEnode(enode).publicKey));
        this.#output.event(
          event.kind,
          { enode, code, message, redialInMs },
          `no peer at ${enode}: ${printable(message)} (${code})${redial(redialInMs)}`,
        );
        break;
      }
      case 'reputation':
      case 'bans-failed':
        reportConduct(this.#output, event);
        break;
      default:
        reportDiscovery(this.#output, event);
    }
  }

  /** Says no more: what follows is our own leaving. */
  silence(): void {
    this.#isSilent = true;
  }

  /** `error`, with what became of the peers where that is the reason. */
  explained(error: unknown): unknown {
    if (!isPeerlaneError(error, 'no-peers') || this.#last === undefined) return error;
    const { code, message } = this.#last;
    return new PeerlaneError('no-peers', `${error.message}; the last one: ${message} (${code})`, {
      cause: error,
    });
  }
}

/** What follows for a peer that is gone. */
function redial(ms: number | undefined): string {
  if (ms === undefined) return '';
  return ms === 0 ? '; dialing it again now' : `; dialing it again in ${formatDuration(ms / 1000)}`;
}
