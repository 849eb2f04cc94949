import { throwIfAborted } from '../base/abort.ts';
import { equalBytes } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { keccak256Many } from '../crypto/index.ts';
import { bodyCodec, checkBody } from '../eth/body.ts';
import { headerCodec } from '../eth/header.ts';
import { decode } from '../rlp/index.ts';
import type { ChainStore } from './chain-store.ts';

/** Blocks read from the store at a time. */
const READ_BLOCKS = 512;

export interface VerifyProgress {
  /** The last header that was found right, and the last one there is. */
  readonly at: number;
  readonly to: number;
}

/**
 * Reads the whole store again: every header hashes to its hash and follows on its parent, every body is the one
 * of its header.
 * @throws PeerlaneError `store-damaged`, `aborted`
 */
export async function verifyChain(
  store: ChainStore,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (report: VerifyProgress) => void } = {},
): Promise<void> {
  const to = store.headerHead().number;
  const lastBody = store.head().number;
  let parent: Uint8Array | undefined;
  for (let from = 0; from <= to; from += READ_BLOCKS) {
    const stored = await store.headers(from, READ_BLOCKS);
    const hashes = keccak256Many(stored.map(({ encoded }) => encoded));
    for (const [i, { number, hash, encoded }] of stored.entries()) {
      throwIfAborted(signal);
      const wrong = (what: string, cause?: unknown) =>
        new PeerlaneError(
          'store-damaged',
          `the chain store is damaged: the ${what} of block ${number} is wrong`,
          {
            cause,
            details: { number },
          },
        );
      if (!equalBytes(hashes.subarray(32 * i, 32 * i + 32), hash)) throw wrong('header');
      const header = decode(headerCodec, encoded);
      if (parent !== undefined && !equalBytes(header.parentHash, parent)) throw wrong('parent');
      if (header.number !== number || (await store.numberOf(hash)) !== number) throw wrong('number');
      parent = hash;
      if (number > lastBody) continue;
      const body = await store.body(number);
      try {
        if (body !== undefined) checkBody(header, decode(bodyCodec, body));
      } catch (error) {
        throw wrong('body', error);
      }
    }
    onProgress?.({ at: Math.min(to, from + READ_BLOCKS - 1), to });
  }
}
