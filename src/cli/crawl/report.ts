/** What a crawl says of itself. */
import type { Crawler } from '../../server/crawler.ts';
import type { Context } from '../command.ts';
import { formatCount, formatDuration, formatNumber } from '../format.ts';
import type { Greetings } from './greetings.ts';

export function printProgress(
  { env, output }: Context,
  crawler: Crawler,
  begunAt: number,
  timeoutMs: number,
): void {
  const { nodes, waiting, checked, answered, added, removed } = crawler.stats;
  const seconds = (env.now() - begunAt) / 1_000;
  const left = Math.max(0, timeoutMs / 1_000 - seconds);
  output.event(
    'progress',
    { nodes, waiting, checked, answered, added, removed, seconds, secondsLeft: left },
    `${formatCount(nodes, 'node')}, ${formatNumber(checked)} checked (${formatNumber(Math.round(checked / seconds))}/s), ${formatNumber(answered)} answered, ${formatNumber(added)} new, ${formatNumber(removed)} gone, ${formatDuration(left)} left at most`,
  );
}

interface CrawlEnd {
  readonly file: string;
  readonly begunAt: number;
  readonly greetings: Greetings | undefined;
}

export function printSummary(
  { env, output }: Context,
  crawler: Crawler,
  { file, begunAt, greetings }: CrawlEnd,
): void {
  const { nodes, checked, answered, added, removed } = crawler.stats;
  const seconds = (env.now() - begunAt) / 1_000;
  const hellos = greetings?.known.size;
  output.event(
    'summary',
    { file, nodes, checked, answered, added, removed, hellos, seconds },
    [
      `${file}: ${formatCount(nodes, 'node')}, ${formatNumber(added)} new, ${formatNumber(removed)} gone`,
      `checked ${formatNumber(checked)} in ${formatDuration(seconds)}, ${formatNumber(answered)} answered`,
      ...(hellos === undefined ? [] : [`${formatNumber(hellos)} took a connection`]),
    ].join('\n'),
  );
}
