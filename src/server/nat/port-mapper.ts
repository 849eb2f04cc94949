import type { Timer } from '../../base/env.ts';
import { type Announcement, type MappedProtocol, MIN_RESTART_MS } from '../../nat/index.ts';
import { type ExternalEndpoint, MappedPort, type MappedPortOptions } from './mapped-port.ts';

/** How long the node waits at its end for the router to take its mappings back. */
export const UNMAP_TIMEOUT_MS = 2_000;
/** All hosts of a network hear a router at once; each waits up to so long, by chance, before it asks. */
export const MAX_ANNOUNCED_MS = 1_000;
/** Whoever speaks in the router's name makes us ask it no more often. */
export const ANNOUNCED_INTERVAL_MS = 5_000;

export interface PortMapperOptions extends MappedPortOptions {
  /** The port that the node listens on, by protocol. */
  readonly ports: Readonly<Partial<Record<MappedProtocol, number>>>;
}

/** Keeps the ports of a node mapped: asks, renews, tries again, and takes the mappings back at the end. */
export class PortMapper implements AsyncDisposable {
  readonly #options: PortMapperOptions;
  readonly #ports: readonly MappedPort[];
  readonly #closed = new AbortController();
  #closing: Promise<void> | undefined;
  #waking: Timer | undefined;
  #wokenAt = Number.NEGATIVE_INFINITY;
  #restartedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PortMapperOptions) {
    this.#options = options;
    const restarted = (): void => {
      const now = options.env.now();
      if (now - this.#restartedAt < MIN_RESTART_MS) return;
      this.#restartedAt = now;
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

  /** The router has told all hosts how its clock stands: what it has lost is asked for again, in a moment. */
  announced(announcement: Announcement): void {
    const { env } = this.#options;
    if (this.#closed.signal.aborted || env.now() - this.#wokenAt < ANNOUNCED_INTERVAL_MS) return;
    const concerned = this.#ports.filter((port) => port.concernedBy(announcement));
    if (concerned.length === 0) return;
    this.#wokenAt = env.now();
    const [chance = 0] = env.randomBytes(1);
    this.#waking = env.setTimer((chance / 256) * MAX_ANNOUNCED_MS, () => {
      for (const port of concerned) port.wake();
    });
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
    this.#waking?.cancel();
    const ended = new AbortController();
    const timer = this.#options.env.setTimer(UNMAP_TIMEOUT_MS, () => ended.abort());
    await Promise.all(this.#ports.map((port) => port.close(ended.signal)));
    timer.cancel();
  }
}
