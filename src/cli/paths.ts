/** Names of files and directories on the command line. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** Whether two paths name one file or directory, which need not be there. */
export async function isSamePath(one: string, other: string): Promise<boolean> {
  return (await realPathOf(one)) === (await realPathOf(other));
}

/** The path without links, as far as it exists. */
async function realPathOf(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(await realPathOf(parent), basename(absolute));
  }
}
