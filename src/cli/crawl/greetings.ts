/** What nodes say of themselves when they are connected to: asked of a bounded number, a few at a time. */
import { onAbort } from '../../base/abort.ts';
import { toBareHex } from '../../base/bytes.ts';
import type { Env } from '../../base/env.ts';
import { isPeerlaneError } from '../../base/errors.ts';
import { generateSecretKey } from '../../crypto/index.ts';
import { formatEnode } from '../../enr/index.ts';
import { ETH_VERSIONS, MAX_MESSAGE_SIZE } from '../../eth/index.ts';
import type { KadNode } from '../../kad/index.ts';
import type { Protocol } from '../../p2p/index.ts';
import { Server } from '../../server/index.ts';
import { clientId } from '../node.ts';

/** Connections of one crawl. */
export const MAX_GREETINGS = 2_000;
/** At a time; nodes that wait beyond `MAX_WAITING` are not asked. */
const MAX_DIALS = 8;
const MAX_WAITING = 64;

export interface Greeting {
  readonly clientId: string;
  /** `eth/69` and the like. */
  readonly capabilities: readonly string[];
}

export class Greetings implements AsyncDisposable {
  /** By node id, in hexadecimal digits. */
  readonly known: Map<string, Greeting> = new Map();
  readonly #server: Server;
  readonly #waiting: KadNode[] = [];
  readonly #signal: AbortSignal;
  /** One for each dial: Node takes more than ten listeners of a signal for a leak, and says so. */
  readonly #dials = new Set<AbortController>();
  #asked = 0;

  constructor(env: Env, signal: AbortSignal) {
    this.#signal = signal;
    onAbort(signal, () => this.#abort());
    this.#server = new Server({
      ...{ key: generateSecretKey(env), name: clientId(), protocols: silentProtocols(), env },
    });
  }

  async start(): Promise<void> {
    await this.#server.start();
  }

  /** Asks a node by and by, if there is room. */
  ask(node: KadNode): void {
    const isKnown = this.known.has(toBareHex(node.id));
    if (
      isKnown ||
      node.tcpPort === 0 ||
      this.#waiting.length >= MAX_WAITING ||
      this.#asked >= MAX_GREETINGS
    ) {
      return;
    }
    this.#asked++;
    this.#waiting.push(node);
    this.#next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort();
    await this.#server.close();
  }

  #abort(): void {
    this.#waiting.length = 0;
    for (const dial of this.#dials) dial.abort();
  }

  #next(): void {
    while (this.#dials.size < MAX_DIALS && !this.#signal.aborted) {
      const node = this.#waiting.shift();
      if (node === undefined) return;
      const dial = new AbortController();
      this.#dials.add(dial);
      void this.#dial(node, dial.signal).finally(() => {
        this.#dials.delete(dial);
        this.#next();
      });
    }
  }

  async #dial({ id, publicKey, ip: host, tcpPort, udpPort }: KadNode, signal: AbortSignal): Promise<void> {
    try {
      const enode = formatEnode({ publicKey, host, tcpPort, udpPort });
      const peer = await this.#server.dial(enode, { signal });
      const { clientId: client, capabilities } = peer.info;
      const names = capabilities.map(({ name, version }) => `${name}/${version}`);
      this.known.set(toBareHex(id), { clientId: client, capabilities: names });
      peer.disconnect();
    } catch (error) {
      // Most have no slot free, or are gone; a crawl is about those that answer.
      if (!isPeerlaneError(error)) throw error;
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
