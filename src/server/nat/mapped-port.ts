import { abortedError, onAbort } from '../../base/abort.ts';
import type { Env, Timer } from '../../base/env.ts';
import { type PeerlaneError, toPeerlaneError } from '../../base/errors.ts';
import {
  type Announcement,
  hasRestarted,
  keptFor,
  LEASE,
  type MappedProtocol,
  mostTelling,
  type NatMethodName,
  renewalAfter,
  retryAfter,
  type WantedMapping,
} from '../../nat/index.ts';
import type { NatMethod } from './method.ts';

const NONCE_LENGTH = 12;
/** Seconds that clocks are let differ by (RFC 6887, section 8.5). */
const TOLERANCE_S = 2;

/** Where others reach a port of this node. */
export interface ExternalEndpoint {
  /** Text of an IP address. */
  readonly ip: string;
  readonly port: number;
  readonly method: NatMethodName;
}

export type PortMapperEvent =
  /** A mapping is there, it leads from another endpoint than before, or it was renewed after that had failed. */
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

export interface MappedPortOptions {
  readonly env: Env;
  /** In the order in which they are tried. */
  readonly methods: readonly NatMethod[];
  readonly onEvent: (event: PortMapperEvent) => void;
  /** Seconds that are asked for; default 600. */
  readonly lease?: number;
}

interface Held {
  readonly method: NatMethod;
  readonly external: ExternalEndpoint;
  /** When it was granted, and when it is given up unless it has been renewed, by the clock of the node. */
  readonly atMs: number;
  readonly endsAt: number;
  /** The router keeps it longer than that. */
  readonly outlives: boolean;
  /** The router's clock at `atMs`, if it told. */
  readonly epoch: number | undefined;
}

/** One port: its mapping, and when it is looked after next. */
export class MappedPort {
  readonly protocol: MappedProtocol;
  readonly #options: MappedPortOptions;
  readonly #internalPort: number;
  readonly #restarted: () => void;
  readonly #nonce: Uint8Array;
  #held: Held | undefined;
  #failures = 0;
  #running: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;

  constructor(
    options: MappedPortOptions,
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

  /** Whether what the router has told all hosts means that this port is to be asked for again. */
  concernedBy({ epoch, externalIp }: Announcement): boolean {
    const held = this.#held;
    // What could not be had may be had from a router that begins.
    if (held === undefined) return true;
    const isMoved = externalIp !== undefined && externalIp !== held.external.ip;
    return isMoved || hasLost(held, { epoch, atMs: this.#options.env.now() });
  }

  /** Looks after the mapping at once, if it is waiting. */
  wake(): void {
    this.#wake();
  }

  async close(signal: AbortSignal): Promise<void> {
    await settled(this.#running, signal);
    const wanted = this.#wanted;
    const method = this.#held?.method;
    // Whatever the router says: what has a lease ends by itself.
    await Promise.all([
      settled(method?.unmap(wanted, signal), signal),
      ...this.#options.methods.map((one) => settled(one.withdraw(wanted, signal), signal)),
    ]);
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
      const error = toPeerlaneError(thrown);
      const leftMs = (this.#held?.endsAt ?? 0) - env.now();
      // An address that leads nowhere any more, or a mapping that is over, is told nobody.
      const isUseless = error.code === 'nat-carrier-grade' || error.code === 'nat-lie';
      const useless = isUseless || (leftMs <= 0 && this.#held?.outlives) ? this.#held?.method : undefined;
      const wanted = this.#wanted;
      if (leftMs <= 0 || isUseless) this.#let();
      const isHeld = this.#held !== undefined;
      const retryInMs = retryAfter(++this.#failures, isHeld ? leftMs : undefined);
      onEvent({ kind: 'nat-failed', protocol: this.protocol, error, retryInMs });
      // It may have no end of its own.
      await settled(useless?.unmap(wanted, signal), signal);
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
    throw mostTelling(errors) ?? abortedError(signal);
  }

  async #mapBy(method: NatMethod, signal: AbortSignal): Promise<number> {
    const { env, onEvent } = this.#options;
    const { externalIp, externalPort, lifetime, epoch } = await method.map(this.#wanted, signal);
    const atMs = env.now();
    const before = this.#held;
    const external = { ip: externalIp, port: externalPort, method: method.name };
    this.#held = {
      method,
      external,
      atMs,
      endsAt: atMs + keptFor(lifetime),
      outlives: lifetime > LEASE,
      epoch,
    };
    const isSame = before?.external.ip === externalIp && before.external.port === externalPort;
    if (!isSame || this.#failures > 0) onEvent({ kind: 'mapped', protocol: this.protocol, ...external });
    // What it held for other ports is gone as well.
    if (epoch !== undefined && before !== undefined && hasLost(before, { epoch, atMs })) this.#restarted();
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

/** Whether the router has lost a mapping, by what it says of its clock now. */
function hasLost({ epoch, atMs }: Held, now: { readonly epoch: number; readonly atMs: number }): boolean {
  if (epoch !== undefined) return hasRestarted({ epoch, atMs }, now);
  // One that was made without a word of the clock, by UPnP.
  return now.epoch + TOLERANCE_S < (now.atMs - atMs) / 1_000;
}

/** Resolves when the promise has settled either way, or the signal has aborted: a method may not heed it. */
async function settled(promise: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  let removeAbort: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    removeAbort = onAbort(signal, resolve);
  });
  await Promise.race([promise?.catch(() => undefined), aborted]);
  removeAbort();
}
