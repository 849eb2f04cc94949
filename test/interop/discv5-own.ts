/** Nodes of ours, that take the same orders as those of the counterparts. */
import { fromHex, toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import {
  type EntryChanges,
  enodeOfRecord,
  type NodeRecord,
  parseRecord,
  signRecord,
} from '../../src/enr/index.ts';
import { Discv5Service } from '../../src/server/discv5-service.ts';
import type {
  Discv5Host,
  Discv5Node,
  FoundPeer,
  PongInfo,
  RecordEntries,
  SinglePeerOptions,
} from './discv5-harness.ts';

const LOOPBACK = '127.0.0.1';

function peerOf(record: NodeRecord): FoundPeer {
  return { id: toBareHex(record.nodeId), enr: record.toString(), seq: Number(record.seq) };
}

class OwnNode implements Discv5Node {
  readonly #options: SinglePeerOptions;
  readonly #key: Uint8Array;
  #entries: RecordEntries;
  #seq = 1n;
  #record: NodeRecord | undefined;
  #service: Discv5Service;

  private constructor(options: SinglePeerOptions) {
    this.#options = options;
    this.#key = options.key === undefined ? generateSecretKey(systemEnv) : fromHex(options.key);
    this.#entries = options.entries ?? {};
    this.#service = this.#serviceAt(options.port ?? 0);
  }

  static async start(options: SinglePeerOptions): Promise<OwnNode> {
    const node = new OwnNode(options);
    await node.#service.start();
    return node;
  }

  get id(): string {
    return toBareHex(this.#service.id);
  }

  #serviceAt(port: number): Discv5Service {
    const { ip = LOOPBACK, bootnodes = [], talk = ['echo'] } = this.#options;
    const listen = { host: ip, port };
    const service: Discv5Service = new Discv5Service({
      ...{ key: this.#key, listen, bootnodes, record: () => this.#signed(service.port || port) },
    });
    for (const protocol of talk) service.serveTalk(protocol, (request) => request);
    return service;
  }

  /** The record of now; a new one for another port. */
  #signed(port: number): NodeRecord {
    const { ip = LOOPBACK, hidden } = this.#options;
    const known = this.#record;
    const place: EntryChanges = ip.includes(':') ? { ip6: ip, udp6: port } : { ip, udp: port };
    const udp = known?.get(ip.includes(':') ? 'udp6' : 'udp');
    if (known !== undefined && (hidden === true || udp === port)) return known;
    const others = Object.entries(this.#entries).map<[string, Uint8Array | undefined]>(([name, rlp]) => [
      name,
      rlp === null ? undefined : fromHex(rlp),
    ]);
    this.#record = signRecord(this.#key, {
      seq: this.#seq++,
      entries: hidden === true ? {} : place,
      others: new Map(others),
    });
    return this.#record;
  }

  async enr(): Promise<string> {
    return await Promise.resolve(this.#service.record.toString());
  }

  async ping(record: string): Promise<PongInfo> {
    const { seenAs, enrSeq } = await this.#service.ping(record);
    const { ip = '', udpPort } = seenAs;
    return { to: `${ip.includes(':') ? `[${ip}]` : ip}:${udpPort}`, seq: Number(enrSeq) };
  }

  async findNode(record: string, distances: readonly number[]): Promise<readonly FoundPeer[]> {
    return (await this.#service.findNode(record, distances)).map(peerOf);
  }

  async lookup(target: string): Promise<readonly FoundPeer[]> {
    const nodes = await this.#service.findClosest(fromHex(target));
    return nodes.flatMap(({ record }) => (record === undefined ? [] : [peerOf(record)]));
  }

  async resolve(record: string): Promise<string> {
    const own = await this.#service.requestRecord(record).catch(() => undefined);
    const found = own ?? (await this.#service.resolve(parseRecord(record).nodeId));
    return found?.toString() ?? record;
  }

  async talk(record: string, protocol: string, request: Uint8Array): Promise<Uint8Array> {
    return await this.#service.talk(record, protocol, request);
  }

  async update(entries: RecordEntries): Promise<string> {
    this.#entries = { ...this.#entries, ...entries };
    const port = enodeOfRecord(this.#service.record)?.udpPort ?? 0;
    this.#record = undefined;
    return await Promise.resolve(this.#signed(port).toString());
  }

  /** Begins anew at another port. */
  async move(): Promise<number> {
    await this.#service.close();
    this.#service = this.#serviceAt(0);
    await this.#service.start();
    return this.#service.port;
  }

  async close(): Promise<void> {
    await this.#service.close();
  }
}

/** All in this process. */
class OwnHost implements Discv5Host {
  readonly #nodes: OwnNode[] = [];

  async node(options: SinglePeerOptions = {}): Promise<Discv5Node> {
    const node = await OwnNode.start(options);
    this.#nodes.push(node);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.close()));
  }
}

export const ownPeers = (): Discv5Host => new OwnHost();
