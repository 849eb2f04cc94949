import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { type KeyValueStore, MemoryKv } from '../../src/base/kv.ts';
import { ChainStore, verifyChain } from '../../src/sync/index.ts';
import * as records from '../../src/sync/records.ts';
import { rejectionOf } from '../support/errors.ts';
import { blockAt, forkOf, smallChain, type TestChain } from './chains.ts';
import { entries } from './entries.ts';

const chain = smallChain();
const { genesis } = chain;
const fork = forkOf(chain, 31);

let directory: string;
let directories = 0;
const newPath = () => join(directory, String(directories++));
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerlane-chain-store-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

/** A store with blocks up to `bodies`, and headers up to `headers`. */
async function filled(bodies: number, headers = bodies): Promise<ChainStore> {
  const store = await ChainStore.inMemory({ genesis });
  await store.appendBlocks(entries(chain, 1, bodies));
  if (headers > bodies) {
    await store.addPending(entries(chain, headers, bodies + 1));
    await store.adopt();
  }
  return store;
}

async function holds(store: ChainStore, from: TestChain, number: number): Promise<boolean> {
  const { hash, header, body } = blockAt(from, number);
  const parts = [await store.hashOf(number), await store.header(number), await store.body(number)];
  const isSame = [hash, header, body].every((part, i) => equalBytes(part, parts[i] ?? new Uint8Array(0)));
  return isSame && (await store.numberOf(hash)) === number;
}

describe('a chain store', () => {
  it('begins with the genesis block', async () => {
    await using store = await ChainStore.open(newPath(), { genesis });
    expect(store.head()).toEqual({
      number: 0,
      hash: genesis.hash,
      timestamp: genesis.header.timestamp,
      totalDifficulty: genesis.header.difficulty,
    });
    expect(store.headerHead()).toEqual(store.head());
    expect(store.genesisHash).toEqual(genesis.hash);
    expect(store.earliest()).toBe(0);
    expect(await holds(store, chain, 0)).toBe(true);
    expect(await store.header(1)).toBeUndefined();
    expect(await store.body(-1)).toBeUndefined();
    expect(await store.hashOf(0.5)).toBeUndefined();
    expect(await store.numberOf(new Uint8Array(31))).toBeUndefined();
  });

  it('keeps blocks in the encodings they came in, over a reopening too', async () => {
    const path = newPath();
    {
      await using store = await ChainStore.open(path, { genesis });
      await store.appendBlocks(entries(chain, 1, 40));
      await store.appendBlocks(entries(chain, 41, 60));
    }
    await using store = await ChainStore.open(path, { genesis });
    expect(store.head().number).toBe(60);
    for (const number of [0, 1, 40, 41, 60]) expect(await holds(store, chain, number)).toBe(true);
    expect((await store.headers(58, 10)).map(({ number }) => number)).toEqual([58, 59, 60]);
    await verifyChain(store);
  });

  it('takes only blocks that follow on its head', async () => {
    const store = await filled(30);
    expect(await rejectionOf(store.appendBlocks(entries(chain, 32, 33)))).toBe('store-mismatch');
    expect(await rejectionOf(store.appendBlocks(entries(fork, 32, 32)))).toBe('store-mismatch');
    const gap = [...entries(chain, 31, 31), ...entries(chain, 33, 33)];
    expect(await rejectionOf(store.appendBlocks(gap))).toBe('store-mismatch');
    expect(store.head().number).toBe(30);
    expect(await store.header(31)).toBeUndefined();
    await store.appendBlocks(entries(chain, 31, 31));
    expect(store.head().number).toBe(31);
  });

  it('knows headers without their bodies, whose blocks are not its head yet', async () => {
    const store = await filled(20, 50);
    expect(store.headerHead().number).toBe(50);
    expect(store.head().number).toBe(20);
    expect(await store.body(21)).toBeUndefined();
    await store.appendBodies(entries(chain, 21, 45));
    expect(store.head().number).toBe(45);
    expect(await rejectionOf(store.appendBodies(entries(chain, 46, 51)))).toBe('store-mismatch');
    await store.appendBlocks(entries(chain, 46, 52));
    expect(store.head()).toEqual(store.headerHead());
    await verifyChain(store);
  });

  it('sums difficulties up for the blocks and for the headers', async () => {
    const hard = forkOf(chain, 1, 'hard', { difficulty: 7n });
    const store = await ChainStore.inMemory({ genesis });
    await store.appendBlocks(entries(hard, 1, 10));
    await store.addPending(entries(hard, 40, 11));
    await store.adopt();
    expect(store.head().totalDifficulty).toBe(70n);
    expect(store.headerHead().totalDifficulty).toBe(280n);
    await store.rewind(25);
    expect(store.headerHead().totalDifficulty).toBe(175n);
    expect(store.head().totalDifficulty).toBe(70n);
    await store.rewind(4);
    expect(store.headerHead().totalDifficulty).toBe(28n);
    expect(store.head().totalDifficulty).toBe(28n);
  });

  describe('headers of a download that comes from above', () => {
    it('are not part of the chain before they reach it', async () => {
      const store = await filled(10);
      await store.addPending(entries(chain, 50, 31));
      await store.addPending(entries(chain, 30, 12));
      expect(store.headerHead().number).toBe(10);
      expect(await store.header(40)).toBeUndefined();
      expect(await store.numberOf(blockAt(chain, 40).hash)).toBeUndefined();
      expect(store.pending()).toMatchObject({ topNumber: 50, bottomNumber: 12 });
      expect(await rejectionOf(store.adopt())).toBe('store-mismatch');
      await store.addPending(entries(chain, 11, 11));
      await store.adopt();
      expect(store.headerHead()).toMatchObject({ number: 50, hash: blockAt(chain, 50).hash });
      expect(store.pending()).toBeUndefined();
      await verifyChain(store);
    });

    it('must link to one another, and lie above the chain', async () => {
      const store = await filled(10);
      await store.addPending(entries(chain, 50, 40));
      expect(await rejectionOf(store.addPending(entries(chain, 38, 38)))).toBe('store-mismatch');
      expect(await rejectionOf(store.addPending(entries(fork, 39, 39)))).toBe('store-mismatch');
      expect(store.pending()?.bottomNumber).toBe(40);
      await store.discardPending();
      expect(await rejectionOf(store.addPending(entries(chain, 12, 10)))).toBe('store-mismatch');
    });

    it('leave nothing behind when they are given up', async () => {
      const kv = new CountingKv();
      const store = await ChainStore.over(kv, { genesis });
      await store.appendBlocks(entries(chain, 1, 10));
      const before = kv.size;
      await store.addPending(entries(chain, 50, 31));
      expect(kv.size).toBe(before + 40);
      await store.discardPending();
      expect(kv.size).toBe(before);
    });

    it('replace stored blocks where they meet the chain below its head', async () => {
      const store = await filled(50);
      await store.addPending(entries(fork, 60, 51));
      await store.adopt(entries(fork, 50, 31));
      expect(store.headerHead()).toMatchObject({ number: 60, hash: blockAt(fork, 60).hash });
      expect(store.head()).toMatchObject({ number: 30, hash: blockAt(chain, 30).hash });
      expect(await store.numberOf(blockAt(chain, 31).hash)).toBeUndefined();
      expect(await store.numberOf(blockAt(fork, 31).hash)).toBe(31);
      expect(await store.body(31)).toBeUndefined();
      await store.appendBodies(entries(fork, 31, 60));
      await verifyChain(store);
    });

    it('may end below the head that they replace', async () => {
      const kv = new CountingKv();
      const store = await ChainStore.over(kv, { genesis });
      await store.appendBlocks(entries(chain, 1, 35));
      const size = kv.size;
      await store.appendBlocks(entries(chain, 36, 50));
      await store.adopt(entries(fork, 35, 31));
      expect(store.headerHead()).toMatchObject({ number: 35, hash: blockAt(fork, 35).hash });
      expect(store.head().number).toBe(30);
      expect(await store.header(36)).toBeUndefined();
      expect(kv.size).toBe(size);
    });
  });

  it('rewinds headers and bodies to a block, and goes on from there with another chain', async () => {
    const store = await filled(45, 50);
    await store.rewind(30);
    expect(store.head()).toEqual(store.headerHead());
    expect(store.head()).toMatchObject({ number: 30, hash: blockAt(chain, 30).hash });
    expect(await store.numberOf(blockAt(chain, 40).hash)).toBeUndefined();
    await store.appendBlocks(entries(fork, 31, 50));
    expect(await holds(store, fork, 40)).toBe(true);
    await verifyChain(store);
    await store.rewind(50);
    expect(store.head().number).toBe(50);
    expect(await rejectionOf(store.rewind(-1))).toBe('invalid-argument');
  });

  it('does changes one after another, in the order of the calls, and the last before it closes', async () => {
    const path = newPath();
    const store = await ChainStore.open(path, { genesis });
    const changes = [1, 11, 21].map((from) => store.appendBlocks(entries(chain, from, from + 9)));
    await store.close();
    await Promise.all(changes);
    expect(await rejectionOf(store.appendBlocks(entries(chain, 31, 31)))).toBe('closed');
    expect(await rejectionOf(store.header(1))).toBe('closed');
    await store.close();
    await using again = await ChainStore.open(path, { genesis });
    expect(again.head().number).toBe(30);
  });
});

/** Records in memory, counted; and with them what a crash between two batches leaves. */
class CountingKv extends MemoryKv {
  readonly keys = new Set<string>();
  /** Called after each batch. */
  onBatch: (() => Promise<void>) | undefined;

  get size(): number {
    return this.keys.size;
  }

  override async batch(changes: Parameters<MemoryKv['batch']>[0]): Promise<void> {
    await super.batch(changes);
    for (const { key, value } of changes) {
      if (value === undefined) this.keys.delete(String(key));
      else this.keys.add(String(key));
    }
    await this.onBatch?.();
  }

  async copy(): Promise<KeyValueStore> {
    const copy = new MemoryKv();
    for (const name of this.keys) {
      const key = Uint8Array.from(name.split(','), Number);
      await copy.batch([{ key, value: await this.get(key) }]);
    }
    return copy;
  }
}

describe('what a crash leaves of a chain store', () => {
  it('is a consistent chain, after every batch of every change', async () => {
    const kv = new CountingKv();
    const store = await ChainStore.over(kv, { genesis });
    const heads: string[] = [];
    kv.onBatch = async () => {
      const left = await ChainStore.over(await kv.copy(), { genesis });
      await verifyChain(left);
      heads.push(`${left.head().number}/${left.headerHead().number}`);
      // Whatever was under way can be done again.
      await left.discardPending();
      if (left.head().number < 10) return;
      await left.rewind(10);
      await left.appendBlocks(entries(chain, 11, 12));
      await verifyChain(left);
    };
    await store.appendBlocks(entries(chain, 1, 20));
    await store.addPending(entries(fork, 60, 41));
    await store.addPending(entries(fork, 40, 21));
    await store.discardPending();
    await store.addPending(entries(chain, 50, 21));
    await store.adopt();
    await store.appendBodies(entries(chain, 21, 40));
    await store.adopt(entries(fork, 45, 31));
    await store.appendBodies(entries(fork, 31, 33));
    await store.rewind(5);
    expect([...new Set(heads)]).toEqual(['20/20', '20/50', '40/50', '30/45', '33/45', '5/5']);
  });

  it('is so on the disk too: a copy that is taken while blocks are written opens as a whole chain', async () => {
    const path = newPath();
    await using store = await ChainStore.open(path, { genesis });
    const heads: number[] = [];
    let isDone = false;
    const writing = (async () => {
      for (let from = 1; from <= 571; from += 30) {
        await store.appendBlocks(entries(chain, from, from + 29));
        await new Promise((resolve) => setImmediate(resolve));
      }
      isDone = true;
    })();
    while (!isDone) {
      const copy = newPath();
      // The log is one file that only grows: its copy ends within some batch.
      await cp(path, copy, { recursive: true, filter: (name) => !name.endsWith('LOCK') });
      await using left = await ChainStore.open(copy, { genesis });
      heads.push(left.head().number);
      await verifyChain(left);
    }
    await writing;
    expect(heads.every((number) => number % 30 === 0)).toBe(true);
    expect(heads.toSorted((a, b) => a - b)).toEqual(heads);
  });

  it('is the last whole batch when the log ends anywhere within one', async () => {
    const path = newPath();
    {
      await using store = await ChainStore.open(path, { genesis });
      for (let from = 1; from <= 91; from += 10) await store.appendBlocks(entries(chain, from, from + 9));
    }
    const log = (await readdir(path)).find((name) => name.endsWith('.log')) ?? '';
    const bytes = await readFile(join(path, log));
    for (const share of [0.2, 0.5, 0.77, 0.99]) {
      const copy = newPath();
      await cp(path, copy, { recursive: true });
      const kept = bytes.subarray(0, Math.floor(bytes.length * share));
      // Where the power was lost, zeros may stand for what was not written.
      for (const end of [new Uint8Array(), new Uint8Array(bytes.length - kept.length)]) {
        await writeFile(join(copy, log), Buffer.concat([kept, end]));
        const again = newPath();
        await cp(copy, again, { recursive: true });
        await using left = await ChainStore.open(again, { genesis });
        expect(left.head().number % 10).toBe(0);
        expect(left.head().number).toBeLessThan(100);
        expect(left.head().number).toBeGreaterThan(0);
        await verifyChain(left);
      }
    }
  });
});

describe('a chain store is refused', () => {
  it.each([undefined, {}, { genesis: {} }])('without a genesis block: %j', async (options) => {
    expect(await rejectionOf(ChainStore.open(newPath(), options as never))).toBe('invalid-argument');
  });

  it('without a path', async () => {
    expect(await rejectionOf(ChainStore.open(undefined as never, { genesis }))).toBe('invalid-argument');
  });

  it('while it is open elsewhere', async () => {
    const path = newPath();
    await using store = await ChainStore.open(path, { genesis });
    expect(store.head().number).toBe(0);
    expect(await rejectionOf(ChainStore.open(path, { genesis }))).toBe('store-locked');
  });

  it('when it belongs to another genesis block', async () => {
    const path = newPath();
    await (await ChainStore.open(path, { genesis })).close();
    const { header: headerEncoding, body: bodyEncoding } = blockAt(chain, 1);
    const other = { headerEncoding, bodyEncoding };
    expect(await rejectionOf(ChainStore.open(path, { genesis: other }))).toBe('store-mismatch');
  });

  it('when it is of another version', async () => {
    const kv = new MemoryKv();
    const { encode } = await import('../../src/rlp/index.ts');
    const value = encode(records.formatCodec, { version: 2, genesisHash: genesis.hash });
    await kv.batch([{ key: records.FORMAT_KEY, value }]);
    await expect(ChainStore.over(kv, { genesis })).rejects.toMatchObject({
      code: 'store-mismatch',
      message: expect.stringMatching(/version 2/),
    });
  });

  it('when the path is a file, or lies below one', async () => {
    const path = newPath();
    await writeFile(path, 'a file');
    expect(await rejectionOf(ChainStore.open(path, { genesis }))).toBe('file-unreadable');
    expect(await rejectionOf(ChainStore.open(join(path, 'below'), { genesis }))).toBe('file-unreadable');
  });

  it.each(['CURRENT', 'MANIFEST'])('when its file %s is gone', async (start) => {
    const path = newPath();
    await (await ChainStore.open(path, { genesis })).close();
    for (const name of await readdir(path)) if (name.startsWith(start)) await rm(join(path, name));
    expect(await rejectionOf(ChainStore.open(path, { genesis }))).toBe('store-damaged');
  });

  it('when its manifest is overwritten', async () => {
    const path = newPath();
    await (await ChainStore.open(path, { genesis })).close();
    const name = (await readdir(path)).find((file) => file.startsWith('MANIFEST')) ?? '';
    await writeFile(join(path, name), 'nothing of use');
    expect(await rejectionOf(ChainStore.open(path, { genesis }))).toBe('store-damaged');
  });

  const header20 = records.headerKey(20);
  const wrong = records.headerValue(blockAt(chain, 20).hash, blockAt(chain, 19).header);
  it.each<[string, Uint8Array, Uint8Array | undefined]>([
    ['the header of its head is gone', header20, undefined],
    ['the header of its head is another', header20, wrong],
    ['the header of its head is cut off', header20, wrong.subarray(0, 20)],
    ['the body of its head is gone', records.bodyKey(20), undefined],
    ['the record of its heads is gone', records.STATE_KEY, undefined],
    ['the record of its heads is something else', records.STATE_KEY, Uint8Array.of(1)],
    ['the record of its format is gone', records.FORMAT_KEY, undefined],
  ])('when %s', async (_what, key, value) => {
    const kv = new MemoryKv();
    const store = await ChainStore.over(kv, { genesis });
    await store.appendBlocks(entries(chain, 1, 20));
    await kv.batch([{ key, value }]);
    expect(await rejectionOf(ChainStore.over(kv, { genesis }))).toBe('store-damaged');
  });

  it('by whoever reads a block that is missing in the middle', async () => {
    const kv = new MemoryKv();
    const store = await ChainStore.over(kv, { genesis });
    await store.appendBlocks(entries(chain, 1, 20));
    await kv.batch([
      { key: records.headerKey(7), value: undefined },
      { key: records.bodyKey(8), value: undefined },
    ]);
    expect(await rejectionOf(store.header(7))).toBe('store-damaged');
    expect(await rejectionOf(store.headers(1, 10))).toBe('store-damaged');
    expect(await rejectionOf(store.body(8))).toBe('store-damaged');
    expect(await rejectionOf(verifyChain(store))).toBe('store-damaged');
  });

  it('by a check of the whole, when any block was changed', async () => {
    for (const change of [
      { key: records.bodyKey(5), value: blockAt(chain, 6).body },
      {
        key: records.headerKey(5),
        value: records.headerValue(blockAt(chain, 5).hash, blockAt(chain, 6).header),
      },
      { key: records.numberKey(blockAt(chain, 5).hash), value: undefined },
      {
        key: records.headerKey(5),
        value: records.headerValue(blockAt(fork, 35).hash, blockAt(fork, 35).header),
      },
    ]) {
      const kv = new MemoryKv();
      const store = await ChainStore.over(kv, { genesis });
      await store.appendBlocks(entries(chain, 1, 20));
      await verifyChain(store);
      await kv.batch([change]);
      expect(await rejectionOf(verifyChain(store))).toBe('store-damaged');
    }
  });
});
