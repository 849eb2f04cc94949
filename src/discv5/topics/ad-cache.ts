import type { Env } from '../../base/env.ts';
import { shuffledNumbers } from '../../base/shuffled.ts';
import type { NodeRecord } from '../../enr/index.ts';
import type { Networks } from '../../kad/index.ts';
import type { Placed } from './waiting-time.ts';

/** An advertisement that was let in. */
export interface Ad extends Placed {
  /** The advertiser's node id, as a key of maps. */
  readonly advertiser: string;
  /** As it was let in: it does not change until the advertisement is renewed. */
  readonly record: NodeRecord;
  /** The text of the address. */
  readonly ip: string;
  /** Of the address; `undefined` for local ones. */
  readonly networks: Networks | undefined;
  readonly expiresAt: number;
}

/**
 * The advertisements of a registrar (discv5-theory.md, "Ad Cache"): at most `capacity`, and one of an advertiser for a
 * topic. All live equally long, so the order in which they came is the one in which they go.
 */
export class AdCache {
  readonly capacity: number;
  /** The one that expires first stands first. */
  readonly #ads = new Map<string, Ad>();
  /** Those of a topic, by advertiser. There is no topic without any. */
  readonly #topics = new Map<string, Map<string, Ad>>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#ads.size;
  }

  /** Topics of which there is at least one advertisement. */
  get topics(): number {
    return this.#topics.size;
  }

  get(topic: string, advertiser: string): Ad | undefined {
    return this.#topics.get(topic)?.get(advertiser);
  }

  /**
   * Takes an advertisement that expires no sooner than all others. One of the same advertiser for the topic has to be
   * removed before. `false` if there is no room.
   */
  add(ad: Ad): boolean {
    const { topic, advertiser } = ad;
    if (this.size >= this.capacity || this.get(topic, advertiser) !== undefined) return false;
    this.#ads.set(adKey(ad), ad);
    const ofTopic = this.#topics.get(topic);
    if (ofTopic === undefined) this.#topics.set(topic, new Map([[advertiser, ad]]));
    else ofTopic.set(advertiser, ad);
    return true;
  }

  remove(ad: Ad): void {
    if (!this.#ads.delete(adKey(ad))) return;
    const ofTopic = this.#topics.get(ad.topic);
    ofTopic?.delete(ad.advertiser);
    if (ofTopic?.size === 0) this.#topics.delete(ad.topic);
  }

  /** Removes all whose time is over, and gives them. */
  expire(now: number): Ad[] {
    const expired: Ad[] = [];
    for (const ad of this.#ads.values()) {
      if (ad.expiresAt > now) break;
      expired.push(ad);
    }
    for (const ad of expired) this.remove(ad);
    return expired;
  }

  /** At most `max` wanted advertisements of a topic, by chance, each as likely as any other, in random order. */
  sample(
    topic: string,
    max: number,
    randomBytes: Env['randomBytes'],
    isWanted: (ad: Ad) => boolean = () => true,
  ): Ad[] {
    const all = [...(this.#topics.get(topic)?.values() ?? [])];
    const chosen: Ad[] = [];
    for (const index of shuffledNumbers(all.length, randomBytes)) {
      if (chosen.length === max) break;
      const ad = all[index];
      if (ad !== undefined && isWanted(ad)) chosen.push(ad);
    }
    return chosen;
  }
}

export function adKey({ topic, advertiser }: Ad): string {
  return topic + advertiser;
}
