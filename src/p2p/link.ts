/**
 * A whole connection as a machine: handshake, Hello, base protocol, and the routing of messages to protocols.
 * Bytes and times go in; what goes out is told to a `LinkHost`. It owns no socket and sets no timer.
 */
import { ByteQueue, concatBytes, EMPTY } from '../base/bytes.ts';
import { consequenceOf, type DisconnectReasonName, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { Lease } from '../base/slabs.ts';
import {
  type DecodeStep,
  encodeMessages,
  type Handshake,
  type IncomingMessage,
  RlpxSession,
} from '../rlpx/index.ts';
import { BASE_PROTOCOL_LENGTH, matchProtocols, routeCode, type SharedProtocol } from './capability.ts';
import { Chunks } from './chunks.ts';
import { Deadlines } from './deadlines.ts';
import { encodeDisconnect, remoteDisconnect } from './disconnect.ts';
import { decodeHello, encodedHello, type Hello, SNAPPY_VERSION } from './hello.ts';
import { type MessagePriority, Outbox } from './outbox.ts';
import type { Protocol } from './protocol.ts';

/** Bound on a decoded payload where the protocol names none. */
export const DEFAULT_MAX_MESSAGE_SIZE = 0xffffff;

const HELLO = 0x00;
const DISCONNECT = 0x01;
const PING = 0x02;
const PONG = 0x03;
const EMPTY_LIST = Uint8Array.of(0xc0);

/** What a link tells its surroundings; every call is synchronous. */
export interface LinkHost {
  /** Bytes for the wire, in order; of leased ones it is told when they are not needed any more. */
  write(bytes: Uint8Array, lease?: Lease): void;
  /** The link has frames to decode or messages to encode: put it into the next `runSlice`. */
  schedule(link: Link): void;
  /**
   * The handshake is over, and the remote side has claimed this key; nothing proves that it has it before its first frame
   * comes (see `Link.proved`). Throw to refuse it.
   * @param nonce of its auth or ack: one that has come before is of a packet that is sent again
   */
  identified(remoteId: Uint8Array, nonce: Uint8Array): void;
  /** Hellos have been exchanged. Throw to refuse the peer. */
  opened(hello: Hello, shared: readonly SharedProtocol[]): void;
  message(shared: SharedProtocol, message: IncomingMessage): void;
  /** A step of decoding is over. */
  decoded(): void;
  /** For observation: a message of the base protocol has come, or is to leave. */
  baseMessage?(direction: 'in' | 'out', code: number, length: number): void;
  /** The remote side leaves our output lying: Pings, which cost it nothing, are not answered meanwhile. */
  readonly congested: boolean;
  /** The link is over, and whatever was to be said has been written. Called once. */
  closed(error: PeerlaneError): void;
}

export interface LinkOptions {
  readonly handshake: Handshake;
  readonly hello: Hello;
  readonly protocols: readonly Protocol[];
  readonly host: LinkHost;
}

type State = 'handshake' | 'hello' | 'open' | 'closed';

export class Link {
  /** Until it is over: it holds secrets, and what was random in them. */
  #handshake: Handshake | undefined;
  readonly #hello: Hello;
  readonly #protocols: readonly Protocol[];
  readonly #host: LinkHost;
  readonly #received = new ByteQueue();
  readonly #chunks = new Chunks();
  readonly #deadlines = new Deadlines();
  #state: State = 'handshake';
  #session: RlpxSession | undefined;
  #remoteId: Uint8Array | undefined;
  #shared: readonly SharedProtocol[] = [];
  /** @internal For the batch. */
  readonly outbox = new Outbox();
  /** @internal For the batch: what has arrived was not all decoded in the last slice. */
  isWaiting = false;
  /** The ack, which leaves together with what follows it. */
  #reply: Uint8Array = EMPTY;
  #helloSent = false;
  #proved = false;
  #closing = false;
  #now = 0;

  constructor({ handshake, hello, protocols, host }: LinkOptions) {
    this.#handshake = handshake;
    this.#hello = hello;
    this.#protocols = protocols;
    this.#host = host;
  }

  /** Sends the auth, when we are the initiator, and starts the clock. Times are those of `Env.now`. */
  start(now: number): void {
    this.#now = now;
    this.#deadlines.progress(now);
    const opening = this.#handshake?.opening ?? EMPTY;
    if (opening.length > 0) this.#host.write(opening);
  }

  get state(): State {
    return this.#state;
  }

  /** Whether the remote side has sent as much as its whole auth or ack. */
  get identified(): boolean {
    return this.#remoteId !== undefined;
  }

  /**
   * Whether the remote side has proved its key, which its first frame does: whoever has not got it cannot make the frame's
   * MAC, but can make an auth or an ack that names it.
   */
  get proved(): boolean {
    return this.#proved;
  }

  /** Bytes held for input that is not whole yet. */
  get pendingLength(): number {
    return this.#received.length + (this.#session?.pendingLength ?? 0);
  }

  /** Bytes that have arrived and wait to be decoded, as opposed to the beginning of a frame. */
  get undecodedLength(): number {
    return this.#session?.ready === true ? this.#session.pendingLength : 0;
  }

  /** Whether something that has arrived is still to be decoded. */
  get hasInput(): boolean {
    return this.#session?.ready === true;
  }

  /** Bytes of payloads that wait to be encoded. */
  get outboxLength(): number {
    return this.outbox.length;
  }

  /** Bytes have arrived; they become the link's own and may be overwritten. */
  receive(chunk: Uint8Array, now: number): void {
    if (this.#state === 'closed') return;
    this.#now = now;
    if (this.#session !== undefined) {
      this.#chunks.push(chunk);
      this.#session.receive(chunk);
      if (this.decodable) this.#host.schedule(this);
      return;
    }
    this.#received.push(chunk);
    this.#guard(() => this.#readHandshake());
  }

  /** Queues a message under a code of the wire. */
  send(code: number, payload: Uint8Array, priority?: MessagePriority): void {
    if (this.#state !== 'open') return;
    if (this.outbox.isEmpty) this.#host.schedule(this);
    this.outbox.push(code, payload, priority);
  }

  /** Calls `run` when what was sent so far is encoded, or never will be. */
  afterOutput(run: () => void): void {
    this.outbox.afterOutput(run);
  }

  /** The socket is not read meanwhile; what has come is decoded. */
  hold(isHeld: boolean, now: number): void {
    this.#deadlines.hold(isHeld, now);
  }

  /** Stops decoding while the consumer lags behind; what has arrived stays where it is. */
  pause(): void {
    this.#deadlines.pause();
  }

  resume(now: number): void {
    if (!this.#deadlines.isPaused) return;
    this.#now = now;
    this.#deadlines.resume(now);
    if (this.decodable) this.#host.schedule(this);
  }

  /** When `tick` is to be called next, on the clock of `now`; infinite when never. */
  get deadline(): number {
    return this.#state === 'closed' ? Number.POSITIVE_INFINITY : this.#deadlines.next;
  }

  /** Does what is due at `now`. */
  tick(now: number): void {
    this.#now = now;
    if (this.#state === 'closed') return;
    const awaited = this.#state === 'handshake' ? 'handshake' : 'Hello';
    const due = this.#deadlines.due(now, awaited, this.#session?.midFrame === true);
    if (due === 'ping') this.#sendControl(PING);
    else if (due !== undefined) this.close(due);
  }

  /**
   * Ends the link. Where the error has a reason for the peer and a session to carry it, what is queued and a
   * Disconnect are written first; before the handshake is over the link falls silent.
   */
  close(error: PeerlaneError): void {
    // What is written below may itself bring about a reason to close.
    if (this.#state === 'closed' || this.#closing) return;
    this.#closing = true;
    const { disconnect, silent } = consequenceOf(error) as {
      disconnect?: DisconnectReasonName;
      silent?: true;
    };
    if (this.#session !== undefined && disconnect !== undefined && silent === undefined) {
      if (!this.outbox.isEmpty) this.#flush();
      // Whoever reads our Hello compresses from there on; before it, nothing is.
      if (this.#state === 'hello' && this.#helloSent) this.#session.open(true);
      // By itself: what was queued may have failed.
      this.#sendBase(DISCONNECT, encodeDisconnect(disconnect));
      this.#flush();
    }
    this.#end(error);
  }

  /** @internal A message could not be encoded: what is queued behind it does not leave. */
  fail(error: PeerlaneError): void {
    if (this.#state === 'closed' || this.#closing) return;
    this.outbox.clear();
    this.close(error);
  }

  /** The wire is gone: nothing can be said any more. */
  abandon(error: PeerlaneError): void {
    if (this.#state !== 'closed') this.#end(error);
  }

  #end(error: PeerlaneError): void {
    this.#state = 'closed';
    this.outbox.clear();
    this.#received.clear();
    this.#chunks.clear();
    this.#session?.dispose();
    this.#host.closed(error);
  }

  /** Runs what may fail by the remote side's doing. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.close(toPeerlaneError(error));
    }
  }

  #readHandshake(): void {
    const established = this.#handshake?.read(this.#received);
    if (established === undefined) return;
    this.#handshake = undefined;
    this.#remoteId = established.remoteId;
    this.#session = new RlpxSession(established.session);
    this.#state = 'hello';
    this.#deadlines.progress(this.#now);
    this.#reply = established.reply;
    this.#host.identified(established.remoteId, established.remoteNonce);
    this.#sendBase(HELLO, encodedHello(this.#hello));
    const rest = this.#received.take(this.#received.length);
    if (rest !== undefined) this.#session.receive(rest);
    this.#host.schedule(this);
  }

  #sendBase(code: number, payload: Uint8Array): void {
    this.outbox.push(code, payload);
    this.#host.baseMessage?.('out', code, payload.length);
  }

  #sendControl(code: number): void {
    if (this.outbox.isEmpty) this.#host.schedule(this);
    this.#host.baseMessage?.('out', code, EMPTY_LIST.length);
    this.outbox.pushControl(code, EMPTY_LIST);
  }

  /**
   * @internal Not before our own Hello has been encoded: the remote one may lie behind its ack, and compression starts
   * with it.
   */
  get decodable(): boolean {
    return this.#state !== 'closed' && this.#helloSent && !this.#deadlines.isPaused && this.hasInput;
  }

  /** @internal */
  get session(): RlpxSession | undefined {
    return this.#session;
  }

  /** @internal Frames have been encoded; the first ones, which begin with Hello, leave in one piece with the ack. */
  written(bytes: Uint8Array, lease: Lease | undefined): void {
    this.#helloSent = true;
    if (this.#reply.length === 0) {
      this.#host.write(bytes, lease);
      return;
    }
    this.#host.write(concatBytes(this.#reply, bytes));
    this.#reply = EMPTY;
    lease?.release();
  }

  /** @internal */
  afterDecode({ messages, error }: DecodeStep): void {
    // Every other error of a frame is found behind the MAC of its header.
    const hasFrame = messages.length > 0 || (error !== undefined && error.code !== 'frame-header-mac');
    if (hasFrame) this.#proved = true;
    for (const { shared } of messages) this.#chunks.keep(shared);
    this.#chunks.decoded(this.#session?.pendingLength ?? 0);
    this.#guard(() => {
      for (const message of messages) {
        if (this.#state === 'closed') return;
        this.#deadlines.progress(this.#now);
        this.#route(message);
      }
      if (error !== undefined) throw error;
    });
    if (this.#state !== 'closed') this.#host.decoded();
  }

  /** Encodes and writes all that waits. */
  #flush(): void {
    const session = this.#session;
    if (session === undefined) return;
    const messages = this.outbox.take(Number.POSITIVE_INFINITY).map((message) => ({ session, ...message }));
    const encoded = encodeMessages(messages);
    const frames = encoded.frames(0, encoded.length);
    if (frames.length > 0) this.written(frames, undefined);
  }

  #route(message: IncomingMessage): void {
    if (message.code < BASE_PROTOCOL_LENGTH) this.#host.baseMessage?.('in', message.code, message.length);
    if (this.#state === 'hello') {
      this.#routeFirst(message);
    } else if (message.code < BASE_PROTOCOL_LENGTH) {
      this.#routeBase(message);
    } else {
      const shared = routeCode(this.#shared, message.code);
      if (shared === undefined) {
        throw new PeerlaneError('message-code-out-of-range', `no shared protocol has code ${message.code}`);
      }
      const { maxMessageSize = DEFAULT_MAX_MESSAGE_SIZE, name } = shared.protocol;
      if (message.length > maxMessageSize) {
        throw new PeerlaneError(
          'message-too-large',
          `a message of ${name} has ${message.length} bytes; at most ${maxMessageSize} are allowed`,
        );
      }
      this.#host.message(shared, message);
    }
  }

  #routeFirst(message: IncomingMessage): void {
    if (message.code === DISCONNECT) {
      this.#end(remoteDisconnect(message.payload()));
      return;
    }
    if (message.code !== HELLO) {
      throw new PeerlaneError('hello-expected', `the first message has code ${message.code}, not Hello's`);
    }
    const hello = decodeHello(message.payload(), this.#remoteId ?? new Uint8Array(0));
    this.#session?.open(hello.version >= SNAPPY_VERSION && this.#hello.version >= SNAPPY_VERSION);
    this.#state = 'open';
    this.#deadlines.open(this.#now);
    this.#shared = matchProtocols(this.#protocols, hello.capabilities);
    if (this.#shared.length === 0) {
      const spoken = hello.capabilities.map(({ name, version }) => `${name}/${version}`).join(', ');
      throw new PeerlaneError('no-shared-capability', 'the peer speaks no protocol that we speak', {
        details: { clientId: hello.clientId, capabilities: spoken },
      });
    }
    this.#host.opened(hello, this.#shared);
  }

  #routeBase(message: IncomingMessage): void {
    switch (message.code) {
      case HELLO:
        throw new PeerlaneError('hello-repeated', 'the peer sent a second Hello');
      case DISCONNECT:
        this.#end(remoteDisconnect(message.payload()));
        return;
      case PING:
        if (!this.#host.congested) this.#sendControl(PONG);
        return;
      case PONG:
        this.#deadlines.pong();
        return;
      // The other codes below 0x10 are reserved; a later version of the base protocol may use them.
    }
  }
}
