/** The bundled chain, and a peer in this process that serves it. */
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { type ChainReader, ethProtocols, type Genesis, parseGenesis } from '../../src/eth/index.ts';
import type { Protocol } from '../../src/p2p/index.ts';
import { Server } from '../../src/server/index.ts';
import { ChainStore, importChain } from '../../src/sync/index.ts';
import * as chains from '../sync/chains.ts';
import { entries } from '../sync/entries.ts';

/** Directory of the bundled chain: 600 blocks. */
export const SMALL = fileURLToPath(new URL('../../data/small', import.meta.url));
export const SMALL_GENESIS_FILE = `${SMALL}/genesis.json`;
export const SMALL_GENESIS = '0x8c01c3deeab2d9f97f245cdb11939adb5d238aff15cc2b0646370f69788229e2';
export const SMALL_HEAD = '0x7c7af7efb34fe5ad18515cff4f6d8822b10128fe906f3a02c918ea00bec0e555';

export async function smallGenesis(): Promise<Genesis> {
  return parseGenesis(await readFile(SMALL_GENESIS_FILE, 'utf8'));
}

let imported: Promise<ChainStore> | undefined;

async function smallChain(): Promise<ChainStore> {
  const store = await ChainStore.inMemory({ genesis: await smallGenesis() });
  await importChain(store, `${SMALL}/chain.rlp.gz`);
  return store;
}

/** Where a chain stops to answer, until it is released. */
export interface Stall {
  /** From which number on bodies are not given. */
  readonly bodies?: number;
  /** Up to which number headers are not given. */
  readonly headers?: number;
}

/** A chain that keeps what it is asked for to itself, at first. */
class StallingChain implements ChainReader {
  readonly genesisHash: Uint8Array;
  /** Resolves when something was asked for that is not given. */
  readonly stalled: Promise<void>;
  readonly #chain: ChainReader;
  readonly #stall: Stall;
  readonly #released: Promise<void>;
  #onStalled: () => void = () => undefined;
  #onReleased: () => void = () => undefined;

  constructor(chain: ChainReader, stall: Stall) {
    this.#chain = chain;
    this.#stall = stall;
    this.genesisHash = chain.genesisHash;
    this.stalled = new Promise((resolve) => {
      this.#onStalled = resolve;
    });
    this.#released = new Promise((resolve) => {
      this.#onReleased = resolve;
    });
  }

  release(): void {
    this.#onReleased();
  }

  head() {
    return this.#chain.head();
  }

  earliest(): number {
    return this.#chain.earliest();
  }

  hashOf(number: number): Promise<Uint8Array | undefined> {
    return this.#chain.hashOf(number);
  }

  numberOf(hash: Uint8Array): Promise<number | undefined> {
    return this.#chain.numberOf(hash);
  }

  async header(number: number): Promise<Uint8Array | undefined> {
    if (number <= (this.#stall.headers ?? -1)) await this.#wait();
    return await this.#chain.header(number);
  }

  async body(number: number): Promise<Uint8Array | undefined> {
    if (number >= (this.#stall.bodies ?? Number.POSITIVE_INFINITY)) await this.#wait();
    return await this.#chain.body(number);
  }

  #wait(): Promise<void> {
    this.#onStalled();
    return this.#released;
  }
}

export interface ServedChain {
  readonly enode: string;
  readonly server: Server;
  readonly stalled: Promise<void>;
  release(): void;
}

/** Serves the bundled chain until the test is over. */
export async function serveSmall(stall: Stall = {}): Promise<ServedChain> {
  imported ??= smallChain();
  return await serveStalling(await imported, stall);
}

/** Serves a chain of the same height that departs from the bundled one at block 300. */
export async function serveFork(stall: Stall = {}): Promise<ServedChain> {
  const store = await ChainStore.inMemory({ genesis: await smallGenesis() });
  await store.appendBlocks(entries(chains.forkOf(chains.smallChain(), 300), 1, 600));
  return await serveStalling(store, stall);
}

/** Another address of a server, which lets nobody through until it is opened. */
export async function lateDoor({ enode }: { readonly enode: string }) {
  const { port } = new URL(enode);
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const door = createServer(async (outside) => {
    outside.on('error', () => outside.destroy());
    onTestFinished(() => void outside.destroy());
    await opened;
    const inside = connect(Number(port), '127.0.0.1');
    inside.on('error', () => outside.destroy());
    inside.pipe(outside).pipe(inside);
  });
  await new Promise<void>((resolve) => void door.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void door.close());
  return { enode: enode.replace(`:${port}`, `:${(door.address() as AddressInfo).port}`), open };
}

async function serveStalling(store: ChainStore, stall: Stall): Promise<ServedChain> {
  const { networkId, hash: genesisHash, schedule } = await smallGenesis();
  const chain = new StallingChain(store, stall);
  const server = await startServer(ethProtocols({ network: { networkId, genesisHash, schedule }, chain }));
  onTestFinished(() => chain.release());
  return { enode: server.enode, server, stalled: chain.stalled, release: () => chain.release() };
}

/** Serves the bundled chain's genesis block, as a node that has just begun to download. */
export async function serveGenesis(): Promise<Server> {
  const genesis = await smallGenesis();
  const chain = await ChainStore.inMemory({ genesis });
  const { networkId, hash: genesisHash, schedule } = genesis;
  return await startServer(ethProtocols({ network: { networkId, genesisHash, schedule }, chain }));
}

/** A server on a free port of this machine until the test is over. */
export async function startServer(protocols: readonly Protocol[]): Promise<Server> {
  const key = generateSecretKey(systemEnv);
  const server = new Server({ key, name: 'test', listen: { host: '127.0.0.1', port: 0 }, protocols });
  await server.start();
  onTestFinished(() => server.close());
  return server;
}
