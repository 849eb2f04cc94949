/** Payloads that compress as transactions do: hashes and signatures do not, addresses recur, calldata is padded. */
import { VirtualEnv } from '../src/base/virtual-env.ts';
import { bigUint, bytes, encode, encodeList, list, struct, uint, uintBytes } from '../src/rlp/index.ts';

const dynamicFeeTx = struct({
  chainId: uint(53),
  nonce: uint(53),
  maxPriorityFeePerGas: bigUint(256),
  maxFeePerGas: bigUint(256),
  gas: uint(53),
  to: bytes(20),
  value: bigUint(256),
  data: bytes(),
  accessList: list(bytes()),
  yParity: uint(1),
  r: uintBytes(256),
  s: uintBytes(256),
});

/** Calls go to so many contracts over and over. */
const CONTRACTS = 24;

type Random = (length: number) => Uint8Array;

/** A number below `end`. */
function below(random: Random, end: number): number {
  const [high = 0, low = 0] = random(2);
  return (high * 256 + low) % end;
}

/** The arguments of a call: words of 32 bytes, of which only the last few are not zero. */
function calldata(random: Random, selector: Uint8Array, words: number): Uint8Array {
  const data = new Uint8Array(4 + 32 * words);
  data.set(selector);
  for (let i = 0; i < words; i++) {
    // An address, or an amount.
    const value = random(i % 2 === 0 ? 20 : 8);
    data.set(value, 4 + 32 * (i + 1) - value.length);
  }
  return data;
}

/** Transactions of type 2, one behind the other: plain transfers, token transfers, swaps. */
function* transactions(random: Random): Generator<Uint8Array> {
  const contracts = Array.from({ length: CONTRACTS }, () => ({ to: random(20), selector: random(4) }));
  const scalar = () => {
    const value = random(32);
    value[0] = (value[0] ?? 0) | 1;
    return value;
  };
  for (;;) {
    const { to, selector } = contracts[below(random, CONTRACTS)] ?? { to: random(20), selector: random(4) };
    const kind = below(random, 10);
    const isTransfer = kind < 4;
    const words = kind < 8 ? 2 : 8 + below(random, 8);
    const envelope = encode(dynamicFeeTx, {
      chainId: 1,
      nonce: below(random, 5000),
      maxPriorityFeePerGas: BigInt(1 + below(random, 4)) * 500_000_000n,
      maxFeePerGas: BigInt(20_000_000_000 + below(random, 65_536) * 65_536),
      gas: isTransfer ? 21_000 : 60_000 + below(random, 32) * 5000,
      to: isTransfer ? random(20) : to,
      value: isTransfer ? BigInt(1 + below(random, 60_000)) * 1_000_000_007_000n : 0n,
      data: isTransfer ? new Uint8Array(0) : calldata(random, selector, words),
      accessList: [],
      yParity: below(random, 2),
      r: scalar(),
      s: scalar(),
    });
    const typed = new Uint8Array(1 + envelope.length);
    typed[0] = 2;
    typed.set(envelope, 1);
    yield typed;
  }
}

/** `count` different transactions, each an envelope, the same ones in every run. */
export function transactionEnvelopes(count: number): Uint8Array[] {
  const env = new VirtualEnv({ seed: 12 });
  const source = transactions((size) => env.randomBytes(size));
  return Array.from({ length: count }, () => nextOf(source));
}

function nextOf(source: Generator<Uint8Array>): Uint8Array {
  const { value } = source.next();
  if (!(value instanceof Uint8Array)) throw new Error('there are no more transactions');
  return value;
}

/** `count` different payloads of exactly `length` bytes, the same ones in every run. */
export function transactionPayloads(length: number, count: number): Uint8Array[] {
  const env = new VirtualEnv({ seed: 11 });
  const source = transactions((size) => env.randomBytes(size));
  return Array.from({ length: count }, () => {
    const batch: Uint8Array[] = [];
    for (let total = 0; total < length + 1024; ) {
      const value = nextOf(source);
      batch.push(encode(bytes(), value));
      total += value.length;
    }
    // Cut to size: nobody decodes it.
    return encodeList(batch).slice(0, length);
  });
}
