/** The shell around a link: its socket, its timers, its channels, and the bounds on what it holds. */
import type { Env, Timer } from '../base/env.ts';
import { type ErrorCode, PeerlaneError, remoteError, toPeerlaneError } from '../base/errors.ts';
import type { Gate } from '../base/gate.ts';
import { withoutZone } from '../base/ip.ts';
import { release } from '../base/release.ts';
import { checkReputationEvent, type ReputationEventKind } from '../base/reputation-events.ts';
import type { Lease } from '../base/slabs.ts';
import { formatEnode } from '../enr/index.ts';
import type { Wire, WireEvents } from '../io/tcp.ts';
import type { MessageCounts } from '../observe/index.ts';
import {
  type Hello,
  Link,
  type LinkHost,
  type MessagePriority,
  type PeerInfo,
  type Protocol,
  type SharedProtocol,
} from '../p2p/index.ts';
import type { Handshake, IncomingMessage } from '../rlpx/index.ts';
import type { Budgets } from './budgets.ts';
import { Channel, type ChannelHost } from './channel.ts';
import { Input, type InputOwner } from './input.ts';
import type { Lanes } from './lanes.ts';
import { FRAME_WRITE_TIMEOUT_MS, Output, type OutputOwner } from './output.ts';
import type { Traffic } from './traffic.ts';

/** How long a Disconnect may take to leave. */
export const DISCONNECT_FLUSH_MS = 1_000;

/** How a connection ends when the peer ends it. */
const BY_PEER: ReadonlySet<ErrorCode> = new Set(['remote-disconnect', 'network-error']);

/** What a server decides about its connections. */
export interface ConnectionOwner {
  /** Throw a `PeerlaneError` to refuse the node. @param nonce of its auth or ack */
  identified(connection: Connection, remoteId: Uint8Array, nonce: Uint8Array): void;
  /** Throw a `PeerlaneError` to refuse the peer; one that is held has no handlers until `begin` is called. */
  opened(connection: Connection, peer: PeerInfo): 'held' | undefined;
  /** The connection is over; its socket may live on for a moment. */
  closed(connection: Connection, error: PeerlaneError): void;
  /** A handler failed with an error that is not of our family. */
  handlerFailed(connection: Connection, error: unknown): void;
  /** The last that is heard of a connection: its socket is gone. */
  gone(connection: Connection): void;
  /** A handler, or the user, tells how the peer behaves. */
  reported?(connection: Connection, kind: ReputationEventKind): void;
}

/** What the connections of a server have in common. */
export interface ConnectionContext {
  readonly env: Env;
  readonly hello: Hello;
  readonly protocols: readonly Protocol[];
  readonly lanes: Lanes;
  readonly budgets: Budgets;
  readonly traffic: Traffic;
}

export interface ConnectionOptions {
  readonly wire: Wire;
  readonly inbound: boolean;
  readonly handshake: Handshake;
  readonly owner: ConnectionOwner;
}

/**
 * A server may have thousands that are idle, so it is frugal: it is its parts' host itself rather than make objects with
 * functions for them, and what few ask for is made when it is asked for.
 */
export class Connection implements LinkHost, ChannelHost, InputOwner, OutputOwner {
  readonly inbound: boolean;
  readonly openedAt: number;
  readonly output: Output;
  readonly #context: ConnectionContext;
  readonly #owner: ConnectionOwner;
  readonly #wire: Wire;
  readonly #link: Link;
  readonly #input: Input;
  #channels: readonly Channel[] = [];
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #peer: PeerInfo | undefined;
  #remoteId: Uint8Array | undefined;
  #handlers = 0;
  #confirmed = false;
  #usedAt: number | undefined;
  /** The peer sends no more. */
  #isEnded = false;
  #wireGone = false;
  #wireError: PeerlaneError | undefined;
  #evicted = false;
  #endError: PeerlaneError | undefined;
  #abort: AbortController | undefined;
  #finished: Promise<void> | undefined;
  #finish: (() => void) | undefined;

  constructor(context: ConnectionContext, { wire, inbound, handshake, owner }: ConnectionOptions) {
    const { env, hello, protocols, budgets, lanes } = context;
    this.#context = context;
    this.#owner = owner;
    this.#wire = wire;
    this.inbound = inbound;
    this.openedAt = env.now();
    this.#link = new Link({ handshake, hello, protocols, host: this });
    this.#input = new Input({
      ...{ wire, link: this.#link, env, budget: budgets.input, lanes, owner: this },
      throttle: budgets.bandwidth.down,
    });
    this.output = new Output({
      ...{ wire, env, budget: budgets.output, owner: this },
      throttle: budgets.bandwidth.up,
    });
    wire.attach(this.#wireEvents());
    this.#link.start(env.now());
    this.arm();
  }

  #wireEvents(): WireEvents {
    return {
      data: (chunk) => this.#received(chunk),
      drained: () => this.output.drained(),
      ended: () => {
        this.#isEnded = true;
        this.#input.ended();
        this.#leave();
      },
      closed: (error) => {
        this.#wireGone = true;
        this.#wireError = error;
        this.#isEnded = true;
        this.#input.ended();
        if (this.#endError === undefined) this.#leave();
        else this.#depart();
      },
    };
  }

  get remoteAddress(): string {
    return this.#wire.remoteAddress;
  }

  get remotePort(): number {
    return this.#wire.remotePort;
  }

  /** Whether the remote side has claimed a key, at the cost of a handshake. */
  get hasIdentity(): boolean {
    return this.#link.identified;
  }

  /** The public key that the remote side has claimed, which may be that of another node. */
  get claimedId(): Uint8Array | undefined {
    return this.#peer?.id ?? this.#remoteId;
  }

  /** The public key that the remote side has proved. */
  get remoteId(): Uint8Array | undefined {
    return this.#link.proved ? this.claimedId : undefined;
  }

  /** The peer, from Hello on. */
  get peer(): PeerInfo | undefined {
    return this.#peer;
  }

  /** Whether a protocol has vouched for the peer; see `Protocol.confirms`. */
  get confirmedPeer(): boolean {
    return this.#confirmed;
  }

  /** When a protocol's message came last, on the clock of `Env.now`. */
  get usedAt(): number | undefined {
    return this.#usedAt;
  }

  /** Whether the connection is over and the socket gone. */
  get isGone(): boolean {
    return this.#wireGone && this.#endError !== undefined;
  }

  /** Resolves when the connection is over and the socket gone. */
  get finished(): Promise<void> {
    this.#finished ??= this.isGone
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#finish = resolve;
        });
    return this.#finished;
  }

  /** The channel of the protocol of this name, if the peer shares it. */
  channel(protocol: string): Channel | undefined {
    return this.#channels.find(({ name }) => name === protocol);
  }

  // LinkHost

  get congested(): boolean {
    return this.output.isCongested;
  }

  write(bytes: Uint8Array, lease?: Lease): void {
    if (this.#wireGone) {
      lease?.release();
      return;
    }
    this.#context.traffic.wireBytes.out += bytes.length;
    this.output.write(bytes, lease);
    this.arm();
  }

  schedule(link: Link): void {
    this.#context.lanes.schedule(link);
  }

  identified(remoteId: Uint8Array, nonce: Uint8Array): void {
    this.#remoteId = remoteId;
    this.#owner.identified(this, remoteId, nonce);
  }

  opened(hello: Hello, shared: readonly SharedProtocol[]): void {
    const { remoteAddress, remotePort } = this.#wire;
    const peer: PeerInfo = {
      id: hello.id,
      enode: formatEnode({
        publicKey: hello.id,
        // A zone is of this machine's, and no enode URL has one.
        host: withoutZone(remoteAddress),
        tcpPort: remotePort,
        udpPort: remotePort,
      }),
      clientId: hello.clientId,
      capabilities: hello.capabilities,
      inbound: this.inbound,
      remoteAddress,
      remotePort,
    };
    this.#peer = peer;
    this.#remoteId = undefined;
    this.#confirmed = shared.some(({ protocol }) => protocol.confirms !== true);
    // Who is told of the peer may send to it at once, or end it.
    this.#channels = shared.map((entry) => new Channel(entry, peer, this));
    const isHeld = this.#owner.opened(this, peer) === 'held';
    if (!isHeld && this.#endError === undefined) this.begin();
  }

  /** Starts the handlers. */
  begin(): void {
    this.#handlers = this.#channels.length;
    for (const channel of this.#channels) void this.#handle(channel);
  }

  baseMessage(direction: 'in' | 'out', code: number, length: number): void {
    const { base } = this.#context.traffic;
    if (direction === 'in') base.received(code, length);
    else base.sent(code, length);
  }

  message(shared: SharedProtocol, message: IncomingMessage): void {
    this.#usedAt = this.#context.env.now();
    this.#channels.find((channel) => channel.shared === shared)?.push(message);
    this.#input.queued(message.heldLength);
  }

  decoded(): void {
    this.#input.decoded();
    this.#leave();
  }

  /** When the peer sends no more, and what it sent has been decoded, the connection is over. */
  #leave(): void {
    if (!this.#isEnded || this.#link.hasInput) return;
    // The slot is free at once, though what the peer was sent before may still be on its way.
    if (this.#endError === undefined) this.#link.abandon(this.#lossError());
    else if (this.#wire.backlog === 0) this.#wire.destroy();
  }

  #lossError(): PeerlaneError {
    const error = this.#wireError ?? remoteError('network-error', 'the peer closed the connection');
    if (this.inbound || this.hasIdentity) return error;
    // Nodes say nothing where they cannot read what they are sent, nor where they want nobody from an address so soon.
    const message = `${error.message}, before it answered: it may have another key, or take nobody from here for a while`;
    return remoteError('network-error', message, { cause: error });
  }

  #depart(): void {
    this.#timer?.cancel();
    this.#owner.gone(this);
    this.#finish?.();
  }

  closed(error: PeerlaneError): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#endError = error;
    this.#input.close();
    for (const channel of this.#channels) channel.end(BY_PEER.has(error.code));
    if (this.#handlers === 0) this.#forget();
    this.#abort?.abort(error);
    this.output.close();
    this.#owner.closed(this, error);
    if (this.#wireGone) {
      this.#depart();
      return;
    }
    const wire = this.#wire;
    // Without an identity, or when the peer has ended, there is nothing to be flushed; for an evicted peer that takes
    // nothing, it is what costs.
    if (wire.backlog === 0 ? this.#isEnded || !this.hasIdentity : this.#evicted) {
      wire.destroy();
      return;
    }
    wire.end();
    this.#timer = this.#context.env.setTimer(DISCONNECT_FLUSH_MS, () => wire.destroy());
  }

  // ChannelHost

  countsOf(protocol: Protocol): MessageCounts {
    return this.#context.traffic.of(protocol);
  }

  get heldMs(): number {
    return this.#input.heldMs;
  }

  get gate(): Gate {
    return this.#context.budgets.gate;
  }

  get endError(): PeerlaneError | undefined {
    return this.#endError;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#endError !== undefined) this.#abort.abort(this.#endError);
    }
    return this.#abort.signal;
  }

  send(code: number, payload: Uint8Array, priority: MessagePriority): void {
    this.#link.send(code, payload, priority);
    this.output.account();
  }

  turn(): Promise<void> {
    return this.#context.lanes.turn();
  }

  flushed(): Promise<void> {
    return new Promise((resolve) => this.#link.afterOutput(resolve));
  }

  consumed(heldLength: number): void {
    this.#input.consumed(heldLength);
  }

  confirm(): void {
    this.#confirmed = true;
  }

  /** @throws PeerlaneError `invalid-argument` */
  report(kind: ReputationEventKind): void {
    checkReputationEvent(kind);
    if (this.#endError === undefined) this.#owner.reported?.(this, kind);
  }

  close(error: PeerlaneError): void {
    this.#link.close(error);
  }

  // InputOwner, OutputOwner

  get unencodedLength(): number {
    return this.#link.outboxLength;
  }

  /** Others wait for memory, and this peer does not do its part to give some back. */
  giveUp(): void {
    this.#evicted = true;
    this.close(
      new PeerlaneError('memory-budget', 'the peer held too much of the memory that all peers share'),
    );
    for (const channel of this.#channels) channel.clear();
  }

  /** Keeps one timer set for whatever is due first; one that comes too early is set anew when it fires. */
  arm(): void {
    const at = Math.min(this.#link.deadline, this.output.deadline);
    if (this.#endError !== undefined || at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const { env } = this.#context;
    this.#timer = env.setTimer(Math.max(0, at - env.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#due(this.#context.env.now());
      this.arm();
    });
  }

  async #handle(channel: Channel): Promise<void> {
    const { protocol } = channel.shared;
    try {
      await protocol.handler(channel);
      // Most handlers return because the peer is gone; errors that nobody gets take their time to make.
      if (this.#endError !== undefined) return;
      this.close(
        new PeerlaneError('handler-returned', `the handler of ${protocol.name} is done with the peer`),
      );
    } catch (error) {
      const own = error instanceof PeerlaneError;
      if (this.#endError !== undefined) {
        // The peer was the first to leave; what the handler found in its last words may say why.
        if (own && error.code !== 'closed' && error.code !== 'aborted') {
          this.#owner.handlerFailed(this, error);
        }
        return;
      }
      if (!own) this.#owner.handlerFailed(this, error);
      this.close(toPeerlaneError(error, 'handler-failed'));
    } finally {
      if (--this.#handlers === 0) this.#input.release();
    }
  }

  /** There is no handler for what has arrived. */
  #forget(): void {
    for (const channel of this.#channels) channel.clear();
    this.#input.release();
  }

  #received(chunk: Uint8Array): void {
    this.#context.traffic.wireBytes.in += chunk.length;
    // After the end, what the peer still sends is read for the sake of the Disconnect only.
    if (this.#endError !== undefined) release(chunk);
    else this.#input.received(chunk);
  }

  #due(now: number): void {
    if (this.output.isOverdue(now)) {
      this.close(
        new PeerlaneError('write-timeout', `the peer took nothing for ${FRAME_WRITE_TIMEOUT_MS} ms`),
      );
      return;
    }
    this.#link.tick(now);
  }
}
