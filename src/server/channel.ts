/** The handler's side of one protocol on one connection. */
import { onAbort } from '../base/abort.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { Gate } from '../base/gate.ts';
import type { Message, PeerInfo, ProtocolChannel, SharedProtocol } from '../p2p/index.ts';
import { DEFAULT_MAX_MESSAGE_SIZE } from '../p2p/index.ts';
import type { IncomingMessage } from '../rlpx/index.ts';

/** Payloads from this size on wait at the gate before they are decompressed; see `LARGE_PAYLOADS_LIMIT`. */
export const LARGE_PAYLOAD = 1024 * 1024;

/** What a channel needs of its connection. */
export interface ChannelHost {
  readonly peer: PeerInfo;
  readonly signal: AbortSignal;
  /** Bounds the decompressed bytes of large messages that are with handlers, over all peers. */
  readonly gate: Gate;
  send(code: number, payload: Uint8Array): void;
  /** Resolves when the connection takes more output; at once where it does. */
  writable(): Promise<void>;
  /** The handler has taken a message of so many held bytes off the queue. */
  consumed(heldLength: number): void;
  confirm(): void;
  close(error: PeerlaneError): void;
}

export class Channel implements ProtocolChannel {
  readonly name: string;
  readonly version: number;
  readonly #shared: SharedProtocol;
  readonly #host: ChannelHost;
  #queue: IncomingMessage[] = [];
  #wake: (() => void) | undefined;

  constructor(shared: SharedProtocol, host: ChannelHost) {
    this.#shared = shared;
    this.#host = host;
    this.name = shared.protocol.name;
    this.version = shared.protocol.version;
    onAbort(host.signal, () => this.#wake?.());
  }

  get peer(): PeerInfo {
    return this.#host.peer;
  }

  get signal(): AbortSignal {
    return this.#host.signal;
  }

  confirm(): void {
    this.#host.confirm();
  }

  disconnect(error: PeerlaneError): void {
    this.#host.close(error);
  }

  async send(code: number, payload: Uint8Array): Promise<void> {
    const { protocol, offset } = this.#shared;
    if (this.signal.aborted) throw closedError(this.signal);
    if (!Number.isInteger(code) || code < 0 || code >= protocol.length) {
      throw new PeerlaneError(
        'message-code-out-of-range',
        `${protocol.name}/${protocol.version} has codes 0 to ${protocol.length - 1}, not ${code}`,
      );
    }
    const { maxMessageSize = DEFAULT_MAX_MESSAGE_SIZE } = protocol;
    if (payload.length > maxMessageSize) {
      throw new PeerlaneError(
        'message-too-large',
        `a payload of ${payload.length} bytes exceeds the ${maxMessageSize} that ${protocol.name} allows`,
      );
    }
    this.#host.send(offset + code, payload);
    await this.#host.writable();
    if (this.signal.aborted) throw closedError(this.signal);
  }

  /** @internal A message has arrived. */
  push(message: IncomingMessage): void {
    this.#queue.push(message);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined> {
    let done: () => void = () => undefined;
    try {
      for (;;) {
        const message = await this.#next();
        if (message === undefined) return;
        if (message.length >= LARGE_PAYLOAD) done = await this.#host.gate.enter(message.length, this.signal);
        yield { code: message.code - this.#shared.offset, payload: this.#payloadOf(message) };
        done();
        this.#host.consumed(message.heldLength);
      }
    } catch (error) {
      // An abort at the gate is the end of the connection, which ends the loop without an error.
      if (!this.signal.aborted) throw error;
    } finally {
      done();
    }
  }

  #payloadOf(message: IncomingMessage): Uint8Array {
    try {
      return message.payload();
    } catch (error) {
      this.#host.close(toPeerlaneError(error));
      throw error;
    }
  }

  async #next(): Promise<IncomingMessage | undefined> {
    for (;;) {
      const message = this.#queue.shift();
      if (message !== undefined) return message;
      if (this.signal.aborted) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}

function closedError(signal: AbortSignal): PeerlaneError {
  return new PeerlaneError('closed', 'the connection is over', { cause: signal.reason });
}
