import { stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { joinBlock } from '../../src/eth/block.ts';
import { encodeList } from '../../src/rlp/index.ts';
import {
  ChainStore,
  type ImportProgress,
  importBlocks,
  importChain,
  readChain,
  verifyChain,
} from '../../src/sync/index.ts';
import { rejectionOf } from '../support/errors.ts';
import { blockAt, CHAIN_FILE, chainBytes, forkOf, smallChain, type TestBlock, withHeader } from './chains.ts';
import { entries } from './entries.ts';

const chain = smallChain();
const { genesis } = chain;

async function* file(blocks: readonly (TestBlock | Uint8Array)[]) {
  yield* readChain(
    (async function* () {
      for (const block of blocks) yield block instanceof Uint8Array ? block : joinBlock(block);
    })(),
  );
}

const newStore = () => ChainStore.inMemory({ genesis });
const range = (from: number, to: number) => chain.blocks.slice(from, to + 1);

describe('the import of a chain file', () => {
  it('stores every block and tells how far it is', async () => {
    const store = await newStore();
    const reports: ImportProgress[] = [];
    const result = await importChain(store, CHAIN_FILE, { onProgress: (report) => reports.push(report) });
    const fileBytes = (await stat(CHAIN_FILE)).size;
    expect(result).toEqual({ read: 600, stored: 600, bytes: chainBytes().length, fileBytes });
    expect(reports.at(-1)).toEqual(result);
    expect(store.head()).toMatchObject({ number: 600, hash: blockAt(chain, 600).hash });
    await verifyChain(store);
  });

  it('passes over what the store has, and goes on behind it', async () => {
    const store = await newStore();
    await importBlocks(store, file(range(1, 30)));
    expect(await importBlocks(store, file(range(0, 50)))).toMatchObject({ read: 51, stored: 20 });
    expect(await importBlocks(store, file(range(40, 60)))).toMatchObject({ read: 21, stored: 10 });
    expect(await importBlocks(store, file(range(0, 60)))).toMatchObject({ read: 61, stored: 0 });
    expect(store.head().number).toBe(60);
  });

  it('brings bodies to headers that are stored already', async () => {
    const store = await newStore();
    await store.addPending(entries(chain, 40, 1));
    await store.adopt();
    await importBlocks(store, file(range(1, 50)));
    expect(store.head().number).toBe(50);
    await verifyChain(store);
  });

  it('keeps what it had when it is interrupted', async () => {
    const store = await newStore();
    const stop = new AbortController();
    const blocks = (async function* () {
      for await (const block of file(range(1, 50))) {
        if (block.index === 25) stop.abort();
        yield block;
      }
    })();
    expect(await rejectionOf(importBlocks(store, blocks, { signal: stop.signal }))).toBe('aborted');
    expect(store.head().number).toBe(25);
    await importBlocks(store, file(range(1, 50)));
    expect(store.head().number).toBe(50);
  });

  it('keeps the blocks before the damage', async () => {
    const store = await newStore();
    const blocks = file([...range(1, 10), joinBlock(blockAt(chain, 11)).subarray(0, 100)]);
    await expect(importBlocks(store, blocks)).rejects.toMatchObject({
      code: 'chain-file-damaged',
      details: { index: 10 },
    });
    expect(store.head().number).toBe(10);
  });

  const other = withHeader(blockAt(chain, 12), (header) => ({ ...header, gasUsed: 1n }));
  it.each<[string, string, readonly (TestBlock | Uint8Array)[]]>([
    ['another genesis block', 'genesis-mismatch', [{ ...blockAt(chain, 0), header: fork21Header(0) }]],
    ['another parent than the genesis block', 'genesis-mismatch', [forkFrom1(1)]],
    ['a block of another chain in place of a stored one', 'store-mismatch', [other]],
    ['blocks that start above the store', 'store-mismatch', range(22, 24)],
    ['blocks that depart from the store at its end', 'header-invalid', [blockAt(forkOf(chain, 15), 21)]],
    ['a gap', 'header-invalid', [...range(21, 22), ...range(24, 25)]],
    ['a block twice', 'header-invalid', [...range(21, 22), ...range(22, 23)]],
    ['a body of another block', 'body-mismatch', [{ ...blockAt(chain, 21), body: blockAt(chain, 22).body }]],
    ['something else than blocks', 'chain-file-damaged', [encodeList([Uint8Array.of(0x80)])]],
  ])('refuses %s with %s', async (_what, code, blocks) => {
    const store = await newStore();
    await importBlocks(store, file(range(1, 20)));
    expect(await rejectionOf(importBlocks(store, file(blocks)))).toBe(code);
    expect(store.head().number).toBeLessThan(23);
    await verifyChain(store);
  });

  function fork21Header(number: number): Uint8Array {
    return withHeader(blockAt(chain, number), (header) => ({ ...header, gasLimit: 5n })).header;
  }

  function forkFrom1(number: number): TestBlock {
    return withHeader(blockAt(chain, number), (header) => ({ ...header, parentHash: new Uint8Array(32) }));
  }
});
