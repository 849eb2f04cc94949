/**
 * @ethereumjs/devp2p as the other side of a test: RLPx and eth/68 on loopback. It answers requests for headers
 * and bodies from a generated chain, and sends such requests.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, type Server, Socket } from 'node:net';
import { Common, Hardfork } from '@ethereumjs/common';
import { DISCONNECT_REASON, ETH, EthMessageCodes, type Peer, RLPx } from '@ethereumjs/devp2p';
import type { Input, NestedUint8Array } from '@ethereumjs/rlp';
import { GENESIS_HASH } from '../interop/chains.ts';
import { bytesOf, type EthereumjsChain, listOf, type Nested, toNumber } from '../interop/ethereumjs-chain.ts';
import { EventQueue } from '../interop/event-queue.ts';

export interface EthereumjsPeerOptions {
  readonly chain: EthereumjsChain;
  /** 32 bytes; default a fresh key. */
  readonly key?: Uint8Array;
  readonly maxPeers?: number;
}

/** Why a connection ended; `byUs`: whether this side sent the Disconnect, null when nobody did. */
export interface EthereumjsRemoval {
  readonly id: string;
  readonly reason: number | undefined;
  readonly byUs: boolean | null;
}

export interface EthereumjsMessage {
  readonly code: number;
  readonly payload: Nested;
}

export interface HeadersQuery {
  readonly from: number | Uint8Array;
  readonly limit: number;
  readonly skip?: number;
  readonly reverse?: boolean;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Opens what the library has no methods for. */
class OpenRlpx extends RLPx {
  get server(): Server | null {
    return this._server;
  }

  get sockets(): Socket[] {
    // biome-ignore lint/complexity/useLiteralKeys: only so can a protected member of another class be read
    return [...this._peers.values()].map((peer) => (peer instanceof Socket ? peer : peer['_socket']));
  }
}

export class EthereumjsPeer implements AsyncDisposable {
  /** Connections whose Status exchange is over. */
  readonly #sessions = new EventQueue<EthereumjsSession>();
  readonly #removals = new EventQueue<EthereumjsRemoval>();
  readonly #errors = new EventQueue<Error>();
  readonly #chain: EthereumjsChain;
  readonly #rlpx: OpenRlpx;
  readonly #server: Server;
  readonly #inbound: Socket[] = [];

  private constructor({ chain, key = randomBytes(32), maxPeers = 10 }: EthereumjsPeerOptions) {
    this.#chain = chain;
    const clientId = new TextEncoder().encode('ethereumjs-devp2p-test');
    const common = commonOf(chain);
    // Port 0 as a number would be sent as the byte 00, which is no RLP integer; null is sent as an empty string.
    const network = { common, capabilities: [ETH.eth68], listenPort: null };
    this.#rlpx = new OpenRlpx(key, { ...network, clientId, maxPeers, timeout: 5_000 });
    const { server } = this.#rlpx;
    if (server === null) throw new Error('the library has no server');
    this.#server = server;
    server.on('connection', (socket) => this.#inbound.push(socket));
    this.#rlpx.events.on('error', (error) => this.#errors.push(error));
    this.#rlpx.events.on('peer:error', (_peer, error) => this.#errors.push(error));
    this.#rlpx.events.on('peer:added', (peer) => this.#added(peer));
    this.#rlpx.events.on('peer:removed', (peer, reason, byUs) => {
      this.#removals.push({ id: hex(peer.getId() ?? new Uint8Array()), reason, byUs });
    });
  }

  static async listen(options: EthereumjsPeerOptions): Promise<EthereumjsPeer> {
    const peer = new EthereumjsPeer(options);
    const listening = once(peer.#server, 'listening');
    peer.#rlpx.listen(0, '127.0.0.1');
    await listening;
    return peer;
  }

  /** The public key, 64 bytes. */
  get id(): Uint8Array {
    return this.#rlpx.id;
  }

  get enode(): string {
    return `enode://${hex(this.id)}@127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when TCP is connected; `nextSession` and `nextRemoval` tell what became of it. */
  async dial(enode: string): Promise<void> {
    const { username, hostname, port } = new URL(enode);
    const id = new Uint8Array(Buffer.from(username, 'hex'));
    await this.#rlpx.connect({ id, address: hostname, tcpPort: Number(port) });
  }

  /** The next connection that has exchanged Status. */
  nextSession(signal?: AbortSignal): Promise<EthereumjsSession> {
    return this.#sessions.next('session', () => true, signal);
  }

  /** The next connection that ended after its Hello exchange. */
  nextRemoval(signal?: AbortSignal): Promise<EthereumjsRemoval> {
    return this.#removals.next('removal', () => true, signal);
  }

  /** The next error that the library emits. */
  nextError(signal?: AbortSignal): Promise<Error> {
    return this.#errors.next('error', () => true, signal);
  }

  /** Sends Disconnect to all peers and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#rlpx.destroy();
    // The library closes the sockets of peers 2 s later, and others not at all.
    for (const socket of [...this.#inbound, ...this.#rlpx.sockets]) socket.destroySoon();
    await closed;
  }

  #added(peer: Peer): void {
    const eth = peer.getProtocols().find((protocol) => protocol instanceof ETH);
    if (eth === undefined) throw new Error('the peer has no eth protocol');
    const session = new EthereumjsSession(peer, eth, this.#chain);
    eth.events.once('status', () => this.#sessions.push(session));
    eth.sendStatus({
      // Zero is an empty string; the byte 00 would be no RLP integer.
      td: new Uint8Array(),
      bestHash: bytesOf(this.#chain.hashes[this.#chain.head]),
      genesisHash: new Uint8Array(Buffer.from(GENESIS_HASH.slice(2), 'hex')),
    });
  }
}

export class EthereumjsSession {
  readonly #peer: Peer;
  readonly #eth: ETH;
  readonly #chain: EthereumjsChain;
  /** What is neither Status nor a request that the chain answers. */
  readonly #messages = new EventQueue<EthereumjsMessage>();
  #lastId = 0;

  constructor(peer: Peer, eth: ETH, chain: EthereumjsChain) {
    this.#peer = peer;
    this.#eth = eth;
    this.#chain = chain;
    eth.events.on('message', (code, payload) => this.#take(code, payload));
    peer.events.once('close', () => this.#messages.end(new Error('the connection has ended')));
  }

  /** The peer's public key, hexadecimal. */
  get id(): string {
    return hex(this.#peer.getId() ?? new Uint8Array());
  }

  get clientId(): string {
    return this.#peer.getHelloMessage()?.clientId ?? '';
  }

  /** The fields of each header. */
  headers({ from, limit, skip = 0, reverse = false }: HeadersQuery): Promise<NestedUint8Array> {
    const query = [from, limit, skip, reverse ? 1 : 0];
    return this.#request(EthMessageCodes.GET_BLOCK_HEADERS, EthMessageCodes.BLOCK_HEADERS, query);
  }

  /** The transactions, ommers and withdrawals of each block. */
  bodies(hashes: readonly Uint8Array[]): Promise<NestedUint8Array> {
    return this.#request(EthMessageCodes.GET_BLOCK_BODIES, EthMessageCodes.BLOCK_BODIES, [...hashes]);
  }

  send(code: EthMessageCodes, payload: Input): void {
    this.#eth.sendMessage(code, payload);
  }

  /** The next message of this code. */
  nextMessage(code: EthMessageCodes, signal?: AbortSignal): Promise<EthereumjsMessage> {
    return this.#messages.next(`message ${code}`, (message) => message.code === code, signal);
  }

  /** Sends Disconnect; the library keeps the socket open for 2 s after it, deaf. */
  disconnect(reason: DISCONNECT_REASON = DISCONNECT_REASON.DISCONNECT_REQUESTED): void {
    this.#peer.disconnect(reason);
  }

  async #request(code: EthMessageCodes, answer: EthMessageCodes, query: Input): Promise<NestedUint8Array> {
    const id = ++this.#lastId;
    this.#eth.sendMessage(code, [id, query]);
    const isAnswer = (message: EthereumjsMessage): boolean =>
      message.code === answer && toNumber(bytesOf(listOf(message.payload)[0])) === id;
    const { payload } = await this.#messages.next(`answer to request ${id}`, isAnswer);
    return listOf(listOf(payload)[1]);
  }

  #take(code: number, payload: Nested): void {
    if (code === EthMessageCodes.STATUS) return;
    if (code === EthMessageCodes.GET_BLOCK_HEADERS) {
      const [id, query] = listOf(payload);
      this.send(EthMessageCodes.BLOCK_HEADERS, [bytesOf(id), this.#chain.answerHeaders(listOf(query))]);
    } else if (code === EthMessageCodes.GET_BLOCK_BODIES) {
      const [id, hashes] = listOf(payload);
      this.send(EthMessageCodes.BLOCK_BODIES, [bytesOf(id), this.#chain.answerBodies(listOf(hashes))]);
    } else {
      this.#messages.push({ code, payload });
    }
  }
}

/** The chain's rules as the library wants them: without these forks it would refuse the fork id. */
function commonOf(chain: EthereumjsChain): Common {
  const byBlock = [Hardfork.Chainstart, Hardfork.London, Hardfork.Paris].map((name) => ({ name, block: 0 }));
  const byTime = chain.forks.map(({ name, timestamp }) => ({ name, timestamp, block: null }));
  const genesis = { gasLimit: 0, difficulty: 0, nonce: '0x0000000000000000', extraData: '0x' } as const;
  const common = new Common({
    hardfork: chain.forks.at(-1)?.name ?? Hardfork.London,
    chain: {
      ...{ name: 'test', chainId: chain.networkId, genesis, bootstrapNodes: [] },
      ...{ hardforks: [...byBlock, ...byTime], consensus: { type: 'pos', algorithm: 'casper' } },
    },
  });
  common.setForkHashes(new Uint8Array(Buffer.from(GENESIS_HASH.slice(2), 'hex')));
  return common;
}
