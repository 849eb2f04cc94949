/** Discovery v5 nodes of real counterparts: programs in three languages that take the same orders. */
import { fileURLToPath } from 'node:url';
import { toBareHex } from '../../src/base/bytes.ts';
import { JsonProgram } from './json-program.ts';
import { toolPath } from './tools.ts';

/** A node by its record. */
export interface FoundPeer {
  /** The node id, 32 bytes in hexadecimal. */
  readonly id: string;
  readonly enr: string;
  readonly seq: number;
}

/** What a Pong says. */
export interface PongInfo {
  /** The endpoint from which the Ping came, `IP:port` or `[IP]:port`. */
  readonly to: string;
  /** The number of the answering node's record. */
  readonly seq: number;
}

/** Of a record, each entry's RLP in hexadecimal; `null` takes an entry out. */
export type RecordEntries = Readonly<Record<string, string | null>>;

/** A running node of any kind. */
export interface Discv5Node {
  readonly id: string;
  /** The own record as it is now, in its text form. */
  enr(): Promise<string>;
  /** @throws Error when the node behind the record is silent */
  ping(record: string): Promise<PongInfo>;
  /** The records in a node's answer to one FindNode, those of other distances left out. */
  findNode(record: string, distances: readonly number[]): Promise<readonly FoundPeer[]>;
  /** The nodes that it finds closest to a node id of 64 hexadecimal digits: 16 at most, sigp's in an order of their own. */
  lookup(target: string): Promise<readonly FoundPeer[]>;
  /** The newest record of a node, from the node or by a lookup; else the one given. */
  resolve(record: string): Promise<string>;
  /** The answer to one TalkReq: empty when the other node does not know the protocol. */
  talk(record: string, protocol: string, request: Uint8Array): Promise<Uint8Array>;
  /** Changes entries of the own record, whose number goes up. @returns the record */
  update(entries: RecordEntries): Promise<string>;
  /** Takes another port, which its record then names. @returns the port */
  move(): Promise<number>;
  close(): Promise<void>;
}

/** Where nodes of one kind run. */
export interface Discv5Host extends AsyncDisposable {
  node(options?: SinglePeerOptions): Promise<Discv5Node>;
}

export interface PeerOptions {
  /** An address of 127.0.0.0/8, or ::1; default 127.0.0.1. */
  readonly ip?: string;
  /** Those that do not look for themselves stay alone with these until they look up something. */
  readonly bootnodes?: readonly string[];
  readonly entries?: RecordEntries;
  /** Protocols whose requests are sent back; default `echo`. Others are answered with nothing. */
  readonly talk?: readonly string[];
  /** go-ethereum: liveness checks of nodes are about so far apart; the others ping each node so often. */
  readonly pingMs?: number;
  /** Whether the record names no endpoint, as of a node that does not know its own. */
  readonly hidden?: boolean;
  /** How long an answer may take: default 700 ms for go-ethereum, a second for the others, which ask twice. */
  readonly responseMs?: number;
}

export interface SinglePeerOptions extends PeerOptions {
  /** 64 hexadecimal digits; default a fresh key. */
  readonly key?: string;
  /** Default any. */
  readonly port?: number;
  /** A second socket, on ::1; go-ethereum has no such thing. */
  readonly ip6?: boolean;
}

/** What only go-ethereum takes. */
export interface GoPeerOptions extends SinglePeerOptions {
  /** Networks with which it has to do; default all of loopback. */
  readonly netRestrict?: string;
  /** Discovery v4 on the same socket, as geth has it. */
  readonly v4?: boolean;
  /** From one refresh of the table to the next; default 1,800,000. */
  readonly refreshMs?: number;
  /** Whether Nodes may hold nodes whose liveness was not checked yet. */
  readonly anyNode?: boolean;
}

interface NodeInfo extends FoundPeer {
  readonly index: number;
}

interface Traffic {
  readonly packets: number;
  readonly bytes: number;
}

interface Answer extends PongInfo {
  readonly nodes: readonly NodeInfo[];
  readonly node: NodeInfo;
  readonly data: string;
  readonly port: number;
  readonly sent: Traffic;
  readonly received: Traffic;
  readonly cpuSeconds: number;
}

/** A TalkReq that was answered by a program. */
export interface TalkEvent {
  readonly event: 'talk';
  /** Which of its nodes. */
  readonly node: number;
  readonly protocol: string;
  /** The node id of who sent it. */
  readonly from: string;
  /** `null`: sigp's crate does not tell. */
  readonly endpoint: string | null;
}

type PeerEvent = TalkEvent | { readonly event: 'ready' | 'log' };

/** Many nodes of one kind in one process. */
export class PeerProgram implements Discv5Host {
  readonly #program: JsonProgram<PeerEvent, Partial<Answer>>;

  constructor(path: string, args: readonly string[] = []) {
    this.#program = new JsonProgram(path, args);
  }

  get pid(): number {
    return this.#program.pid;
  }

  async node(options: GoPeerOptions = {}): Promise<PeerNode> {
    const [node] = await this.#start({ ...options, count: 1 });
    if (node === undefined) throw new Error('no node was started');
    return node;
  }

  /** So many nodes with fresh keys. */
  async nodes(count: number, options: PeerOptions = {}): Promise<PeerNode[]> {
    return this.#start({ ...options, count });
  }

  /** Seconds of CPU time that the process has used. */
  async cpuSeconds(): Promise<number> {
    return this.ask('cpuSeconds', 'usage');
  }

  /** The next TalkReq that a node has answered and nobody has asked for yet. */
  async nextTalk(signal?: AbortSignal): Promise<TalkEvent> {
    const event = await this.#program.next('talk', ({ event }) => event === 'talk', signal);
    if (event.event !== 'talk') throw new Error('not a talk');
    return event;
  }

  /** Gives an order and takes the answer. @throws Error with the program's reason when it refuses */
  async order(cmd: string, args: object = {}): Promise<Partial<Answer>> {
    return this.#program.command({ cmd, args });
  }

  /** Gives an order and takes one field of the answer. */
  async ask<K extends keyof Answer>(field: K, cmd: string, args: object = {}): Promise<Answer[K]> {
    const value: Answer[K] | undefined = (await this.order(cmd, args))[field];
    if (value === undefined) throw new Error(`${cmd} was answered without ${field}`);
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  async #start(args: object): Promise<PeerNode[]> {
    return (await this.ask('nodes', 'start', args)).map((info) => new PeerNode(this, info));
  }
}

/** A node of a counterpart; it ends with its process if it is not closed. */
export class PeerNode implements Discv5Node {
  readonly id: string;
  /** Its number within its program. */
  readonly index: number;
  readonly #program: PeerProgram;

  constructor(program: PeerProgram, { id, index }: NodeInfo) {
    this.#program = program;
    this.index = index;
    this.id = id;
  }

  async enr(): Promise<string> {
    const running = await this.#program.ask('nodes', 'nodes');
    const own = running.find(({ index }) => index === this.index);
    if (own === undefined) throw new Error('the node is closed');
    return own.enr;
  }

  async ping(record: string): Promise<PongInfo> {
    const { to, seq } = await this.#order('ping', { record });
    if (to === undefined || seq === undefined) throw new Error('incomplete answer');
    return { to, seq };
  }

  async findNode(record: string, distances: readonly number[]): Promise<readonly FoundPeer[]> {
    return this.#ask('nodes', 'findNode', { record, distances });
  }

  async lookup(target: string): Promise<readonly FoundPeer[]> {
    return this.#ask('nodes', 'lookup', { target });
  }

  async resolve(record: string): Promise<string> {
    return (await this.#ask('node', 'resolve', { record })).enr;
  }

  async talk(record: string, protocol: string, request: Uint8Array): Promise<Uint8Array> {
    const args = { record, protocol, data: toBareHex(request) };
    return Uint8Array.from(Buffer.from(await this.#ask('data', 'talk', args), 'hex'));
  }

  /** Different nodes that lookups of random targets find: so many, or as many as come within 10 s. */
  async random(count: number): Promise<readonly FoundPeer[]> {
    return this.#ask('nodes', 'random', { count });
  }

  /** What is in the buckets. */
  async table(): Promise<readonly FoundPeer[]> {
    return this.#ask('nodes', 'table');
  }

  async update(entries: RecordEntries): Promise<string> {
    return (await this.#ask('node', 'update', { entries })).enr;
  }

  /**
   * Takes another port; sigp's begins anew, the others keep their sessions. `silent`: the record stays what it was, as
   * behind a router that has forgotten its mapping.
   * @returns the port
   */
  async move({ silent = false, port = 0 } = {}): Promise<number> {
    return this.#ask('port', 'move', { silent, port });
  }

  /** go-ethereum with `v4`: whether a node answers a Ping of discovery v4; else it throws. @returns its record's number */
  async pingV4(record: string): Promise<number> {
    return this.#ask('seq', 'v4Ping', { record });
  }

  /** go-ethereum: all that went through its socket. */
  async traffic(): Promise<{ readonly sent: Traffic; readonly received: Traffic }> {
    const { sent, received } = await this.#order('counts');
    if (sent === undefined || received === undefined) throw new Error('incomplete answer');
    return { sent, received };
  }

  async close(): Promise<void> {
    await this.#order('close');
  }

  #order(cmd: string, args: object = {}): Promise<Partial<Answer>> {
    return this.#program.order(cmd, { node: this.index, ...args });
  }

  #ask<K extends keyof Answer>(field: K, cmd: string, args: object = {}): Promise<Answer[K]> {
    return this.#program.ask(field, cmd, { node: this.index, ...args });
  }
}

/** go-ethereum's `p2p/discover`; the program is in `test/interop/go`. */
export const goPeers = (): PeerProgram => new PeerProgram(toolPath('devp2p-peer'), ['discover5']);

/** `@chainsafe/discv5`. */
export const chainSafePeers = (): PeerProgram =>
  new PeerProgram(process.execPath, [fileURLToPath(new URL('discv5-chainsafe.js', import.meta.url))]);

/** sigp's crate `discv5`; the program is in `test/interop/rust`. */
export const sigpPeers = (): PeerProgram => new PeerProgram(toolPath('discv5-peer'));

/** All kinds by the name of who wrote them. */
export const COUNTERPARTS = {
  'go-ethereum': goPeers,
  ChainSafe: chainSafePeers,
  sigp: sigpPeers,
} as const;
