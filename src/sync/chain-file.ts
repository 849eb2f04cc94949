import { open } from 'node:fs/promises';
import { constants, createGunzip, type Gunzip } from 'node:zlib';
import { throwIfAborted } from '../base/abort.ts';
import { ByteQueue, concatBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';

/** The largest block that is read: a file that declares more is not a chain. */
export const MAX_CHAIN_FILE_BLOCK = 16 * 1024 * 1024;
/** Bytes read from the file at a time. gzip grows by at most 1,032 times, which bounds what one read unpacks to. */
const READ_BYTES = 64 * 1024;
const GZIP_READ_BYTES = 16 * 1024;

/** One block of a chain file. */
export interface ChainFileBlock {
  /** RLP of the block. A view: valid for as long as it is held, but it may keep its neighbours in memory. */
  readonly encoded: Uint8Array;
  /** Counted from 0 at the start of the file. */
  readonly index: number;
  /** Where the block starts, in bytes of the unpacked file. */
  readonly offset: number;
  /** Bytes of the file, as it lies there, that were read up to its end: how far the file is done. */
  readonly fileBytes: number;
}

export interface ChainFileOptions {
  /** Default `MAX_CHAIN_FILE_BLOCK`. */
  readonly maxBlockBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The blocks of a file that `geth export` has written: RLP items one after another, packed with gzip or not (told
 * by its first bytes, not by its name). A file that was cut short yields all its whole blocks first.
 * @throws PeerlaneError `chain-file-damaged`, `file-unreadable`, `aborted`
 */
export async function* readChainFile(
  path: string,
  options: ChainFileOptions = {},
): AsyncGenerator<ChainFileBlock, void, void> {
  yield* splitBlocks(unpack(readFile(path, options.signal), options.signal), options);
}

/** As `readChainFile`, from bytes in any chunks. */
export async function* readChain(
  chunks: AsyncIterable<Uint8Array>,
  options: ChainFileOptions = {},
): AsyncGenerator<ChainFileBlock, void, void> {
  yield* splitBlocks(unpack(chunks, options.signal), options);
}

async function* readFile(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const failed = (cause: unknown) =>
    new PeerlaneError('file-unreadable', `cannot read ${path}: ${fileProblem(cause)}`, { cause });
  const file = await open(path, 'r').catch((error: unknown) => {
    throw failed(error);
  });
  try {
    for (;;) {
      throwIfAborted(signal);
      const { bytesRead, buffer } = await file
        .read(new Uint8Array(READ_BYTES), 0, READ_BYTES)
        .catch((error: unknown) => {
          throw failed(error);
        });
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** A failure of the container, held back until the whole blocks before it were delivered. */
interface Unpacked {
  readonly chunk?: Uint8Array;
  /** Bytes that were read for it, and before. */
  readonly fileBytes: number;
  readonly failure?: unknown;
}

async function* unpack(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Unpacked> {
  let gunzip: GunzipSteps | undefined;
  let start: Uint8Array | undefined = new Uint8Array(0);
  let fileBytes = 0;
  try {
    for await (const chunk of chunks) {
      throwIfAborted(signal);
      let next = chunk;
      if (start !== undefined) {
        start = start.length === 0 ? chunk : concatBytes(start, chunk);
        if (start.length < 2) continue;
        if (start[0] === 0x1f && start[1] === 0x8b) gunzip = new GunzipSteps();
        next = start;
        start = undefined;
      }
      if (gunzip === undefined) {
        fileBytes += next.length;
        yield { chunk: next, fileBytes };
        continue;
      }
      for (let at = 0; at < next.length; at += GZIP_READ_BYTES) {
        throwIfAborted(signal);
        const input = next.subarray(at, at + GZIP_READ_BYTES);
        fileBytes += input.length;
        const { output, failure } = await gunzip.write(input);
        for (const piece of output) yield { chunk: piece, fileBytes };
        if (failure !== undefined) {
          yield { failure, fileBytes };
          return;
        }
      }
    }
    if (start !== undefined && start.length > 0) yield { chunk: start, fileBytes: start.length };
    if (gunzip !== undefined) {
      const { output, failure } = await gunzip.end();
      for (const piece of output) yield { chunk: piece, fileBytes };
      if (failure !== undefined) yield { failure, fileBytes };
    }
  } finally {
    gunzip?.destroy();
  }
}

/**
 * gunzip, step by step: what a step unpacked is there before its failure is told. (Iterating over the stream
 * would lose the last good bytes of a file that was cut.)
 */
class GunzipSteps {
  readonly #stream: Gunzip = createGunzip({ chunkSize: 64 * 1024, flush: constants.Z_NO_FLUSH });
  #output: Uint8Array[] = [];
  #failure: unknown;
  #failed: (() => void) | undefined;

  constructor() {
    this.#stream.on('readable', () => this.#collect());
    this.#stream.on('error', (error) => {
      this.#failure = error;
      this.#failed?.();
    });
  }

  write(input: Uint8Array): Promise<Step> {
    return this.#step((done) => this.#stream.write(input, done));
  }

  end(): Promise<Step> {
    return this.#step((done) => this.#stream.once('end', done).end());
  }

  destroy(): void {
    this.#stream.destroy();
  }

  async #step(run: (done: () => void) => void): Promise<Step> {
    await new Promise<void>((resolve) => {
      this.#failed = resolve;
      if (this.#failure !== undefined) resolve();
      else run(resolve);
    });
    if (this.#failure === undefined) this.#collect();
    const output = this.#output;
    this.#output = [];
    return { output, failure: this.#failure };
  }

  #collect(): void {
    for (;;) {
      const piece: unknown = this.#stream.read();
      if (!(piece instanceof Uint8Array)) return;
      this.#output.push(piece);
    }
  }
}

interface Step {
  readonly output: readonly Uint8Array[];
  readonly failure: unknown;
}

async function* splitBlocks(
  pieces: AsyncIterable<Unpacked>,
  { maxBlockBytes = MAX_CHAIN_FILE_BLOCK }: ChainFileOptions,
): AsyncGenerator<ChainFileBlock, void, void> {
  const queue = new ByteQueue();
  let index = 0;
  let offset = 0;
  /** Bytes of the block at the front, 0 while its first bytes have not been looked at. */
  let wanted = 0;
  const damaged = (what: string, cause?: unknown) =>
    new PeerlaneError('chain-file-damaged', `block ${index} at byte ${offset} of the chain file: ${what}`, {
      cause,
      details: { index, offset },
    });
  for await (const { chunk, fileBytes, failure } of pieces) {
    if (failure !== undefined) throw damaged(`the gzip data ends early or is wrong`, failure);
    if (chunk === undefined) continue;
    queue.push(chunk);
    for (;;) {
      if (wanted === 0) {
        const length = itemLength(queue);
        if (length === undefined) break;
        if (typeof length === 'string') throw damaged(length);
        if (length > maxBlockBytes)
          throw damaged(`declares ${length} bytes, over the bound of ${maxBlockBytes}`);
        wanted = length;
      }
      const encoded = queue.take(wanted);
      if (encoded === undefined) break;
      yield { encoded, index, offset, fileBytes };
      index++;
      offset += wanted;
      wanted = 0;
    }
  }
  if (queue.length > 0) throw damaged(`the file ends ${queue.length} bytes into it`);
}

/**
 * Length of the list item, header included, at the front of `queue`; what is wrong with it; or undefined while
 * too few bytes are there. The decoder judges the rest.
 */
function itemLength(queue: ByteQueue): number | string | undefined {
  const first = queue.take(1);
  if (first === undefined) return undefined;
  queue.unshift(first);
  const tag = first[0] ?? 0;
  if (tag < 0xc0) return 'is not an RLP list';
  if (tag <= 0xf7) return 1 + tag - 0xc0;
  const lengthBytes = tag - 0xf7;
  const header = queue.take(1 + lengthBytes);
  if (header === undefined) return undefined;
  queue.unshift(header);
  let length = 0;
  for (let i = 1; i <= lengthBytes; i++) length = length * 256 + (header[i] ?? 0);
  if (header[1] === 0 || length < 56) return 'has an RLP length that is not canonical';
  return 1 + lengthBytes + length;
}
