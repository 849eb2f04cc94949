/** The shell around a link: its socket, its timers, its channels, and the bounds on what it holds. */
import type { BudgetShare } from '../base/budget.ts';
import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { release } from '../base/release.ts';
import type { Lease } from '../base/slabs.ts';
import { formatEnode } from '../enr/index.ts';
import type { Wire } from '../io/tcp.ts';
import {
  type Hello,
  Link,
  type LinkHost,
  type PeerInfo,
  type Protocol,
  type SharedProtocol,
} from '../p2p/index.ts';
import type { Handshake, IncomingMessage } from '../rlpx/index.ts';
import type { Budgets } from './budgets.ts';
import { Channel, type ChannelHost } from './channel.ts';
import type { Lanes } from './lanes.ts';
import { FRAME_WRITE_TIMEOUT_MS, Output } from './output.ts';

/** Messages that no handler has taken yet: above either the socket is not read. */
export const UNREAD_HIGH_WATER = 256 * 1024;
export const UNREAD_MESSAGES = 256;
/** Whole frames that wait for a batch: above this the socket is not read. */
export const UNDECODED_HIGH_WATER = 128 * 1024;
/** How long a Disconnect may take to leave. */
export const DISCONNECT_FLUSH_MS = 1_000;

/** What a server decides about its connections. */
export interface ConnectionOwner {
  /** Throw a `PeerlaneError` to refuse the node. */
  identified(connection: Connection, remoteId: Uint8Array): void;
  /** Throw a `PeerlaneError` to refuse the peer. */
  opened(connection: Connection, peer: PeerInfo): void;
  /** The last that is heard of a connection. */
  closed(connection: Connection, error: PeerlaneError): void;
  /** A handler failed with an error that is not of our family. */
  handlerFailed(connection: Connection, error: unknown): void;
}

export interface ConnectionOptions {
  readonly env: Env;
  readonly wire: Wire;
  readonly inbound: boolean;
  readonly handshake: Handshake;
  readonly hello: Hello;
  readonly protocols: readonly Protocol[];
  readonly lanes: Lanes;
  readonly budgets: Budgets;
  readonly owner: ConnectionOwner;
}

export class Connection implements LinkHost {
  readonly inbound: boolean;
  readonly openedAt: number;
  readonly #options: ConnectionOptions;
  readonly #link: Link;
  readonly #input: BudgetShare;
  readonly #output: Output;
  readonly #abort = new AbortController();
  readonly #channels = new Map<SharedProtocol, Channel>();
  readonly #finished: Promise<void>;
  #finish: () => void = () => undefined;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #unreadLength = 0;
  #unreadMessages = 0;
  #receivedLength = 0;
  #paused = false;
  #wirePaused = false;
  /** What other connections have brought is decoded first. */
  #awaitsTurn = false;
  /** One chunk may come although others have the memory for it. */
  #probed = false;
  /** Whether something has come since `#couldMove` was last asked. */
  #hasReceived = false;
  #peer: PeerInfo | undefined;
  #confirmed = false;
  #wireGone = false;
  #evicted = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { env, wire, inbound, handshake, hello, protocols, budgets } = options;
    this.inbound = inbound;
    this.openedAt = env.now();
    this.#finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#link = new Link({ handshake, hello, protocols, host: this });
    const giveUp = (): void => this.#giveUp();
    const received = (): number => this.#receivedLength;
    this.#input = budgets.input.share({
      get moved() {
        return received();
      },
      couldMove: () => this.#couldMove(),
      isBlocked: true,
      giveUp,
      granted: () => this.#regulate(),
      probe: () => {
        this.#probed = true;
        this.#regulate();
      },
    });
    const unencoded = (): number => this.#link.outboxLength;
    this.#output = new Output({ wire, env, budget: budgets.output, unencoded, giveUp });
    wire.attach({
      data: (chunk) => this.#received(chunk),
      drained: () => this.#output.drained(),
      closed: (error) => {
        this.#wireGone = true;
        this.#link.abandon(error);
        this.#finish();
      },
    });
    this.#link.start(env.now());
    this.#arm();
  }

  get remoteAddress(): string {
    return this.#options.wire.remoteAddress;
  }

  get remotePort(): number {
    return this.#options.wire.remotePort;
  }

  /** Whether the remote side has proved its key. */
  get hasIdentity(): boolean {
    return this.#link.identified;
  }

  /** The peer, from Hello on. */
  get peer(): PeerInfo | undefined {
    return this.#peer;
  }

  /** Whether a protocol has vouched for the peer; see `Protocol.confirms`. */
  get confirmedPeer(): boolean {
    return this.#confirmed;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Resolves when the socket is gone. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  close(error: PeerlaneError): void {
    this.#link.close(error);
  }

  /** The channel of the protocol of this name, if the peer shares it. */
  channel(protocol: string): Channel | undefined {
    for (const channel of this.#channels.values()) if (channel.name === protocol) return channel;
    return undefined;
  }

  // LinkHost

  get congested(): boolean {
    return this.#output.isCongested;
  }

  write(bytes: Uint8Array, lease?: Lease): void {
    if (this.#wireGone) {
      lease?.release();
      return;
    }
    this.#output.write(bytes, lease);
    this.#arm();
  }

  schedule(link: Link): void {
    this.#options.lanes.schedule(link);
  }

  identified(remoteId: Uint8Array): void {
    this.#options.owner.identified(this, remoteId);
  }

  opened(hello: Hello, shared: readonly SharedProtocol[]): void {
    const { wire, inbound, owner, budgets, lanes } = this.#options;
    const { remoteAddress, remotePort } = wire;
    const peer: PeerInfo = {
      id: hello.id,
      enode: formatEnode({
        publicKey: hello.id,
        host: remoteAddress,
        tcpPort: remotePort,
        udpPort: remotePort,
      }),
      clientId: hello.clientId,
      capabilities: hello.capabilities,
      inbound,
      remoteAddress,
      remotePort,
    };
    this.#peer = peer;
    this.#confirmed = shared.some(({ protocol }) => protocol.confirms !== true);
    owner.opened(this, peer);
    const host: ChannelHost = {
      peer,
      gate: budgets.gate,
      output: this.#output,
      signal: this.signal,
      send: (code, payload, priority) => {
        this.#link.send(code, payload, priority);
        this.#output.account();
      },
      consumed: (heldLength) => this.#consumed(heldLength),
      turn: () => lanes.turn(),
      flushed: () => new Promise((resolve) => this.#link.afterOutput(resolve)),
      confirm: () => this.#confirm(),
      close: (error) => this.close(error),
    };
    for (const entry of shared) this.#channels.set(entry, new Channel(entry, host));
    for (const channel of this.#channels.entries()) void this.#handle(...channel);
  }

  message(shared: SharedProtocol, message: IncomingMessage): void {
    this.#unreadLength += message.heldLength;
    this.#unreadMessages++;
    this.#channels.get(shared)?.push(message);
    // A whole message has come: the turn is that of others.
    this.#input.leave();
    this.#account();
  }

  decoded(): void {
    this.#account();
    this.#regulate();
  }

  closed(error: PeerlaneError): void {
    const { wire, env, owner, lanes } = this.#options;
    lanes.leave(this.#readOn);
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#unreadLength = 0;
    this.#input.leave();
    this.#input.set(0);
    this.#abort.abort(error);
    this.#output.close();
    owner.closed(this, error);
    if (this.#wireGone) return;
    // Without an identity there is nothing to be flushed; for an evicted peer that takes nothing, it is what costs.
    if (wire.backlog === 0 ? !this.hasIdentity : this.#evicted) {
      wire.destroy();
      return;
    }
    wire.end();
    const timer = env.setTimer(DISCONNECT_FLUSH_MS, () => wire.destroy());
    void this.#finished.then(() => timer.cancel());
  }

  async #handle({ protocol }: SharedProtocol, channel: Channel): Promise<void> {
    try {
      await protocol.handler(channel);
      this.close(
        new PeerlaneError('handler-returned', `the handler of ${protocol.name} is done with the peer`),
      );
    } catch (error) {
      const own = error instanceof PeerlaneError;
      if (this.signal.aborted) {
        // The peer was the first to leave; what the handler found in its last words may say why.
        if (own && error.code !== 'closed' && error.code !== 'aborted') {
          this.#options.owner.handlerFailed(this, error);
        }
        return;
      }
      if (!own) this.#options.owner.handlerFailed(this, error);
      this.close(toPeerlaneError(error, 'handler-failed'));
    }
  }

  #received(chunk: Uint8Array): void {
    // After the end, what the peer still sends is read for the sake of the Disconnect only.
    if (this.signal.aborted) {
      release(chunk);
      return;
    }
    this.#receivedLength += chunk.length;
    this.#probed = false;
    this.#hasReceived = true;
    this.#link.receive(chunk, this.#options.env.now());
    this.#awaitsTurn = !this.#options.lanes.received(chunk.length, this.#readOn);
    this.#account();
    this.#regulate();
  }

  readonly #readOn = (): void => {
    this.#awaitsTurn = false;
    this.#regulate();
  };

  #consumed(heldLength: number): void {
    this.#unreadLength = Math.max(0, this.#unreadLength - heldLength);
    this.#unreadMessages--;
    this.#account();
    this.#regulate();
  }

  /**
   * Decoding stops while the handlers lag behind, and reading while decoding does or while other peers have the memory
   * that the frame still needs. Neither stops for output that the peer leaves lying: two nodes that both did so would
   * wait for each other for ever. Handlers wait for their own output, which is enough.
   */
  #regulate(): void {
    if (this.signal.aborted) return;
    const lagging = this.#unreadLength > UNREAD_HIGH_WATER || this.#unreadMessages > UNREAD_MESSAGES;
    const wants = !lagging && this.#unfinishedLength > 0;
    if (!wants) this.#input.leave();
    const refused = wants && !this.#input.hasTurn && !this.#input.ask(0);
    if (lagging !== this.#paused) {
      this.#paused = lagging;
      if (lagging) this.#link.pause();
      else this.#link.resume(this.#options.env.now());
    }
    const full =
      lagging ||
      this.#awaitsTurn ||
      (refused && !this.#probed) ||
      this.#link.undecodedLength > UNDECODED_HIGH_WATER;
    if (full !== this.#wirePaused) {
      this.#wirePaused = full;
      if (full) this.#options.wire.pause();
      else this.#options.wire.resume();
    }
    this.#arm();
  }

  /** Bytes of a frame whose rest has not arrived. */
  get #unfinishedLength(): number {
    return this.#link.pendingLength - this.#link.undecodedLength;
  }

  /** Whether, for some time since this was last asked, it was for the peer to send more. */
  #couldMove(): boolean {
    const wasRead = this.#hasReceived || !this.#wirePaused;
    this.#hasReceived = false;
    return wasRead && this.#unfinishedLength > 0;
  }

  /** Others wait for memory, and this peer does not do its part to give some back. */
  #giveUp(): void {
    this.#evicted = true;
    this.close(
      new PeerlaneError('memory-budget', 'the peer held too much of the memory that all peers share'),
    );
    for (const channel of this.#channels.values()) channel.clear();
  }

  #account(): void {
    if (!this.signal.aborted) this.#input.set(this.#link.pendingLength + this.#unreadLength);
  }

  #confirm(): void {
    this.#confirmed = true;
  }

  /** Keeps one timer set for whatever is due first; one that comes too early is set anew when it fires. */
  #arm(): void {
    const at = Math.min(this.#link.deadline, this.#output.deadline);
    if (this.signal.aborted || at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const { env } = this.#options;
    this.#timer = env.setTimer(Math.max(0, at - env.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#due(env.now());
      this.#arm();
    });
  }

  #due(now: number): void {
    if (this.#output.isOverdue(now)) {
      this.close(
        new PeerlaneError('write-timeout', `the peer took nothing for ${FRAME_WRITE_TIMEOUT_MS} ms`),
      );
      return;
    }
    this.#link.tick(now);
  }
}
