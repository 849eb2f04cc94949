/** What both ends of the endurance run share: the chain, the transactions, the pace, the counts. */
import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { toBareHex } from '../../src/base/bytes.ts';
import { type EthNetwork, encodeMessage, parseGenesis, Transaction } from '../../src/eth/index.ts';
import { ChainStore, importChain } from '../../src/sync/index.ts';
import { transactionEnvelopes } from '../transactions.ts';

/** Transactions that everybody has, so that none has to be kept because a peer sent it. */
const POOL_SIZE = 2048;
const SMALL_LENGTH = 300;
const LARGE_LENGTH = 100_000;
const LARGE_COUNT = 8;
/** Hashes in an announcement, and in a request for transactions. */
const ANNOUNCED = 20;
/** How often what is due is done. */
const BEAT_MS = 25;
/** What is late by more, after a pause of the process, is not made up for. */
const MOST_LATE_MS = 1000;

export interface Chain {
  readonly store: ChainStore;
  readonly network: EthNetwork;
}

/** The chain of data/small, in memory. */
export async function openChain(): Promise<Chain> {
  const folder = join(process.cwd(), 'data', 'small');
  const genesis = parseGenesis(await readFile(join(folder, 'genesis.json'), 'utf8'));
  const store = await ChainStore.inMemory({ genesis });
  await importChain(store, join(folder, 'chain.rlp.gz'));
  const { networkId, hash: genesisHash, schedule } = genesis;
  return { store, network: { networkId, genesisHash, schedule } };
}

const pool = transactionEnvelopes(POOL_SIZE).map((envelope) => new Transaction(envelope));
const byHash = new Map(pool.map((transaction) => [toBareHex(transaction.hash()), transaction]));

/** The pool of either side. */
export const pooledTransactions = (hashes: readonly Uint8Array[]): (Transaction | undefined)[] =>
  hashes.map((hash) => byHash.get(toBareHex(hash)));

export function oneOf<T>(items: readonly T[]): T | undefined {
  return items.length === 0 ? undefined : items[randomInt(items.length)];
}

/** Transactions of the pool from a random one on, of so many bytes together or a little more. */
function pack(length: number): Transaction[] {
  const batch: Transaction[] = [];
  for (let at = randomInt(POOL_SIZE), total = 0; total < length; at = (at + 1) % POOL_SIZE) {
    const transaction = pool[at];
    if (transaction === undefined) throw new Error('the pool is empty');
    batch.push(transaction);
    total += transaction.size;
  }
  return batch;
}

export const smallPack = () => pack(SMALL_LENGTH);
const largePacks = Array.from({ length: LARGE_COUNT }, () => pack(LARGE_LENGTH));
export const largePack = () => oneOf(largePacks) ?? [];

export const someHashes = () => somePooled().map((transaction) => transaction.hash());
export const someAnnounced = () =>
  somePooled().map((transaction) => ({
    type: transaction.type,
    size: transaction.size,
    hash: transaction.hash(),
  }));

function somePooled(): Transaction[] {
  const from = randomInt(POOL_SIZE - ANNOUNCED);
  return pool.slice(from, from + ANNOUNCED);
}

/** Messages for a broadcast; eth/68 and eth/69 have the same ones. */
export const transactionsMessage = (transactions: readonly Transaction[]) =>
  encodeMessage(69, 'Transactions', transactions);
export function announcementMessage() {
  const announced = someAnnounced();
  return encodeMessage(69, 'NewPooledTransactionHashes', {
    types: Uint8Array.from(announced, ({ type }) => type),
    sizes: announced.map(({ size }) => size),
    hashes: announced.map(({ hash }) => hash),
  });
}

/** How often what has happened, by a literal name. */
export class Counts {
  readonly #counts = new Map<string, number>();

  add(name: string, count = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
  }

  /** Runs what may fail because a peer has left, and counts how it ended. */
  async of(name: string, run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
      this.add(name);
    } catch (error) {
      this.add(`${name} failed: ${codeOf(error)}`);
    }
  }

  all(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

/** The code of an error, or its name: few different ones, since they are counted. */
export function codeOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error) return String(error.code);
  return error instanceof Error ? error.name : 'unknown';
}

/** Does things so many times a second on average, until it is stopped. */
export class Pace {
  readonly #entries: { readonly perSecond: number; readonly run: () => void; due: number }[] = [];
  readonly #rate: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param rate how many times as much as is said to `every` */
  constructor(rate: number) {
    this.#rate = rate;
  }

  /** For each of `population`, once in so many seconds; each time it is for `run` to choose whom. */
  every(seconds: number, population: number, run: () => void): this {
    this.#entries.push({ perSecond: (population * this.#rate) / seconds, run, due: Math.random() });
    return this;
  }

  start(): void {
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      const elapsed = Math.min(now - last, MOST_LATE_MS);
      last = now;
      for (const entry of this.#entries) {
        for (entry.due += (elapsed * entry.perSecond) / 1000; entry.due >= 1; entry.due--) entry.run();
      }
    }, BEAT_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Orders as JSON lines from stdin, answers to stdout, as bench/worker.ts has them; ends when stdin does. */
export function takeOrders(
  ready: object,
  handle: (order: { readonly cmd: string; readonly [field: string]: unknown }) => Promise<object>,
): void {
  const reply = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
  // Ctrl-C is for who gives the orders, who still has questions.
  process.on('SIGINT', () => undefined);
  createInterface(process.stdin)
    .on('line', (line) => {
      const order = JSON.parse(line) as { ref: number; cmd: string };
      handle(order).then(
        (answer) => reply({ ref: order.ref, ...answer }),
        (error: unknown) => reply({ ref: order.ref, error: String(error) }),
      );
    })
    .on('close', () => process.exit(0));
  reply({ ready: true, ...ready });
}
