/** The figures of a bootnode. */
import { isPeerlaneError } from '../base/errors.ts';
import { sleep } from '../base/sleep.ts';
import type { Discv5Stats } from '../discv5/index.ts';
import type { NodeDatabase } from '../server/index.ts';
import type { RunningVersions } from '../server/running-versions.ts';
import type { Context } from './command.ts';
import { formatBytes, formatCount, formatNumber } from './format.ts';
import type { AskingService } from './services.ts';
import { DISCOVERY_VERSIONS, type DiscoveryVersion } from './versions.ts';

interface Before {
  /** Milliseconds of `Env.now`. */
  readonly at: number;
  readonly received: number;
}

type Stats = ReturnType<AskingService['stats']>;

export class ListenStats {
  readonly #context: Context;
  readonly #running: RunningVersions;
  readonly #database: NodeDatabase;
  readonly #before = new Map<DiscoveryVersion, Before>();

  constructor(context: Context, running: RunningVersions, database: NodeDatabase) {
    this.#context = context;
    this.#running = running;
    this.#database = database;
    for (const version of DISCOVERY_VERSIONS) this.#countOf(version, running[version]?.stats().received ?? 0);
  }

  /** Prints them again and again, until the signal aborts. */
  async printEvery(intervalMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await sleep(this.#context.env, intervalMs, signal);
      } catch (error) {
        if (isPeerlaneError(error, 'aborted')) return;
        throw error;
      }
      for (const version of DISCOVERY_VERSIONS) {
        const service = this.#running[version];
        if (service !== undefined) this.#print(version, service);
      }
    }
  }

  #print(version: DiscoveryVersion, service: AskingService): void {
    const stats = service.stats();
    const { received, dropped, sent, sentBytes } = stats;
    const { entries, live, replacements } = service.table.stats();
    const known = this.#database.size;
    const topics = topicsOf(stats);
    const perSecond = Math.round(10 * this.#countOf(version, received)) / 10;
    this.#context.output.event(
      'stats',
      {
        ...{ version, table: entries, live, replacements, known, packetsPerSecond: perSecond },
        ...{ received, dropped: this.#ownOf(version, dropped), shed: dropped.shed, sent, sentBytes },
        ...(topics && { ads: topics.ads, topics: topics.topics }),
      },
      [
        `${version}: table ${formatNumber(entries)}, of which ${formatNumber(live)} live`,
        `${formatNumber(known)} known`,
        `${formatNumber(perSecond)} packets/s`,
        `${formatNumber(dropped.shed)} shed`,
        `sent ${formatBytes(sentBytes)}`,
        ...(topics ? [`${formatCount(topics.ads, 'ad')} of ${formatCount(topics.topics, 'topic')}`] : []),
      ].join(', '),
    );
  }

  /** What is foreign to v5 goes to v4, which counts what it is. */
  #ownOf(version: DiscoveryVersion, dropped: Stats['dropped']): Readonly<Record<string, number>> {
    if (version === 'v4' || this.#running.v4 === undefined) return { ...dropped };
    const { foreign: _, ...own } = dropped;
    return own;
  }

  /** @returns how many have come in a second since it was called last */
  #countOf(version: DiscoveryVersion, received: number): number {
    const at = this.#context.env.now();
    const before = this.#before.get(version) ?? { at, received };
    this.#before.set(version, { at, received });
    return ((received - before.received) * 1_000) / Math.max(1, at - before.at);
  }
}

/** What a node keeps for others by v5. */
function topicsOf(stats: Stats): Discv5Stats['topics'] | undefined {
  return 'topics' in stats ? stats.topics : undefined;
}
