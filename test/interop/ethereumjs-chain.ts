/** A generated chain as @ethereumjs/rlp reads it: nothing of peerlane's own takes part. */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type NestedUint8Array, RLP } from '@ethereumjs/rlp';
import KeccakState from 'keccak/lib/keccak.js';
import { type ChainFiles, GENESIS_HASH } from './chains.ts';

export type Nested = Uint8Array | NestedUint8Array;

export interface ForkTime {
  readonly name: string;
  readonly timestamp: number;
}

interface Genesis {
  readonly config: Readonly<Record<string, unknown>>;
  readonly extraData: string;
  readonly gasLimit: string;
}

/** The only field of the genesis header that `genesis.json` does not state. */
const GENESIS_STATE_ROOT = '3737fb545e15e5f7b0b5997291ff32f5f5d6c231fba4e158ce7b297fafa10baa';
const EMPTY_TRIE_ROOT = '56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421';
const EMPTY_OMMERS_HASH = '1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347';
const INITIAL_BASE_FEE = 1_000_000_000;

const fromHex = (text: string): Uint8Array => Buffer.from(text.replace(/^0x/, ''), 'hex');

export function keccak256(bytes: Uint8Array): Uint8Array {
  const state = new KeccakState();
  state.initialize(1088, 512);
  state.absorb(bytes);
  return state.squeeze(32);
}

export class EthereumjsChain {
  /** By number, from the genesis block. */
  readonly headers: readonly NestedUint8Array[];
  readonly bodies: readonly NestedUint8Array[];
  readonly hashes: readonly Uint8Array[];
  /** The forks by time, in order. */
  readonly forks: readonly ForkTime[];
  readonly networkId: number;
  readonly #numbers: ReadonlyMap<string, number>;

  private constructor(files: ChainFiles, genesis: Genesis, blocks: readonly NestedUint8Array[]) {
    this.networkId = files.networkId;
    this.forks = Object.entries(genesis.config)
      .flatMap(([key, time]) =>
        key.endsWith('Time') ? [{ name: key.slice(0, -'Time'.length), timestamp: Number(time) }] : [],
      )
      .sort((a, b) => a.timestamp - b.timestamp);
    this.headers = [genesisHeader(genesis), ...blocks.map((block) => listOf(block[0]))];
    this.bodies = [[[], []], ...blocks.map((block) => block.slice(1))];
    this.hashes = this.headers.map((header) => keccak256(RLP.encode(header)));
    this.#numbers = new Map(this.hashes.map((hash, number) => [Buffer.from(hash).toString('hex'), number]));
    for (const [number, expected] of [[0, GENESIS_HASH] as const, [files.head, files.headHash] as const]) {
      if (this.numberOf(fromHex(expected)) !== number) throw new Error(`block ${number} is not ${expected}`);
    }
  }

  static async read(files: ChainFiles): Promise<EthereumjsChain> {
    const genesis = JSON.parse(await readFile(files.genesis, 'utf8')) as Genesis;
    let rest: Uint8Array = new Uint8Array(await promisify(gunzip)(await readFile(files.blocks)));
    const blocks: NestedUint8Array[] = [];
    while (rest.length > 0) {
      const { data, remainder } = RLP.decode(rest, true);
      blocks.push(listOf(data));
      rest = remainder;
    }
    return new EthereumjsChain(files, genesis, blocks);
  }

  get head(): number {
    return this.headers.length - 1;
  }

  numberOf(hash: Uint8Array): number | undefined {
    return this.#numbers.get(Buffer.from(hash).toString('hex'));
  }

  /** Answers the query of GetBlockHeaders: `[hashOrNumber, limit, skip, reverse]`. */
  answerHeaders(query: Nested): NestedUint8Array {
    const [origin, limit, skip, reverse] = listOf(query).map((field) => bytesOf(field));
    if (origin === undefined) return [];
    const step = (toNumber(skip) + 1) * (toNumber(reverse) === 0 ? 1 : -1);
    let number = origin.length === 32 ? this.numberOf(origin) : toNumber(origin);
    const answer: NestedUint8Array = [];
    while (number !== undefined && answer.length < Math.min(toNumber(limit), 1024)) {
      const header = this.headers[number];
      if (header === undefined) break;
      answer.push(header);
      number += step;
    }
    return answer;
  }

  /** Answers the hashes of GetBlockBodies. */
  answerBodies(hashes: Nested): NestedUint8Array {
    return listOf(hashes).flatMap((hash) => {
      const body = this.bodies[this.numberOf(bytesOf(hash)) ?? -1];
      return body === undefined ? [] : [body];
    });
  }
}

export function listOf(item: Nested | undefined): NestedUint8Array {
  if (!Array.isArray(item)) throw new Error('a list was expected');
  return item;
}

export function bytesOf(item: Nested | undefined): Uint8Array {
  if (!(item instanceof Uint8Array)) throw new Error('a byte string was expected');
  return item;
}

export function toNumber(bytes: Uint8Array | undefined): number {
  return (bytes ?? new Uint8Array()).reduce((sum, byte) => sum * 256 + byte, 0);
}

function genesisHeader({ extraData, gasLimit }: Genesis): NestedUint8Array {
  const zeros = (length: number): Uint8Array => new Uint8Array(length);
  const roots = [GENESIS_STATE_ROOT, EMPTY_TRIE_ROOT, EMPTY_TRIE_ROOT];
  const encoded = RLP.encode([
    ...[zeros(32), fromHex(EMPTY_OMMERS_HASH), zeros(20), ...roots.map(fromHex), zeros(256)],
    ...[0, 0, BigInt(gasLimit), 0, 0, fromHex(extraData), zeros(32), zeros(8), INITIAL_BASE_FEE],
  ]);
  return listOf(RLP.decode(encoded));
}
