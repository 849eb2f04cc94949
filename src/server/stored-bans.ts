/** The bans in a node database on the disk, of every node of this machine that has used it: for who runs none of them. */
import { toBareHex } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import type { KvChange, ScannableStore } from '../base/kv.ts';
import { type Ban, decodeBans, encodeBans } from './ban-codec.ts';
import { Bans } from './bans.ts';
import { bansKeyOf, ownerOfBansKey } from './node-db/keys.ts';
import { openAsItIs } from './node-db/load.ts';

/** Records read at a time. */
const SCAN_LENGTH = 256;

export interface StoredBan {
  readonly ban: Ban;
  /** Node id of the node that refuses whom the ban names, in hexadecimal. */
  readonly local: string;
}

interface Kept {
  readonly owner: Uint8Array;
  readonly bans: Bans;
}

export class StoredBans implements AsyncDisposable {
  /** Bans that could not be read, and are gone as soon as others of the same node are removed. */
  readonly damaged: number;
  readonly #kv: ScannableStore;
  readonly #kept: readonly Kept[];

  private constructor(kv: ScannableStore, kept: readonly Kept[], damaged: number) {
    this.#kv = kv;
    this.#kept = kept;
    this.damaged = damaged;
  }

  /**
   * Opens a node database that is there. A damaged one is left as it is.
   * @throws PeerlaneError `file-unreadable`, also when there is none; `store-locked` while a node runs on it, `store-damaged`,
   * `store-mismatch` when it is a database of something else
   */
  static async open(path: string, env: Pick<Env, 'unixTime'>): Promise<StoredBans> {
    const kv = await openAsItIs(path);
    try {
      const kept: Kept[] = [];
      let damaged = 0;
      for await (const entries of kv.scan(SCAN_LENGTH)) {
        for (const { key, value } of entries) {
          const owner = ownerOfBansKey(key);
          if (owner === undefined) continue;
          const decoded = decodeBans(value);
          const bans = new Bans(env);
          for (const ban of decoded.bans) bans.restore(ban);
          damaged += decoded.damaged;
          kept.push({ owner, bans });
        }
      }
      return new StoredBans(kv, kept, damaged);
    } catch (error) {
      await kv.close();
      throw error;
    }
  }

  /** Those that hold now, by node, in the order in which they were made. */
  get all(): readonly StoredBan[] {
    return this.#kept.flatMap(({ owner, bans }) => bans.all.map((ban) => ({ ban, local: toBareHex(owner) })));
  }

  /** Takes bans back; which they were. @throws PeerlaneError `file-unreadable`, `store-damaged` */
  async remove(isMeant: (ban: Ban) => boolean): Promise<readonly StoredBan[]> {
    const removed: StoredBan[] = [];
    const changes: KvChange[] = [];
    for (const { owner, bans } of this.#kept) {
      const gone = bans.all.filter(isMeant);
      if (gone.length === 0) continue;
      for (const ban of gone) {
        bans.remove(ban);
        removed.push({ ban, local: toBareHex(owner) });
      }
      changes.push({ key: bansKeyOf(owner), value: encodeBans(bans.all) });
    }
    if (changes.length > 0) await this.#kv.batch(changes);
    return removed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kv.close();
  }
}
