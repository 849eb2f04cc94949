import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { setLatest } from '../base/recent.ts';
import { decodeBans, encodeBans } from './ban-codec.ts';
import { type Bans, type BanTarget, banKeyOf, MAX_BANS } from './bans.ts';
import type { NodeDatabase } from './node-db/index.ts';

/** The most that a crash loses. */
export const BANS_WRITE_DELAY_MS = 1_000;
/** After a write that failed. */
export const BANS_RETRY_MS = 30_000;

export interface BanStoreOptions {
  readonly bans: Bans;
  /** 32 bytes: the bans of this node, of those that may share a database. */
  readonly id: Uint8Array;
  readonly database: Pick<NodeDatabase, 'localBans' | 'storeLocalBans' | 'damage'> | undefined;
  readonly env: Pick<Env, 'setTimer'>;
  /** Told of damage, and of reads and writes that failed; none of it is a reason to stop. */
  readonly failed: (error: PeerlaneError) => void;
}

/** Keeps bans in the node database, where there is one. */
export class BanStore {
  readonly #options: BanStoreOptions;
  #timer: Timer | undefined;
  /** There is something to be written. */
  #isDirty = false;
  #isLoaded = false;
  /** Bans that were taken back before those of the last run were read, by their keys. */
  readonly #takenBack = new Map<string, true>();
  #isClosed = false;

  constructor(options: BanStoreOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    const { bans, id, database, failed } = this.#options;
    try {
      const value = await database?.localBans(id);
      const { bans: stored, damaged } = decodeBans(value ?? new Uint8Array(0));
      for (const ban of stored) {
        if (this.#takenBack.has(banKeyOf(ban))) this.#isDirty = true;
        else bans.restore(ban);
      }
      const cause = database?.damage;
      if (damaged > 0) {
        failed(new PeerlaneError('store-damaged', `the stored bans were damaged in ${damaged} places`));
      } else if (cause !== undefined) {
        const message = `the node database was damaged: bans may be lost, ${stored.length} were read`;
        failed(new PeerlaneError('store-damaged', message, { cause }));
      }
    } catch (error) {
      failed(toPeerlaneError(error));
    }
    this.#isLoaded = true;
    this.#takenBack.clear();
    if (this.#isDirty && !this.#isClosed) this.#schedule(BANS_WRITE_DELAY_MS);
  }

  /** The bans have changed. */
  changed(): void {
    if (this.#options.database === undefined) return;
    this.#isDirty = true;
    // Before that, the bans of the last run would be overwritten.
    if (this.#isLoaded) this.#schedule(BANS_WRITE_DELAY_MS);
  }

  /** The user has taken a ban back, perhaps one of an earlier run that is still to be read. */
  takenBack(target: BanTarget): void {
    if (!this.#isLoaded)
      setLatest(this.#takenBack, banKeyOf(target), true, MAX_BANS.node.all + MAX_BANS.ip.all);
  }

  #schedule(ms: number): void {
    this.#timer ??= this.#options.env.setTimer(ms, () => {
      this.#timer = undefined;
      void this.#write();
    });
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!this.#isLoaded && (this.#isDirty || this.#takenBack.size > 0)) await this.load();
    if (this.#isDirty) await this.#write();
  }

  async #write(): Promise<void> {
    const { bans, id, database, failed } = this.#options;
    this.#isDirty = false;
    try {
      await database?.storeLocalBans(id, encodeBans(bans.all));
    } catch (error) {
      this.#isDirty = true;
      failed(toPeerlaneError(error));
      if (!this.#isClosed) this.#schedule(BANS_RETRY_MS);
    }
  }
}
