import { PeerlaneError } from '../../src/base/errors.ts';
import type { ReputationEventKind } from '../../src/base/reputation-events.ts';
import type { MessagePriority } from '../../src/p2p/outbox.ts';
import type { Message, PeerInfo, ProtocolChannel } from '../../src/p2p/protocol.ts';

export interface ChannelPairOptions {
  readonly version: number;
  readonly name?: string;
  /** Messages that may wait at the receiver before `send` of the other side stops resolving. */
  readonly capacity?: number;
}

/** One end of a protocol joined to another in memory. */
export class MemoryChannel implements ProtocolChannel {
  readonly peer: PeerInfo;
  readonly name: string;
  readonly version: number;
  /** What the other end called `disconnect` with, or this end did. */
  readonly over: Promise<PeerlaneError>;
  /** Most messages that ever waited here. */
  peak = 0;
  /** Whether the handler at this end has called `confirm`. */
  confirmed = false;
  /** What a server that limits its reading counts. */
  heldMs = 0;
  /** What the handler at this end has said of the other one. */
  readonly reported: ReputationEventKind[] = [];
  /** Of what was sent from this end, one after another. */
  readonly priorities: MessagePriority[] = [];
  readonly #capacity: number;
  readonly #abort = new AbortController();
  readonly #inbox: Message[] = [];
  #other: MemoryChannel | undefined;
  #wakeReader: (() => void) | undefined;
  readonly #waitingSenders: (() => void)[] = [];
  #ended = false;
  #finish: (error: PeerlaneError) => void = () => undefined;

  constructor(peer: PeerInfo, { version, name = 'eth', capacity = 16 }: ChannelPairOptions) {
    this.peer = peer;
    this.name = name;
    this.version = version;
    this.#capacity = capacity;
    this.over = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Messages that wait to be read here. */
  get waiting(): number {
    return this.#inbox.length;
  }

  join(other: MemoryChannel): void {
    this.#other = other;
  }

  async send(code: number, payload: Uint8Array, priority: MessagePriority = 'answer'): Promise<void> {
    this.priorities.push(priority);
    if (this.#ended || this.#other === undefined) throw new PeerlaneError('closed', 'the connection is over');
    await this.#other.#receive({ code, payload });
  }

  get room(): number {
    return this.#ended ? 0 : Number.POSITIVE_INFINITY;
  }

  async offer(code: number, payload: Uint8Array): Promise<boolean> {
    if (this.#ended || this.#other === undefined || this.#other.waiting >= this.#capacity) return false;
    await this.#other.#receive({ code, payload });
    return true;
  }

  async writable(): Promise<void> {
    if (this.#ended) throw new PeerlaneError('closed', 'the connection is over');
  }

  confirm(): void {
    this.confirmed = true;
  }

  report(kind: ReputationEventKind): void {
    this.reported.push(kind);
  }

  disconnect(error: PeerlaneError): void {
    this.#end(error, true);
    if (this.#other !== undefined) this.#other.#end(error, false);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
    for (;;) {
      const message = this.#inbox.shift();
      if (message !== undefined) {
        for (const wake of this.#waitingSenders.splice(0)) wake();
        yield message;
      } else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    }
  }

  async #receive(message: Message): Promise<void> {
    this.#inbox.push(message);
    this.peak = Math.max(this.peak, this.#inbox.length);
    this.#wakeReader?.();
    while (this.#inbox.length > this.#capacity && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#waitingSenders.push(resolve);
      });
    }
  }

  #end(error: PeerlaneError, dropInbox: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    if (dropInbox) this.#inbox.length = 0;
    this.#abort.abort(error);
    this.#finish(error);
    this.#wakeReader?.();
    for (const wake of this.#waitingSenders.splice(0)) wake();
  }
}

function peerInfo(mark: number, version: number, inbound: boolean): PeerInfo {
  return {
    id: new Uint8Array(64).fill(mark),
    enode: `enode://${mark.toString(16).padStart(2, '0').repeat(64)}@127.0.0.1:30303`,
    clientId: `test/${mark}`,
    capabilities: [{ name: 'eth', version }],
    inbound,
    remoteAddress: '127.0.0.1',
    remotePort: 30303,
  };
}

/** Two channels, each of which receives what the other sends. */
export function channelPair(options: ChannelPairOptions): [MemoryChannel, MemoryChannel] {
  const a = new MemoryChannel(peerInfo(2, options.version, false), options);
  const b = new MemoryChannel(peerInfo(1, options.version, true), options);
  a.join(b);
  b.join(a);
  return [a, b];
}

/** Runs a handler as a link does: when it returns or throws, the connection ends with that. */
export async function runHandler(
  handler: (channel: ProtocolChannel) => Promise<void>,
  channel: MemoryChannel,
): Promise<unknown> {
  try {
    await handler(channel);
    channel.disconnect(new PeerlaneError('closed', 'the handler returned'));
    return undefined;
  } catch (error) {
    channel.disconnect(error instanceof PeerlaneError ? error : new PeerlaneError('internal', String(error)));
    return error;
  }
}
