/** Sessions of the eth protocol in memory: two handlers that talk, or one against a script. */
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  decodeMessage,
  type EthVersion,
  encodeMessage,
  type MessageInputs,
  type MessageName,
  type MessageValues,
} from '../../src/eth/messages.ts';
import type { EthPeer } from '../../src/eth/peer.ts';
import { type EthOptions, ethProtocols } from '../../src/eth/protocol.ts';
import { type EthNetwork, type LocalStatus, localStatus } from '../../src/eth/status.ts';
import type { Message } from '../../src/p2p/protocol.ts';
import { channelPair, type MemoryChannel, runHandler } from '../support/channel-pair.ts';
import { MemoryChain } from '../support/memory-chain.ts';

export const chain = new MemoryChain(300);

export const network: EthNetwork = {
  networkId: 1337,
  genesisHash: chain.genesisHash,
  schedule: { blocks: [], times: [] },
};

export interface RunningHandler {
  readonly channel: MemoryChannel;
  /** The peer that it meets. */
  readonly peer: Promise<EthPeer>;
  /** What the handler threw, or undefined when it returned. */
  readonly result: Promise<unknown>;
}

/** Lets everything that needs no time go on until it waits. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

export function run(
  channel: MemoryChannel,
  version: EthVersion,
  options: Partial<EthOptions> = {},
): RunningHandler {
  const { onPeer } = options;
  let met: (peer: EthPeer) => void = () => undefined;
  const peer = new Promise<EthPeer>((resolve) => {
    met = resolve;
  });
  const [protocol] = ethProtocols({
    network,
    chain,
    versions: [version],
    env: new VirtualEnv(),
    ...options,
    onPeer: (other) => {
      met(other);
      return onPeer?.(other);
    },
  });
  if (protocol === undefined) throw new Error('no protocol');
  return { channel, peer, result: runHandler((end) => protocol.handler(end), channel) };
}

/** Two handlers that talk to each other. */
export function talk(
  version: EthVersion,
  optionsA: Partial<EthOptions> = {},
  optionsB: Partial<EthOptions> = {},
): [RunningHandler, RunningHandler] {
  const [a, b] = channelPair({ version });
  return [run(a, version, optionsA), run(b, version, optionsB)];
}

/** The other end of a handler, which does what the test says. */
export class Script {
  readonly version: EthVersion;
  readonly channel: MemoryChannel;
  readonly #messages: AsyncIterator<Message>;

  constructor(version: EthVersion, channel: MemoryChannel) {
    this.version = version;
    this.channel = channel;
    this.#messages = channel[Symbol.asyncIterator]();
  }

  async send<N extends MessageName>(name: N, value: MessageInputs[N]): Promise<void> {
    const { code, payload } = encodeMessage(this.version, name, value);
    await this.channel.send(code, payload);
  }

  async sendStatus(change: Partial<LocalStatus> = {}): Promise<void> {
    await this.send('Status', { ...localStatus(this.version, network, chain), ...change });
  }

  /** The next message, which must be of that name. */
  async expect<N extends MessageName>(name: N): Promise<MessageValues[N]> {
    const next = await this.#messages.next();
    if (next.done === true) throw new Error(`the connection ended before a ${name}`);
    const message = decodeMessage(this.version, next.value.code, next.value.payload);
    if (message.name !== name) throw new Error(`${message.name} instead of ${name}`);
    return message.value as MessageValues[N];
  }
}

export interface Scripted {
  readonly handler: RunningHandler;
  readonly script: Script;
  readonly env: VirtualEnv;
}

/** A handler against a script that has not said anything yet. */
export function begin(version: EthVersion, options: Partial<EthOptions> = {}, capacity = 16): Scripted {
  const env = new VirtualEnv();
  const [a, b] = channelPair({ version, capacity });
  return { handler: run(a, version, { env, ...options }), script: new Script(version, b), env };
}

/** The same, after the exchange of Status messages. */
export async function meet(
  version: EthVersion,
  options: Partial<EthOptions> = {},
  capacity = 16,
): Promise<Scripted & { readonly peer: EthPeer }> {
  const scripted = begin(version, options, capacity);
  await scripted.script.sendStatus();
  await scripted.script.expect('Status');
  return { ...scripted, peer: await scripted.handler.peer };
}
