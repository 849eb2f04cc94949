import { mkdir, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';
import type { KvChange, KvEntry, ScannableStore } from '../base/kv.ts';

/** What a store is called in messages, and how much memory it may take. */
export interface LevelOptions {
  /** For messages: `the chain store`. */
  readonly what: string;
  /** What to do about a damaged one, for the end of a message. */
  readonly advice: string;
  /** Bytes of recent writes that LevelDB holds in memory before it sorts them into a file. */
  readonly writeBufferBytes: number;
  /** Bytes of uncompressed blocks that LevelDB keeps for reading. */
  readonly readCacheBytes: number;
}

/** Records in a LevelDB directory, which one process at a time may open. */
export class LevelStore implements ScannableStore {
  readonly #db: ClassicLevel<Uint8Array, Uint8Array>;
  readonly #problems: Problems;

  private constructor(db: ClassicLevel<Uint8Array, Uint8Array>, problems: Problems) {
    this.#db = db;
    this.#problems = problems;
  }

  /**
   * Opens or creates the directory `path`.
   * @throws PeerlaneError `store-locked` when it is open elsewhere, `store-damaged`, `file-unreadable`
   */
  static async open(path: string, options: LevelOptions): Promise<LevelStore> {
    const problems = new Problems(path, options);
    await refuseHeadless(path, problems);
    await makeDirectory(path);
    const db = new ClassicLevel<Uint8Array, Uint8Array>(path, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      writeBufferSize: options.writeBufferBytes,
      cacheSize: options.readCacheBytes,
    });
    try {
      await db.open();
    } catch (error) {
      throw problems.ofOpening(error);
    }
    return new LevelStore(db, problems);
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

  async *scan(length: number): AsyncGenerator<readonly KvEntry[], void, undefined> {
    const iterator = this.#db.iterator();
    try {
      for (;;) {
        const entries = await this.#guard(iterator.nextv(length));
        if (entries.length === 0) return;
        yield entries.map(([key, value]) => ({ key, value }));
      }
    } finally {
      await iterator.close();
    }
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  async #guard<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (error) {
      throw this.#problems.ofOperation(error);
    }
  }
}

/** Without its CURRENT file LevelDB would take the directory for a new one and start over, silently. */
async function refuseHeadless(path: string, problems: Problems): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    const message = `cannot read the directory ${path}: ${fileProblem(error)}`;
    throw new PeerlaneError('file-unreadable', message, { cause: error });
  }
  const isNew = !names.includes('CURRENT');
  if (isNew && names.some((name) => /\.(ldb|sst|log)$/.test(name))) {
    throw problems.damaged('its file CURRENT is missing');
  }
  if (!isNew && !names.some((name) => name.startsWith('MANIFEST-'))) {
    throw problems.damaged('its MANIFEST file is missing');
  }
}

/**
 * Makes a directory, and those above it. Node.js itself, which LevelDB would ask, tries for ever where the system says of a
 * directory that it cannot be, as Linux does in /proc.
 */
async function makeDirectory(path: string): Promise<void> {
  const failed = (error: unknown): PeerlaneError => {
    const message = `cannot make the directory ${path}: ${fileProblem(error)}`;
    return new PeerlaneError('file-unreadable', message, { cause: error });
  };
  const isMade = async (): Promise<boolean> => {
    try {
      await mkdir(path);
      return true;
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return true;
      if (systemCode(error) === 'ENOENT') return false;
      throw failed(error);
    }
  };
  if (await isMade()) return;
  const parent = dirname(path);
  if (parent !== path) await makeDirectory(parent);
  if (!(await isMade())) throw failed('the system refuses it');
}

/** LevelDB opens only files that it has written: one that is missing or cut off is damage, whatever the system says. */
const BROKEN_FILE = /: (No such file or directory|Invalid argument|Is a directory)$/;

/** What goes wrong with a directory, in our words. */
class Problems {
  readonly #path: string;
  readonly #options: LevelOptions;

  constructor(path: string, options: LevelOptions) {
    this.#path = path;
    this.#options = options;
  }

  ofOpening(error: unknown): PeerlaneError {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (systemCode(cause) === 'LEVEL_LOCKED') {
      return new PeerlaneError('store-locked', `${this.#name} is in use by another process`, { cause });
    }
    if (isDamage(cause)) return this.damaged(messageOf(cause), cause);
    const { what } = this.#options;
    return new PeerlaneError('file-unreadable', `cannot open ${what} ${this.#path}: ${messageOf(cause)}`, {
      cause,
    });
  }

  ofOperation(error: unknown): PeerlaneError {
    if (systemCode(error) === 'LEVEL_DATABASE_NOT_OPEN') {
      return new PeerlaneError('closed', `${this.#name} is closed`, { cause: error });
    }
    if (isDamage(error)) return this.damaged(messageOf(error), error);
    return new PeerlaneError('file-unreadable', `${this.#name} failed: ${messageOf(error)}`, {
      cause: error,
    });
  }

  damaged(what: string, cause?: unknown): PeerlaneError {
    const message = `${this.#name} is damaged: ${what}; ${this.#options.advice}`;
    return new PeerlaneError('store-damaged', message, { cause });
  }

  get #name(): string {
    return `${this.#options.what} ${this.#path}`;
  }
}

function isDamage(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'LEVEL_CORRUPTION' || (code === 'LEVEL_IO_ERROR' && BROKEN_FILE.test(messageOf(error)));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
