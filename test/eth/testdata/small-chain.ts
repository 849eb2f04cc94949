/** The chain in data/small: its genesis file, and the blocks 1 to 600 as their encodings. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { splitBlock } from '../../../src/eth/block.ts';
import { type Body, bodyCodec } from '../../../src/eth/body.ts';
import { type Header, headerCodec } from '../../../src/eth/header.ts';
import { decode, decodePrefix, raw } from '../../../src/rlp/index.ts';

const directory = new URL('../../../data/small/', import.meta.url);

export const smallGenesis = readFileSync(new URL('genesis.json', directory), 'utf8');

export interface TestBlock {
  readonly encoded: Uint8Array;
  readonly headerEncoding: Uint8Array;
  readonly header: Header;
  readonly body: Body;
}

export function readSmallChain(): TestBlock[] {
  const file = new Uint8Array(gunzipSync(readFileSync(new URL('chain.rlp.gz', directory))));
  const blocks: TestBlock[] = [];
  for (let at = 0; at < file.length; ) {
    const { value, end } = decodePrefix(raw, file, at);
    const { header, body } = splitBlock(value.encoded);
    blocks.push({
      encoded: value.encoded,
      headerEncoding: header,
      header: decode(headerCodec, header),
      body: decode(bodyCodec, body),
    });
    at = end;
  }
  return blocks;
}

/** The block `number`, 1 to 600. */
export function blockAt(blocks: readonly TestBlock[], number: number): TestBlock {
  const block = blocks[number - 1];
  if (block === undefined) throw new Error(`no block ${number}`);
  return block;
}
