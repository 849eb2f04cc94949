import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, equalBytes } from '../../src/base/bytes.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { decodePrefix, raw } from '../../src/rlp/index.ts';
import {
  type ChainFileBlock,
  type ChainFileOptions,
  readChain,
  readChainFile,
} from '../../src/sync/index.ts';
import { runs } from '../support/runs.ts';
import { CHAIN_FILE, chainBytes } from './chains.ts';

const bytes = chainBytes();
/** Where each block of the file starts, and where the last one ends. */
const starts = [0];
for (let at = 0; at < bytes.length; ) {
  at = decodePrefix(raw, bytes, at).end;
  starts.push(at);
}
const startOf = (index: number): number => starts[index] ?? Number.NaN;

async function* inChunks(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

/** What a file yields before it ends, or fails. */
async function readAll(blocks: AsyncIterable<ChainFileBlock>) {
  const read: ChainFileBlock[] = [];
  try {
    for await (const block of blocks) read.push(block);
  } catch (error) {
    if (error instanceof PeerlaneError) return { read, error };
    throw error;
  }
  return { read, error: undefined };
}

const readBytes = (data: Uint8Array, size = 65_536, options: ChainFileOptions = {}) =>
  readAll(readChain(inChunks(data, size), options));

describe('a chain file', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'peerlane-chain-file-'));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it('yields its blocks in order, with index and offset, packed or not, whatever its name is', async () => {
    const plain = join(directory, 'plain.gz');
    await writeFile(plain, bytes);
    for (const path of [CHAIN_FILE, plain]) {
      const { read, error } = await readAll(readChainFile(path));
      expect(error).toBeUndefined();
      expect(read.length).toBe(600);
      expect(read.map(({ offset }) => offset)).toEqual(starts.slice(0, -1));
      expect(read.map(({ index }) => index)).toEqual(read.map((_, i) => i));
      expect(equalBytes(concatBytes(...read.map(({ encoded }) => encoded)), bytes)).toBe(true);
    }
  });

  it('yields the same blocks however its bytes are cut into chunks', async () => {
    const part = bytes.subarray(0, startOf(40));
    const packed = new Uint8Array(gzipSync(part));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5000 }), fc.boolean(), async (size, isPacked) => {
        const { read, error } = await readBytes(isPacked ? packed : part, size);
        expect(error).toBeUndefined();
        expect(read.map(({ offset }) => offset)).toEqual(starts.slice(0, 40));
        const counts = read.map(({ fileBytes }) => fileBytes);
        expect(counts).toEqual(counts.toSorted((a, b) => a - b));
        if (!isPacked) expect(counts.every((count, i) => count >= startOf(i + 1))).toBe(true);
        expect(counts.at(-1)).toBeLessThanOrEqual((isPacked ? packed : part).length);
      }),
      { numRuns: runs(30) },
    );
  });

  it('may be empty', async () => {
    expect(await readBytes(new Uint8Array(0))).toEqual({ read: [], error: undefined });
    expect(await readBytes(new Uint8Array(gzipSync(new Uint8Array(0))))).toEqual({
      read: [],
      error: undefined,
    });
  });

  it('may consist of several gzip members', async () => {
    const parts = [bytes.subarray(0, startOf(3) + 17), bytes.subarray(startOf(3) + 17, startOf(8))];
    const { read, error } = await readBytes(concatBytes(...parts.map((part) => gzipSync(part))));
    expect(error).toBeUndefined();
    expect(read.length).toBe(8);
  });

  it('that was cut yields all its whole blocks, then says where it ends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: bytes.length - 1 }), async (length) => {
        const { read, error } = await readBytes(bytes.subarray(0, length));
        const whole = starts.findLastIndex((start) => start <= length);
        expect(read.length).toBe(whole);
        if (startOf(whole) === length) {
          expect(error).toBeUndefined();
        } else {
          expect(error?.code).toBe('chain-file-damaged');
          expect(error?.details).toEqual({ index: whole, offset: startOf(whole) });
        }
      }),
      { numRuns: runs(40) },
    );
  });

  it('whose gzip data was cut yields all that can be unpacked, then fails, at any place', async () => {
    const packed = new Uint8Array(gzipSync(bytes));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: packed.length - 1 }), async (length) => {
        const cut = packed.subarray(0, length);
        const unpacked = gunzipSync(cut, { finishFlush: constants.Z_SYNC_FLUSH }).length;
        const { read, error } = await readBytes(cut);
        expect(read.length).toBe(starts.findLastIndex((start) => start <= unpacked));
        expect(error?.code).toBe('chain-file-damaged');
        expect(error?.details.index).toBe(read.length);
      }),
      { numRuns: runs(30) },
    );
  });

  it('that lacks only the end of the gzip trailer is damaged, though every block is there', async () => {
    const packed = new Uint8Array(gzipSync(bytes));
    const { read, error } = await readBytes(packed.subarray(0, packed.length - 1));
    expect(read.length).toBe(600);
    expect(error?.code).toBe('chain-file-damaged');
  });

  it('with something else in it fails at the block where that starts', async () => {
    const { read, error } = await readBytes(concatBytes(bytes.subarray(0, startOf(2)), Uint8Array.of(0x7b)));
    expect(read.length).toBe(2);
    expect(error?.code).toBe('chain-file-damaged');
    expect(error?.details).toEqual({ index: 2, offset: startOf(2) });
  });

  it('with a block beyond the bound fails before any of it is kept', async () => {
    const declares = Uint8Array.of(0xff, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    expect((await readBytes(declares)).error?.code).toBe('chain-file-damaged');
    const huge = Uint8Array.of(0xfb, 0x01, 0x00, 0x00, 0x01);
    expect((await readBytes(huge)).error?.message).toMatch(/bound/);
    expect((await readBytes(bytes, 65_536, { maxBlockBytes: 100 })).read).toEqual([]);
  });

  it('is read in time linear in its bytes, however small its chunks are', async () => {
    const length = 2 * 1024 * 1024;
    const block = new Uint8Array(4 + length);
    block.set([0xfa, length >> 16, (length >> 8) & 0xff, length & 0xff]);
    const { read } = await readBytes(block, 64);
    expect(read.length).toBe(1);
  });

  it('that is not there is unreadable', async () => {
    const { error } = await readAll(readChainFile(join(directory, 'none')));
    expect(error?.code).toBe('file-unreadable');
    expect((await readAll(readChainFile(directory))).error?.code).toBe('file-unreadable');
  });

  it('is left when its signal says so', async () => {
    const stop = new AbortController();
    const read: number[] = [];
    const reading = (async () => {
      for await (const { index } of readChainFile(CHAIN_FILE, { signal: stop.signal })) {
        read.push(index);
        if (index === 10) stop.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'aborted' });
    expect(read.length).toBeLessThan(600);
  });

  it('with any bytes changed yields blocks or fails with chain-file-damaged, nothing else', async () => {
    const part = bytes.subarray(0, startOf(20));
    const packed = new Uint8Array(gzipSync(part));
    const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(fc.boolean(), changes, async (isPacked, list) => {
        const damaged = (isPacked ? packed : part).slice();
        for (const [at, value] of list) damaged[at % damaged.length] = value;
        const { error } = await readBytes(damaged, 4096);
        expect(['chain-file-damaged', undefined]).toContain(error?.code);
      }),
      { numRuns: runs(100) },
    );
  });
});
