/** What a crawl says of itself. */
import type { Crawler } from '../../server/crawler.ts';
import type { NodeSet } from '../../server/node-set.ts';
import type { Context } from '../command.ts';
import { formatCount, formatDuration, formatNumber, rounded } from '../format.ts';
import { greetedOf } from '../node-set-facts.ts';
import type { Fields, Output } from '../output.ts';
import type { VersionCounts } from './asker.ts';
import { type Greetings, wantsHello } from './greetings.ts';

interface CrawlTimes {
  readonly begunAt: number;
  readonly timeoutMs: number;
  readonly greetings: Greetings | undefined;
  readonly versions: VersionCounts;
}

export function printProgress(
  { env, output }: Context,
  crawler: Crawler,
  { begunAt, timeoutMs, greetings, versions }: CrawlTimes,
): void {
  const { nodes, waiting, checked, answered, added, removed } = crawler.stats;
  const seconds = rounded((env.now() - begunAt) / 1_000);
  const left = rounded(Math.max(0, timeoutMs / 1_000 - seconds));
  const hello =
    greetings === undefined
      ? ''
      : `, ${formatNumber(greetings.answered)} of ${formatNumber(greetings.asked)} clients`;
  output.status(
    'progress',
    {
      ...{ nodes, waiting, checked, answered, versions, added, removed, ...hellosOf(greetings) },
      ...{ seconds, secondsLeft: left },
    },
    `${formatCount(nodes, 'node')}, ${formatNumber(checked)} checked (${formatNumber(Math.round(checked / Math.max(0.001, seconds)))}/s), ${formatNumber(answered)} answered${ofVersions(versions)}, ${formatNumber(added)} new, ${formatNumber(removed)} gone${hello}, ${formatDuration(left)} left at most`,
  );
}

/** Nothing where only one was asked. */
function ofVersions({ v4, v5, both }: VersionCounts): string {
  if (v4 === undefined || v5 === undefined) return '';
  return ` (${formatNumber(v4)} by v4, ${formatNumber(v5)} by v5, ${formatNumber(both ?? 0)} by both)`;
}

function hellosOf(greetings: Greetings | undefined): Fields {
  if (greetings === undefined) return {};
  return { hellosAsked: greetings.asked, hellos: greetings.answered };
}

/** @param nodes those of the set and of lists that there is no way to */
export function printUnreached(output: Output, nodes: number): void {
  if (nodes === 0) return;
  const text = `from here there is no way to ${formatCount(nodes, 'node')}, for want of an address of the same family: not checked`;
  output.event('unreached', { nodes }, text);
}

interface CrawlEnd extends Omit<CrawlTimes, 'timeoutMs'> {
  readonly file: string;
  readonly set: NodeSet;
}

export function printSummary(
  { env, output }: Context,
  crawler: Crawler,
  { file, set, begunAt, greetings, versions }: CrawlEnd,
): void {
  const { nodes, checked, answered, added, removed } = crawler.stats;
  const seconds = rounded((env.now() - begunAt) / 1_000);
  const clients = greetedOf(set);
  output.event(
    'summary',
    { file, nodes, checked, answered, versions, added, removed, ...hellosOf(greetings), clients, seconds },
    [
      `${file}: ${formatCount(nodes, 'node')}, ${formatNumber(added)} new, ${formatNumber(removed)} gone`,
      `checked ${formatNumber(checked)} in ${formatDuration(seconds)}, ${formatNumber(answered)} answered${ofVersions(versions)}`,
      ...(greetings === undefined ? [] : [greetingsLine(greetings, set, env.unixTime())]),
    ].join('\n'),
  );
}

function greetingsLine({ asked, answered }: Greetings, set: NodeSet, now: number): string {
  const all = `the clients of ${formatCount(greetedOf(set), 'node')} are known`;
  if (asked > 0)
    return `asked ${formatCount(asked, 'node')} for its client, ${formatNumber(answered)} answered; ${all}`;
  const left = [...set.values()].filter((entry) => wantsHello(entry, now)).length;
  const why =
    left === 0 ? 'no other node of eth is in the set' : `${formatNumber(left)} more did not answer the crawl`;
  return `asked nobody for a client; ${all}, ${why}`;
}
