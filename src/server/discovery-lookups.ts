import type { Closing } from '../base/closing.ts';
import { Endable } from '../base/endable.ts';
import type { Env } from '../base/env.ts';
import { isPublicKey } from '../enr/index.ts';
import type { KadNode, LookupRun, LookupRunEvents } from '../kad/index.ts';
import type { DiscoveryCalls } from './discovery-calls.ts';
import { LookupNodes, type LookupNodesOptions, type NodesRun } from './lookup-nodes.ts';

/** Random lookups begin at most so often: in a small network one takes no time, and finds nothing new. */
const RANDOM_LOOKUP_INTERVAL_MS = 1_000;

/** The part of an engine that lookups are made with. */
export interface LookupEngine {
  lookup(target: Uint8Array, events: LookupRunEvents): LookupRun;
  resumeLookup(run: LookupRun, now: number): void;
}

/** How an engine looks for nodes, and what is left at the end. */
export interface NodesEngine<Run extends NodesRun, R>
  extends Pick<LookupNodesOptions<Run>, 'begin' | 'resume'> {
  result(run: Run): R;
}

export interface DiscoveryLookupsOptions {
  readonly env: Env;
  readonly closing: Closing;
  readonly engine: LookupEngine;
  /** Bytes of a target: a public key's, or an id's. */
  readonly targetLength: number;
  readonly calls: DiscoveryCalls;
  /** A lookup has gone on, and may have something to do at once. */
  readonly resumed: () => void;
}

/** The lookups of a service of discovery: its docstrings say what each gives. Targets have been checked. */
export class DiscoveryLookups {
  readonly #options: DiscoveryLookupsOptions;

  constructor(options: DiscoveryLookupsOptions) {
    this.#options = options;
  }

  lookup(target: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<KadNode, KadNode[], undefined> {
    return new Endable((ended) => this.#lookup(target, ended), signal);
  }

  random(signal: AbortSignal | undefined): AsyncGenerator<KadNode, void, undefined> {
    return new Endable((ended) => this.#random(ended), signal);
  }

  async findClosest(target: Uint8Array, signal: AbortSignal | undefined): Promise<KadNode[]> {
    const nodes = this.#lookup(target, signal);
    let next = await nodes.next();
    while (next.done !== true) next = await nodes.next();
    return next.value;
  }

  /** The nodes of another search of the engine's, of which no more are asked than it takes to have the next one. */
  nodesOf<Run extends NodesRun, R>(
    engine: NodesEngine<Run, R>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<KadNode, R, undefined> {
    return new Endable((ended) => this.#nodes(engine, ended), signal);
  }

  async *#lookup(
    target: Uint8Array,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<KadNode, KadNode[], undefined> {
    const { engine, env } = this.#options;
    return yield* this.#nodes(
      {
        begin: (events) => engine.lookup(target, events),
        resume: (run: LookupRun) => engine.resumeLookup(run, env.now()),
        result: (run) => run.result,
      },
      signal,
    );
  }

  async *#nodes<Run extends NodesRun, R>(
    engine: NodesEngine<Run, R>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<KadNode, R, undefined> {
    const { env, closing, calls, resumed } = this.#options;
    // Without anybody to ask a lookup ends at once: in a loop of a caller's nothing else would ever happen.
    await new Promise<void>((resolve) => void env.setImmediate(resolve));
    const nodes = new LookupNodes<Run>({
      enter: (ended) => calls.enterLookup(ended),
      begin: (events) => engine.begin(events),
      resume: (run) => {
        engine.resume(run);
        resumed();
      },
      closing,
    });
    try {
      for (let next = await nodes.next(signal); next !== undefined; ) {
        // Anybody can name a key that nobody has.
        if (isPublicKey(next.publicKey)) yield next;
        next = await nodes.next(signal);
      }
      return engine.result(nodes.run);
    } finally {
      nodes.stop();
    }
  }

  async *#random(signal: AbortSignal): AsyncGenerator<KadNode, void, undefined> {
    const { env, calls, targetLength } = this.#options;
    for (;;) {
      const begunAt = env.now();
      yield* this.#lookup(env.randomBytes(targetLength), signal);
      await calls.sleep(begunAt + RANDOM_LOOKUP_INTERVAL_MS - env.now(), signal);
    }
  }
}
