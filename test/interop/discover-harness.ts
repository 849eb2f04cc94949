/** Discovery v4 nodes of real counterparts, and what every implementation in a test network can do alike. */
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, keccak256 } from '../../src/crypto/index.ts';
import { formatEnode, nodeIdOf } from '../../src/enr/index.ts';
import type { TableView } from '../../src/kad/index.ts';
import type { Discv4ServiceOptions } from '../../src/server/discv4-options.ts';
import { Discv4Service } from '../../src/server/discv4-service.ts';
import { JsonProgram } from './json-program.ts';
import { toolPath } from './tools.ts';

/** A node that another one heard of. */
export interface FoundNode {
  /** The node id, 32 bytes in hexadecimal. */
  readonly id: string;
  readonly enode: string;
}

/** A running node, go-ethereum's or ours. */
export interface DiscoveryNode {
  readonly id: string;
  /** The record as it is now, in its text form. */
  enr(): Promise<string>;
  /** The nodes that it finds closest to a public key of 64 bytes: at most 16, the closest first, never itself. */
  lookup(target: Uint8Array): Promise<readonly FoundNode[]>;
  /** The record that the node behind `enr` sends of itself. @throws Error when it does not */
  requestRecord(enr: string): Promise<string>;
  close(): Promise<void>;
}

export interface GoNodeOptions {
  /** ENRs or enode URLs. */
  readonly bootnodes?: readonly string[];
  /** A loopback address; default 127.0.0.1. */
  readonly ip?: string;
  /** The TCP port in the records; default none. */
  readonly tcp?: number;
  /** Liveness checks are this far apart at most, those of checked nodes three times as far; default 3,000. */
  readonly pingMs?: number;
  /** From one refresh of the table to the next; default 1,800,000. */
  readonly refreshMs?: number;
  /** Each node looks up something at random so often; default never. */
  readonly lookupMs?: number;
  /** Whether Neighbors may hold nodes whose liveness was not checked yet. */
  readonly anyNeighbor?: boolean;
}

export interface SingleGoNodeOptions extends GoNodeOptions {
  /** 64 hexadecimal digits; default a fresh key. */
  readonly key?: string;
  /** Default any. */
  readonly port?: number;
  /** The folder of the node database; default in memory. */
  readonly db?: string;
}

interface NodeInfo extends FoundNode {
  readonly index: number;
  readonly seq: number;
  /** `null` where only Neighbors told of the node. */
  readonly enr: string | null;
}

export interface TableEntry extends FoundNode {
  readonly enr: string | null;
  /** The log-distance from the table's own node. */
  readonly distance: number;
  /** Whether it answered when it was last checked. */
  readonly live: boolean;
  readonly checks: number;
}

export type PacketKind = 'ping' | 'pong' | 'findNode' | 'neighbors' | 'enrRequest' | 'enrResponse' | 'other';
export type PacketCounts = Readonly<Record<PacketKind, { readonly packets: number; readonly bytes: number }>>;

/** How much is in the buckets of a node, and how much of that answered when it was last checked. */
export interface TableSize {
  readonly index: number;
  readonly entries: number;
  readonly live: number;
}

/** What the database of a node has of another. */
export interface StoredNode {
  /** `null`: nothing. */
  readonly stored: (FoundNode & { readonly enr: string | null }) | null;
  /** When it last answered a Ping at the address by which it was asked for, Unix ms; to the second. */
  readonly pongAt: number;
}

interface Answer extends StoredNode {
  readonly tables: readonly TableSize[];
  readonly nodes: readonly (NodeInfo & TableEntry)[];
  readonly node: NodeInfo;
  readonly to: string;
  readonly ids: readonly string[];
  readonly seq: number;
  readonly sent: PacketCounts;
  readonly received: PacketCounts;
  readonly cpuSeconds: number;
  readonly traffic: { readonly packets: number; readonly bytes: number };
}

/** Many nodes of go-ethereum in one process; the program is in `test/interop/go`. */
export class GoDiscovery implements AsyncDisposable {
  readonly #program: JsonProgram<{ event: 'ready' | 'log' }, Partial<Answer>>;

  /** Another program may take the same orders, or some of them. */
  constructor(
    path = toolPath('devp2p-peer'),
    args: readonly string[] = ['discover'],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#program = new JsonProgram(path, args, env);
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** One node. */
  async node(options: SingleGoNodeOptions = {}): Promise<GoNode> {
    const [node] = await this.#start({ ...options, count: 1 });
    if (node === undefined) throw new Error('no node was started');
    return node;
  }

  /** So many nodes with fresh keys. */
  async nodes(count: number, options: GoNodeOptions = {}): Promise<GoNode[]> {
    return this.#start({ ...options, count });
  }

  /** Of all nodes that run, at little cost. */
  async tables(): Promise<readonly TableSize[]> {
    return this.ask('tables', 'tables');
  }

  /** No node looks up anything at random any more, and no such lookup is under way. */
  async rest(): Promise<void> {
    await this.tell('rest', {});
  }

  /** Packets of all nodes that ever ran in this process. */
  async counts(): Promise<{ sent: PacketCounts; received: PacketCounts }> {
    return { sent: await this.ask('sent', 'counts'), received: await this.ask('received', 'counts') };
  }

  /** Seconds of CPU time that the process has used. `collect`: garbage goes first, and memory back to the system. */
  async cpuSeconds(collect = false): Promise<number> {
    return this.ask('cpuSeconds', 'usage', { gc: collect });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  /** Gives an order and takes one field of the answer. */
  async ask<K extends keyof Answer>(field: K, cmd: string, args: object = {}): Promise<Answer[K]> {
    const value: Answer[K] | undefined = (await this.#program.command({ cmd, args }))[field];
    if (value === undefined) throw new Error(`${cmd} was answered without ${field}`);
    return value;
  }

  /** Gives an order that has no answer but that it is done. */
  async tell(cmd: string, args: object): Promise<void> {
    await this.#program.command({ cmd, args });
  }

  async #start(args: object): Promise<GoNode[]> {
    return (await this.ask('nodes', 'start', args)).map((info) => new GoNode(this, info));
  }
}

/** A node of go-ethereum; it ends with its process if it is not closed. */
export class GoNode implements DiscoveryNode {
  readonly id: string;
  readonly #process: GoDiscovery;
  readonly #index: number;

  constructor(process: GoDiscovery, { id, index }: NodeInfo) {
    this.#process = process;
    this.#index = index;
    this.id = id;
  }

  async enr(): Promise<string> {
    const running = await this.#process.ask('nodes', 'nodes');
    return recordOf(running.find(({ index }) => index === this.#index));
  }

  async lookup(target: Uint8Array): Promise<readonly FoundNode[]> {
    return this.#process.ask('nodes', 'lookup', { node: this.#index, target: toBareHex(target) });
  }

  async requestRecord(enr: string): Promise<string> {
    return recordOf(await this.#process.ask('node', 'requestENR', { node: this.#index, record: enr }));
  }

  /** The newest record that it can get of a node, from the node or by a lookup; else the one given. */
  async resolve(record: string): Promise<string> {
    return recordOf(await this.#process.ask('node', 'resolve', { node: this.#index, record }));
  }

  /**
   * The node ids in the Neighbors with which another node answers one FindNode, in the order in which they came. While no
   * lookup of this node is under way.
   */
  async findNode(record: string, target: Uint8Array): Promise<readonly string[]> {
    const args = { node: this.#index, record, target: toBareHex(target) };
    return this.#process.ask('ids', 'findNode', args);
  }

  /** The endpoint (`IP:port`) from which the other node saw this one's Ping come. @throws Error when it is silent */
  async ping(record: string): Promise<string> {
    return this.#process.ask('to', 'ping', { node: this.#index, record });
  }

  /** What is in the buckets; replacements are not told. */
  async table(): Promise<readonly TableEntry[]> {
    return this.#process.ask('nodes', 'table', { node: this.#index });
  }

  /** What its database has of a node. */
  async stored(record: string): Promise<StoredNode> {
    const args = { node: this.#index, record };
    return {
      stored: await this.#process.ask('stored', 'stored', args),
      pongAt: await this.#process.ask('pongAt', 'stored', args),
    };
  }

  async close(): Promise<void> {
    await this.#process.tell('close', { node: this.#index });
  }
}

function recordOf(node: NodeInfo | undefined): string {
  if (typeof node?.enr !== 'string') throw new Error('the node is not known by a record');
  return node.enr;
}

/** Of these node ids, the closest to a public key by their distance as numbers, found by looking at all of them. */
export function closestIds(target: Uint8Array, ids: readonly string[], count = 16): string[] {
  return closestTo(keccak256(target), ids, count);
}

/** The same to a place among node ids. */
export function closestTo(place: Uint8Array, ids: readonly string[], count = 16): string[] {
  const target = BigInt(`0x${toBareHex(place)}`);
  return ids
    .map((id) => ({ id, distance: BigInt(`0x${id}`) ^ target }))
    .sort((a, b) => (a.distance < b.distance ? -1 : 1))
    .slice(0, count)
    .map(({ id }) => id);
}

/** One of our nodes. */
export class OwnNode implements DiscoveryNode, AsyncDisposable {
  readonly id: string;
  readonly #service: Discv4Service;

  private constructor(service: Discv4Service) {
    this.#service = service;
    this.id = toBareHex(nodeIdOf(service.publicKey));
  }

  static async start(
    bootnodes: readonly string[] = [],
    options: Partial<Discv4ServiceOptions> = {},
  ): Promise<OwnNode> {
    const key = generateSecretKey(systemEnv);
    const listen = { host: '127.0.0.1', port: 0 };
    const service = new Discv4Service({ key, listen, bootnodes, ...options });
    await service.start();
    return new OwnNode(service);
  }

  async enr(): Promise<string> {
    return this.#service.record.toString();
  }

  async lookup(target: Uint8Array): Promise<readonly FoundNode[]> {
    const found = await this.#service.findClosest(target);
    return found.map(({ id, publicKey, ip, tcpPort, udpPort }) => ({
      id: toBareHex(id),
      enode: formatEnode({ publicKey, host: ip, tcpPort, udpPort }),
    }));
  }

  async requestRecord(enr: string): Promise<string> {
    return (await this.#service.requestRecord(enr)).toString();
  }

  async ping(record: string): Promise<void> {
    await this.#service.ping(record);
  }

  get table(): TableView {
    return this.#service.table;
  }

  async close(): Promise<void> {
    await this.#service.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
