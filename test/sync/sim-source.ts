import { onAbort } from '../../src/base/abort.ts';
import { toBareHex } from '../../src/base/bytes.ts';
import type { Env } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import type { ReputationEventKind } from '../../src/base/reputation-events.ts';
import type { VirtualEnv } from '../../src/base/virtual-env.ts';
import { type Body, bodyCodec } from '../../src/eth/body.ts';
import { type Header, headerCodec } from '../../src/eth/header.ts';
import { decode, encodeList, list, type RlpList } from '../../src/rlp/index.ts';
import type { BlockSource, HeadersRequest, SourceHead } from '../../src/sync/index.ts';
import { blockAt, type TestBlock, type TestChain } from './chains.ts';

export interface SimOptions {
  /** Milliseconds until an answer comes: each, and for every item in it. */
  readonly latencyMs?: number;
  readonly itemMs?: number;
  /** Bytes after which an answer ends, as servers have it. */
  readonly softLimit?: number;
  /** What the source really sends; `undefined`: nothing, ever. */
  readonly tamperHeaders?: (items: Uint8Array[], request: HeadersRequest) => Uint8Array[] | undefined;
  readonly tamperBodies?: (items: Uint8Array[], hashes: readonly Uint8Array[]) => Uint8Array[] | undefined;
  /** The part of the time in which we ourselves do not read what it sends. */
  readonly heldPart?: number;
  readonly head?: SourceHead;
  readonly earliest?: number;
}

/** A source over a chain in memory that answers as a server would, after a while. */
export class SimSource implements BlockSource {
  readonly id: string;
  readonly head: SourceHead;
  readonly earliest: number | undefined;
  /** Why it was failed. */
  failure: PeerlaneError | undefined;
  /** What was said of it while it stayed. */
  readonly reported: ReputationEventKind[] = [];
  /** Items that were asked for and given. */
  readonly served = { headers: 0, bodies: 0, requests: 0 };
  readonly #env: Env;
  readonly #chain: TestChain;
  readonly #options: SimOptions;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #gone = new AbortController();

  constructor(id: string, chain: TestChain, env: Env, options: SimOptions = {}) {
    this.id = id;
    this.#env = env;
    this.#chain = chain;
    this.#options = options;
    this.#numbers = new Map(chain.blocks.map(({ hash, number }) => [toBareHex(hash), number]));
    const { number, hash } = blockAt(chain, chain.blocks.length - 1);
    this.head = options.head ?? { number, hash };
    this.earliest = options.earliest;
  }

  get heldMs(): number {
    return this.#env.now() * (this.#options.heldPart ?? 0);
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  report(kind: ReputationEventKind): void {
    this.reported.push(kind);
  }

  fail(error: PeerlaneError): void {
    this.failure ??= error;
    this.leave();
  }

  /** The connection is over. */
  leave(): void {
    this.#gone.abort();
  }

  async headers(request: HeadersRequest, signal: AbortSignal): Promise<RlpList<Header>> {
    const { start, limit, reverse = false, skip = 0 } = request;
    const items: Uint8Array[] = [];
    let number = typeof start === 'number' ? start : this.#numbers.get(toBareHex(start));
    const step = (skip + 1) * (reverse ? -1 : 1);
    for (; number !== undefined && items.length < limit; number += step) {
      const block: TestBlock | undefined = this.#chain.blocks[number];
      if (block === undefined) break;
      items.push(block.header);
    }
    this.served.headers += items.length;
    const { tamperHeaders = (same) => same } = this.#options;
    return await this.#answer(tamperHeaders(items, request), signal, (answer) =>
      decode(list(headerCodec), answer),
    );
  }

  async bodies(hashes: readonly Uint8Array[], signal: AbortSignal): Promise<RlpList<Body>> {
    const items: Uint8Array[] = [];
    let bytes = 0;
    for (const hash of hashes) {
      const number = this.#numbers.get(toBareHex(hash));
      if (number === undefined || bytes >= (this.#options.softLimit ?? 2 ** 21)) break;
      const { body } = blockAt(this.#chain, number);
      items.push(body);
      bytes += body.length;
    }
    this.served.bodies += items.length;
    const { tamperBodies = (same) => same } = this.#options;
    return await this.#answer(tamperBodies(items, hashes), signal, (answer) =>
      decode(list(bodyCodec), answer),
    );
  }

  async #answer<T>(
    items: Uint8Array[] | undefined,
    signal: AbortSignal,
    read: (answer: Uint8Array) => T,
  ): Promise<T> {
    this.served.requests++;
    if (this.#gone.signal.aborted) throw new PeerlaneError('closed', 'the source is gone');
    const { latencyMs = 20, itemMs = 0 } = this.#options;
    const stops: (() => void)[] = [];
    try {
      await new Promise<void>((resolve, reject) => {
        const stop = (code: 'aborted' | 'closed') => () => reject(new PeerlaneError(code, 'given up'));
        stops.push(onAbort(signal, stop('aborted')), onAbort(this.#gone.signal, stop('closed')));
        if (items === undefined) return;
        const timer = this.#env.setTimer(latencyMs + itemMs * items.length, resolve);
        stops.push(() => timer.cancel());
      });
    } finally {
      for (const stop of stops) stop();
    }
    return read(encodeList(items ?? []));
  }
}

/** Runs what waits on virtual time: the clock moves on whenever everything else has come to rest. */
export async function drive<T>(
  env: VirtualEnv,
  promise: Promise<T>,
  { stepMs = 5, maxMs = 600_000 } = {},
): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  const endsAt = env.now() + maxMs;
  while (!settled) {
    for (let turn = 0; turn < 3 && !settled; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (settled) break;
    if (env.now() >= endsAt) throw new Error(`nothing came of it in ${maxMs} ms of virtual time`);
    env.advance(stepMs);
  }
  return await promise;
}
