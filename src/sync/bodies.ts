import { onAbort, throwIfAborted } from '../base/abort.ts';
import { equalBytes } from '../base/bytes.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { type Body, checkBody } from '../eth/body.ts';
import { type Header, headerCodec } from '../eth/header.ts';
import { EMPTY_OMMERS_HASH, transactionsRoot } from '../eth/roots.ts';
import { decode, type RlpList } from '../rlp/index.ts';
import { EMPTY_ROOT } from '../trie/index.ts';
import { Fetcher, type FetchTask, type Taken } from './fetcher.ts';
import type { Limits } from './scheduler.ts';
import type { BlockSource } from './source.ts';
import { type Stage, type StageContext, StageMeter, type StageResult } from './stages.ts';
import type { BodyEntry } from './store-state.ts';

const LIMITS: Limits = { startItems: 32, maxItems: 128, inFlight: 3, contiguous: false };
/** Default bounds of what is held in memory. */
const WINDOW_BLOCKS = 4096;
const WINDOW_BYTES = 64 * 1024 * 1024;
/** How many blocks above the stored ones are asked for when the window is full of bytes. */
const URGENT = 16;
/** Headers read from the store at a time. */
const READ_BLOCKS = 512;
/** What one write to the store takes at most; the body that crosses it is still in. */
const WRITE_BLOCKS = 1024;
const WRITE_BYTES = 4 * 1024 * 1024;
/** Checking a large answer gives way to other work after this long. */
const SLICE_MS = 10;

/** RLP of the bodies that need no request: without and with a list of withdrawals. */
const EMPTY_BODY = Uint8Array.of(0xc2, 0xc0, 0xc0);
const EMPTY_BODY_WITHDRAWALS = Uint8Array.of(0xc3, 0xc0, 0xc0, 0xc0);

export interface BodiesOptions {
  /** Blocks between the last stored one and the last one that is asked for; default 4,096. */
  readonly windowBlocks?: number | undefined;
  /** Bytes of bodies that wait for one before them, beyond which only the next few are asked for; default 64 MiB. */
  readonly windowBytes?: number | undefined;
}

/** Downloads the bodies of the blocks whose headers are stored. */
export class BodiesStage implements Stage {
  readonly name = 'bodies';
  readonly #options: BodiesOptions;

  constructor(options: BodiesOptions = {}) {
    this.#options = options;
  }

  /** @throws PeerlaneError `aborted`, `no-peers`, `chain-not-found`, `store-damaged` */
  async execute(context: StageContext): Promise<StageResult> {
    using download = new BodyDownload(context, this.name, this.#options);
    return await download.run();
  }
}

/** A block whose body is wanted. */
interface Wanted {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly header: Header;
}

interface Slot extends Wanted {
  /** RLP, once it is there. */
  body: Uint8Array | undefined;
}

interface Answer {
  readonly asked: readonly Wanted[];
  readonly bodies: RlpList<Body>;
}

class BodyDownload implements FetchTask<Answer>, Disposable {
  readonly limits = LIMITS;
  readonly order = 'rising';
  readonly #context: StageContext;
  readonly #fetcher: Fetcher<Answer>;
  readonly #meter: StageMeter;
  readonly #removeListener: () => void;
  /** The blocks above the stored ones, by number: bodies that are there, and those that are wanted. */
  readonly #window = new Map<number, Slot>();
  readonly #windowBlocks: number;
  readonly #windowBytes: number;
  #waitingBytes = 0;
  /** The last block of the window. */
  #last: number;

  constructor(
    context: StageContext,
    name: string,
    { windowBlocks = WINDOW_BLOCKS, windowBytes = WINDOW_BYTES }: BodiesOptions,
  ) {
    this.#windowBlocks = windowBlocks;
    this.#windowBytes = windowBytes;
    this.#context = context;
    this.#last = context.store.head().number;
    this.#meter = new StageMeter(context, name);
    const { sources, env, noPeersTimeoutMs: patienceMs } = context;
    this.#fetcher = new Fetcher(this, { sources, env, patienceMs });
    this.#removeListener = onAbort(context.signal, () => this.#fetcher.wake.ring());
  }

  async run(): Promise<StageResult> {
    const { store, signal, target } = this.#context;
    const last = store.headerHead().number;
    const to = target.kind === 'number' ? Math.min(target.number, last) : last;
    this.#meter.span(this.#last, to);
    for (;;) {
      throwIfAborted(signal);
      this.#fetcher.check();
      if (await this.#write()) continue;
      if (store.head().number >= to) return this.#meter.result;
      if (await this.#extend(to)) continue;
      this.#fetcher.pump();
      await this.#fetcher.wake.wait();
    }
  }

  /** Who has said that it does not have what is next would be blamed for saying so again. */
  usable({ earliest = 0 }: BlockSource): boolean {
    return earliest <= this.#context.store.head().number + 1;
  }

  isOpen(number: number): boolean {
    return this.#waitingBytes < this.#windowBytes || number <= this.#context.store.head().number + URGENT;
  }

  async ask(source: BlockSource, numbers: readonly number[], signal: AbortSignal): Promise<Answer> {
    const asked = numbers.flatMap((number) => this.#window.get(number) ?? []);
    const hashes = asked.map(({ hash }) => hash);
    return { asked, bodies: await source.bodies(hashes, signal) };
  }

  async take(_source: BlockSource, numbers: readonly number[], { asked, bodies }: Answer): Promise<Taken> {
    if (bodies.length === 0) return { delivered: [], lacked: numbers };
    const { env } = this.#context;
    const delivered: number[] = [];
    const lacked: number[] = [];
    let at = 0;
    let pausedAt = env.now();
    try {
      for (let i = 0; i < bodies.length; i++) {
        const found = match(bodies.at(i), asked, at);
        for (const { number } of asked.slice(at, found)) lacked.push(number);
        for (const { number } of asked.slice(found, found + 1)) {
          this.#place(number, bodies.encodedAt(i));
          delivered.push(number);
        }
        at = found + 1;
        if (env.now() - pausedAt < SLICE_MS) continue;
        await new Promise<void>((resolve) => void env.setImmediate(resolve));
        pausedAt = env.now();
      }
    } catch (error) {
      if (!isPeerlaneError(error)) throw error;
      return { delivered, lacked, fault: error };
    }
    return { delivered, lacked };
  }

  [Symbol.dispose](): void {
    this.#removeListener();
    this.#fetcher[Symbol.dispose]();
  }

  #place(number: number, body: Uint8Array): void {
    const slot = this.#window.get(number);
    if (slot === undefined || slot.body !== undefined) return;
    slot.body = body;
    this.#waitingBytes += body.length;
  }

  /** Stores what has arrived without a gap; false: there is nothing. */
  async #write(): Promise<boolean> {
    const { store } = this.#context;
    const batch: BodyEntry[] = [];
    let bytes = 0;
    for (let number = store.head().number + 1; batch.length < WRITE_BLOCKS && bytes < WRITE_BYTES; number++) {
      const slot = this.#window.get(number);
      if (slot?.body === undefined) break;
      const { hash, header, body } = slot;
      batch.push({ number, hash, header, body });
      bytes += body.length;
    }
    if (batch.length === 0) return false;
    await store.appendBodies(batch);
    for (const { number } of batch) this.#window.delete(number);
    this.#waitingBytes -= bytes;
    this.#meter.add(batch.length, bytes);
    return true;
  }

  /** Takes further blocks into the window; false: it is full, or has all there are. */
  async #extend(to: number): Promise<boolean> {
    const { store } = this.#context;
    const room = Math.min(to, store.head().number + this.#windowBlocks) - this.#last;
    if (room <= 0 || this.#waitingBytes >= this.#windowBytes) return false;
    const wanted: number[] = [];
    for (const { number, hash, encoded } of await store.headers(
      this.#last + 1,
      Math.min(room, READ_BLOCKS),
    )) {
      const header = decode(headerCodec, encoded);
      const body = emptyBodyOf(header);
      this.#window.set(number, { number, hash, header, body });
      if (body === undefined) wanted.push(number);
      else this.#waitingBytes += body.length;
      this.#last = number;
    }
    this.#fetcher.add(wanted);
    this.#fetcher.pump();
    return true;
  }
}

/** RLP of the body when the header says that there is nothing in it. */
function emptyBodyOf({ transactionsRoot, ommersHash, withdrawalsRoot }: Header): Uint8Array | undefined {
  if (!equalBytes(transactionsRoot, EMPTY_ROOT) || !equalBytes(ommersHash, EMPTY_OMMERS_HASH))
    return undefined;
  if (withdrawalsRoot === undefined) return EMPTY_BODY;
  return equalBytes(withdrawalsRoot, EMPTY_ROOT) ? EMPTY_BODY_WITHDRAWALS : undefined;
}

/**
 * Index of the block that `body` belongs to, `at` or, when bodies were left out before it, a later one.
 * @throws PeerlaneError `body-mismatch` when it belongs to none, `rlp-...`
 */
function match(body: Body, asked: readonly Wanted[], at: number): number {
  const first = asked[at];
  if (first === undefined)
    throw new PeerlaneError('body-mismatch', 'there are more bodies than were asked for');
  try {
    checkBody(first.header, body);
    return at;
  } catch (mismatch) {
    if (!isPeerlaneError(mismatch, 'body-mismatch')) throw mismatch;
    const root = transactionsRoot(body.transactions);
    for (const [i, { header }] of asked.entries()) {
      if (i > at && equalBytes(header.transactionsRoot, root) && fits(header, body)) return i;
    }
    throw mismatch;
  }
}

function fits(header: Header, body: Body): boolean {
  try {
    checkBody(header, body);
    return true;
  } catch (error) {
    if (isPeerlaneError(error, 'body-mismatch')) return false;
    throw error;
  }
}
