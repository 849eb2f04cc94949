import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maskedCrc32c } from '../../src/io/crc32c.ts';
import { batchesOf, batchOf } from '../../src/io/level-batch.ts';
import { isIntactTable, readTable, type TableEntry } from '../../src/io/level-table.ts';
import { runs } from '../support/runs.ts';

const COUNT = 1_000;
let directory: string;
let table: Uint8Array;
let path: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerlane-level-table-'));
  path = join(directory, 'table');
  const from = join(directory, 'store');
  const level = new ClassicLevel<string, string>(from);
  for (let i = 0; i < COUNT; i++) await level.put(nameOf(i), `value ${i}, `.repeat(i % 20));
  await level.compactRange('', '~');
  await level.close();
  const name = (await readdir(from)).find((name) => name.endsWith('.ldb')) ?? '';
  table = new Uint8Array(await readFile(join(from, name)));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

const nameOf = (i: number) => `key ${String(i).padStart(6, '0')}`;

async function entries(bytes: Uint8Array): Promise<TableEntry[]> {
  await writeFile(path, bytes);
  const found: TableEntry[] = [];
  for await (const entry of readTable(path)) found.push(entry);
  return found;
}

async function isIntact(bytes: Uint8Array): Promise<boolean> {
  await writeFile(path, bytes);
  return await isIntactTable(path, (await stat(path)).size);
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

describe('a table of LevelDB', () => {
  it('gives what LevelDB has put into it', async () => {
    expect(await isIntact(table)).toBe(true);
    const found = await entries(table);
    expect(found.map(({ key }) => text(key.subarray(0, -8)))).toEqual(
      Array.from({ length: COUNT }, (_, i) => nameOf(i)),
    );
    expect(found.map(({ value }) => text(value))).toEqual(
      Array.from({ length: COUNT }, (_, i) => `value ${i}, `.repeat(i % 20)),
    );
  });

  it('is not intact where a bit is another, and gives the entries of the other blocks', async () => {
    const whole = new Set((await entries(table)).map(({ key, value }) => `${text(key)} ${text(value)}`));
    await fc.assert(
      fc.asyncProperty(fc.nat(table.length - 49), fc.nat(7), async (at, bit) => {
        const changed = table.slice();
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(await isIntact(changed)).toBe(false);
        for (const { key, value } of await entries(changed))
          expect(whole.has(`${text(key)} ${text(value)}`)).toBe(true);
      }),
      { numRuns: runs(100) },
    );
  });

  it('has most of its entries where one block is broken', async () => {
    const changed = table.slice();
    changed[10] = (changed[10] ?? 0) ^ 1;
    const { length } = await entries(changed);
    expect(length).toBeGreaterThan(COUNT / 2);
    expect(length).toBeLessThan(COUNT);
  });

  it('is not intact where it is cut', async () => {
    for (let length = 0; length < table.length; length += 997) {
      expect(await isIntact(table.subarray(0, length))).toBe(false);
    }
  });

  it('may be anything, behind right checksums too', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(0, 1, 2),
        fc.uint8Array({ minLength: 40, maxLength: 40 }),
        fc.boolean(),
        async (block, type, places, isPlaced) => {
          const stored = Uint8Array.of(...block, type);
          const bytes = new Uint8Array(stored.length + 4 + 48);
          const view = new DataView(bytes.buffer);
          bytes.set(stored);
          view.setUint32(stored.length, maskedCrc32c(stored), true);
          // Both places are the block's own, of a length of one or two bytes.
          const { length } = block;
          const place = length < 128 ? [0, length] : [0, (length & 0x7f) | 0x80, length >> 7];
          bytes.set(isPlaced ? [...place, ...place] : places, stored.length + 4);
          view.setBigUint64(bytes.length - 8, 0xdb4775248b80fb57n, true);
          await isIntact(bytes);
          expect((await entries(bytes)).length).toBeLessThan(1_000);
        },
      ),
      { numRuns: runs(300) },
    );
  });
});

describe('the records of a log', () => {
  const internal = (name: string, sequence: bigint, type: number): Uint8Array => {
    const trailer = new Uint8Array(8);
    new DataView(trailer.buffer).setBigUint64(0, (sequence << 8n) | BigInt(type), true);
    return new Uint8Array(Buffer.concat([Buffer.from(name), trailer]));
  };
  const put = (sequence: bigint) => batchOf(internal('a', sequence, 1), new Uint8Array(300));

  it('are batches of changes, with rising numbers below 2^56', () => {
    const deleted = batchOf(internal('a', 2n, 0), new Uint8Array());
    expect(batchesOf([put(1n), deleted])).toEqual([put(1n), deleted]);
    expect(batchesOf([put(1n), put(1n)])).toEqual([put(1n)]);
    expect(batchesOf([put((1n << 56n) - 1n)])).toHaveLength(1);
    const high = put(1n);
    high[7] = 1;
    const [many, other] = [put(2n), put(2n)];
    many[8] = 2;
    other[12] = 2;
    const bad = [high, many, other, put(2n).subarray(0, -1), new Uint8Array(11)];
    for (const record of bad) expect(batchesOf([record])).toEqual([]);
  });

  it('may be anything', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (records) => {
        expect(records).toEqual(expect.arrayContaining(batchesOf(records)));
      }),
      { numRuns: runs(300) },
    );
  });
});
