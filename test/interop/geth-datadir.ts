/** Imported geth data directories, made once for each version and chain and copied for each test. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { ChainFiles } from './chains.ts';
import { run } from './child.ts';
import type { GethVersion } from './geth.ts';
import { TOOLS_DIRECTORY, toolPath } from './tools.ts';

/** Fills `target` with a data directory that holds `chain`, or only its genesis block. */
export async function prepareDatadir(
  version: GethVersion,
  chain: ChainFiles,
  blocks: 'all' | 'none',
  target: string,
): Promise<void> {
  const geth = toolPath(`geth-v${version}/geth`);
  if (blocks === 'none') {
    await run(geth, ['init', '--datadir', target, chain.genesis]);
    return;
  }
  const imported = await importedDatadir(version, chain, geth);
  // The node key stays behind, so that two copies are two nodes.
  await cp(imported, target, { recursive: true, filter: (source) => basename(source) !== 'nodekey' });
}

async function importedDatadir(version: GethVersion, chain: ChainFiles, geth: string): Promise<string> {
  const parent = join(TOOLS_DIRECTORY, 'chains');
  const datadir = join(parent, `geth-v${version}-${chain.name}-${await digestOf(chain)}`);
  if (existsSync(datadir)) return datadir;
  await mkdir(parent, { recursive: true });
  // Made beside and renamed, so that a directory of that name is always whole, whoever else makes it meanwhile.
  const making = await mkdtemp(join(parent, 'making-'));
  try {
    const made = join(making, 'datadir');
    const blocks = join(making, 'chain.rlp');
    await pipeline(createReadStream(chain.blocks), createGunzip(), createWriteStream(blocks));
    await run(geth, ['init', '--datadir', made, chain.genesis]);
    await run(geth, ['import', '--datadir', made, '--cache', '128', '--nocompaction', blocks]);
    await rename(made, datadir);
  } catch (error) {
    if (!existsSync(datadir)) throw error;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return datadir;
}

async function digestOf(chain: ChainFiles): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [chain.genesis, chain.blocks]) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 12);
}
