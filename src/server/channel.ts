/** The handler's side of one protocol on one connection. */
import { invalidArgument } from '../base/checks.ts';
import { type ErrorCode, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { Gate } from '../base/gate.ts';
import { release } from '../base/release.ts';
import type { ReputationEventKind } from '../base/reputation-events.ts';
import { checkOwnBytes } from '../crypto/checks.ts';
import type { MessageCounts } from '../observe/index.ts';
import type {
  Message,
  MessagePriority,
  PeerInfo,
  Protocol,
  ProtocolChannel,
  SharedProtocol,
} from '../p2p/index.ts';
import { DEFAULT_MAX_MESSAGE_SIZE, LENT_PAYLOAD, MESSAGE_PRIORITIES } from '../p2p/index.ts';
import type { IncomingMessage } from '../rlpx/index.ts';
import type { Output } from './output.ts';

/** What a channel needs of its connection. */
export interface ChannelHost {
  /** Made when it is first asked for: it takes a kilobyte, and many handlers do without. */
  readonly signal: AbortSignal;
  /** Why the connection is over, when it is. */
  readonly endError: PeerlaneError | undefined;
  /** Milliseconds, in all, in which nothing was read for the sake of others. */
  readonly heldMs: number;
  /** Bounds the decompressed bytes of large messages that are with handlers, over all peers. */
  readonly gate: Gate;
  /** Decides when something may be sent. */
  readonly output: Output;
  send(code: number, payload: Uint8Array, priority: MessagePriority): void;
  /** Resolves in the next turn of the event loop, when a part of what connections have to send is with the sockets. */
  turn(): Promise<void>;
  /** Resolves when what has been sent so far is with the socket, or the connection is over. */
  flushed(): Promise<void>;
  /** The handler has taken a message of so many held bytes off the queue. */
  consumed(heldLength: number): void;
  confirm(): void;
  report(kind: ReputationEventKind): void;
  close(error: PeerlaneError): void;
  countsOf(protocol: Protocol): MessageCounts;
}

export class Channel implements ProtocolChannel {
  readonly name: string;
  readonly version: number;
  readonly peer: PeerInfo;
  readonly #shared: SharedProtocol;
  readonly #host: ChannelHost;
  readonly #counts: MessageCounts;
  #queue: IncomingMessage[] = [];
  #wake: (() => void) | undefined;
  /** For the large message that waits at the gate. */
  #waiting: AbortController | undefined;
  /** What is left when the connection is over waits no more. */
  #isHasty = false;

  constructor(shared: SharedProtocol, peer: PeerInfo, host: ChannelHost) {
    this.#shared = shared;
    this.peer = peer;
    this.#host = host;
    this.name = shared.protocol.name;
    this.version = shared.protocol.version;
    this.#counts = host.countsOf(shared.protocol);
  }

  get signal(): AbortSignal {
    return this.#host.signal;
  }

  confirm(): void {
    this.#host.confirm();
  }

  report(kind: ReputationEventKind): void {
    this.#host.report(kind);
  }

  disconnect(error: PeerlaneError): void {
    this.#host.close(error);
  }

  requested(request: string): (ms: number, cause?: ErrorCode) => void {
    return this.#counts.requested(request);
  }

  async send(code: number, payload: Uint8Array, priority: MessagePriority = 'answer'): Promise<void> {
    this.#refuseEnd();
    this.check(code, payload);
    if (!MESSAGE_PRIORITIES.includes(priority)) {
      throw invalidArgument(`a priority is one of ${MESSAGE_PRIORITIES.join(', ')}`);
    }
    const { output } = this.#host;
    const room = output.send(payload.length, priority, () => this.#send(code, payload, priority));
    if (room === undefined) return;
    await room;
    this.#refuseEnd();
  }

  get heldMs(): number {
    return this.#host.heldMs;
  }

  get room(): number {
    return this.#isOver ? 0 : this.#host.output.room;
  }

  async writable(size: number): Promise<void> {
    if (!this.#isOver) await this.#host.output.writable(size);
    this.#refuseEnd();
  }

  async offer(code: number, payload: Uint8Array): Promise<boolean> {
    this.check(code, payload);
    const isTaken = this.#host.output.takes(payload.length);
    if (isTaken) this.#send(code, payload, 'gossip');
    // Also when it was refused: who tries again in a loop must let the sockets move meanwhile.
    await (isTaken ? this.#host.flushed() : this.#host.turn());
    return isTaken && !this.#isOver;
  }

  get #isOver(): boolean {
    return this.#host.endError !== undefined;
  }

  /** @throws PeerlaneError `closed` */
  #refuseEnd(): void {
    const cause = this.#host.endError;
    if (cause !== undefined) throw new PeerlaneError('closed', 'the connection is over', { cause });
  }

  #send(code: number, payload: Uint8Array, priority: MessagePriority): void {
    this.#counts.sent(code, payload.length);
    this.#host.send(this.#shared.offset + code, payload, priority);
  }

  /** @internal @throws PeerlaneError `invalid-argument`, `message-code-out-of-range`, `message-too-large` */
  check(code: number, payload: Uint8Array): void {
    const { protocol } = this.#shared;
    checkOwnBytes(payload, 'the payload');
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
  }

  /** @internal For the connection to find its channel. */
  get shared(): SharedProtocol {
    return this.#shared;
  }

  /** @internal The connection is over. What has come of a peer that has left is for the handler, however long it waits. */
  end(byPeer: boolean): void {
    if (!byPeer) this.#hasten();
    this.#wake?.();
  }

  #hasten(): void {
    this.#isHasty = true;
    this.#waiting?.abort();
  }

  /** @internal A message has arrived. */
  push(message: IncomingMessage): void {
    this.#counts.received(message.code - this.#shared.offset, message.length);
    // What waits while the memory that it shares with others is used up would keep all of that alive.
    const last = this.#queue.at(-1);
    if (last !== undefined && last.shared !== message.shared) this.#detachWaiting();
    this.#queue.push(message);
    this.#wake?.();
  }

  /** @internal Drops what no handler has taken. */
  clear(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const { heldLength } of queue) this.#host.consumed(heldLength);
    this.#hasten();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined> {
    for (;;) {
      const message = this.#queue.shift();
      if (message === undefined) {
        if (this.#isOver) return;
        // Here and not in a function of its own, which each idle peer would have to keep.
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
        continue;
      }
      let leave: (() => void) | undefined;
      let payload: Uint8Array | undefined;
      try {
        if (message.length >= LENT_PAYLOAD) leave = await this.#enterGate(message);
        else this.#host.consumed(message.heldLength);
        payload = this.#payloadOf(message);
        yield { code: message.code - this.#shared.offset, payload };
      } catch (error) {
        // An abort at the gate comes after the end of the connection, which ends the loop without an error.
        if (this.#isOver) return;
        throw error;
      } finally {
        // Also when the consumer leaves its loop here: it may begin another one.
        this.#takeBack(payload, leave);
      }
    }
  }

  /** From here on a message is the handler's; what it sends back is charged as output, not both at once. */
  async #enterGate({ length, heldLength }: IncomingMessage): Promise<() => void> {
    this.#waiting = new AbortController();
    if (this.#isHasty) this.#waiting.abort();
    try {
      return await this.#host.gate.enter(length, this.#waiting.signal);
    } finally {
      this.#waiting = undefined;
      this.#host.consumed(heldLength);
    }
  }

  /** Ends the loan of a large payload, once what the handler may have sent of it has been encoded. */
  #takeBack(payload: Uint8Array | undefined, leave: (() => void) | undefined): void {
    if (leave === undefined) return;
    // Not before whoever leaves its loop over the messages has looked at the last one.
    const sent = this.#host.turn().then(() => this.#host.flushed());
    void sent.then(() => {
      if (payload !== undefined) release(payload, FRAME_ROOM);
      leave();
    });
  }

  #detachWaiting(): void {
    for (let i = this.#queue.length - 1; this.#queue[i]?.detach() === true; i--);
  }

  #payloadOf(message: IncomingMessage): Uint8Array {
    try {
      return message.payload();
    } catch (error) {
      this.#host.close(toPeerlaneError(error));
      throw error;
    }
  }
}

/** What a frame has beside the payload. */
const FRAME_ROOM = 64;
