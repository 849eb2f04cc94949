/**
 * `src/bench/rlp-decode.ts` for the libraries too.
 *
 * - `rlp-decode-1000tx`: the libraries give byte arrays for all fields, ours what its schema says.
 * - `rlp-decode-1000tx-values`: r and s are bigints too, and the integers that the libraries give as byte
 *   arrays are converted, as their users do, so that all give the same.
 *
 * Rounds of the subjects alternate, so that a slow moment of the machine falls on all of them.
 */
import { RLP } from '@ethereumjs/rlp';
import rlp from 'rlp';
import { EMPTY, toHex } from '../src/base/bytes.ts';
import {
  decodeOtherShapes,
  readOurs,
  sampleMessage,
  txWithBigints,
  txWithBytes,
  useBig,
  useBytes,
} from '../src/bench/rlp-decode.ts';
import { list } from '../src/rlp/index.ts';
import { summary } from './measure.ts';
import type { BenchRow } from './row.ts';

const ROUNDS = 25;
const WARM_UP = 10;
/** Runs of a subject in a round: enough that it pays itself for the garbage that it makes. */
const RUNS = 5;

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
  const rows = subjects.map(
    ({ id, subject }, index): BenchRow => ({ id, subject, unit: 'ms', ...summary(times[index] ?? []) }),
  );
  // No backend has a part in RLP: with either it is the same code.
  return rows.flatMap((row): BenchRow[] =>
    row.subject === 'js' ? [{ ...row, subject: 'native' }, row] : [row],
  );
}

/** A subject that read something else than the others measured something else. */
function checkAgreement(subjects: readonly Subject[]): void {
  const sums = new Set(subjects.filter(({ id }) => id.endsWith('-values')).map(({ run }) => run()));
  if (sums.size !== 1) throw new Error('the subjects do not read the same values');
}
