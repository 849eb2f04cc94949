/** A server of ours with eth on it, over a store in memory. */
import { readFile } from 'node:fs/promises';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import {
  type EthOptions,
  type EthPeer,
  ethProtocols,
  type ForkId,
  forkId,
  parseGenesis,
} from '../../src/eth/index.ts';
import { Server, type ServerEvent } from '../../src/server/index.ts';
import { ChainStore, importChain } from '../../src/sync/index.ts';
import type { ChainFiles } from '../interop/chains.ts';
import { EventQueue } from '../interop/event-queue.ts';

export interface EthNodeOptions extends Partial<EthOptions> {
  /** Default true. */
  readonly blocks?: boolean;
  /** The node's secret key; default a fresh one. */
  readonly key?: Uint8Array;
}

export class EthNode implements AsyncDisposable {
  readonly server: Server;
  readonly store: ChainStore;
  readonly events = new EventQueue<ServerEvent>();
  readonly #peers = new EventQueue<EthPeer>();
  readonly #genesis: ReturnType<typeof parseGenesis>;

  private constructor(
    store: ChainStore,
    genesis: ReturnType<typeof parseGenesis>,
    key: Uint8Array,
    options: Partial<EthOptions>,
  ) {
    this.store = store;
    const { networkId, hash: genesisHash, schedule } = genesis;
    this.#genesis = genesis;
    this.server = new Server({
      key,
      listen: { host: '127.0.0.1', port: 0 },
      onEvent: (event) => this.events.push(event),
      protocols: ethProtocols({
        network: { networkId, genesisHash, schedule },
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
    { blocks = true, key = generateSecretKey(systemEnv), ...options }: EthNodeOptions = {},
  ): Promise<EthNode> {
    const genesis = parseGenesis(await readFile(chain.genesis, 'utf8'));
    const store = await ChainStore.inMemory({ genesis });
    if (blocks) await importChain(store, chain.blocks);
    const node = new EthNode(store, genesis, key, options);
    await node.server.start();
    return node;
  }

  /** The next peer whose Status fits. */
  readonly nextPeer = (): Promise<EthPeer> => this.#peers.next('eth peer', () => true);

  /** As its Status and its record tell. */
  get forkId(): ForkId {
    const { hash, schedule } = this.#genesis;
    const { number, timestamp } = this.store.head();
    return forkId(hash, schedule, number, timestamp);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.store.close();
  }
}
