/**
 * How long it takes to decode a Transactions message of 1,000 transactions and to read every field of each: what the
 * schema says, which is numbers, bigints (fees and value), and byte arrays (addresses, data, and r and s, which
 * signature code takes so). RLP is JavaScript under both backends.
 *
 * Other schemas are decoded first: a process that has met only one kind of object runs faster than one that does
 * real work.
 */
import { concatBytes } from '../base/bytes.ts';
import { VirtualEnv } from '../base/virtual-env.ts';
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
} from '../rlp/index.ts';
import type { Figure } from './figure.ts';
import { millisecondsOf, type Pace } from './measure.ts';

const TRANSACTIONS = 1000;

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

/** r and s as byte arrays. */
export const txWithBytes = transactionsWith(uintBytes(256));
/** r and s as bigints. */
export const txWithBigints = transactionsWith(bigUint(256));

/** Half legacy transactions, half of type 2: transfers, token transfers and swaps; a quarter has an access list. */
export function sampleMessage(): Uint8Array {
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

export const useBytes = (value: Uint8Array) => value.length ^ (value[0] ?? 0);
export const useBig = (value: bigint) => (value > 0xffffn ? 1 : 2);

type Tx<S> = Decoded<ReturnType<typeof transactionsWith<S, S>>>;

/** Decodes with our schema; every field of every transaction is read as the value that it is. */
export function readOurs<S>(
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

/** Decodes values of some other shapes, as a process does that speaks several protocols. */
export function decodeOtherShapes(): number {
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

/** Milliseconds for one message. */
export async function rlpDecodeTime(pace: Pace): Promise<Figure> {
  const message = sampleMessage();
  decodeOtherShapes();
  const transactions = list(txWithBytes);
  return await millisecondsOf(pace, () => readOurs(transactions, useBytes, message));
}
