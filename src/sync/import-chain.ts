import { throwIfAborted } from '../base/abort.ts';
import { equalBytes } from '../base/bytes.ts';
import { type ErrorCode, isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { keccak256 } from '../crypto/index.ts';
import { splitBlock } from '../eth/block.ts';
import { bodyCodec, checkBody } from '../eth/body.ts';
import { headerCodec } from '../eth/header.ts';
import { decode } from '../rlp/index.ts';
import { type ChainFileBlock, readChainFile } from './chain-file.ts';
import type { ChainStore } from './chain-store.ts';
import type { BlockEntry } from './store-state.ts';

/** What one write to the store takes at most; the block that crosses it is still in. */
const BATCH_BLOCKS = 1024;
const BATCH_BYTES = 4 * 1024 * 1024;

export interface ImportProgress {
  /** Blocks of the file that were looked at, and those of them that the store did not have. */
  readonly read: number;
  readonly stored: number;
  /** Bytes of the unpacked file that were looked at. */
  readonly bytes: number;
  /** Bytes of the file, packed or not, that were read for them. */
  readonly fileBytes: number;
}

export interface ImportOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called after each write to the store. */
  readonly onProgress?: ((report: ImportProgress) => void) | undefined;
}

/**
 * Takes the blocks of a file that `geth export` has written, packed or not, into `store`. Each is checked before
 * it is stored: it follows on its parent, and its body is the one of its header. Blocks that the store has are
 * passed over, so that an import that was interrupted can be repeated. When the file turns out to be damaged,
 * the blocks before the damage stay.
 * @throws PeerlaneError `genesis-mismatch` when the file is of another chain, `store-mismatch` when it departs
 * from the stored blocks or starts above them, `header-invalid`, `body-mismatch`, `chain-file-damaged`,
 * `file-unreadable`, `aborted`
 */
export async function importChain(
  store: ChainStore,
  path: string,
  { signal, onProgress }: ImportOptions = {},
): Promise<ImportProgress> {
  return await importBlocks(store, readChainFile(path, { signal }), { signal, onProgress });
}

/** As `importChain`, from the blocks of a file. */
export async function importBlocks(
  store: ChainStore,
  blocks: AsyncIterable<ChainFileBlock>,
  { signal, onProgress }: ImportOptions = {},
): Promise<ImportProgress> {
  let progress: ImportProgress = { read: 0, stored: 0, bytes: 0, fileBytes: 0 };
  let batch: BlockEntry[] = [];
  let batchBytes = 0;
  let last: { readonly number: number; readonly hash: Uint8Array } = store.head();
  const flush = async () => {
    const blocks = batch;
    batch = [];
    batchBytes = 0;
    if (blocks.length > 0) await store.appendBlocks(blocks);
    progress = { ...progress, stored: progress.stored + blocks.length };
    onProgress?.(progress);
  };
  try {
    for await (const block of blocks) {
      throwIfAborted(signal);
      const entry = await within(block, () => readBlock(store, block.encoded, last));
      const { offset, encoded, fileBytes } = block;
      progress = { ...progress, read: progress.read + 1, bytes: offset + encoded.length, fileBytes };
      if (entry === undefined) continue;
      last = entry;
      batch.push(entry);
      batchBytes += block.encoded.length;
      if (batch.length >= BATCH_BLOCKS || batchBytes >= BATCH_BYTES) await flush();
    }
  } finally {
    await flush();
  }
  return progress;
}

/** The checked block; undefined when the store has it. `last` is the block that it should follow on. */
async function readBlock(
  store: ChainStore,
  encoded: Uint8Array,
  last: { readonly number: number; readonly hash: Uint8Array },
): Promise<BlockEntry | undefined> {
  const parts = splitBlock(encoded);
  const header = decode(headerCodec, parts.header);
  const hash = keccak256(parts.header);
  const { number, parentHash } = header;
  const wrong = (code: ErrorCode, message: string) =>
    new PeerlaneError(code, message, { details: { number } });
  if (number === 0 && !equalBytes(hash, store.genesisHash)) {
    throw wrong('genesis-mismatch', 'the file starts with another genesis block than that of the store');
  }
  if (number === 1 && !equalBytes(parentHash, store.genesisHash)) {
    throw wrong('genesis-mismatch', 'the chain of the file has another genesis block than that of the store');
  }
  if (number <= store.head().number) {
    const stored = await store.hashOf(number);
    if (stored !== undefined && equalBytes(stored, hash)) return undefined;
    throw wrong('store-mismatch', `block ${number} of the file is not the one in the store`);
  }
  if (number !== last.number + 1) {
    if (last.number > store.head().number)
      throw wrong('header-invalid', `block ${number} follows ${last.number}`);
    throw wrong(
      'store-mismatch',
      `the file goes on with block ${number}, the store ends with ${last.number}`,
    );
  }
  if (!equalBytes(parentHash, last.hash)) {
    throw wrong('header-invalid', `the parent of block ${number} is not the block before it`);
  }
  const body = decode(bodyCodec, parts.body);
  checkBody(header, body);
  return { number, hash, encoded: parts.header, header, body: parts.body };
}

/** Says where in the file a failure was. */
async function within<T>({ index, offset }: ChainFileBlock, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!isPeerlaneError(cause)) throw cause;
    const code = cause.code.startsWith('rlp-') ? 'chain-file-damaged' : cause.code;
    const place = `block ${index} at byte ${offset} of the chain file`;
    throw new PeerlaneError(code, `${place}: ${cause.message}`, {
      cause,
      details: { ...cause.details, index, offset },
    });
  }
}
