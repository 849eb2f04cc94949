/**
 * A peer that does what no peer should: the far end of a real TCP connection, in which the test has every byte
 * in its hands. The handshake comes from our own machine, the frames are written one by one.
 */
import { createConnection, createServer, type Server as NetServer, type Socket } from 'node:net';
import { ByteQueue, concatBytes } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import {
  compress,
  generateSecretKey,
  publicKeyOf,
  uncompress,
  uncompressedLength,
} from '../../src/crypto/index.ts';
import { parseEnode } from '../../src/enr/index.ts';
import { type Capability, disconnectReasonName, encodeHello, type Hello } from '../../src/p2p/index.ts';
import { decode, list, uint } from '../../src/rlp/index.ts';
import {
  accept,
  decodeSessions,
  freshRandomness,
  type Handshake,
  identityOf,
  initiate,
  RlpxSession,
} from '../../src/rlpx/index.ts';
import { RawFrames } from './raw-frames.ts';

export const HELLO = 0x00;
export const DISCONNECT = 0x01;
export const PING = 0x02;
export const PONG = 0x03;

export interface Received {
  readonly code: number;
  readonly payload: Uint8Array;
}

/** What was heard at the end: a Disconnect's reason, or nothing. */
export type Ending = string | 'silence';

export class Attacker {
  readonly key: Uint8Array;
  /** The local port, by which the other side knows the connection. */
  readonly port: number;
  /** Whom it has connected to; `undefined` if it was dialed. */
  readonly #remoteId: Uint8Array | undefined;
  readonly #socket: Socket;
  readonly #queue = new ByteQueue();
  readonly #messages: Received[] = [];
  #session: RlpxSession | undefined;
  #frames: RawFrames | undefined;
  #helloRead = false;
  #over = false;
  #wake: () => void = () => undefined;
  /** Bytes that the other side has sent. */
  received = 0;

  constructor(socket: Socket, remoteId: Uint8Array | undefined, key = generateSecretKey(systemEnv)) {
    this.key = key;
    this.#remoteId = remoteId;
    this.#socket = socket;
    this.port = socket.localPort ?? 0;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.received += chunk.length;
      this.#queue.push(chunk);
      this.#wake();
    });
    socket.once('close', () => {
      this.#over = true;
      this.#wake();
    });
    socket.once('end', () => {
      this.#over = true;
      this.#wake();
    });
  }

  static async connect(enode: string, key?: Uint8Array): Promise<Attacker> {
    const { host, tcpPort, publicKey } = parseEnode(enode);
    const socket = createConnection({ host, port: tcpPort });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Attacker(socket, publicKey, key);
  }

  get id(): Uint8Array {
    return publicKeyOf(this.key);
  }

  /** Writes any bytes; resolves when the system has taken them, or the connection is gone. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve());
      if (this.#over) resolve();
    });
  }

  /** Closes this side only. */
  finish(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Closes both sides with a reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** From here on what the other side sends is left lying. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** Whether the other side has closed the connection. */
  get over(): boolean {
    return this.#over;
  }

  /** The next `length` bytes as they came; `undefined` if the connection ends before. */
  async bytes(length: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = this.#queue.take(length);
      if (bytes !== undefined) return bytes;
      if (this.#over) return undefined;
      await this.#more();
    }
  }

  /** Sends a proper auth and reads the ack; if it was dialed, it reads the auth and sends a proper ack. */
  async handshake(): Promise<this> {
    const handshake = this.#begin();
    void this.write(handshake.opening);
    for (;;) {
      const established = handshake.read(this.#queue);
      if (established !== undefined) {
        void this.write(established.reply);
        this.#session = new RlpxSession(established.session);
        // Compression is undone here, so that broken blocks can be looked at as they are.
        this.#session.open(false);
        this.#frames = new RawFrames(established.session);
        return this;
      }
      if (this.#over) throw new Error('the connection ended in the handshake');
      await this.#more();
    }
  }

  #begin(): Handshake {
    const ours = { identity: identityOf(this.key), randomness: freshRandomness(systemEnv) };
    return this.#remoteId === undefined ? accept(ours) : initiate({ ...ours, remoteId: this.#remoteId });
  }

  /** The frames of this side, to be written as one likes. */
  get frames(): RawFrames {
    if (this.#frames === undefined) throw new Error('no handshake yet');
    return this.#frames;
  }

  /** Sends a frame of any data: code and payload, or whatever. */
  frame(data: Uint8Array): Promise<void> {
    return this.write(this.frames.frame(data));
  }

  /** Sends a frame whose payload goes as it is: not compressed, or compressed by the caller. */
  plain(code: number, payload: Uint8Array): Promise<void> {
    return this.frame(concatBytes(Uint8Array.of(code === 0 ? 0x80 : code), payload));
  }

  /** Sends a message as a good peer would after Hello. */
  send(code: number, payload: Uint8Array): Promise<void> {
    return this.plain(code, compress(payload));
  }

  sendHello(change: Partial<Hello> = {}): Promise<void> {
    const capabilities: Capability[] = [{ name: 'echo', version: 1 }];
    const hello: Hello = {
      version: 5,
      clientId: 'attacker',
      capabilities,
      listenPort: 0,
      id: this.id,
      ...change,
    };
    return this.plain(HELLO, encodeHello(hello));
  }

  /** Handshake and Hello, as a good peer would. */
  async open(change: Partial<Hello> = {}): Promise<this> {
    await this.handshake();
    void this.sendHello(change);
    const hello = await this.next();
    if (hello?.code !== HELLO) throw new Error('the other side sent no Hello');
    return this;
  }

  /** The next message; `undefined` when the connection is over. */
  async next(): Promise<Received | undefined> {
    for (;;) {
      this.#decode();
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#over) return undefined;
      await this.#more();
    }
  }

  /** The next message with that code; `undefined` when the connection is over. */
  async until(code: number): Promise<Received | undefined> {
    for (;;) {
      const message = await this.next();
      if (message === undefined || message.code === code) return message;
    }
  }

  /**
   * Reads to the end of the connection, which the other side must bring about: the reason of its Disconnect, or
   * `silence`, which before the handshake is no byte at all.
   */
  async ending(): Promise<Ending> {
    let ending: Ending = 'silence';
    if (this.#session !== undefined) {
      const message = await this.until(DISCONNECT);
      if (message !== undefined) ending = disconnectReasonName(decode(list(uint(8)), message.payload).at(0));
    }
    while (!this.#over) await this.#more();
    if (this.#session === undefined && this.received > 0) ending = `${this.received} bytes`;
    this.#socket.destroy();
    return ending;
  }

  #decode(): void {
    const session = this.#session;
    if (session === undefined) return;
    const bytes = this.#queue.take(this.#queue.length);
    if (bytes !== undefined) session.receive(bytes);
    while (session.ready) {
      for (const { messages, error } of decodeSessions([session])) {
        if (error !== undefined) throw error;
        for (const message of messages) this.#messages.push(this.#read(message.code, message.payload()));
      }
    }
  }

  /** Hello, or a Disconnect in its place, comes uncompressed; all else after it compressed. */
  #read(code: number, payload: Uint8Array): Received {
    if (!this.#helloRead) {
      this.#helloRead = true;
      return { code, payload };
    }
    return { code, payload: uncompress(payload, uncompressedLength(payload)) };
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Listens for one connection and answers it with whatever the test says. */
export class AttackerListener {
  readonly key = generateSecretKey(systemEnv);
  readonly #server: NetServer;
  readonly #sockets = new Set<Socket>();
  #accept: (socket: Socket) => void = (socket) => socket.destroy();

  private constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket.on('error', () => undefined));
      this.#accept(socket);
    });
  }

  static async listen(): Promise<AttackerListener> {
    const listener = new AttackerListener();
    await new Promise<void>((resolve) => void listener.#server.listen(0, '127.0.0.1', resolve));
    return listener;
  }

  get enode(): string {
    const address = this.#server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return `enode://${Buffer.from(publicKeyOf(this.key)).toString('hex')}@127.0.0.1:${port}`;
  }

  /** The next connection, of which nothing has been read. */
  async attacker(): Promise<Attacker> {
    const socket = await new Promise<Socket>((resolve) => {
      this.#accept = resolve;
    });
    return new Attacker(socket, undefined, this.key);
  }

  /** The next connection, and the auth that came over it. */
  next(): Promise<{ readonly socket: Socket; readonly auth: Uint8Array }> {
    return new Promise((resolve) => {
      this.#accept = (socket) => socket.once('data', (auth) => resolve({ socket, auth }));
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
