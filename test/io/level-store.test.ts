import {
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchOf } from '../../src/io/level-batch.ts';
import { logOf } from '../../src/io/level-log.ts';
import { setAsideRepaired } from '../../src/io/level-repair.ts';
import { type LevelOptions, LevelStore } from '../../src/io/level-store.ts';
import { setAside } from '../../src/io/set-aside.ts';
import { rejectionOf } from '../support/errors.ts';

const OPTIONS: LevelOptions = {
  what: 'the store',
  advice: 'begin again',
  writeBufferBytes: 64 * 1024,
  readCacheBytes: 64 * 1024,
  checkedBytes: 64 * 1024 * 1024,
};

let directory: string;
let directories = 0;
const newPath = () => join(directory, String(directories++));
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerlane-level-store-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

const key = (number: number) => Uint8Array.of(number >> 8, number & 0xff);

it.runIf(process.platform === 'linux')(
  'a directory that cannot be is refused (in /proc of Linux)',
  async () => {
    expect(await rejectionOf(LevelStore.open('/proc/none/store', OPTIONS))).toBe('file-unreadable');
  },
);

it('directories above a store are made', async () => {
  await (await LevelStore.open(join(newPath(), 'a', 'b'), OPTIONS)).close();
});

/** A directory of `count` records of 300 bytes that nobody has open. */
async function filled(count: number): Promise<string> {
  const path = newPath();
  const store = await LevelStore.open(path, OPTIONS);
  for (let i = 0; i < count; i++) {
    const value = crypto.getRandomValues(new Uint8Array(300));
    await store.batch([{ key: key(i), value }]);
  }
  await store.close();
  return path;
}

async function all(store: LevelStore, length = 7): Promise<Uint8Array[]> {
  const keys: Uint8Array[] = [];
  for await (const entries of store.scan(length)) {
    expect(entries.length).toBeLessThanOrEqual(length);
    keys.push(...entries.map((entry) => new Uint8Array(entry.key)));
  }
  return keys;
}

/** Opens and reads all there is. */
async function read(path: string): Promise<number> {
  const store = await LevelStore.open(path, OPTIONS);
  try {
    return (await all(store, 100)).length;
  } finally {
    await store.close();
  }
}

async function filesOf(path: string, pattern: RegExp): Promise<string[]> {
  return (await readdir(path)).filter((name) => pattern.test(name)).map((name) => join(path, name));
}

describe('a directory of records', () => {
  it('is gone through in the order of its keys', async () => {
    const store = await LevelStore.open(await filled(300), OPTIONS);
    expect(await all(store)).toEqual(Array.from({ length: 300 }, (_, i) => key(i)));
    for await (const entries of store.scan(10)) {
      expect(entries).toHaveLength(10);
      break;
    }
    await store.close();
  });

  it('says what goes wrong once it is closed', async () => {
    const level = await LevelStore.open(newPath(), OPTIONS);
    expect(await level.isEmpty()).toBe(true);
    await level.batch([{ key: key(1), value: Uint8Array.of(1) }]);
    expect(await level.isEmpty()).toBe(false);
    await level.close();
    expect(await rejectionOf(level.get(key(1)))).toBe('closed');
  });

  it('is open once at a time', async () => {
    const path = newPath();
    const store = await LevelStore.open(path, OPTIONS);
    expect(await rejectionOf(LevelStore.open(path, OPTIONS))).toBe('store-locked');
    await store.close();
  });

  it('is not made out of a file', async () => {
    const path = newPath();
    await writeFile(path, 'a letter');
    expect(await rejectionOf(LevelStore.open(path, OPTIONS))).toBe('file-unreadable');
    expect(await readFile(path, 'utf8')).toBe('a letter');
  });

  type Change = (path: string, size: number) => Promise<void>;
  it.each<[string, RegExp, Change]>([
    ['CURRENT is gone', /^CURRENT$/, (path) => rm(path)],
    ['CURRENT is empty', /^CURRENT$/, (path) => truncate(path, 0)],
    ['CURRENT is garbage', /^CURRENT$/, (path) => writeFile(path, 'garbage')],
    ['CURRENT names another file', /^CURRENT$/, (path) => writeFile(path, 'MANIFEST-000099\n')],
    ['the manifest is gone', /^MANIFEST/, (path) => rm(path)],
    ['the manifest is empty', /^MANIFEST/, (path) => truncate(path, 0)],
    ['the manifest is garbage', /^MANIFEST/, (path) => writeFile(path, 'nothing of use')],
    ['tables are gone', /\.ldb$/, (path) => rm(path)],
    ['tables are cut in the middle', /\.ldb$/, (path, size) => truncate(path, size >> 1)],
    ['tables are garbage', /\.ldb$/, (path, size) => writeFile(path, new Uint8Array(size).fill(90))],
  ])('is damaged when %s', async (_, pattern, change) => {
    const path = await filled(600);
    const files = await filesOf(path, pattern);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) await change(file, (await stat(file)).size);
    await expect(read(path)).rejects.toMatchObject({
      code: 'store-damaged',
      message: expect.stringMatching(/^the store .* is damaged: .*; begin again$/),
    });
  });
});

describe('damage that LevelDB passes over', () => {
  /** A store whose last change of its MANIFEST is of a table, and that was not closed in between. */
  async function grown(): Promise<string> {
    const path = newPath();
    await (await LevelStore.open(path, OPTIONS)).close();
    const store = await LevelStore.open(path, OPTIONS);
    for (let i = 0; i < 600; i++) {
      await store.batch([{ key: key(i), value: crypto.getRandomValues(new Uint8Array(300)) }]);
    }
    await store.close();
    return path;
  }

  const flip = async (path: string, at: number) => {
    const file = await readFile(path);
    file[at] = (file[at] ?? 0) ^ 0xff;
    await writeFile(path, file);
  };

  it.each<[string, RegExp, (path: string, size: number) => Promise<void>]>([
    ['the manifest is cut by a byte', /^MANIFEST/, (path, size) => truncate(path, size - 1)],
    ['the manifest is cut in the middle', /^MANIFEST/, (path, size) => truncate(path, size >> 1)],
    ['a byte of the log is another', /\.log$/, (path, size) => flip(path, size >> 1)],
    ['the first byte of the log is another', /\.log$/, (path) => flip(path, 0)],
    ['the log is gone', /\.log$/, (path) => rm(path)],
    ['a byte of the tables is another', /\.ldb$/, (path, size) => flip(path, size >> 1)],
    [
      'the log has a record that is no batch',
      /\.log$/,
      (path) => writeFile(path, logOf([new Uint8Array(11)])),
    ],
  ])('is noticed before it deletes anything, when %s', async (_, pattern, change) => {
    const path = await grown();
    for (const file of await filesOf(path, pattern)) await change(file, (await stat(file)).size);
    const before = await readdir(path);
    expect(await rejectionOf(read(path))).toBe('store-damaged');
    expect(await readdir(path)).toEqual(before);
    const { isRepaired } = await setAsideRepaired(path, 1);
    expect(isRepaired).toBe(true);
    // A log has some 200 entries; there are two while LevelDB makes a table of the older one.
    expect(await read(path)).toBeGreaterThan(200);
  });

  it('costs nothing but what was in the log, where it is of the MANIFEST', async () => {
    const path = await grown();
    for (const file of await filesOf(path, /^MANIFEST/)) await truncate(file, (await stat(file)).size >> 1);
    await setAsideRepaired(path, 1);
    expect(await read(path)).toBe(600);
  });

  it('costs the entries of one block, where it is of a table; tables beyond `checkedBytes` are not looked at', async () => {
    const path = await grown();
    const [table = ''] = await filesOf(path, /\.ldb$/);
    await flip(table, (await stat(table)).size >> 1);
    const copy = newPath();
    await cp(path, copy, { recursive: true });
    await (await LevelStore.open(copy, { ...OPTIONS, checkedBytes: 0 })).close();
    expect(await rejectionOf(LevelStore.open(path, OPTIONS))).toBe('store-damaged');
    await setAsideRepaired(path, 1);
    const count = await read(path);
    expect(count).toBeGreaterThan(550);
    expect(count).toBeLessThan(600);
  });

  it('stays where it is when there is no room to repair it', async () => {
    const path = await grown();
    // Of a file with a hole the size is what a copy takes.
    await writeFile(join(path, '999999.ldb'), '');
    await truncate(join(path, '999999.ldb'), 4e12);
    const [before, beside] = [await readdir(path), await readdir(directory)];
    expect(await rejectionOf(setAsideRepaired(path, 1))).toBe('file-unreadable');
    expect(await readdir(path)).toEqual(before);
    expect(await readdir(directory)).toEqual(beside);
  });

  it('is a log whose numbers LevelDB would end the process for', async () => {
    const path = await grown();
    const log = (await filesOf(path, /\.log$/)).sort().at(-1) ?? '';
    const high = batchOf(new Uint8Array(9).fill(1), new Uint8Array());
    high[7] = 1;
    await writeFile(log, logOf([high]));
    expect(await rejectionOf(read(path))).toBe('store-damaged');
    expect((await setAsideRepaired(path, 1)).isRepaired).toBe(true);
    expect(await read(path)).toBeGreaterThan(200);
  });

  it('is not a log that ends anywhere, as after a crash', async () => {
    const path = await grown();
    const log = (await filesOf(path, /\.log$/)).sort().at(-1) ?? '';
    const size = (await stat(log)).size;
    let last = await readCopy(path);
    for (let length = size; length >= 0; length -= Math.ceil(size / 20)) {
      await truncate(log, length);
      const count = await readCopy(path);
      expect(count).toBeLessThanOrEqual(last);
      last = count;
    }
  });

  it.each([
    ['zeros', (length: number) => new Uint8Array(length)],
    ['garbage', (length: number) => crypto.getRandomValues(new Uint8Array(length))],
  ])('is not a log with %s at its end, as after a loss of power', async (_, tail) => {
    const path = await grown();
    const log = (await filesOf(path, /\.log$/)).sort().at(-1) ?? '';
    const whole = await readFile(log);
    const count = await readCopy(path);
    for (const share of [0.1, 0.4, 0.8, 0.99]) {
      const kept = whole.subarray(0, Math.floor(whole.length * share));
      await writeFile(log, Buffer.concat([kept, tail(whole.length - kept.length)]));
      const copy = newPath();
      await cp(path, copy, { recursive: true });
      const store = await LevelStore.open(copy, OPTIONS);
      const left = await all(store, 100);
      await store.close();
      expect(left).toEqual(Array.from({ length: left.length }, (_, i) => key(i)));
      expect(left.length).toBeLessThan(count);
    }
  });

  it('is a page that is missing in the middle of the log, be it at the border of records', async () => {
    const path = await grown();
    const log = (await filesOf(path, /\.log$/)).sort().at(-1) ?? '';
    const whole = await readFile(log);
    const first = 7 + whole.readUInt16LE(4);
    for (const from of [0, 100, first]) {
      await writeFile(log, Buffer.from(whole).fill(0, from, 4096));
      expect(await rejectionOf(readCopy(path))).toBe('store-damaged');
    }
  });

  async function readCopy(path: string): Promise<number> {
    const copy = newPath();
    await cp(path, copy, { recursive: true });
    return await read(copy);
  }

  it('is not looked for where another has the store open', async () => {
    const path = await grown();
    const store = await LevelStore.open(path, OPTIONS);
    for (const file of await filesOf(path, /\.log$/)) await rm(file);
    expect(await rejectionOf(LevelStore.open(path, OPTIONS))).toBe('store-locked');
    await store.close();
  });
});

describe.runIf(process.platform === 'linux')(
  'a store whose disk was full for a moment (/dev/full of Linux)',
  () => {
    const value = () => crypto.getRandomValues(new Uint8Array(1_000));

    /** Lets no table be written in a directory until it is called again. */
    async function fill(path: string): Promise<() => Promise<void>> {
      const there = await readdir(path);
      const names = Array.from({ length: 40 }, (_, i) => `${String(i).padStart(6, '0')}.ldb`);
      const full = names.filter((name) => !there.includes(name)).map((name) => join(path, name));
      for (const name of full) await symlink('/dev/full', name);
      return async () => {
        for (const name of full)
          if ((await lstat(name).catch(() => undefined))?.isSymbolicLink()) await rm(name);
      };
    }

    it('writes again, and has lost nothing', async () => {
      const path = newPath();
      const store = await LevelStore.open(path, OPTIONS);
      const makeRoom = await fill(path);
      let failed: number | undefined;
      for (let i = 0; failed === undefined; i++) {
        await store.batch([{ key: key(i), value: value() }]).catch(() => {
          failed = i;
        });
      }
      await makeRoom();
      const count = failed + 200;
      for (let i = failed; i < count; i++) await store.batch([{ key: key(i), value: value() }]);
      expect(await all(store)).toEqual(Array.from({ length: count }, (_, i) => key(i)));
      await store.close();
      expect(await read(path)).toBe(count);
    });

    it('fails while it cannot be opened anew, and no longer', async () => {
      const path = newPath();
      const store = await LevelStore.open(path, OPTIONS);
      const makeRoom = await fill(path);
      let failures = 0;
      for (let i = 0; failures < 2; i++) {
        await store.batch([{ key: key(i), value: value() }]).catch(() => failures++);
      }
      expect(await rejectionOf(store.get(key(0)))).toBe('file-unreadable');
      await makeRoom();
      await store.batch([{ key: key(1), value: value() }]);
      expect((await store.get(key(0)))?.length).toBe(1_000);
      await store.close();
    });

    it('is not begun anew in a directory that is gone', async () => {
      const path = newPath();
      const store = await LevelStore.open(path, OPTIONS);
      await fill(path);
      let hasFailed = false;
      for (let i = 0; i < 400 && !hasFailed; i++) {
        await store.batch([{ key: key(i), value: value() }]).catch(() => {
          hasFailed = true;
        });
      }
      await rm(path, { recursive: true });
      expect(await rejectionOf(store.batch([{ key: key(1), value: value() }]))).not.toBe('none');
      await store.close();
      expect(await rejectionOf(store.get(key(1)))).toBe('closed');
    });
  },
);

describe('a directory that is taken away while it is open', () => {
  const opened = async () => {
    const path = await filled(3);
    return { path, store: await LevelStore.open(path, OPTIONS) };
  };
  const write = (store: LevelStore) => store.batch([{ key: key(9), value: Uint8Array.of(9) }]);

  it('fails the next write, and is not made again', async () => {
    const { path, store } = await opened();
    await rm(path, { recursive: true });
    for (let i = 0; i < 2; i++) expect(await rejectionOf(write(store))).toBe('file-unreadable');
    await expect(stat(path)).rejects.toThrow('ENOENT');
    await store.close();
  });

  it('is written again when it is back', async () => {
    const { path, store } = await opened();
    await rename(path, `${path}-away`);
    expect(await rejectionOf(write(store))).toBe('file-unreadable');
    await rename(`${path}-away`, path);
    await write(store);
    await store.close();
    expect(await read(path)).toBe(4);
  });

  it('is left alone when another one is in its place, which is written', async () => {
    const { path, store } = await opened();
    await rename(path, `${path}-away`);
    await cp(await filled(1), path, { recursive: true });
    expect(await rejectionOf(write(store))).toBe('file-unreadable');
    await write(store);
    await store.close();
    expect(await read(path)).toBe(2);
    expect(await read(`${path}-away`)).toBe(3);
  });
});

describe('what is set aside', () => {
  it('stands beside where it was, under names that are free', async () => {
    const path = newPath();
    const names: string[] = [];
    for (const content of ['a', 'b', 'c']) {
      await mkdir(path);
      await writeFile(join(path, content), content);
      names.push(await setAside(`${path}/`, 1_700_000_000_000));
    }
    expect(names).toEqual(['', '-2', '-3'].map((end) => `${path}.damaged-1700000000000${end}`));
    expect(await readdir(names[1] ?? '')).toEqual(['b']);
    expect(await rejectionOf(setAside(path, 0))).toBe('file-unreadable');
  });
});
