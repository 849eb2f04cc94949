/** Directories that hold a chain: `genesis.json`, and `chain.rlp` or `chain.rlp.gz`. */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';
import type { Genesis } from '../eth/index.ts';
import { ChainStore } from '../sync/index.ts';
import { readGenesisFile } from './genesis-file.ts';

export interface ChainDirectory {
  readonly genesis: Genesis;
  /** Path of the chain file. */
  readonly chainFile: string;
  /** Its size, packed or not. */
  readonly fileBytes: number;
}

/** @throws PeerlaneError `file-unreadable`, `genesis-invalid` */
export async function readChainDirectory(path: string): Promise<ChainDirectory> {
  const genesis = await readGenesisFile(join(path, 'genesis.json'));
  for (const name of ['chain.rlp', 'chain.rlp.gz']) {
    const chainFile = join(path, name);
    const fileBytes = await fileSize(chainFile);
    if (fileBytes !== undefined) return { genesis, chainFile, fileBytes };
  }
  throw new PeerlaneError('file-unreadable', `${path} has neither chain.rlp nor chain.rlp.gz`);
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): PeerlaneError {
  return new PeerlaneError('file-unreadable', `cannot read ${path}: ${fileProblem(error)}`, { cause: error });
}

/** A store in `path`, or in a directory of its own that is removed with it. */
export async function openStore(genesis: Genesis, path: string | undefined): Promise<OpenStore> {
  const directory = path ?? (await temporaryDirectory());
  const remove =
    path === undefined ? () => rm(directory, { recursive: true, force: true }) : async () => undefined;
  try {
    const store = await ChainStore.open(directory, { genesis });
    const dispose = async (): Promise<void> => {
      await store.close();
      await remove();
    };
    return { store, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await remove();
    throw error;
  }
}

export interface OpenStore extends AsyncDisposable {
  readonly store: ChainStore;
}

async function temporaryDirectory(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), 'peerlane-'));
  } catch (error) {
    throw new PeerlaneError(
      'file-unreadable',
      `cannot make a directory in ${tmpdir()}: ${fileProblem(error)}`,
      {
        cause: error,
      },
    );
  }
}
