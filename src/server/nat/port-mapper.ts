import { abortedError, onAbort } from '../../base/abort.ts';
import type { Env, Timer } from '../../base/env.ts';
import { type ErrorCode, type PeerlaneError, toPeerlaneError } from '../../base/errors.ts';
import {
  hasRestarted,
  LEASE,
  type MappedProtocol,
  type NatMethodName,
  renewalAfter,
  retryAfter,
  type WantedMapping,
} from '../../nat/index.ts';
import type { NatMethod } from './method.ts';

/** How long the node waits at its end for the router to take its mappings back. */
export const UNMAP_TIMEOUT_MS = 2_000;
const NONCE_LENGTH = 12;

/** Where others reach a port of this node. */
export interface ExternalEndpoint {
  /** Text of an IPv4 address. */
  readonly ip: string;
  readonly port: number;
  readonly method: NatMethodName;
}

export type PortMapperEvent =
  /** A mapping is there, or it leads from another endpoint than before. */
  | ({ readonly kind: 'mapped'; readonly protocol: MappedProtocol } & ExternalEndpoint)
  /** A mapping is gone: it was taken back, or ended before it could be renewed. */
  | ({ readonly kind: 'unmapped'; readonly protocol: MappedProtocol } & ExternalEndpoint)
  | {
      readonly kind: 'nat-failed';
      readonly protocol: MappedProtocol;
      readonly error: PeerlaneError;
      /** Milliseconds. */
      readonly retryInMs: number;
    };

export interface PortMapperOptions {
  readonly env: Env;
  /** The port that the node listens on, by protocol. */
  readonly ports: Readonly<Partial<Record<MappedProtocol, number>>>;
  /** In the order in which they are tried. */
  readonly methods: readonly NatMethod[];
  readonly onEvent: (event: PortMapperEvent) => void;
  /** Seconds that are asked for; default 600. */
  readonly lease?: number;
}

/** Of several ways that failed, the error is told that says most. */
const TELLING: readonly ErrorCode[] = ['nat-carrier-grade', 'nat-lie', 'nat-refused', 'nat-no-router'];

/** Keeps the ports of a node mapped: asks, renews, tries again, and takes the mappings back at the end. */
export class PortMapper implements AsyncDisposable {
  readonly #options: PortMapperOptions;
  readonly #ports: readonly MappedPort[];
  readonly #closed = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(options: PortMapperOptions) {
    this.#options = options;
    const restarted = (): void => {
      for (const port of this.#ports) port.wake();
    };
    const ports: MappedPort[] = [];
    for (const protocol of ['tcp', 'udp'] as const) {
      const internalPort = options.ports[protocol];
      if (internalPort !== undefined) ports.push(new MappedPort(options, protocol, internalPort, restarted));
    }
    this.#ports = ports;
  }

  /** Begins; nobody has to wait. */
  start(): void {
    for (const port of this.#ports) void port.run(this.#closed.signal);
  }

  /** Where others reach the node by `protocol`, as far as that is known. */
  external(protocol: MappedProtocol): ExternalEndpoint | undefined {
    return this.#ports.find((port) => port.protocol === protocol)?.external;
  }

  /** Takes all mappings back, as far as the router answers within 2 s. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    const ended = new AbortController();
    const timer = this.#options.env.setTimer(UNMAP_TIMEOUT_MS, () => ended.abort());
    await Promise.all(this.#ports.map((port) => port.close(ended.signal)));
    timer.cancel();
  }
}

interface Held {
  readonly method: NatMethod;
  readonly external: ExternalEndpoint;
  /** By the clock of the node. */
  readonly endsAt: number;
  readonly epoch: { readonly epoch: number; readonly atMs: number } | undefined;
}

/** One port: its mapping, and when it is looked after next. */
class MappedPort {
  readonly protocol: MappedProtocol;
  readonly #options: PortMapperOptions;
  readonly #internalPort: number;
  readonly #restarted: () => void;
  readonly #nonce: Uint8Array;
  #held: Held | undefined;
  /** Of a method that has been asked and has not answered: the router may have done it all the same. */
  #asked: NatMethod | undefined;
  #failures = 0;
  #running: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;

  constructor(
    options: PortMapperOptions,
    protocol: MappedProtocol,
    internalPort: number,
    restarted: () => void,
  ) {
    this.protocol = protocol;
    this.#options = options;
    this.#internalPort = internalPort;
    this.#restarted = restarted;
    this.#nonce = options.env.randomBytes(NONCE_LENGTH);
  }

  get external(): ExternalEndpoint | undefined {
    return this.#held?.external;
  }

  run(signal: AbortSignal): Promise<void> {
    this.#running = this.#run(signal);
    return this.#running;
  }

  /** Looks after the mapping at once, if it is waiting. */
  wake(): void {
    this.#wake();
  }

  async close(signal: AbortSignal): Promise<void> {
    await this.#running;
    const held = this.#held;
    const method = held?.method ?? this.#asked;
    if (method === undefined) return;
    // Whatever the router says: the mapping ends by itself when its lease does.
    await method.unmap(this.#wanted, signal).catch(() => undefined);
    this.#let();
  }

  get #wanted(): WantedMapping {
    const { lease = LEASE } = this.#options;
    return {
      protocol: this.protocol,
      internalPort: this.#internalPort,
      externalPort: this.#held?.external.port ?? this.#internalPort,
      lifetime: lease,
      nonce: this.#nonce,
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await this.#round(signal);
      if (waitMs !== undefined) await this.#wait(waitMs, signal);
    }
  }

  /** @returns milliseconds until the next; undefined when the end has come */
  async #round(signal: AbortSignal): Promise<number | undefined> {
    const { env, onEvent } = this.#options;
    try {
      const waitMs = await this.#map(signal);
      this.#failures = 0;
      return waitMs;
    } catch (thrown) {
      if (signal.aborted) return undefined;
      this.#asked = undefined;
      const error = toPeerlaneError(thrown);
      const leftMs = (this.#held?.endsAt ?? 0) - env.now();
      // An address that leads nowhere any more, or a mapping that is over, is told nobody.
      if (leftMs <= 0 || error.code === 'nat-carrier-grade' || error.code === 'nat-lie') this.#let();
      const isHeld = this.#held !== undefined;
      const retryInMs = retryAfter(++this.#failures, isHeld ? leftMs : undefined);
      onEvent({ kind: 'nat-failed', protocol: this.protocol, error, retryInMs });
      return retryInMs;
    }
  }

  async #map(signal: AbortSignal): Promise<number> {
    const { methods } = this.#options;
    const held = this.#held?.method;
    const errors: PeerlaneError[] = [];
    for (const method of held === undefined ? methods : [held]) {
      try {
        return await this.#mapBy(method, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        errors.push(toPeerlaneError(error));
      }
    }
    const told =
      TELLING.map((code) => errors.find((error) => error.code === code)).find(Boolean) ?? errors[0];
    throw told ?? abortedError(signal);
  }

  async #mapBy(method: NatMethod, signal: AbortSignal): Promise<number> {
    const { env, onEvent } = this.#options;
    this.#asked = method;
    const { externalIp, externalPort, lifetime, epoch } = await method.map(this.#wanted, signal);
    const atMs = env.now();
    const before = this.#held;
    const external = { ip: externalIp, port: externalPort, method: method.name };
    this.#held = {
      method,
      external,
      endsAt: atMs + lifetime * 1_000,
      epoch: epoch === undefined ? undefined : { epoch, atMs },
    };
    const isSame = before?.external.ip === externalIp && before.external.port === externalPort;
    if (!isSame) onEvent({ kind: 'mapped', protocol: this.protocol, ...external });
    const [was, is] = [before?.epoch, this.#held.epoch];
    // What it held for other ports is gone as well.
    if (was !== undefined && is !== undefined && hasRestarted(was, is)) this.#restarted();
    return renewalAfter(lifetime);
  }

  #let(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    this.#failures = 0;
    this.#options.onEvent({ kind: 'unmapped', protocol: this.protocol, ...held.external });
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer: Timer = this.#options.env.setTimer(ms, resolve);
      const removeAbort = onAbort(signal, () => this.#wake());
      this.#wake = () => {
        timer.cancel();
        removeAbort();
        resolve();
      };
      if (signal.aborted) this.#wake();
    });
    this.#wake = () => undefined;
  }
}
