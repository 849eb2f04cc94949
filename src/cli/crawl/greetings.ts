/** What nodes say of themselves when they are connected to: asked of a bounded number, a few at a time. */
import { onAbort } from '../../base/abort.ts';
import { toBareHex } from '../../base/bytes.ts';
import type { Env } from '../../base/env.ts';
import { isPeerlaneError, type PeerlaneError, toPeerlaneError } from '../../base/errors.ts';
import { shuffledNumbers } from '../../base/shuffled.ts';
import { generateSecretKey } from '../../crypto/index.ts';
import { formatEnode, NodeRecord } from '../../enr/index.ts';
import { ETH_VERSIONS, MAX_MESSAGE_SIZE } from '../../eth/index.ts';
import type { KadNode } from '../../kad/index.ts';
import type { Protocol } from '../../p2p/index.ts';
import { placeOf } from '../../server/crawl-asking.ts';
import { DEFAULT_RECHECK_MS } from '../../server/crawl-options.ts';
import { Server } from '../../server/index.ts';
import { helloOf, type NodeHello } from '../../server/node-hello.ts';
import type { NodeSet, NodeSetEntry } from '../../server/node-set.ts';
import { clientId } from '../node.ts';

/** Connections of one crawl. */
export const MAX_GREETINGS = 2_000;
/** At a time. */
const MAX_DIALS = 8;
/** What a node has said is asked for again after this: clients are updated. */
export const HELLO_AGE_MS: number = 24 * 60 * 60_000;

/** Whether a node of a set is to be asked. @param now Unix ms */
export function wantsHello({ node, hello }: NodeSetEntry, now: number): boolean {
  // Who does not name the entry in its record speaks something else.
  const speaksEth = !(node instanceof NodeRecord) || node.get('eth') !== undefined;
  // A time that has not come yet is of a clock that was wrong.
  return speaksEth && (hello === undefined || hello.at > now || now - hello.at >= HELLO_AGE_MS);
}

/**
 * Nodes of a set that are to be asked and that the crawl itself passes over, since they have answered a moment ago. In
 * random order: those that have no slot free do not keep others from their turn in each crawl.
 */
export function nodesToGreet(set: NodeSet, env: Env): KadNode[] {
  const now = env.unixTime();
  const entries = [...set.values()].filter((entry) => {
    const { lastCheck = 0, lastResponse } = entry;
    return lastCheck === lastResponse && now - lastCheck < DEFAULT_RECHECK_MS && wantsHello(entry, now);
  });
  const order = shuffledNumbers(entries.length, (length) => env.randomBytes(length));
  const nodes = Array.from(order, (i) => entries[i] && placeOf(entries[i].node));
  return nodes.filter((node) => node !== undefined);
}

export interface GreetingsOptions {
  readonly env: Env;
  /** Ends them. */
  readonly signal: AbortSignal;
  /** Told what the node with this id, in hexadecimal digits, has said. */
  readonly onHello: (key: string, hello: NodeHello) => void;
  /** Something has failed that is no node's fault. */
  readonly fail: (error: PeerlaneError) => void;
}

export class Greetings implements AsyncDisposable {
  readonly #options: GreetingsOptions;
  readonly #server: Server;
  /** Ids of those that are or have been asked, or wait for it: `MAX_GREETINGS` at most. */
  readonly #taken = new Set<string>();
  readonly #waiting: KadNode[] = [];
  readonly #ended = new AbortController();
  #dials = 0;
  #asked = 0;
  #answered = 0;
  #wake: () => void = () => undefined;

  constructor(options: GreetingsOptions) {
    const { env, signal } = options;
    this.#options = options;
    onAbort(signal, () => this.#abort());
    this.#server = new Server({
      ...{ key: generateSecretKey(env), name: clientId(), protocols: silentProtocols(), env },
    });
  }

  async start(): Promise<void> {
    await this.#server.start();
  }

  get asked(): number {
    return this.#asked;
  }

  get answered(): number {
    return this.#answered;
  }

  /** Asks a node by and by, once, if there is room. */
  ask(node: KadNode): void {
    const key = toBareHex(node.id);
    if (node.tcpPort === 0 || this.#taken.has(key) || this.#taken.size >= MAX_GREETINGS) return;
    this.#taken.add(key);
    this.#waiting.push(node);
    this.#next();
  }

  /** Resolves when all have been asked, or the signal has ended it. */
  async done(): Promise<void> {
    while (this.#waiting.length + this.#dials > 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort();
    await this.#server.close();
  }

  #abort(): void {
    this.#waiting.length = 0;
    this.#ended.abort();
    this.#wake();
  }

  #next(): void {
    while (this.#dials < MAX_DIALS && !this.#ended.signal.aborted) {
      const node = this.#waiting.shift();
      if (node === undefined) break;
      this.#dials++;
      this.#asked++;
      void this.#dial(node).finally(() => {
        this.#dials--;
        this.#next();
      });
    }
    this.#wake();
  }

  async #dial({ id, publicKey, ip: host, tcpPort, udpPort }: KadNode): Promise<void> {
    const { signal } = this.#ended;
    const { env, onHello, fail } = this.#options;
    try {
      const enode = formatEnode({ publicKey, host, tcpPort, udpPort });
      const peer = await this.#server.dial(enode, { signal });
      const { clientId, capabilities } = peer.info;
      this.#answered++;
      peer.disconnect();
      onHello(toBareHex(id), helloOf(clientId, capabilities, Math.floor(env.unixTime())));
    } catch (error) {
      // Most have no slot free, or are gone; a crawl is about those that answer.
      if (!isPeerlaneError(error)) fail(toPeerlaneError(error));
    }
  }
}

/** They only make nodes stay until their Hello has been read. */
function silentProtocols(): Protocol[] {
  return ETH_VERSIONS.map(({ version, length }) => ({
    name: 'eth',
    version,
    length,
    maxMessageSize: MAX_MESSAGE_SIZE,
    handler: async () => undefined,
  }));
}
