/**
 * How long it takes to decode a Transactions message of 1,000 transactions and to read every field of each.
 *
 * - `rlp-decode-1000tx`: the libraries give byte arrays for all fields. Ours gives what its schema says: numbers,
 *   bigints (fees and value), and byte arrays (addresses, data, and r and s, which signature code takes so).
 * - `rlp-decode-1000tx-values`: r and s are bigints too, and the integers that the libraries give as byte
 *   arrays are converted, as their users do, so that all give the same.
 *
 * Rounds of the subjects alternate, so that a slow moment of the machine falls on all of them. Other schemas
 * are decoded first: a process that has met only one kind of object runs faster than one that does real work.
 */
import { RLP } from '@ethereumjs/rlp';
import rlp from 'rlp';
import { concatBytes, EMPTY, toHex } from '../src/base/bytes.ts';
import { VirtualEnv } from '../src/base/virtual-env.ts';
import {
  bigUint,
  bool,
  bytes,
  type Codec,
  type Decoded,
  decode,
  decodePrefix,
  type Encodable,
  either,
  encode,
  list,
  mapped,
  type RlpList,
  struct,
  text,
  uint,
  uintBytes,
} from '../src/rlp/index.ts';
import type { BenchRow } from './row.ts';

const TRANSACTIONS = 1000;
const ROUNDS = 25;
const WARM_UP = 10;
/** Runs of a subject in a round: enough that it pays itself for the garbage that it makes. */
const RUNS = 5;

/** Transactions whose r and s are read with `scalar`. */
function transactionsWith<T, I>(scalar: Codec<T, I>) {
  const to = bytes({ max: 20 });
  const legacyTx = struct({
    nonce: uint(53),
    gasPrice: bigUint(256),
    gas: uint(53),
    to,
    value: bigUint(256),
    data: bytes(),
    v: uint(53),
    r: scalar,
    s: scalar,
  });
  const dynamicFeeTx = struct({
    chainId: uint(53),
    nonce: uint(53),
    maxPriorityFeePerGas: bigUint(256),
    maxFeePerGas: bigUint(256),
    gas: uint(53),
    to,
    value: bigUint(256),
    data: bytes(),
    accessList: list(struct({ address: bytes(20), storageKeys: list(bytes(32)) })),
    yParity: uint(1),
    r: scalar,
    s: scalar,
  });
  const typedTx = mapped(
    bytes({ min: 1 }),
    (envelope) => decodePrefix(dynamicFeeTx, envelope, 1).value,
    (tx: Encodable<typeof dynamicFeeTx>) => concatBytes(Uint8Array.of(2), encode(dynamicFeeTx, tx)),
  );
  return either(typedTx, legacyTx, (tx) => 'gasPrice' in tx);
}

const txWithBytes = transactionsWith(uintBytes(256));
const txWithBigints = transactionsWith(bigUint(256));

/** Half legacy transactions, half of type 2: transfers, token transfers and swaps; a quarter has an access list. */
function sampleMessage(): Uint8Array {
  const env = new VirtualEnv({ seed: 7 });
  const random = (length: number) => {
    const sample = env.randomBytes(length);
    if (sample[0] === 0) sample[0] = 1;
    return sample;
  };
  const big = (length: number) => random(length).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const txs: Encodable<typeof txWithBigints>[] = [];
  for (let i = 0; i < TRANSACTIONS; i++) {
    const call = {
      nonce: i * 7,
      gas: 21_000 + i * 31,
      to: random(20),
      data: random([0, 68, 196][i % 3] ?? 0),
    };
    const shared = { ...call, value: i % 3 === 1 ? 0n : big(8), r: big(32), s: big(32) };
    if (i % 2 === 0) {
      txs.push({ ...shared, gasPrice: big(5), v: 37 + ((i >> 1) & 1) });
    } else {
      const accessList = i % 4 === 1 ? [{ address: random(20), storageKeys: [random(32), random(32)] }] : [];
      const fees = { maxPriorityFeePerGas: big(4), maxFeePerGas: big(5) };
      txs.push({ ...shared, ...fees, chainId: 1, accessList, yParity: (i >> 1) & 1 });
    }
  }
  return encode(list(txWithBigints), txs);
}

const useBytes = (value: Uint8Array) => value.length ^ (value[0] ?? 0);
const useBig = (value: bigint) => (value > 0xffffn ? 1 : 2);

type Tx<S> = Decoded<ReturnType<typeof transactionsWith<S, S>>>;

/** Decodes with our schema; every field of every transaction is read as the value that it is. */
function readOurs<S>(
  codec: Codec<RlpList<Tx<S>>, never>,
  useScalar: (value: S) => number,
  message: Uint8Array,
) {
  let sum = 0;
  for (const tx of decode(codec, message)) {
    if ('gasPrice' in tx) {
      sum ^= useBig(tx.gasPrice) ^ tx.v;
    } else {
      sum ^= useBig(tx.maxPriorityFeePerGas) ^ useBig(tx.maxFeePerGas) ^ tx.chainId ^ tx.yParity;
      for (const { address, storageKeys } of tx.accessList) {
        sum ^= useBytes(address);
        for (const key of storageKeys) sum ^= useBytes(key);
      }
    }
    sum ^= tx.nonce ^ tx.gas ^ useBytes(tx.to) ^ useBig(tx.value) ^ useBytes(tx.data);
    sum ^= useScalar(tx.r) ^ useScalar(tx.s);
  }
  return sum;
}

type Nested = Uint8Array | readonly Nested[];
type DecodeNested = (message: Uint8Array) => Nested;

const leaf = (item: Nested | undefined): Uint8Array => (item instanceof Uint8Array ? item : EMPTY);
const nested = (item: Nested | undefined): readonly Nested[] =>
  item === undefined || item instanceof Uint8Array ? [] : item;

function useNested(item: Nested): number {
  if (item instanceof Uint8Array) return useBytes(item);
  let sum = 0;
  for (const child of item) sum ^= useNested(child);
  return sum;
}

/** Decodes with a library; every field is read as the byte array that it is. */
function readBytes(decodeNested: DecodeNested, message: Uint8Array): number {
  let sum = 0;
  for (const tx of nested(decodeNested(message))) {
    sum ^= useNested(tx instanceof Uint8Array ? decodeNested(tx.subarray(1)) : tx);
  }
  return sum;
}

const toBig = (item: Nested | undefined) => {
  const digits = toHex(leaf(item));
  return digits === '0x' ? 0n : BigInt(digits);
};
const toNumber = (item: Nested | undefined) => leaf(item).reduce((sum, byte) => sum * 256 + byte, 0);

/** Decodes with a library, and converts the integers to what our schema gives. */
function readValues(decodeNested: DecodeNested, message: Uint8Array): number {
  let sum = 0;
  for (const tx of nested(decodeNested(message))) {
    let fields: readonly Nested[];
    if (tx instanceof Uint8Array) {
      const [chainId, nonce, priorityFee, maxFee, gas, to, value, data, accessList, yParity, r, s] = nested(
        decodeNested(tx.subarray(1)),
      );
      sum ^= useBig(toBig(priorityFee)) ^ useBig(toBig(maxFee)) ^ toNumber(chainId) ^ toNumber(yParity);
      for (const entry of nested(accessList)) sum ^= useNested(entry);
      fields = [nonce, gas, to, value, data, r, s].map((field) => field ?? EMPTY);
    } else {
      const [nonce, gasPrice, gas, to, value, data, v, r, s] = tx;
      sum ^= useBig(toBig(gasPrice)) ^ toNumber(v);
      fields = [nonce, gas, to, value, data, r, s].map((field) => field ?? EMPTY);
    }
    const [nonce, gas, to, value, data, r, s] = fields;
    sum ^= toNumber(nonce) ^ toNumber(gas) ^ useBytes(leaf(to)) ^ useBig(toBig(value));
    sum ^= useBytes(leaf(data)) ^ useBig(toBig(r)) ^ useBig(toBig(s));
  }
  return sum;
}

/** Decodes values of some other shapes, as a process does that speaks several protocols. */
function decodeOtherShapes(): number {
  const shapes = [
    struct({
      version: uint(32),
      client: text(256),
      caps: list(struct({ name: text(8), version: uint(32) })),
    }),
    struct({ id: bigUint(64), hashes: list(bytes(32)) }),
    struct({ hash: bytes(32), number: uint(53) }),
    struct({ id: bigUint(64), incomplete: bool, receipts: list(list(bytes())) }),
    struct({ earliest: uint(53), latest: uint(53), latestHash: bytes(32) }),
  ] as const;
  const hash = new Uint8Array(32);
  const [hello, hashes, block, receipts, range] = shapes;
  let sum = 0;
  for (let i = 0; i < 2000; i++) {
    const caps = [{ name: 'eth', version: 68 }];
    sum += decode(hello, encode(hello, { version: 5, client: 'peer', caps })).caps.at(0).version;
    sum += decode(hashes, encode(hashes, { id: 1n, hashes: [hash, hash] })).hashes.at(1).length;
    sum += decode(block, encode(block, { hash, number: i })).hash.length;
    const some = { id: 2n, incomplete: true, receipts: [[hash]] };
    sum += decode(receipts, encode(receipts, some)).receipts.at(0).at(0).length;
    sum += decode(range, encode(range, { earliest: 1, latest: i, latestHash: hash })).latest;
  }
  return sum;
}

interface Subject {
  readonly id: string;
  readonly subject: BenchRow['subject'];
  readonly run: () => number;
}

/** Milliseconds for one message of 1,000 transactions, decoded and read, by each subject. */
export async function rlpDecode(): Promise<BenchRow[]> {
  const message = sampleMessage();
  decodeOtherShapes();
  const viaEthereumjs: DecodeNested = (input) => RLP.decode(input);
  const viaRlp: DecodeNested = (input) => rlp.decode(input);
  const withBytes = list(txWithBytes);
  const withBigints = list(txWithBigints);
  const id = 'rlp-decode-1000tx';
  const subjects: Subject[] = [
    { id, subject: 'js', run: () => readOurs(withBytes, useBytes, message) },
    { id, subject: 'ethereumjs', run: () => readBytes(viaEthereumjs, message) },
    { id, subject: 'npm', run: () => readBytes(viaRlp, message) },
    { id: `${id}-values`, subject: 'js', run: () => readOurs(withBigints, useBig, message) },
    { id: `${id}-values`, subject: 'ethereumjs', run: () => readValues(viaEthereumjs, message) },
    { id: `${id}-values`, subject: 'npm', run: () => readValues(viaRlp, message) },
  ];
  checkAgreement(subjects);
  const times = subjects.map((): number[] => []);
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const [index, { run }] of subjects.entries()) {
      const start = performance.now();
      for (let i = 0; i < RUNS; i++) run();
      if (round >= 0) times[index]?.push((performance.now() - start) / RUNS);
    }
    // A turn of the event loop lets the optimizing compiler install what it has ready.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return subjects.map((subject, index) => ({
    id: subject.id,
    subject: subject.subject,
    unit: 'ms',
    ...summarize(times[index] ?? []),
  }));
}

/** A subject that read something else than the others measured something else. */
function checkAgreement(subjects: readonly Subject[]): void {
  const sums = new Set(subjects.filter(({ id }) => id.endsWith('-values')).map(({ run }) => run()));
  if (sums.size !== 1) throw new Error('the subjects do not read the same values');
}

function summarize(times: readonly number[]): { value: number; spread: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const value = sorted[sorted.length >> 1] ?? 0;
  return { value, spread: ((sorted.at(-1) ?? 0) - (sorted[0] ?? 0)) / value };
}
