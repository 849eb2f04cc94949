/** A server of ours with eth on it, over a store in memory. */
import { readFile } from 'node:fs/promises';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import {
  type EthDiscovery,
  type EthOptions,
  type EthPeer,
  ethDiscovery,
  ethProtocols,
  parseGenesis,
} from '../../src/eth/index.ts';
import {
  type DiscoveryOptions,
  Server,
  type ServerEvent,
  type ServerOptions,
} from '../../src/server/index.ts';
import { ChainStore, importChain } from '../../src/sync/index.ts';
import type { ChainFiles } from '../interop/chains.ts';
import { EventQueue } from '../interop/event-queue.ts';

export interface EthNodeOptions extends Partial<EthOptions> {
  /** Default true. */
  readonly blocks?: boolean;
  /** What its discovery is made of, from what the chain says; default: none. */
  readonly discovery?: (chain: EthDiscovery) => DiscoveryOptions;
  readonly bootnodes?: readonly string[];
  /** Default: 127.0.0.1, any port. */
  readonly listen?: ServerOptions['listen'];
  /** Default a fresh one. */
  readonly key?: Uint8Array;
}

export class EthNode implements AsyncDisposable {
  readonly server: Server;
  readonly store: ChainStore;
  readonly events = new EventQueue<ServerEvent>();
  readonly #peers = new EventQueue<EthPeer>();

  private constructor(
    store: ChainStore,
    { networkId, hash: genesisHash, schedule }: ReturnType<typeof parseGenesis>,
    {
      discovery,
      bootnodes = [],
      listen = { host: '127.0.0.1', port: 0 },
      key = generateSecretKey(systemEnv),
      ...options
    }: Omit<EthNodeOptions, 'blocks'>,
  ) {
    this.store = store;
    const network = { networkId, genesisHash, schedule };
    this.server = new Server({
      key,
      bootnodes,
      discovery: discovery?.(ethDiscovery({ network, chain: store })),
      listen,
      onEvent: (event) => this.events.push(event),
      protocols: ethProtocols({
        network,
        chain: store,
        ...options,
        onPeer: (peer) => {
          this.#peers.push(peer);
          return options.onPeer?.(peer);
        },
      }),
    });
  }

  /** With the blocks of `chain`, or only with its genesis. */
  static async start(
    chain: ChainFiles,
    { blocks = true, ...options }: EthNodeOptions = {},
  ): Promise<EthNode> {
    const genesis = parseGenesis(await readFile(chain.genesis, 'utf8'));
    const store = await ChainStore.inMemory({ genesis });
    if (blocks) await importChain(store, chain.blocks);
    const node = new EthNode(store, genesis, options);
    await node.server.start();
    return node;
  }

  /** The next peer whose Status fits. */
  readonly nextPeer = (): Promise<EthPeer> => this.#peers.next('eth peer', () => true);

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.store.close();
  }
}
