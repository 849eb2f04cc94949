import { onAbort } from '../base/abort.ts';
import { toBareHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { ReputationEventKind } from '../base/reputation-events.ts';
import type { Body } from '../eth/body.ts';
import type { Header } from '../eth/header.ts';
import type { EthPeer } from '../eth/peer.ts';
import type { RlpList } from '../rlp/index.ts';

/** Sources that a set takes at most: far more peers than a node connects to. */
export const MAX_SOURCES = 256;

/** The block that a source says its chain ends with; before eth/69 its number is not told. */
export interface SourceHead {
  readonly number?: number | undefined;
  readonly hash: Uint8Array;
}

/** Which headers are wanted (caps/eth.md, "GetBlockHeaders (0x03)"). */
export interface HeadersRequest {
  /** Number or hash of the first one. */
  readonly start: number | Uint8Array;
  readonly limit: number;
  /** Falling numbers; default false. */
  readonly reverse?: boolean;
  /** Blocks left out between two headers; default 0. */
  readonly skip?: number;
}

/** Where blocks come from: a peer, mostly. What it answers has been decoded, and nothing else is known of it. */
export interface BlockSource {
  /** Unique among the sources of a set. */
  readonly id: string;
  readonly head: SourceHead;
  /** The first block whose body it says that it has; without it nothing is said. It may change. */
  readonly earliest?: number | undefined;
  /**
   * Milliseconds, in all, in which nothing was read from it for limits of our own, and it could be late with nothing; absent:
   * none.
   */
  readonly heldMs?: number | undefined;
  /** Aborted when the source is gone. */
  readonly signal: AbortSignal;
  headers(request: HeadersRequest, signal: AbortSignal): Promise<RlpList<Header>>;
  /** May leave out bodies it does not have, and stop early. */
  bodies(hashes: readonly Uint8Array[], signal: AbortSignal): Promise<RlpList<Body>>;
  /** Told how the source behaves, where that does not end it. */
  report?(kind: ReputationEventKind): void;
  /** Ends the source; what follows for the peer behind it is up to the error's code. */
  fail(error: PeerlaneError): void;
}

/** Longer than any timeout of the download, which has its own. */
const PEER_TIMEOUT_MS = 30_000;

/** A peer as a source of blocks. */
export function peerSource(peer: EthPeer): BlockSource {
  return {
    id: toBareHex(peer.info.id),
    get head() {
      return peer.head;
    },
    get earliest() {
      return peer.earliest;
    },
    get heldMs() {
      return peer.heldMs;
    },
    signal: peer.signal,
    headers: (request, signal) => peer.getBlockHeaders(request, { signal, timeoutMs: PEER_TIMEOUT_MS }),
    bodies: (hashes, signal) => peer.getBlockBodies(hashes, { signal, timeoutMs: PEER_TIMEOUT_MS }),
    report: (kind) => peer.report(kind),
    fail: (error) => peer.disconnect(error),
  };
}

function isSource(value: BlockSource): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { id, head, signal } = value;
  if (typeof id !== 'string' || typeof head !== 'object' || head === null) return false;
  if (!(signal instanceof AbortSignal)) return false;
  return [value.headers, value.bodies, value.fail].every((member) => typeof member === 'function');
}

/** The sources there are at the moment: they come and go while a download runs. */
export class SourceSet implements Iterable<BlockSource> {
  readonly #sources = new Map<string, { source: BlockSource; release: () => void }>();
  readonly #listeners = new Set<() => void>();

  get size(): number {
    return this.#sources.size;
  }

  [Symbol.iterator](): Iterator<BlockSource> {
    return Array.from(this.#sources.values(), ({ source }) => source).values();
  }

  has(source: BlockSource): boolean {
    return this.#sources.get(source.id)?.source === source;
  }

  get(id: string): BlockSource | undefined {
    return this.#sources.get(id)?.source;
  }

  /**
   * Adds a source until it is taken out or gone.
   * @throws PeerlaneError `invalid-argument` when it is no source, its id is there already, or the set is full
   */
  add(source: BlockSource): void {
    if (!isSource(source)) throw new PeerlaneError('invalid-argument', 'not a source of blocks');
    if (source.signal.aborted || this.has(source)) return;
    if (this.#sources.has(source.id)) {
      throw new PeerlaneError('invalid-argument', `there is a source ${source.id} already`);
    }
    if (this.#sources.size >= MAX_SOURCES) {
      throw new PeerlaneError('invalid-argument', `there are ${MAX_SOURCES} sources already`);
    }
    const release = onAbort(source.signal, () => this.delete(source));
    this.#sources.set(source.id, { source, release });
    this.#changed();
  }

  delete(source: BlockSource): void {
    if (!this.has(source)) return;
    this.#sources.get(source.id)?.release();
    this.#sources.delete(source.id);
    this.#changed();
  }

  /** Ends a source for what it did. */
  fail(source: BlockSource, error: PeerlaneError): void {
    this.delete(source);
    source.fail(error);
  }

  /** Calls `listener` whenever a source came or went; returns what stops that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
