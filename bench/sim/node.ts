import type { Timer } from '../../src/base/env.ts';
import type { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { NodeRecord } from '../../src/enr/index.ts';
import type { KadNode, LookupRun, LookupRunEvents, Table, UdpEndpoint } from '../../src/kad/index.ts';
import type { Links, Port } from './links.ts';

/** What a node is, whether it runs or not. */
export interface Identity {
  readonly endpoint: UdpEndpoint;
  readonly isNat: boolean;
  readonly record: NodeRecord;
  readonly node: KadNode;
}

/** What the simulation needs of the engine of either version of discovery. */
export interface SimEngine {
  readonly table: Table;
  readonly deadline: number;
  start(now: number): void;
  tick(now: number): void;
  /** Whether there is something to do at once. */
  receive(packet: Uint8Array, from: UdpEndpoint, now: number): boolean;
  lookup(target: Uint8Array, events: LookupRunEvents): LookupRun;
  resumeLookup(run: LookupRun, now: number): void;
  /** Endpoints with a proof, or sessions. */
  readonly proofs: number;
}

/** An engine with an endpoint and one timer. */
export class SimNode {
  readonly identity: Identity;
  readonly engine: SimEngine;
  readonly port: Port;
  readonly startedAt: number;
  readonly #env: VirtualEnv;
  readonly #links: Links;
  isRunning = true;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(
    env: VirtualEnv,
    links: Links,
    identity: Identity,
    engineOf: (send: (packet: Uint8Array, to: UdpEndpoint) => void) => SimEngine,
    { isIdle = false }: { readonly isIdle?: boolean } = {},
  ) {
    const { endpoint, isNat } = identity;
    this.identity = identity;
    this.#env = env;
    this.#links = links;
    this.startedAt = env.now();
    this.port = links.attach(endpoint, this, { isNat });
    this.engine = engineOf((packet, to) => links.send(this.port, packet, to));
    // An idle one answers, and asks when it is told to.
    if (!isIdle) this.wake();
  }

  /** Begins to look for nodes, and to keep the table up. */
  wake(): void {
    if (!this.isRunning) return;
    this.engine.start(this.#env.now());
    this.#schedule();
  }

  /** Leaves without a word. */
  stop(): void {
    this.isRunning = false;
    this.#links.detach(this.port);
    this.#timer?.cancel();
  }

  receive(packet: Uint8Array, from: UdpEndpoint): void {
    if (this.engine.receive(packet, from, this.#env.now())) this.#tick();
    else this.#schedule();
  }

  /** Begins a lookup, told to go on by itself. */
  lookup(target: Uint8Array, done: (run: LookupRun) => void): void {
    const run: LookupRun = this.engine.lookup(target, { done: () => done(run) });
    this.engine.resumeLookup(run, this.#env.now());
    this.#schedule();
  }

  #tick(): void {
    do this.engine.tick(this.#env.now());
    while (this.engine.deadline === Number.NEGATIVE_INFINITY);
    this.#schedule();
  }

  /** A timer that comes too early costs less than one that is set anew for each packet. */
  #schedule(): void {
    const { deadline } = this.engine;
    if (deadline >= this.#timerAt || deadline === Number.POSITIVE_INFINITY) return;
    this.#timer?.cancel();
    const now = this.#env.now();
    this.#timerAt = Math.max(now, deadline);
    this.#timer = this.#env.setTimer(this.#timerAt - now, () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#tick();
    });
  }
}
