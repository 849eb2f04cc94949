import { concatBytes } from '../../src/base/bytes.ts';
import type { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { publicKeyOf } from '../../src/crypto/index.ts';
import {
  type Hello,
  Link,
  type LinkHost,
  type Protocol,
  runLinks,
  type SharedProtocol,
} from '../../src/p2p/index.ts';
import { accept, freshRandomness, type Handshake, identityOf, initiate } from '../../src/rlpx/index.ts';

export const protocol = (
  name: string,
  version: number,
  length: number,
  maxMessageSize = 0xffffff,
): Protocol => ({
  name,
  version,
  length,
  maxMessageSize,
  handler: () => Promise.resolve(),
});

/** One side: a link, and a log of what it told its host. */
export class Side implements LinkHost {
  readonly key: Uint8Array;
  readonly wire: Uint8Array[] = [];
  readonly messages: { name: string; code: number; payload: Uint8Array }[] = [];
  hello: Hello | undefined;
  shared: readonly SharedProtocol[] = [];
  error: PeerlaneError | undefined;
  scheduled = false;
  congested = false;
  steps = 0;
  refuse: { identified?: PeerlaneError; opened?: PeerlaneError } = {};
  /** Whether anybody still holds on to it is for the garbage collector to find out. */
  handshake: WeakRef<Handshake> | undefined;
  #link: Link | undefined;

  constructor(key: Uint8Array) {
    this.key = key;
  }

  connect(handshake: Handshake, protocols: readonly Protocol[], hello: Partial<Hello> = {}): Link {
    const own: Hello = {
      version: 5,
      clientId: 'test',
      capabilities: protocols.map(({ name, version }) => ({ name, version })),
      listenPort: 0,
      id: publicKeyOf(this.key),
      ...hello,
    };
    this.handshake = new WeakRef(handshake);
    this.#link = new Link({ handshake, hello: own, protocols, host: this });
    return this.#link;
  }

  get link(): Link {
    if (this.#link === undefined) throw new Error('not connected');
    return this.#link;
  }

  write(bytes: Uint8Array): void {
    this.wire.push(bytes.slice());
  }
  schedule(): void {
    this.scheduled = true;
  }
  identified(): void {
    if (this.refuse.identified !== undefined) throw this.refuse.identified;
  }
  opened(hello: Hello, shared: readonly SharedProtocol[]): void {
    if (this.refuse.opened !== undefined) throw this.refuse.opened;
    this.hello = hello;
    this.shared = shared;
  }
  message({ protocol, offset }: SharedProtocol, message: { code: number; payload(): Uint8Array }): void {
    this.messages.push({ name: protocol.name, code: message.code - offset, payload: message.payload() });
  }
  decoded(): void {
    this.steps++;
  }
  closed(error: PeerlaneError): void {
    this.error = error;
  }
}

/** Two links joined by a wire without delay, on a virtual clock. */
export class LinkPair {
  readonly env = new VirtualEnv({ seed: 11 });
  readonly initiator = new Side(this.env.randomBytes(32));
  readonly recipient = new Side(this.env.randomBytes(32));
  readonly #chunk: number;

  constructor({
    protocols = [[protocol('test', 1, 8)], [protocol('test', 1, 8)]],
    hellos = [{}, {}],
    chunk = Number.POSITIVE_INFINITY,
  }: {
    protocols?: readonly [readonly Protocol[], readonly Protocol[]];
    hellos?: readonly [Partial<Hello>, Partial<Hello>];
    /** The wire cuts what it carries into chunks of so many bytes. */
    chunk?: number;
  } = {}) {
    this.#chunk = chunk;
    const { initiator: a, recipient: b, env } = this;
    const remoteId = publicKeyOf(b.key);
    a.connect(
      initiate({ identity: identityOf(a.key), remoteId, randomness: freshRandomness(env) }),
      protocols[0],
      hellos[0],
    );
    b.connect(
      accept({ identity: identityOf(b.key), randomness: freshRandomness(env) }),
      protocols[1],
      hellos[1],
    );
  }

  start(): this {
    this.recipient.link.start(this.env.now());
    this.initiator.link.start(this.env.now());
    return this;
  }

  /** Carries bytes to and fro until neither side has more to say. */
  settle(): this {
    for (;;) {
      const links = [this.initiator, this.recipient].filter(({ scheduled }) => scheduled);
      for (const side of links) side.scheduled = false;
      runLinks(links.map(({ link }) => link));
      const moved = [
        this.#carry(this.initiator, this.recipient),
        this.#carry(this.recipient, this.initiator),
      ];
      if (links.length === 0 && !moved.includes(true)) return this;
    }
  }

  open(): this {
    return this.start().settle();
  }

  #carry(from: Side, to: Side): boolean {
    const bytes = concatBytes(...from.wire.splice(0));
    for (let at = 0; at < bytes.length; at += this.#chunk) {
      to.link.receive(bytes.slice(at, Math.min(bytes.length, at + this.#chunk)), this.env.now());
    }
    return bytes.length > 0;
  }
}
