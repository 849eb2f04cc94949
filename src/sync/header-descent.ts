import { onAbort, throwIfAborted } from '../base/abort.ts';
import { EMPTY, equalBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { keccak256Many } from '../crypto/index.ts';
import type { Header } from '../eth/header.ts';
import type { RlpList } from '../rlp/index.ts';
import { AbortGroup } from './abort-group.ts';
import { Fetcher, type FetchTask, type Taken } from './fetcher.ts';
import type { Limits } from './scheduler.ts';
import type { BlockSource } from './source.ts';
import type { StageContext, StageMeter } from './stages.ts';
import type { HeaderEntry } from './store-state.ts';
import { isStored, type ResolvedTarget, sight } from './target.ts';

const LIMITS: Limits = { startItems: 192, maxItems: 192, inFlight: 3, contiguous: true };
/** Headers between the last linked one and the last one that is asked for. */
const WINDOW = 32 * 192;
/** The same below the end of the stored chain, where the chains may meet at any header. */
const OVERLAP_WINDOW = 2 * 192;
/**
 * Stored headers that a download may replace. They are held in memory until it is known where the chains part.
 * No network reorganises this deep; beyond it, the store holds another chain.
 */
export const MAX_REORG = 32_768;
/** Bytes of a chain that replaces stored headers; `MAX_REORG` of them take a third of it. */
const MAX_OVERLAP_LENGTH = 64 * 1024 * 1024;
/** Bytes of headers that wait for those above them, beyond which only what is next is asked for. */
const WINDOW_LENGTH = 16 * 1024 * 1024;
/** Bytes of linked headers that one write to the store takes at least. */
const WRITE_LENGTH = 8 * 1024 * 1024;
/** A source that does not have the target is asked again after this long: it may have got there by then. */
const REPROBE_MS = 15_000;

interface Arrived {
  readonly entry: HeaderEntry;
  readonly source: BlockSource;
}

/**
 * The way from a target down to the stored chain. Ranges are asked for by number at all sources that have the
 * target, and linked from the top: a header that is not the parent of the one above shows that its sender lied.
 */
export class HeaderDescent implements FetchTask<RlpList<Header>>, Disposable {
  readonly limits = LIMITS;
  readonly order = 'falling';
  readonly #context: StageContext;
  readonly #target: ResolvedTarget;
  readonly #meter: StageMeter;
  readonly #maxReorg: number;
  readonly #fetcher: Fetcher<RlpList<Header>>;
  readonly #removeListener: () => void;
  /** The header that comes next, and the hash that its child gives for it. */
  #next: number;
  #expected: Uint8Array;
  /** The lowest header that was asked for, or is there. */
  #lowest: number;
  /** Headers that are not linked to the target yet. */
  readonly #arrived = new Map<number, Arrived>();
  /** Linked headers that are not stored yet: above the stored chain, and beside it. */
  #linked: HeaderEntry[] = [];
  readonly #overlap: HeaderEntry[] = [];
  /** Bytes of what has arrived and is not linked, and of the overlap. */
  #arrivedLength = 0;
  #overlapLength = 0;
  #linkedLength = 0;
  /** Whether sources have the target; a number is the time after which one without it is asked again. */
  readonly #probes = new WeakMap<BlockSource, 'has' | 'asked' | number>();
  readonly #questions: AbortGroup;
  #ended = false;

  constructor(
    context: StageContext,
    target: ResolvedTarget,
    meter: StageMeter,
    { patienceMs, maxReorg }: { readonly patienceMs: number | undefined; readonly maxReorg: number },
  ) {
    this.#maxReorg = maxReorg;
    this.#context = context;
    this.#target = target;
    this.#meter = meter;
    const pending = context.store.pending();
    this.#next = pending === undefined ? target.number : pending.bottomNumber - 1;
    this.#expected = pending?.parentHash ?? target.hash;
    this.#lowest = this.#next + 1;
    for (const source of target.holders) this.#probes.set(source, 'has');
    const { sources, env, signal } = context;
    this.#fetcher = new Fetcher(this, { sources, env, patienceMs });
    this.#questions = new AbortGroup(signal);
    this.#removeListener = onAbort(signal, () => this.#fetcher.wake.ring());
  }

  /** @returns when the target is the end of the stored header chain. */
  async run(writeHeaders: number): Promise<void> {
    const { store, signal } = this.#context;
    const from = Math.min(store.headerHead().number, this.#target.number);
    this.#meter.span(from, this.#target.number, this.#target.number - this.#next);
    for (;;) {
      // What is linked is right: the next run need not ask for it again.
      if (signal.aborted) await this.#write();
      throwIfAborted(signal);
      this.#fetcher.check();
      const isDone = await this.#link();
      const isMuch = this.#linked.length >= writeHeaders || this.#linkedLength >= WRITE_LENGTH;
      if (isMuch || isDone) await this.#write();
      if (isDone) {
        await store.adopt(this.#overlap);
        this.#meter.add(this.#overlap.length, bytesOf(this.#overlap));
        return;
      }
      this.#extend();
      this.#fetcher.pump();
      await this.#fetcher.wake.wait();
    }
  }

  usable(source: BlockSource): boolean {
    const probe = this.#probes.get(source);
    if (probe === 'has' || probe === 'asked') return probe === 'has';
    if (probe === undefined || this.#context.env.now() >= probe) void this.#probe(source);
    return false;
  }

  isOpen(number: number): boolean {
    return this.#arrivedLength < WINDOW_LENGTH || number > this.#next - LIMITS.maxItems;
  }

  ask(source: BlockSource, numbers: readonly number[], signal: AbortSignal): Promise<RlpList<Header>> {
    const first = numbers[0] ?? this.#next;
    // By hash where it is known: then even a peer that changes its mind about the chain answers right.
    const start = first === this.#next ? this.#expected : first;
    return source.headers({ start, limit: numbers.length, reverse: true }, signal);
  }

  take(source: BlockSource, numbers: readonly number[], answer: RlpList<Header>): Taken {
    if (answer.length === 0) return { delivered: [], lacked: numbers };
    if (answer.length > numbers.length) {
      throw new PeerlaneError('response-too-long', `${answer.length} headers, asked: ${numbers.length}`);
    }
    const entries = readRun(numbers, answer);
    for (const entry of entries) {
      if (entry.number <= this.#next && !this.#arrived.has(entry.number)) {
        this.#arrived.set(entry.number, { entry, source });
        this.#arrivedLength += entry.encoded.length;
      }
    }
    return { delivered: entries.map(({ number }) => number), lacked: [] };
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#removeListener();
    this.#questions[Symbol.dispose]();
    this.#fetcher[Symbol.dispose]();
  }

  /** Links what has arrived to the target; true: it has met the stored chain. */
  async #link(): Promise<boolean> {
    for (;;) {
      if (await this.#meets()) return true;
      const arrived = this.#arrived.get(this.#next);
      if (arrived === undefined) return false;
      const { entry, source } = arrived;
      if (!equalBytes(entry.hash, this.#expected)) {
        this.#reject(source);
        continue;
      }
      this.#drop(entry);
      const isAbove = entry.number > this.#context.store.headerHead().number;
      (isAbove ? this.#linked : this.#overlap).push(entry);
      if (isAbove) this.#linkedLength += entry.encoded.length;
      else this.#overlapLength += entry.encoded.length;
      this.#expected = entry.header.parentHash;
      this.#next = entry.number - 1;
    }
  }

  async #meets(): Promise<boolean> {
    const { store } = this.#context;
    if (this.#next > store.headerHead().number) return false;
    if (await isStored(store, { number: this.#next, hash: this.#expected })) return true;
    if (this.#next <= 0) {
      throw new PeerlaneError('genesis-mismatch', 'the chain of the target has another genesis block');
    }
    if (this.#overlap.length >= this.#maxReorg || this.#overlapLength > MAX_OVERLAP_LENGTH) {
      const message = `the chain of the target departs from the stored one too far below its head: more than ${this.#maxReorg} blocks or ${MAX_OVERLAP_LENGTH} bytes`;
      throw new PeerlaneError('store-mismatch', message);
    }
    return false;
  }

  #drop({ number, encoded }: HeaderEntry): void {
    if (this.#arrived.delete(number)) this.#arrivedLength -= encoded.length;
  }

  /** The source gave a header that is not the parent of the one above: nothing that it gave is trusted. */
  #reject(source: BlockSource): void {
    const again: number[] = [];
    for (const [number, arrived] of this.#arrived) {
      if (arrived.source !== source) continue;
      this.#drop(arrived.entry);
      again.push(number);
    }
    this.#fetcher.add(again);
    const { sources } = this.#context;
    const error = new PeerlaneError(
      'header-invalid',
      `header ${this.#next} is not the parent of the next one`,
    );
    if (sources.has(source)) sources.fail(source, error);
  }

  async #write(): Promise<void> {
    const linked = this.#linked;
    this.#linked = [];
    this.#linkedLength = 0;
    if (linked.length === 0) return;
    await this.#context.store.addPending(linked);
    this.#meter.add(linked.length, bytesOf(linked));
  }

  /** Wants the next headers: down to the stored chain, or, once that is known to be another, step by step. */
  #extend(): void {
    const head = this.#context.store.headerHead().number;
    const floor = this.#next > head ? head + 1 : Math.max(1, this.#next - OVERLAP_WINDOW + 1);
    const lowest = Math.max(floor, this.#next - WINDOW + 1);
    const numbers: number[] = [];
    while (this.#lowest > lowest) numbers.push(--this.#lowest);
    if (numbers.length > 0) this.#fetcher.add(numbers);
  }

  async #probe(source: BlockSource): Promise<void> {
    this.#probes.set(source, 'asked');
    const sighting = await sight(this.#context, source, this.#target.hash, this.#questions);
    this.#probes.set(source, sighting === undefined ? this.#context.env.now() + REPROBE_MS : 'has');
    if (this.#ended) return;
    this.#fetcher.pump();
    this.#fetcher.wake.ring();
  }
}

/**
 * The headers of an answer, hashed, by falling numbers.
 * @throws PeerlaneError `header-invalid` when they are not those of `numbers` or do not link, `rlp-...`
 */
function readRun(numbers: readonly number[], answer: RlpList<Header>): HeaderEntry[] {
  const headers = answer.toArray();
  const encodings = headers.map((_, i) => answer.encodedAt(i));
  const hashes = keccak256Many(encodings);
  return headers.map(({ number, parentHash, difficulty, timestamp }, i) => {
    const hash = hashes.subarray(32 * i, 32 * i + 32);
    const child = headers[i - 1];
    if (number !== numbers[i] || (child !== undefined && !equalBytes(child.parentHash, hash))) {
      throw new PeerlaneError(
        'header-invalid',
        `header ${i} of the answer is not the one that was asked for`,
      );
    }
    return {
      number,
      hash,
      encoded: encodings[i] ?? EMPTY,
      // Not the whole header: thousands of them wait.
      header: { parentHash, difficulty, timestamp },
    };
  });
}

function bytesOf(entries: readonly HeaderEntry[]): number {
  return entries.reduce((sum, { encoded }) => sum + encoded.length, 0);
}
