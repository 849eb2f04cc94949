import { readdir } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { PeerlaneError } from '../base/errors.ts';
import type { KeyValueStore, KvChange } from './kv.ts';

/** Bytes of recent writes that LevelDB holds in memory before it sorts them into a file. */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;
/** Bytes of uncompressed blocks that LevelDB keeps for reading: the chain's end, mostly. */
const READ_CACHE_BYTES = 16 * 1024 * 1024;

/** Records in a LevelDB directory, which one process at a time may open. */
export class LevelStore implements KeyValueStore {
  readonly #db: ClassicLevel<Uint8Array, Uint8Array>;
  readonly #path: string;

  private constructor(db: ClassicLevel<Uint8Array, Uint8Array>, path: string) {
    this.#db = db;
    this.#path = path;
  }

  /**
   * Opens or creates the directory `path`.
   * @throws PeerlaneError `store-locked` when it is open elsewhere, `store-damaged`, `file-unreadable`
   */
  static async open(path: string): Promise<LevelStore> {
    await refuseHeadless(path);
    const db = new ClassicLevel<Uint8Array, Uint8Array>(path, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      writeBufferSize: WRITE_BUFFER_BYTES,
      cacheSize: READ_CACHE_BYTES,
    });
    try {
      await db.open();
    } catch (error) {
      throw openError(error, path);
    }
    return new LevelStore(db, path);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#guard(this.#db.get(key));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return await this.#guard(this.#db.getMany([...keys]));
  }

  async batch(changes: readonly KvChange[]): Promise<void> {
    const operations = changes.map(({ key, value }) =>
      value === undefined ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
    );
    await this.#guard(this.#db.batch(operations));
  }

  async isEmpty(): Promise<boolean> {
    const keys = await this.#guard(this.#db.keys({ limit: 1 }).all());
    return keys.length === 0;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  async #guard<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (error) {
      throw operationError(error, this.#path);
    }
  }
}

/** Without its CURRENT file LevelDB would take the directory for a new one and start over, silently. */
async function refuseHeadless(path: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw new PeerlaneError('file-unreadable', `cannot read the directory ${path}`, { cause: error });
  }
  const isNew = !names.includes('CURRENT');
  if (isNew && names.some((name) => /\.(ldb|sst|log)$/.test(name))) {
    throw damaged(path, 'its file CURRENT is missing');
  }
  if (!isNew && !names.some((name) => name.startsWith('MANIFEST-'))) {
    throw damaged(path, 'its MANIFEST file is missing');
  }
}

function openError(error: unknown, path: string): PeerlaneError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  switch (systemCode(cause)) {
    case 'LEVEL_LOCKED':
      return new PeerlaneError('store-locked', `the chain store ${path} is in use by another process`, {
        cause,
      });
    case 'LEVEL_CORRUPTION':
      return damaged(path, messageOf(cause), cause);
    default:
      return new PeerlaneError(
        'file-unreadable',
        `cannot open the chain store ${path}: ${messageOf(cause)}`,
        {
          cause,
        },
      );
  }
}

function operationError(error: unknown, path: string): PeerlaneError {
  switch (systemCode(error)) {
    case 'LEVEL_CORRUPTION':
      return damaged(path, messageOf(error), error);
    case 'LEVEL_DATABASE_NOT_OPEN':
      return new PeerlaneError('closed', `the chain store ${path} is closed`, { cause: error });
    default:
      return new PeerlaneError('file-unreadable', `the chain store ${path} failed: ${messageOf(error)}`, {
        cause: error,
      });
  }
}

function damaged(path: string, what: string, cause?: unknown): PeerlaneError {
  const message = `the chain store ${path} is damaged: ${what}; delete the directory and import or sync again`;
  return new PeerlaneError('store-damaged', message, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
