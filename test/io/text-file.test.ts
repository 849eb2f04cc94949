import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTextFile, replaceTextFile, requireReplaceable } from '../../src/io/text-file.ts';
import { rejectionOf } from '../support/errors.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerlane-text-file-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

describe('a text file', () => {
  it('is replaced as a whole, and leaves nothing beside it', async () => {
    const folder = join(directory, 'a');
    await mkdir(folder);
    const path = join(folder, 'set.json');
    await replaceTextFile(path, 'the file', 'old');
    const long = 'new '.repeat(100_000);
    await Promise.all([replaceTextFile(path, 'the file', long), replaceTextFile(path, 'the file', long)]);
    expect(await readTextFile(path, 'the file', 1_000_000)).toBe(long);
    expect(await readdir(folder)).toEqual(['set.json']);
  });

  it('is rid, an hour later, of what a process that was killed has left beside it', async () => {
    const folder = join(directory, 'f');
    await mkdir(folder);
    const path = join(folder, 'set.json');
    const [old, young] = ['.set.json.12345-1.tmp', '.set.json.12346-1.tmp'];
    const others = ['.set.json.mine.tmp', '.set.json.12345-1.tmp.txt', '.other.json.12345-1.tmp'];
    for (const name of [old, young, ...others]) await writeFile(join(folder, name), 'x');
    const before = Date.now() / 1_000 - 2 * 60 * 60;
    for (const name of [old, ...others]) await utimes(join(folder, name), before, before);
    await replaceTextFile(path, 'the file', 'new');
    expect((await readdir(folder)).sort()).toEqual([young, ...others, 'set.json'].sort());
  });

  it('stays as it was when it cannot be written', async () => {
    const folder = join(directory, 'b');
    await mkdir(join(folder, 'set.json'), { recursive: true });
    expect(await rejectionOf(replaceTextFile(join(folder, 'set.json'), 'the file', 'x'))).toBe(
      'file-unreadable',
    );
    expect(await rejectionOf(replaceTextFile(join(folder, 'c', 'd'), 'the file', 'x'))).toBe(
      'file-unreadable',
    );
    expect(await readdir(folder)).toEqual(['set.json']);
  });

  it('is looked at beforehand without being touched', async () => {
    const folder = join(directory, 'e');
    await mkdir(join(folder, 'folder'), { recursive: true });
    const file = join(folder, 'file');
    await writeFile(file, 'old');
    await requireReplaceable(file, 'the file');
    await requireReplaceable(join(folder, 'new'), 'the file');
    for (const path of [
      join(folder, 'folder'),
      join(folder, 'no', 'file'),
      join(file, 'x'),
      `${file}/`,
      '',
    ]) {
      expect(await rejectionOf(requireReplaceable(path, 'the file'))).toBe('file-unreadable');
    }
    expect([await readFile(file, 'utf8'), await readdir(folder)]).toEqual(['old', ['file', 'folder']]);
  });

  it.runIf(process.platform !== 'win32')('keeps its permissions (where there are some)', async () => {
    const folder = join(directory, 'modes');
    await mkdir(folder);
    const path = join(folder, 'set.json');
    for (const mode of [0o600, 0o640, 0o666]) {
      await writeFile(path, 'old');
      await chmod(path, mode);
      await replaceTextFile(path, 'the file', 'new');
      expect([(await stat(path)).mode & 0o777, await readFile(path, 'utf8')]).toEqual([mode, 'new']);
    }
  });

  it.runIf(process.platform !== 'win32')(
    'is not replaced where it may not be written (where there are permissions)',
    async () => {
      const path = join(directory, 'read-only');
      await writeFile(path, 'old', { mode: 0o444 });
      // Whoever is not root may do everything but write that file.
      await chmod(directory, 0o777);
      const script = fileURLToPath(new URL('../support/replacer.js', import.meta.url));
      const { stdout } = await promisify(execFile)(process.execPath, [script, path]);
      const refused = `file-unreadable: cannot write the file ${path}: permission is denied\n`;
      expect(stdout).toBe(refused.repeat(2));
      expect(await readFile(path, 'utf8')).toBe('old');
    },
  );

  it.runIf(existsSync('/dev/null'))('does not take the place of a device (where there is one)', async () => {
    expect(await rejectionOf(requireReplaceable('/dev/null', 'the file'))).toBe('file-unreadable');
    expect((await stat('/dev/null')).isFile()).toBe(false);
  });

  it.runIf(process.platform !== 'win32')(
    'is written where a link leads (where there are links)',
    async () => {
      const [file, link] = [join(directory, 'file'), join(directory, 'link')];
      await writeFile(file, 'old');
      await symlink(file, link);
      await replaceTextFile(link, 'the file', 'new');
      expect([await readlink(link), await readFile(file, 'utf8')]).toEqual([file, 'new']);
    },
  );

  it('is not read when it is too large, or not there', async () => {
    const path = join(directory, 'large');
    await writeFile(path, 'x'.repeat(101));
    await expect(readTextFile(path, 'the file', 100)).rejects.toMatchObject({
      code: 'file-unreadable',
      message: `cannot read the file ${path}: it is larger than 100 bytes`,
    });
    expect(await rejectionOf(readTextFile(`${path}-not`, 'the file', 100))).toBe('file-unreadable');
  });

  it('is not read any further when the call is aborted', async () => {
    const path = join(directory, 'unread');
    await writeFile(path, 'x');
    expect(await rejectionOf(readTextFile(path, 'the file', 100, AbortSignal.abort()))).toBe('aborted');
  });

  it.runIf(process.platform === 'linux')('may say nothing of its length (on Linux)', async () => {
    expect(await readTextFile('/proc/self/cmdline', 'the file', 100_000)).toMatch(/node/);
    expect(await rejectionOf(readTextFile('/proc/self/cmdline', 'the file', 1))).toBe('file-unreadable');
  });
});
