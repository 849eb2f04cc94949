/** Payloads that wait at several links, compressed once for all of them. */
import type { BudgetShare } from '../base/budget.ts';
import { isPeerlaneError } from '../base/errors.ts';
import { blockOf } from '../rlpx/index.ts';

/** To keep count of a shorter one takes as long as to compress it. */
const MIN_LENGTH = 8 * 1024;

/** As long as any payload may be. */
const MAX_BLOCK_LENGTH = 0xffffff;

interface Queued {
  /** Times that it is in an outbox. */
  count: number;
  block?: Uint8Array;
  /** Gives back the memory that the block was charged to. */
  release?: () => void;
}

/**
 * How often payloads are queued. What is queued is not to be changed, so while one is, its block stays right; whoever
 * sends the same memory with other bytes later gets a new one.
 */
const queued = new WeakMap<Uint8Array, Queued>();

/** The payload has been put into an outbox. */
export function enqueued(payload: Uint8Array): void {
  if (payload.length < MIN_LENGTH) return;
  const entry = queued.get(payload);
  if (entry === undefined) queued.set(payload, { count: 1 });
  else entry.count++;
}

/** It has left one. */
export function dequeued(payload: Uint8Array): void {
  const entry = queued.get(payload);
  if (entry === undefined || --entry.count > 0) return;
  queued.delete(payload);
  entry.release?.();
}

/**
 * The block of a payload that waits somewhere; `undefined` for any other, and for one whose memory is gone.
 * @param memory what the block is charged to until the payload waits nowhere any more, which never keeps it from being
 * made: it is as long as the payload about, which is charged too; default: nothing
 */
export function sharedBlock(payload: Uint8Array, memory?: BudgetShare): Uint8Array | undefined {
  const entry = queued.get(payload);
  if (entry === undefined) return undefined;
  if (entry.block !== undefined) return entry.block;
  const block = blockOfGood(payload);
  if (block === undefined) return undefined;
  entry.block = block;
  if (memory !== undefined) {
    memory.set(memory.held + block.length);
    entry.release = () => memory.set(memory.held - block.length);
  }
  return block;
}

function blockOfGood(payload: Uint8Array): Uint8Array | undefined {
  try {
    const block = blockOf(payload);
    // Of bytes that do not compress; what is wrong with the message is said of its payload.
    return block.length > MAX_BLOCK_LENGTH ? undefined : block;
  } catch (error) {
    if (!isPeerlaneError(error, 'invalid-argument')) throw error;
    return undefined;
  }
}
