import { type Command, Option } from 'commander';
import { onAbort } from '../base/abort.ts';
import { toBareHex, toHex } from '../base/bytes.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import {
  decodeMessage,
  ETH_VERSIONS,
  type EthNetwork,
  type EthVersion,
  encodeMessage,
  type LocalStatus,
  MAX_MESSAGE_SIZE,
  PRESETS,
  type PresetName,
  type Status,
  statusCheck,
} from '../eth/index.ts';
import type { PeerInfo, Protocol, ProtocolChannel } from '../p2p/index.ts';
import { parseDialedNode } from '../server/bootnodes.ts';
import { Server } from '../server/index.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { within } from './deadline.ts';
import { durationOption, durationText } from './durations.ts';
import { jsonInteger, printable } from './format.ts';
import { readGenesisFile } from './genesis-file.ts';
import { clientId, nodeKey } from './node.ts';
import type { Output } from './output.ts';

const DEFAULT_TIMEOUT_MS = 15_000;

interface DialOptions extends CommonOptions {
  readonly genesis?: string;
  readonly network?: PresetName;
  readonly key?: string;
  /** Milliseconds. */
  readonly timeout: number;
}

export function addDialCommand(program: Command, run: RunAction): void {
  withCommonOptions(program.command('dial'))
    .description('connect to a node and print what it says of itself')
    .argument('<node>', 'its enode URL or record')
    .addOption(
      new Option('--genesis <file>', 'genesis file of the chain to compare with').conflicts('network'),
    )
    .addOption(new Option('--network <name>', 'public network to compare with').choices(Object.keys(PRESETS)))
    .option('--key <file>', 'node key to dial with; default: a new one')
    .addOption(durationOption('--timeout <duration>', 'how long to wait for the answer', DEFAULT_TIMEOUT_MS))
    .action((node: string, options: DialOptions) => run(options, (context) => dial(context, node, options)));
}

async function dial(context: Context, node: string, options: DialOptions): Promise<void> {
  const { env, output } = context;
  parseDialedNode(node);
  const network = await networkOf(options);
  const key = await nodeKey(options.key, env);
  const probe = new Probe();
  await using server = new Server({ key, name: clientId(), protocols: probe.protocols(), env });
  await server.start();

  const message = `the node has not said what it is within ${durationText(options.timeout)}`;
  const late = new PeerlaneError('dial-timeout', message);
  await within(context, options.timeout, late, async ({ signal }) => {
    const peer = await server.dial(node, { signal });
    printHello(output, peer.info);
    const status = await probe.status(signal);
    printStatus(output, status);
    if (network !== undefined) checkAtGenesis(status, network);
  });
}

async function networkOf({ genesis, network }: DialOptions): Promise<EthNetwork | undefined> {
  if (network !== undefined) return PRESETS[network];
  if (genesis === undefined) return undefined;
  const { networkId, hash, schedule } = await readGenesisFile(genesis);
  return { networkId, genesisHash: hash, schedule };
}

/**
 * Exchanges Status messages and nothing else. It says what the peer has said: a peer that gets another Status may
 * be gone before its own has been read.
 */
class Probe {
  readonly #status: Promise<Status>;
  #resolve: (status: Status) => void = () => undefined;
  #reject: (error: PeerlaneError) => void = () => undefined;

  constructor() {
    this.#status = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // It may fail before anybody waits for it.
    this.#status.catch(() => undefined);
  }

  protocols(): Protocol[] {
    return ETH_VERSIONS.map(({ version, length }) => ({
      name: 'eth',
      version,
      length,
      maxMessageSize: MAX_MESSAGE_SIZE,
      handler: (channel) => this.#handle(channel, version),
    }));
  }

  /** The Status of the peer. @throws PeerlaneError what ended the connection before it came */
  async status(signal: AbortSignal): Promise<Status> {
    const removeListener = onAbort(signal, () => this.#reject(toPeerlaneError(signal.reason)));
    try {
      return await this.#status;
    } finally {
      removeListener();
    }
  }

  async #handle(channel: ProtocolChannel, version: EthVersion): Promise<void> {
    try {
      const status = await firstStatus(channel, version);
      this.#resolve(status);
      const { code, payload } = encodeMessage(version, 'Status', mirrored(version, status));
      await channel.send(code, payload);
    } catch (error) {
      this.#reject(toPeerlaneError(error));
      throw error;
    }
    // The command closes the connection; what the peer asks meanwhile stays unread.
    await new Promise<void>((resolve) => void onAbort(channel.signal, resolve));
  }
}

async function firstStatus(channel: ProtocolChannel, version: EthVersion): Promise<Status> {
  for await (const { code, payload } of channel) {
    const message = decodeMessage(version, code, payload);
    if (message.name === 'Status') return message.value;
    throw new PeerlaneError('status-expected', `the first message of the peer is ${message.name}`);
  }
  throw toPeerlaneError(channel.signal.reason, 'closed');
}

/** Compares as a node would that has nothing but the genesis block. @throws PeerlaneError what does not fit */
function checkAtGenesis(status: Status, network: EthNetwork): void {
  const { genesisHash: hash, schedule } = network;
  const head = { number: 0, hash, timestamp: Number(schedule.genesisTime ?? 0), totalDifficulty: 0n };
  statusCheck(status.version, network, { head: () => head })(status);
}

function mirrored(version: EthVersion, status: Status): LocalStatus {
  const { head, totalDifficulty = 0n, earliest = 0 } = status;
  return {
    ...status,
    version,
    head: { number: head.number ?? 0, hash: head.hash },
    totalDifficulty,
    earliest,
  };
}

function printHello(output: Output, { id, enode, clientId: client, capabilities }: PeerInfo): void {
  const names = capabilities.map(({ name, version }) => `${printable(name)}/${version}`);
  output.event(
    'hello',
    { client, enode, publicKey: toHex(id), capabilities: names },
    [
      `client        ${printable(client)}`,
      `enode         ${enode}`,
      `capabilities  ${names.join(', ')}`,
    ].join('\n'),
  );
}

function printStatus(output: Output, status: Status): void {
  const { version, networkId, genesisHash, forkId: fork, head, earliest, totalDifficulty } = status;
  const number = head.number;
  const lines = [
    `protocol      eth/${version}`,
    `network       ${networkId}`,
    `genesis       ${toHex(genesisHash)}`,
    `fork id       ${toBareHex(fork.hash)}, next ${fork.next}`,
    `head          ${number === undefined ? '' : `${number} `}${toHex(head.hash)}`,
    ...(earliest === undefined ? [] : [`blocks        ${earliest} to ${number}`]),
    ...(totalDifficulty === undefined ? [] : [`difficulty    ${totalDifficulty}`]),
  ];
  const fields = {
    protocol: `eth/${version}`,
    networkId: jsonInteger(networkId),
    genesis: toHex(genesisHash),
    forkHash: toHex(fork.hash),
    forkNext: jsonInteger(fork.next),
    headNumber: number,
    headHash: toHex(head.hash),
    earliest,
    totalDifficulty: totalDifficulty?.toString(),
  };
  output.event('status', fields, lines.join('\n'));
}
