/** A geth process on loopback, with a chain of ours and without a consensus client. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChainFiles } from './chains.ts';
import { hasEnded, start, stop } from './child.ts';
import { EventQueue } from './event-queue.ts';
import { prepareDatadir } from './geth-datadir.ts';
import { JsonRpcClient } from './json-rpc.ts';
import { toolPath } from './tools.ts';

/** 1.16.8 speaks eth/68 and eth/69, 1.17.5 eth/69 to eth/72. */
export type GethVersion = '1.16.8' | '1.17.5';
export const GETH_VERSIONS: readonly GethVersion[] = ['1.16.8', '1.17.5'];

export interface GethOptions {
  readonly version: GethVersion;
  readonly chain: ChainFiles;
  /** Whether the chain is there, or the genesis block only; default `all`. */
  readonly blocks?: 'all' | 'none';
  readonly maxPeers?: number;
  /** enode URLs or records of the only nodes that its discovery begins with; default no discovery. */
  readonly bootnodes?: readonly string[];
  /** The versions of discovery that it has if there are bootnodes; default `v4`. */
  readonly discovery?: 'v4' | 'v5' | 'both';
  /**
   * How it comes to its peers. `dialing`: it has no TCP listener, and its record says so; `listening`: it dials no node that
   * it finds. Default `both`.
   */
  readonly peering?: Peering;
  /** The address that it listens on, dials and is dialed in; default 127.0.0.1. */
  readonly host?: GethHost;
  /** Tried one after the other as long as one is taken, 0: any; default any, three times. */
  readonly ports?: readonly number[];
  /** 3 is info, 4 debug, 5 trace; default 3. */
  readonly verbosity?: number;
  readonly flags?: readonly string[];
}

/** With the networks that it has to do with there. */
const NETWORKS = { '127.0.0.1': '127.0.0.0/8', '::1': '::1/128' } as const;
export type GethHost = keyof typeof NETWORKS;

export type Peering = 'both' | 'dialing' | 'listening';

/** One entry of `admin_peers`. */
export interface GethPeer {
  /** The node id: Keccak-256 of the public key, hexadecimal. The public key itself is in `enode`. */
  readonly id: string;
  readonly name: string;
  readonly enode: string;
  readonly caps: readonly string[];
  readonly network: { readonly inbound: boolean; readonly remoteAddress: string };
  /** By protocol: `"handshake"` until its Status exchange is over, then its version and what it said. */
  readonly protocols: Readonly<Record<string, 'handshake' | { readonly version: number }>>;
}

/** A notification of the subscription to `admin_peerEvents`; `error` says why a peer was dropped. */
export interface GethPeerEvent {
  readonly type: 'add' | 'drop';
  /** The node id, as in `GethPeer`. */
  readonly peer: string;
  readonly error?: string;
}

/** Some of `admin_nodeInfo`; ports are 0 until there is a socket. */
interface NodeInfo {
  readonly enode: string;
  readonly ports: { readonly listener: number; readonly discovery: number };
}

/** Any port, three times: the system gives one that is free for TCP, and UDP of the same number may be taken. */
const ANY_PORT = [0, 0, 0];
const TAKEN = 'address already in use';
const START_MS = 60_000;
const POLL_MS = 20;

/** What a process that was started has. */
interface Running {
  readonly directory: string;
  readonly logPath: string;
  readonly child: ChildProcess;
  /** For TCP connections. */
  readonly listens: boolean;
}

/** Its `[Node.P2P]`. No flag binds the listener to one address: `--port` takes all of them. */
function configOf(peering: Peering, host: GethHost, port: number): string {
  const address = host === '::1' ? `"[::1]:${port}"` : `"127.0.0.1:${port}"`;
  const lines = {
    both: [`ListenAddr = ${address}`],
    dialing: ['ListenAddr = ""', `DiscAddr = ${address}`],
    listening: [`ListenAddr = ${address}`, 'NoDial = true'],
  };
  return ['[Node.P2P]', ...lines[peering], ''].join('\n');
}

export class Geth implements AsyncDisposable {
  readonly version: GethVersion;
  /** Peers added and dropped, in order. */
  readonly peerEvents = new EventQueue<GethPeerEvent>();
  readonly #directory: string;
  readonly #logPath: string;
  readonly #child: ChildProcess;
  readonly #listens: boolean;
  #rpc: JsonRpcClient | undefined;
  #enode = '';

  private constructor(version: GethVersion, { directory, logPath, child, listens }: Running) {
    this.version = version;
    this.#directory = directory;
    this.#logPath = logPath;
    this.#child = child;
    this.#listens = listens;
    child.once('error', (error) => this.peerEvents.end(error));
    child.once('exit', () => this.peerEvents.end(new Error('geth has ended')));
  }

  /** Starts geth and resolves when it listens. The log is kept if `PEERLANE_INTEROP_LOGS` names a directory. */
  static async start(options: GethOptions): Promise<Geth> {
    const { ports = ANY_PORT } = options;
    for (const port of ports.slice(0, -1)) {
      try {
        return await Geth.#startAt(port, options);
      } catch (error) {
        if (!(error instanceof Error && error.message.includes(TAKEN))) throw error;
      }
    }
    return Geth.#startAt(ports.at(-1) ?? 0, options);
  }

  static async #startAt(port: number, options: GethOptions): Promise<Geth> {
    const { version, chain, blocks = 'all', maxPeers = 10, verbosity = 3, flags = [], bootnodes } = options;
    const { peering = 'both', discovery = 'v4', host = '127.0.0.1' } = options;
    const program = toolPath(`geth-v${version}/geth`);
    const directory = await mkdtemp(join(tmpdir(), 'peerlane-geth-'));
    const datadir = join(directory, 'datadir');
    const config = join(directory, 'config.toml');
    const logs = process.env.PEERLANE_INTEROP_LOGS ?? directory;
    const logPath = join(logs, `geth-v${version}-${chain.name}-${directory.slice(-6)}.log`);
    try {
      await mkdir(logs, { recursive: true });
      await prepareDatadir(version, chain, blocks, datadir);
      await writeFile(config, configOf(peering, host, port));
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
    const args = [
      ...['--config', config, '--datadir', datadir, '--networkid', String(chain.networkId)],
      ...['--syncmode', 'full', '--cache', '64', '--maxpeers', String(maxPeers)],
      ...(bootnodes === undefined
        ? ['--nodiscover']
        : [`--discovery.v4=${discovery !== 'v5'}`, `--discovery.v5=${discovery !== 'v4'}`]),
      ...['--discovery.dns', '', '--bootnodes', (bootnodes ?? []).join(','), '--nat', 'none'],
      ...['--netrestrict', NETWORKS[host], '--authrpc.addr', '127.0.0.1', '--authrpc.port', '0'],
      ...['--ipcpath', join(directory, 'geth.ipc'), '--verbosity', String(verbosity), ...flags],
    ];
    const log = openSync(logPath, 'a');
    const child = start(program, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    const geth = new Geth(version, { directory, logPath, child, listens: peering !== 'dialing' });
    try {
      await geth.#ready();
    } catch (error) {
      const text = await geth.log();
      await geth[Symbol.asyncDispose]();
      throw new Error(`geth ${version} did not start:\n${text}`, { cause: error });
    }
    return geth;
  }

  /** Leads to geth's listener on 127.0.0.1; without one its port is 0. */
  get enode(): string {
    return this.#enode;
  }

  /** The public key, 64 bytes in hexadecimal. */
  get id(): string {
    return new URL(this.#enode).username;
  }

  /** The node's record in text form. */
  async enr(): Promise<string> {
    return ((await this.call('admin_nodeInfo')) as { enr: string }).enr;
  }

  /** Any method of geth; its IPC socket serves all namespaces, `engine` too. */
  call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    if (this.#rpc === undefined) return Promise.reject(new Error('geth is not ready'));
    return this.#rpc.call(method, ...params);
  }

  /** geth dials the node and dials it again (after 35 s at the earliest) until `removePeer`. */
  async addPeer(enode: string): Promise<void> {
    await this.call('admin_addPeer', enode);
  }

  async removePeer(enode: string): Promise<void> {
    await this.call('admin_removePeer', enode);
  }

  async peers(): Promise<GethPeer[]> {
    return (await this.call('admin_peers')) as GethPeer[];
  }

  /** The first peer that `accepts` takes; by default one that has exchanged eth Status. */
  async waitForPeer(
    accepts: (peer: GethPeer) => boolean = (peer) => typeof peer.protocols.eth === 'object',
    signal: AbortSignal = AbortSignal.timeout(15_000),
  ): Promise<GethPeer> {
    for (;;) {
      const peer = (await this.peers()).find(accepts);
      if (peer !== undefined) return peer;
      await delay(POLL_MS, undefined, { signal });
    }
  }

  async blockNumber(): Promise<number> {
    return Number(await this.call('eth_blockNumber'));
  }

  async waitForBlock(number: number, signal: AbortSignal = AbortSignal.timeout(30_000)): Promise<void> {
    while ((await this.blockNumber()) < number) await delay(POLL_MS, undefined, { signal });
  }

  /**
   * Says what a consensus client would: that the head is the head. Until then geth serves its chain but drops the
   * transactions that peers send.
   */
  async markSynced(): Promise<void> {
    const { hash } = (await this.call('eth_getBlockByNumber', 'latest', false)) as { hash: string };
    const state = { headBlockHash: hash, safeBlockHash: hash, finalizedBlockHash: hash };
    const answer = (await this.call('engine_forkchoiceUpdatedV3', state, null)) as {
      payloadStatus: { status: string };
    };
    if (answer.payloadStatus.status !== 'VALID') throw new Error(`fork choice: ${JSON.stringify(answer)}`);
  }

  /** geth downloads the chain up to the block `hash` from its peers; needs a peer that has it. */
  async syncTo(hash: string): Promise<void> {
    await this.call('debug_sync', hash);
  }

  /** All that geth has logged. */
  async log(): Promise<string> {
    return await readFile(this.#logPath, 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#rpc?.close();
    await stop(this.#child, 'SIGINT', 10_000);
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    const deadline = AbortSignal.timeout(START_MS);
    for (;;) {
      if (hasEnded(this.#child)) throw new Error('geth has ended');
      if (await this.#reach()) return;
      await delay(POLL_MS, undefined, { signal: deadline });
    }
  }

  /** Whether geth answers and can be found: the IPC socket is there before the P2P listener is. */
  async #reach(): Promise<boolean> {
    try {
      this.#rpc ??= await JsonRpcClient.connect(join(this.#directory, 'geth.ipc'));
    } catch {
      return false;
    }
    const { enode, ports } = (await this.call('admin_nodeInfo')) as NodeInfo;
    if ((this.#listens ? ports.listener : ports.discovery) === 0) return false;
    // The part behind `?` is the UDP port, 0 without discovery.
    this.#enode = enode.replace(/\?.*$/, '');
    this.#rpc.onNotification = (event) => this.peerEvents.push(event as GethPeerEvent);
    await this.call('admin_subscribe', 'peerEvents');
    return true;
  }
}
