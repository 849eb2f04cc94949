import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { keccak256 } from '../../src/crypto/index.ts';
import { splitBlock } from '../../src/eth/block.ts';
import { type Genesis, parseGenesis } from '../../src/eth/genesis.ts';
import { type Header, type HeaderInput, headerCodec } from '../../src/eth/header.ts';
import { decode, decodePrefix, encode, raw } from '../../src/rlp/index.ts';

/** A block in the encodings that the wire has. */
export interface TestBlock {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

/** A chain in memory; the index is the block number. */
export interface TestChain {
  readonly genesis: Genesis;
  readonly blocks: readonly TestBlock[];
}

const DATA = new URL('../../data/small/', import.meta.url);

/** Path of the packed chain file. */
export const CHAIN_FILE = new URL('chain.rlp.gz', DATA).pathname;

let small: TestChain | undefined;

/** The chain of data/small: 600 blocks, transactions in each, forks from London to Osaka. */
export function smallChain(): TestChain {
  small ??= loadChain(CHAIN_FILE, new URL('genesis.json', DATA).pathname);
  return small;
}

/** The unpacked chain file. */
export function chainBytes(): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(CHAIN_FILE)));
}

export function loadChain(chainFile: string, genesisFile: string): TestChain {
  const genesis = parseGenesis(readFileSync(genesisFile, 'utf8'));
  const blocks = [blockOf(genesis.headerEncoding, genesis.bodyEncoding)];
  const bytes = new Uint8Array(gunzipSync(readFileSync(chainFile)));
  for (let at = 0; at < bytes.length; ) {
    const { value, end } = decodePrefix(raw, bytes, at);
    const { header, body } = splitBlock(value.encoded);
    blocks.push(blockOf(header, body));
    at = end;
  }
  return { genesis, blocks };
}

/** The first blocks of a chain. */
export function upTo({ genesis, blocks }: TestChain, number: number): TestChain {
  return { genesis, blocks: blocks.slice(0, number + 1) };
}

/** The block `number`. */
export function blockAt({ blocks }: TestChain, number: number): TestBlock {
  const block = blocks[number];
  if (block === undefined) throw new RangeError(`no block ${number}`);
  return block;
}

/**
 * The chain with every header from `from` on replaced by another valid one, bodies as they were. A `parentHash` in
 * `fields` is that of the first of them.
 */
export function forkOf(
  { genesis, blocks }: TestChain,
  from: number,
  extraData = 'fork',
  { parentHash = blocks[from - 1]?.hash ?? new Uint8Array(32), ...fields }: Partial<HeaderInput> = {},
): TestChain {
  const forked = blocks.slice(0, from);
  let parent = parentHash;
  for (const { header, body } of blocks.slice(from)) {
    const extra = new TextEncoder().encode(extraData);
    const changed = { ...decode(headerCodec, header), ...fields, extraData: extra, parentHash: parent };
    const block = blockOf(encode(headerCodec, changed), body);
    forked.push(block);
    parent = block.hash;
  }
  return { genesis, blocks: forked };
}

/** A block with another header, which nothing links to. */
export function withHeader(block: TestBlock, change: (header: Header) => HeaderInput): TestBlock {
  return blockOf(encode(headerCodec, change(decode(headerCodec, block.header))), block.body);
}

function blockOf(header: Uint8Array, body: Uint8Array): TestBlock {
  return { number: decode(headerCodec, header).number, hash: keccak256(header), header, body };
}
