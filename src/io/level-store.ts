import type { BigIntStats } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { fileProblem, systemCode } from '../base/file-problem.ts';
import type { KvChange, KvEntry, ScannableStore } from '../base/kv.ts';
import { DATA_FILE, silentDamage } from './level-damage.ts';

/** What a store is called in messages, and how much memory it may take. */
export interface LevelOptions {
  /** For messages: `the chain store`. */
  readonly what: string;
  /** What to do about a damaged one, for the end of a message; without it when that is seen to. */
  readonly advice?: string;
  /** Bytes of recent writes that LevelDB holds in memory before it sorts them into a file. */
  readonly writeBufferBytes: number;
  /** Bytes of uncompressed blocks that LevelDB keeps for reading. */
  readonly readCacheBytes: number;
  /**
   * Bytes of tables of which the checksums are checked when it is opened, in whole tables, the newest first: what is damaged
   * in others is noticed when it is read, or not. 100 MB take about 0.1 s when the system has them in memory.
   */
  readonly checkedBytes: number;
}

type Level = ClassicLevel<Uint8Array, Uint8Array>;

/** A database that is open, and the directory that it was opened in, which may be another one some day. */
interface Opened {
  readonly level: Level;
  readonly directory: BigIntStats;
}

/**
 * Records in a LevelDB directory, which one process at a time may open.
 *
 * After a write has failed, be it that the disk was full for a moment, LevelDB refuses all that follow until it is opened
 * again, and may have left half a record in its log, behind which nothing would be found again. So the next write, or
 * `restore`, opens it anew first. Reads wait for that; while it cannot be opened, they fail. A write fails as well when the
 * directory has been removed, or another one is in its place: LevelDB would go on to write to files without a name.
 */
export class LevelStore implements ScannableStore {
  readonly #path: string;
  readonly #options: LevelOptions;
  readonly #problems: Problems;
  #opened: Opened;
  /** One after the other, so that none follows one that has failed before the directory is opened anew. */
  #writes: Promise<unknown> = Promise.resolve();
  #hasFailed = false;
  #reopening: Promise<void> | undefined;
  /** Why it could not be opened anew. */
  #problem: PeerlaneError | undefined;
  #isClosed = false;

  private constructor(path: string, options: LevelOptions, problems: Problems, opened: Opened) {
    this.#path = path;
    this.#options = options;
    this.#problems = problems;
    this.#opened = opened;
  }

  /**
   * Opens or creates the directory `path`.
   * @throws PeerlaneError `store-locked` when it is open elsewhere, `store-damaged`, `file-unreadable`
   */
  static async open(path: string, options: LevelOptions): Promise<LevelStore> {
    const problems = new Problems(path, options);
    return new LevelStore(path, options, problems, await openLevel(path, options, problems, true));
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#use((level) => level.get(key));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return await this.#use((level) => level.getMany([...keys]));
  }

  async batch(changes: readonly KvChange[]): Promise<void> {
    const written = this.#writes.then(() => this.#write(changes));
    this.#writes = written.catch(() => undefined);
    await written;
  }

  /** @throws PeerlaneError `store-damaged`, `file-unreadable` */
  async restore(): Promise<void> {
    const restored = this.#writes.then(() => this.#restore());
    this.#writes = restored.catch(() => undefined);
    await restored;
  }

  async isEmpty(): Promise<boolean> {
    const keys = await this.#use((level) => level.keys({ limit: 1 }).all());
    return keys.length === 0;
  }

  async *scan(length: number): AsyncGenerator<readonly KvEntry[], void, undefined> {
    const iterator = this.#opened.level.iterator();
    try {
      for (;;) {
        const entries = await this.#use(() => iterator.nextv(length));
        if (entries.length === 0) return;
        yield entries.map(([key, value]) => ({ key, value }));
      }
    } finally {
      await iterator.close();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writes;
    await this.#opened.level.close();
  }

  async #use<T>(operation: (level: Level) => Promise<T>): Promise<T> {
    if (this.#reopening !== undefined) await this.#reopening.catch(() => undefined);
    if (this.#problem !== undefined && !this.#isClosed) throw this.#problem;
    try {
      return await operation(this.#opened.level);
    } catch (error) {
      throw this.#problems.ofOperation(error);
    }
  }

  async #write(changes: readonly KvChange[]): Promise<void> {
    const operations = changes.map(({ key, value }) =>
      value === undefined ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
    );
    await this.#restore();
    this.#hasFailed = true;
    await this.#requireDirectory();
    await this.#use((level) => level.batch(operations));
    this.#hasFailed = false;
  }

  async #requireDirectory(): Promise<void> {
    if (this.#isClosed) return;
    const { dev, ino } = this.#opened.directory;
    const found = await this.#findDirectory();
    if (found.dev !== dev || found.ino !== ino) throw this.#problems.gone('another one is in its place');
  }

  async #findDirectory(): Promise<BigIntStats> {
    try {
      return await stat(this.#path, { bigint: true });
    } catch (error) {
      throw this.#problems.gone(fileProblem(error), error);
    }
  }

  async #restore(): Promise<void> {
    if (!this.#hasFailed || this.#isClosed) return;
    this.#reopening = this.#reopen();
    try {
      await this.#reopening;
      this.#hasFailed = false;
    } finally {
      this.#reopening = undefined;
    }
  }

  async #reopen(): Promise<void> {
    await this.#opened.level.close();
    try {
      // Where the directory is gone, an empty one is not what was there; and LevelDB would make it in any case.
      await this.#findDirectory();
      this.#opened = await openLevel(this.#path, this.#options, this.#problems, false);
      this.#problem = undefined;
    } catch (error) {
      this.#problem = toPeerlaneError(error);
      throw this.#problem;
    }
  }
}

/** @throws PeerlaneError as `LevelStore.open` */
async function openLevel(
  path: string,
  { writeBufferBytes, readCacheBytes, checkedBytes }: LevelOptions,
  problems: Problems,
  createIfMissing: boolean,
): Promise<Opened> {
  await refuseHeadless(path, problems);
  await refuseDamage(path, problems, checkedBytes);
  if (createIfMissing) await makeDirectory(path);
  const level: Level = new ClassicLevel<Uint8Array, Uint8Array>(path, {
    ...{ keyEncoding: 'view', valueEncoding: 'view', createIfMissing },
    ...{ writeBufferSize: writeBufferBytes, cacheSize: readCacheBytes },
  });
  try {
    await level.open();
    return { level, directory: await stat(path, { bigint: true }) };
  } catch (error) {
    await level.close();
    throw problems.ofOpening(error);
  }
}

/** LevelDB would pass over some damage, and delete what it has cut off. */
async function refuseDamage(path: string, problems: Problems, checkedBytes: number): Promise<void> {
  const look = async (): Promise<string | undefined> => {
    try {
      return await silentDamage(path, checkedBytes);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw problems.unreadable(error);
    }
  };
  if ((await look()) === undefined) return;
  // What another process is writing meanwhile may look like damage.
  if (await isInUse(path)) throw problems.locked();
  const damage = await look();
  if (damage !== undefined) throw problems.damaged(damage);
}

/** LevelDB takes its lock before it looks whether there is a database; this finds one, and changes nothing. */
async function isInUse(path: string): Promise<boolean> {
  const level = new ClassicLevel(path, { createIfMissing: false, errorIfExists: true });
  try {
    await level.open();
    await level.close();
    return false;
  } catch (error) {
    return systemCode(causeOf(error)) === 'LEVEL_LOCKED';
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
  if (isNew && names.some((name) => DATA_FILE.test(name))) {
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
    const cause = causeOf(error);
    if (systemCode(cause) === 'LEVEL_LOCKED') return this.locked(cause);
    return isDamage(cause) ? this.damaged(messageOf(cause), cause) : this.unreadable(cause);
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

  locked(cause?: unknown): PeerlaneError {
    return new PeerlaneError('store-locked', `${this.#name} is in use by another process`, { cause });
  }

  unreadable(cause: unknown): PeerlaneError {
    return new PeerlaneError('file-unreadable', `cannot open ${this.#name}: ${messageOf(cause)}`, { cause });
  }

  gone(what: string, cause?: unknown): PeerlaneError {
    const message = `the directory of ${this.#name} is no longer there: ${what}`;
    return new PeerlaneError('file-unreadable', message, { cause });
  }

  damaged(what: string, cause?: unknown): PeerlaneError {
    const { advice } = this.#options;
    const message = `${this.#name} is damaged: ${what}`;
    return new PeerlaneError('store-damaged', advice === undefined ? message : `${message}; ${advice}`, {
      cause,
    });
  }

  get #name(): string {
    return `${this.#options.what} ${this.#path}`;
  }
}

function isDamage(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'LEVEL_CORRUPTION' || (code === 'LEVEL_IO_ERROR' && BROKEN_FILE.test(messageOf(error)));
}

/** LevelDB's own error is the cause of one that says that the opening has failed. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
