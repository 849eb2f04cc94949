import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import { equalBytes } from '../base/bytes.ts';
import { checkLength, signalOf } from '../base/checks.ts';
import { Closing } from '../base/closing.ts';
import { PeerlaneError, remoteError } from '../base/errors.ts';
import { Gate } from '../base/gate.ts';
import { sleep } from '../base/sleep.ts';
import { PUBLIC_KEY_LENGTH, publicKeyOf } from '../crypto/index.ts';
import { Discv4Engine, type Discv4Stats, type PingResult, packetCryptoBeside } from '../discv4/index.ts';
import { type EntryChanges, firstSeq, LocalRecord, type NodeRecord, nodeIdOf } from '../enr/index.ts';
import { bindUdp, type UdpSocket } from '../io/udp.ts';
import type { KadNode, Table } from '../kad/index.ts';
import {
  checkDiscv4Options,
  type Discv4ServiceConfig,
  type Discv4ServiceOptions,
  type NodeSource,
  nodeOf,
} from './discv4-options.ts';
import { Discv4Ticker } from './discv4-ticker.ts';
import { reachesFrom } from './listen-host.ts';
import { endpointEntries } from './local-node.ts';
import { LookupNodes } from './lookup-nodes.ts';
import { ServiceRecord } from './service-record.ts';

/** Lookups, and requests of callers, that run at a time; others wait their turn. */
const MAX_LOOKUPS = 32;
const MAX_CALLS = 64;
/** Random lookups begin at most so often: in a small network one takes no time, and finds nothing new. */
const RANDOM_LOOKUP_INTERVAL_MS = 1_000;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Discovery v4 on a UDP socket: answers others, keeps a table of nodes, and finds nodes for callers.
 *
 * ```js
 * const discovery = new Discv4Service({ key, listen: { host: '127.0.0.1', port: 0 }, bootnodes });
 * await discovery.start();
 * for await (const node of discovery.random({ signal })) console.log(node.ip);
 * ```
 */
export class Discv4Service implements AsyncDisposable {
  /** The node's public key, 64 bytes. */
  readonly publicKey: Uint8Array;
  readonly #config: Discv4ServiceConfig;
  readonly #engine: Discv4Engine;
  readonly #ticker: Discv4Ticker;
  readonly #lookups = new Gate(MAX_LOOKUPS);
  readonly #calls = new Gate(MAX_CALLS);
  readonly #closing = new Closing();
  #socket: UdpSocket | undefined;
  readonly #record: ServiceRecord;
  /** What is shown unless `record` was given. */
  #own: LocalRecord | undefined;
  #binding: Promise<UdpSocket> | undefined;
  readonly #reaches: (ip: string) => boolean;

  /** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record` */
  constructor(options: Discv4ServiceOptions) {
    this.#config = checkDiscv4Options(options);
    const { key, env, seeds, limits, tcpPort, onEvent } = this.#config;
    this.publicKey = publicKeyOf(key);
    this.#reaches = reachesFrom(this.#config.listen.host);
    this.#record = new ServiceRecord({
      publicKey: this.publicKey,
      read: this.#config.record ?? (() => this.#defaultRecord),
      failed: (error) => onEvent({ kind: 'record-failed', error }),
    });
    const crypto = packetCryptoBeside(key, (batch, results) => {
      try {
        this.#engine.complete(batch, results, env.now());
      } finally {
        this.#ticker.schedule();
      }
    });
    this.#engine = new Discv4Engine({
      ...{ publicKey: this.publicKey, crypto, env, limits },
      seeds: seeds.filter(({ publicKey }) => !equalBytes(publicKey, this.publicKey)),
      host: {
        send: (packet, { ip, port }) => this.#socket?.send(packet, ip, port),
        localRecord: () => this.#record.latest,
        localEndpoint: () => ({ ip: this.#socket?.host, udpPort: this.#socket?.port ?? 0, tcpPort }),
        reaches: this.#reaches,
        event: onEvent,
      },
    });
    this.#ticker = new Discv4Ticker(this.#engine, env);
  }

  /**
   * Binds the socket, and begins to fill the table.
   * @throws PeerlaneError `port-in-use`, `listen-failed`, `closed`, `invalid-argument` when `record` gives none
   */
  async start(): Promise<void> {
    if (this.#binding !== undefined) throw new PeerlaneError('closed', 'discovery starts once');
    if (this.#closing.isClosed) throw closedError();
    const { listen, onEvent, env } = this.#config;
    this.#binding = bindUdp(listen, {
      message: (bytes, ip, port) => this.#receive(bytes, ip, port),
      failed: (error) => onEvent({ kind: 'listener-failed', error }),
    });
    const socket = await this.#binding;
    if (this.#closing.isClosed) {
      await socket.close();
      throw new PeerlaneError('closed', 'discovery was closed while it started');
    }
    this.#socket = socket;
    // Who has seen it before knows of no port, or of another.
    this.#own?.update(this.#ownEntries);
    try {
      // From now on it is in packets, where nobody could be told that there is none.
      void this.#record.current;
    } catch (error) {
      await this.close();
      throw error;
    }
    onEvent({ kind: 'listening', host: socket.host, port: socket.port });
    this.#engine.start(env.now());
    this.#ticker.start();
  }

  /**
   * One more node to begin with: a bootnode that was not known at the start.
   * @throws PeerlaneError `invalid-argument`, `invalid-enode`, `invalid-record`; `dial-failed` when the socket has no way to
   * addresses of its family
   */
  addBootnode(node: NodeSource): void {
    const seed = this.#remote(node);
    if (this.#socket === undefined || this.#closing.isClosed) return;
    this.#engine.addSeed(seed, this.#config.env.now());
    this.#ticker.schedule();
  }

  /** The UDP port in use; 0 before the start. */
  get port(): number {
    return this.#socket?.port ?? 0;
  }

  get table(): Table {
    return this.#engine.table;
  }

  /** The node's own record. @throws PeerlaneError `invalid-argument` when `record` gives none */
  get record(): NodeRecord {
    return this.#record.current;
  }

  stats(): Discv4Stats {
    return this.#engine.stats();
  }

  /**
   * Pings a node.
   * @throws PeerlaneError `request-timeout`, `request-overload`, `invalid-argument`, `invalid-enode`, `invalid-record`,
   * `aborted`, `closed`; `dial-failed` when the socket has no way to addresses of its family
   */
  async ping(node: NodeSource, options: CallOptions = {}): Promise<PingResult> {
    const remote = this.#remote(node);
    const { env } = this.#config;
    return await this.#call('Ping', options, (done) => this.#engine.ping(remote, env.now(), done));
  }

  /**
   * Asks a node for its record.
   * @throws PeerlaneError as `ping`
   */
  async requestRecord(node: NodeSource, options: CallOptions = {}): Promise<NodeRecord> {
    const remote = this.#remote(node);
    const { env } = this.#config;
    return await this.#call('ENRRequest', options, (done) =>
      this.#engine.requestRecord(remote, env.now(), done),
    );
  }

  /**
   * Asks a node for those it knows that are close to `target`, a public key of 64 bytes.
   * @throws PeerlaneError as `ping`
   */
  async findNode(node: NodeSource, target: Uint8Array, options: CallOptions = {}): Promise<KadNode[]> {
    const remote = this.#remote(node);
    checkTarget(target);
    const { env } = this.#config;
    return await this.#call('FindNode', options, (done) =>
      this.#engine.findNode(remote, target, env.now(), done),
    );
  }

  /**
   * Looks a public key of 64 bytes up, and gives the nodes met on the way, each once: at first those of the table, then
   * those that others tell of, which may be gone. No more nodes are asked than it takes to have the next one.
   * At the end it returns what `findClosest` does.
   * @throws PeerlaneError `invalid-argument`, `aborted`, `closed`
   */
  async *lookup(
    target: Uint8Array,
    options: CallOptions = {},
  ): AsyncGenerator<KadNode, KadNode[], undefined> {
    checkTarget(target);
    const signal = signalOf(options);
    const leave = await this.#enter(this.#lookups, signal);
    const nodes = await this.#nodesOf(target);
    try {
      for (let next = await nodes.next(signal); next !== undefined; ) {
        yield next;
        next = await nodes.next(signal);
      }
      return nodes.closest;
    } finally {
      nodes.stop();
      leave();
    }
  }

  /**
   * The nodes closest to a public key of 64 bytes, at most 16 and nearest first, all of which have answered.
   * @throws PeerlaneError `invalid-argument`, `aborted`, `closed`
   */
  async findClosest(target: Uint8Array, options: CallOptions = {}): Promise<KadNode[]> {
    checkTarget(target);
    const signal = signalOf(options);
    const leave = await this.#enter(this.#lookups, signal);
    const nodes = await this.#nodesOf(target);
    try {
      while ((await nodes.next(signal)) !== undefined);
      return nodes.closest;
    } finally {
      nodes.stop();
      leave();
    }
  }

  /**
   * Nodes met on lookups of random keys, one after another and without an end; a node may come again in another lookup.
   * @throws PeerlaneError `aborted`, `closed`
   */
  async *random(options: CallOptions = {}): AsyncGenerator<KadNode, never, undefined> {
    const { env } = this.#config;
    const signal = signalOf(options);
    for (;;) {
      const begunAt = env.now();
      yield* this.lookup(env.randomBytes(PUBLIC_KEY_LENGTH), { signal });
      await this.#sleep(begunAt + RANDOM_LOOKUP_INTERVAL_MS - env.now(), signal);
    }
  }

  /**
   * The record of the node with this public key, 64 bytes, as the node itself sends it; `undefined` if it is not found,
   * or does not answer.
   * @throws PeerlaneError `invalid-argument`, `request-overload`, `aborted`, `closed`
   */
  async resolve(publicKey: Uint8Array, options: CallOptions = {}): Promise<NodeRecord | undefined> {
    checkTarget(publicKey);
    signalOf(options);
    if (equalBytes(publicKey, this.publicKey)) return this.record;
    const known = this.table.get(nodeIdOf(publicKey));
    const record = known === undefined ? undefined : await this.#recordOrNone(known, options);
    if (record !== undefined) return record;
    for await (const node of this.lookup(publicKey, options)) {
      if (!equalBytes(node.publicKey, publicKey)) continue;
      const found = await this.#recordOrNone(node, options);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Stops: whoever waits for something gets the error `closed`. May be called twice. */
  async close(): Promise<void> {
    this.#closing.close();
    this.#ticker.stop();
    // A start that has failed has told its own caller.
    const socket = await this.#binding?.catch(() => undefined);
    await socket?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #recordOrNone(node: KadNode, options: CallOptions): Promise<NodeRecord | undefined> {
    try {
      return await this.requestRecord(node, options);
    } catch (error) {
      if (error instanceof PeerlaneError && error.code === 'request-timeout') return undefined;
      throw error;
    }
  }

  #remote(source: NodeSource): KadNode {
    const node = nodeOf(source);
    if (equalBytes(node.publicKey, this.publicKey)) {
      throw new PeerlaneError('invalid-argument', 'a node asks others, not itself');
    }
    // A timeout, which it would be else, is taken for the node's fault.
    if (this.#reaches(node.ip)) return node;
    const { host } = this.#config.listen;
    throw new PeerlaneError('dial-failed', `there is no way to ${node.ip} from a socket at ${host}`);
  }

  get #defaultRecord(): NodeRecord {
    const { key, env } = this.#config;
    this.#own ??= new LocalRecord(key, { seq: firstSeq(env.unixTime()), entries: this.#ownEntries });
    return this.#own.record;
  }

  get #ownEntries(): EntryChanges {
    const { tcpPort, listen } = this.#config;
    const { host, port } = this.#socket ?? listen;
    // Before the start the port may not be known.
    return endpointEntries({ host, tcp: tcpPort || undefined, udp: port || undefined });
  }

  #receive(bytes: Uint8Array, ip: string, port: number): void {
    const { env } = this.#config;
    if (this.#engine.receive(bytes, { ip, port }, env.now()) === 'queued') this.#ticker.schedule();
  }

  // Callers

  async #nodesOf(target: Uint8Array): Promise<LookupNodes> {
    // Without anybody to ask a lookup ends at once: in a loop of a caller's nothing else would ever happen.
    await new Promise<void>((resolve) => void this.#config.env.setImmediate(resolve));
    const resume = (run: Parameters<Discv4Engine['resumeLookup']>[0]) => {
      this.#engine.resumeLookup(run, this.#config.env.now());
      this.#ticker.schedule();
    };
    return new LookupNodes({
      begin: (events) => this.#engine.lookup(target, events),
      resume,
      closing: this.#closing,
    });
  }

  /** @throws PeerlaneError `closed`, `aborted` */
  async #enter(gate: Gate, signal: AbortSignal | undefined): Promise<() => void> {
    throwIfAborted(signal);
    if (this.#socket === undefined || this.#closing.isClosed) throw closedError();
    const turn = new AbortController();
    const offs = [
      onAbort(signal, () => turn.abort(signal?.reason)),
      this.#closing.onClose(() => turn.abort()),
    ];
    try {
      return await gate.enter(1, turn.signal);
    } catch (error) {
      throw this.#closing.isClosed ? closedError() : error;
    } finally {
      for (const off of offs) off();
    }
  }

  async #call<T>(
    name: string,
    options: CallOptions,
    begin: (done: (result: T | undefined, unanswered?: 'Ping') => void) => void,
  ): Promise<T> {
    const signal = signalOf(options);
    const leave = await this.#enter(this.#calls, signal);
    return await new Promise<T>((resolve, reject) => {
      const offs: (() => void)[] = [];
      const end = (): void => {
        for (const off of offs) off();
        leave();
      };
      // A request goes on when its caller has left, and so keeps its place.
      offs.push(onAbort(signal, () => reject(abortedError(signal))));
      offs.push(
        this.#closing.onClose(() => {
          end();
          reject(closedError());
        }),
      );
      try {
        begin((result, unanswered) => {
          end();
          if (result !== undefined) resolve(result);
          else reject(unansweredError(name, unanswered));
        });
      } catch (error) {
        end();
        reject(error);
      }
      this.#ticker.schedule();
    });
  }

  /** @throws PeerlaneError `aborted`, `closed` */
  async #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const ended = new AbortController();
    const end = (): void => ended.abort(signal?.reason);
    const offs = [onAbort(signal, end), this.#closing.onClose(end)];
    try {
      await sleep(this.#config.env, Math.max(0, ms), ended.signal);
    } catch (error) {
      throw this.#closing.isClosed && !signal?.aborted ? closedError() : error;
    } finally {
      for (const off of offs) off();
    }
  }
}

function checkTarget(target: Uint8Array): void {
  checkLength('the public key', target, PUBLIC_KEY_LENGTH);
}

/** @param unanswered the Ping that came before the question, if it was that */
function unansweredError(name: string, unanswered: 'Ping' | undefined): PeerlaneError {
  const asked = unanswered === undefined ? name : `the ${unanswered} that comes before ${name}`;
  return remoteError('request-timeout', `no answer to ${asked}`);
}

function closedError(): PeerlaneError {
  return new PeerlaneError('closed', 'discovery is not running');
}
