import { type ChildProcess, spawn } from 'node:child_process';
import {
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { MemoryKv } from '../../../src/base/kv.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { type LevelOptions, LevelStore } from '../../../src/io/level-store.ts';
import { encode, struct, uint } from '../../../src/rlp/index.ts';
import { NodeDatabase, type NodeDatabaseEvent } from '../../../src/server/node-db/index.ts';
import { keyOf as diskKeyOf, nameOf, VERSION_KEY } from '../../../src/server/node-db/keys.ts';
import { rejectionOf } from '../../support/errors.ts';
import { runs } from '../../support/runs.ts';
import { DAY, endpointOf, idOf, numberOf, recordIdOf, recordOf, START } from './nodes.ts';

const LEVEL: LevelOptions = {
  what: 'it',
  advice: '',
  writeBufferBytes: 65_536,
  readCacheBytes: 65_536,
  checkedBytes: 65_536,
};

let directory: string;
let directories = 0;
const newPath = () => join(directory, String(directories++));
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerlane-node-damage-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

/** One that cannot be renamed to a longer name, as one cannot at which something is mounted. */
const unmovablePath = () => join(directory, String(directories++).padEnd(250, 'x'));

async function open(path: string) {
  const env = new VirtualEnv({ now: START });
  const events: NodeDatabaseEvent[] = [];
  const database = await NodeDatabase.open(path, { env, onEvent: (event) => void events.push(event) });
  return { database, events };
}

/** A database of `count` nodes that nobody has open. */
async function filled(count: number): Promise<string> {
  const path = newPath();
  const { database } = await open(path);
  for (let i = 0; i < count; i++) {
    const client = `client ${i} ${Buffer.from(idOf(i)).toString('hex')}`;
    database.update(idOf(i), { endpoint: endpointOf(i), client, lastPong: START });
  }
  await database.close();
  return path;
}

async function numbersOf(database: NodeDatabase): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { publicKey } of database.nodes()) numbers.push(numberOf(publicKey));
  return numbers.sort((a, b) => a - b);
}

describe('a damaged node database', () => {
  let whole: string;
  beforeAll(async () => {
    whole = await filled(2_000);
    // Opened once more, LevelDB sorts the log into a table.
    await (await open(whole)).database.close();
  });

  type Change = (path: string, size: number) => Promise<void>;
  describe.each([
    ['beside it', newPath, (path: string) => `${path}.damaged-${START}`],
    ['in it, where it cannot be moved', unmovablePath, (path: string) => join(path, `damaged-${START}`)],
  ])('is set aside %s,', (_, pathOf, asideOf) => {
    it.each<[string, RegExp, Change, number?]>([
      ['CURRENT is gone', /^CURRENT$/, (path) => rm(path), 2_000],
      ['CURRENT is garbage', /^CURRENT$/, (path) => writeFile(path, 'garbage'), 2_000],
      [
        'CURRENT names a file that is not there',
        /^CURRENT$/,
        (path) => writeFile(path, 'MANIFEST-000099\n'),
        2_000,
      ],
      [
        'the manifest is garbage',
        /^MANIFEST/,
        (path) => writeFile(path, new Uint8Array(500).fill(90)),
        2_000,
      ],
      ['the manifest is empty', /^MANIFEST/, (path) => truncate(path, 0), 2_000],
      ['the manifest is cut by a byte', /^MANIFEST/, (path, size) => truncate(path, size - 1), 2_000],
      ['the log is gone', /\.log$/, (path) => rm(path), 2_000],
      ['a table is cut in the middle', /\.ldb$/, (path, size) => truncate(path, size >> 1)],
      ['a table is garbage', /\.ldb$/, (path, size) => writeFile(path, new Uint8Array(size).fill(90))],
      ['a table is gone', /\.ldb$/, (path) => rm(path)],
    ])('and a new one begun with what is left, when %s', async (_, pattern, change, rest = 0) => {
      const path = pathOf();
      await cp(whole, path, { recursive: true });
      const names = (await readdir(path)).filter((name) => pattern.test(name));
      expect(names.length).toBeGreaterThan(0);
      for (const name of names) await change(join(path, name), (await stat(join(path, name))).size);
      const left = (await readdir(path)).filter((name) => name.endsWith('.ldb'));

      const { database, events } = await open(path);
      const movedTo = asideOf(path);
      expect(events).toEqual([
        {
          kind: 'node-database-set-aside',
          path,
          movedTo,
          error: expect.objectContaining({ code: 'store-damaged' }),
        },
      ]);
      expect(await readdir(movedTo)).toEqual(expect.arrayContaining(left));
      expect(database.size).toBe(rest);
      database.update(idOf(1), { endpoint: endpointOf(1) });
      await database.close();
      const again = await open(path);
      expect([again.database.size, again.events]).toEqual([Math.max(rest, 1), []]);
      await again.database.close();
      expect((await readdir(path)).filter((name) => name.startsWith('repaired-'))).toEqual([]);
      expect(await readdir(movedTo)).toEqual(expect.arrayContaining(left));
    });
  });

  it('leaves what is not its own where it is, and is none where others have logs', async () => {
    const path = newPath();
    await mkdir(join(path, 'photos'), { recursive: true });
    for (const name of ['npm-debug.log', 'notes.ldb', 'photos/1.jpg'])
      await writeFile(join(path, name), name);
    const fresh = await open(path);
    expect(fresh.events).toEqual([]);
    fresh.database.update(idOf(1), { endpoint: endpointOf(1) });
    await fresh.database.close();
    await rm(join(path, 'CURRENT'));
    const { database, events } = await open(path);
    const movedTo = join(path, `damaged-${START}`);
    expect(events).toMatchObject([{ kind: 'node-database-set-aside', movedTo }]);
    expect(database.size).toBe(1);
    await database.close();
    for (const name of ['npm-debug.log', 'notes.ldb', 'photos/1.jpg']) {
      expect(await readFile(join(path, name), 'utf8')).toBe(name);
    }
    expect((await readdir(movedTo)).filter((name) => /notes|npm|photos/.test(name))).toEqual([]);
  });

  it('stays a link to where it is', async () => {
    const [path, link] = [newPath(), newPath()];
    await cp(whole, path, { recursive: true });
    await symlink(path, link);
    await rm(join(path, 'CURRENT'));
    const { database, events } = await open(link);
    const movedTo = `${path}.damaged-${START}`;
    expect(events).toMatchObject([{ kind: 'node-database-set-aside', path: link, movedTo }]);
    await database.close();
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readdir(path)).toContain('CURRENT');
    expect(await readdir(movedTo)).not.toContain('CURRENT');
  });

  it('loses the nodes of one block when a bit of a table is another, and gives no node that nobody has stored', async () => {
    const path = newPath();
    await cp(whole, path, { recursive: true });
    const table = join(path, (await readdir(path)).find((name) => name.endsWith('.ldb')) ?? '');
    const bytes = await readFile(table);
    const at = bytes.length >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(table, bytes);
    const { database, events } = await open(path);
    expect(events.map(({ kind }) => kind)).toEqual(['node-database-set-aside']);
    const numbers = await numbersOf(database);
    expect(numbers.length).toBeGreaterThan(1_900);
    expect(numbers.length).toBeLessThan(2_000);
    await database.close();
  });

  it('keeps what lies before the place where its log is cut', async () => {
    const path = newPath();
    {
      const { database } = await open(path);
      for (let i = 0; i < 50; i++) {
        database.update(idOf(i), { endpoint: endpointOf(i) });
        await database.flush();
      }
      await database.close();
    }
    const log = (await readdir(path)).find((name) => name.endsWith('.log')) ?? '';
    const bytes = await readFile(join(path, log));
    await writeFile(join(path, log), bytes.subarray(0, bytes.length >> 1));
    const { database, events } = await open(path);
    const numbers = await numbersOf(database);
    expect(events).toEqual([]);
    expect(numbers.length).toBeGreaterThan(10);
    expect(numbers).toEqual(numbers.map((_, i) => i));
    await database.close();
  });

  it('keeps the nodes of its other tables when the one with its version is gone', async () => {
    const path = newPath();
    {
      const { database } = await open(path);
      await database.storeLocalSeq(idOf(0), 7n);
      for (let i = 0; i < 12_000; i++) {
        database.update(idOf(i), { endpoint: endpointOf(i), client: crypto.randomUUID().repeat(5) });
        if (i % 2_000 === 0) await database.flush();
      }
      await database.close();
    }
    const tables = (await readdir(path)).filter((name) => name.endsWith('.ldb')).sort();
    expect(tables.length).toBeGreaterThan(1);
    await rm(join(path, tables[0] ?? ''));
    const { database, events } = await open(path);
    expect(events).toMatchObject([{ kind: 'node-database-set-aside' }]);
    expect(database.size).toBeGreaterThan(4_000);
    await database.close();
    expect((await readdir(directory)).filter((name) => name.includes('.repaired-'))).toEqual([]);
    await (await open(path)).database.close();
  });

  it('is set aside when it is of another version', async () => {
    const path = await filled(3);
    const level = await LevelStore.open(path, LEVEL);
    await level.batch([{ key: VERSION_KEY, value: encode(struct({ version: uint(32) }), { version: 99 }) }]);
    await level.close();
    const { database, events } = await open(path);
    expect(database.size).toBe(0);
    expect(events).toMatchObject([
      { kind: 'node-database-set-aside', error: { message: expect.stringMatching(/version 99/) } },
    ]);
    await database.close();
  });

  it.each([
    ['', newPath],
    [', where it cannot be moved', unmovablePath],
  ])(
    'is not what another program has, damaged or not: that stays in its place as it is%s',
    async (_, pathOf) => {
      const path = pathOf();
      const level = await LevelStore.open(path, LEVEL);
      for (let i = 0; i < 500; i++) {
        await level.batch([{ key: Uint8Array.of(i >> 8, i & 0xff), value: new Uint8Array(300) }]);
      }
      await level.close();
      await rm(join(path, 'CURRENT'));
      const before = (await readdir(path)).sort();
      for (let i = 0; i < 2; i++) expect(await rejectionOf(open(path))).toBe('store-mismatch');
      expect((await readdir(path)).sort()).toEqual(before);
      expect((await readdir(directory)).filter((name) => name.startsWith(`${basename(path)}.`))).toEqual([]);
    },
  );

  it('is not what another program has: that is left alone', async () => {
    const path = newPath();
    const level = await LevelStore.open(path, LEVEL);
    await level.batch([{ key: Uint8Array.of(1, 2), value: Uint8Array.of(3) }]);
    await level.close();
    expect(await rejectionOf(open(path))).toBe('store-mismatch');
    const file = newPath();
    await writeFile(file, 'a letter');
    expect(await rejectionOf(open(file))).toBe('file-unreadable');
    expect((await readdir(directory)).filter((name) => name.startsWith(`${basename(path)}.`))).toEqual([]);
    expect(await readFile(file, 'utf8')).toBe('a letter');
    const again = await LevelStore.open(path, LEVEL);
    expect([...((await again.get(Uint8Array.of(1, 2))) ?? [])]).toEqual([3]);
    await again.close();
  });

  it('is begun in an empty directory, or where there is none yet', async () => {
    const path = newPath();
    await mkdir(path);
    const { database, events } = await open(path);
    const below = await open(join(path, 'a', 'b'));
    expect([events, below.events]).toEqual([[], []]);
    await Promise.all([database.close(), below.database.close()]);
  });
});

describe('a damaged value', () => {
  async function values(): Promise<{ kv: MemoryKv; keys: Uint8Array[] }> {
    const kv = new MemoryKv();
    const env = new VirtualEnv({ now: START });
    const database = await NodeDatabase.over(kv, { env });
    const forkId = { hash: Uint8Array.of(1, 2, 3, 4), next: 7n };
    for (let i = 1; i <= 4; i++) {
      const record = recordOf(i);
      const endpoint = { publicKey: record.publicKey, host: '::1', tcpPort: 1, udpPort: 2 };
      database.update(recordIdOf(i), { record, endpoint, forkId, client: 'client', lastPong: START });
    }
    await database.flush();
    return { kv, keys: [1, 2, 3, 4].map((i) => diskKeyOf(nameOf(recordIdOf(i)))) };
  }

  async function reopened(kv: MemoryKv) {
    const events: NodeDatabaseEvent[] = [];
    const env = new VirtualEnv({ now: START });
    return {
      database: await NodeDatabase.over(kv, { env, onEvent: (event) => void events.push(event) }),
      events,
    };
  }

  it('is dropped at the start, and the others stay', async () => {
    const { kv, keys } = await values();
    const [one, two, three] = keys.map((key) => ({ key }));
    if (one === undefined || two === undefined || three === undefined) throw new Error('no keys');
    const value = (await kv.get(two.key)) ?? new Uint8Array(0);
    await kv.batch([
      { ...one, value: Uint8Array.of(1, 2, 3) },
      { ...two, value: value.subarray(0, value.length - 1) },
      { ...three, value: new Uint8Array(5_000) },
    ]);
    const { database, events } = await reopened(kv);
    expect([database.size, events]).toEqual([1, [{ kind: 'node-database-values-dropped', count: 3 }]]);
    await database.flush();
    expect((await kv.getMany(keys)).filter((left) => left !== undefined)).toHaveLength(1);
  });

  it('is dropped when it is read: one of another node, or with a record that is not', async () => {
    const { kv, keys } = await values();
    const [one, two, three, four] = await kv.getMany(keys);
    const [first, second, third, fourth] = keys;
    if (!one || !two || !three || !four || !first || !second || !third || !fourth) throw new Error('no keys');
    // The signature is somewhere behind the key: any change in it makes another.
    const record = recordOf(3).encoded;
    const at = Buffer.from(three).indexOf(record) + 10;
    const bad = three.slice();
    bad[at] = (bad[at] ?? 0) ^ 1;
    await kv.batch([
      { key: first, value: two },
      { key: third, value: bad },
    ]);
    const { database } = await reopened(kv);
    expect(database.size).toBe(4);
    expect(await database.get(recordIdOf(1))).toBeUndefined();
    expect(database.size).toBe(3);
    expect((await database.seeds(10, DAY)).map(({ id }) => Buffer.from(id).toString('hex')).sort()).toEqual(
      [2, 4].map((i) => Buffer.from(recordIdOf(i)).toString('hex')).sort(),
    );
    expect(database.size).toBe(2);
  });

  it('does not keep a newer record out by a number that its own has not', async () => {
    const { kv, keys } = await values();
    const [first] = keys;
    const original = first === undefined ? undefined : await kv.get(first);
    if (first === undefined || original === undefined) throw new Error('no key');
    const { encoded } = recordOf(1);
    // Behind the record stands its number again.
    const at = Buffer.from(original).indexOf(encoded) + encoded.length;
    expect(original[at]).toBe(1);
    await kv.batch([{ key: first, value: original.with(at, 100) }]);
    const { database } = await reopened(kv);
    database.update(recordIdOf(1), { record: recordOf(1, 2n) });
    await database.flush();
    expect((await database.get(recordIdOf(1)))?.seq).toBe(2n);
  });

  it('of any kind costs nothing but itself', async () => {
    const { kv, keys } = await values();
    const [first] = keys;
    const original = first === undefined ? undefined : await kv.get(first);
    if (first === undefined || original === undefined) throw new Error('no key');
    const change = fc.oneof(
      fc.uint8Array({ maxLength: 1_500 }),
      fc.tuple(fc.nat(original.length - 1), fc.nat(255)).map(([at, byte]) => {
        const changed = original.slice();
        changed[at] = byte;
        return changed;
      }),
      fc.nat(original.length).map((length) => original.slice(0, length)),
    );
    await fc.assert(
      fc.asyncProperty(change, async (value) => {
        await kv.batch([{ key: first, value }]);
        const { database } = await reopened(kv);
        const nodes: Uint8Array[] = [];
        for await (const { id } of database.nodes()) nodes.push(id);
        expect(nodes.length).toBeGreaterThanOrEqual(3);
        for (const { record, id } of await database.seeds(10, DAY)) expect([record, id]).toBeDefined();
        database.update(recordIdOf(1), { record: recordOf(1, 2n), failed: true });
        await database.flush();
        expect((await database.get(recordIdOf(1)))?.seq).toBe(2n);
      }),
      { numRuns: runs(150) },
    );
  });
});

describe('a process that has the database open', () => {
  const SCRIPT = fileURLToPath(new URL('../../support/node-writer.js', import.meta.url));

  class Writer {
    readonly child: ChildProcess;
    readonly gone: Promise<unknown>;
    readonly #lines: AsyncIterator<string>;
    last = -1;

    constructor(path: string, from: number) {
      this.child = spawn(process.execPath, [SCRIPT, path, String(from)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void this.child.kill('SIGKILL'));
      this.gone = new Promise((resolve) => this.child.once('close', resolve));
      if (this.child.stdout === null) throw new Error('no output');
      this.#lines = createInterface(this.child.stdout)[Symbol.asyncIterator]();
    }

    async line(): Promise<string | undefined> {
      const { done, value } = await this.#lines.next();
      return done === true ? undefined : value;
    }

    /** Kills it when it has written round `round`; the last round that it says it has written. */
    async killedAfter(round: number): Promise<number> {
      let last = -1;
      for (;;) {
        const line = await this.line();
        if (line === undefined) break;
        last = Number(line);
        if (last === round) this.child.kill('SIGKILL');
      }
      await this.gone;
      return last;
    }
  }

  it('keeps all others out', async () => {
    const path = newPath();
    const writer = new Writer(path, 0);
    await writer.line();
    expect(await rejectionOf(open(path))).toBe('store-locked');
    writer.child.kill('SIGKILL');
    await writer.gone;
    await (await open(path)).database.close();
  });

  it('leaves a whole database when it is killed while it writes, again and again', async () => {
    const path = newPath();
    let round = 0;
    for (const rounds of [1, 4, 9, 3]) {
      const writer = new Writer(path, round);
      const hello = JSON.parse((await writer.line()) ?? '');
      expect(hello.events).toEqual([]);
      expect(hello.size).toBeGreaterThanOrEqual(100 * round);
      round = (await writer.killedAfter(round + rounds)) + 1;
    }
    const { database, events } = await open(path);
    expect(events).toEqual([]);
    const numbers = new Set(await numbersOf(database));
    for (let number = 0; number < 100 * round; number++) expect(numbers.has(number)).toBe(true);
    for (const number of [0, 100 * round - 1]) {
      expect(await database.get(idOf(number))).toMatchObject({
        endpoint: endpointOf(number),
        client: `client ${number}`,
      });
    }
    await database.close();
  });
});
