/** The figures of a simulated topic, for people. */
import { fixed, lines, percent } from '../report.ts';
import type { Spread } from './figures.ts';
import type { SearchFigures } from './searches.ts';
import type { TopicFigures, TopicSimulationOptions } from './simulation.ts';

export type TopicResult = TopicFigures & {
  /** Wall time. */
  readonly seconds: number;
};

/** What of a simulation is not as it would be, for whoever reads the figures. */
export const SIMULATED = `simulated: delay, loss, sessions and timeouts of discovery v5; records that nobody has signed, packets that nobody
has encrypted; ordinary tables are filled beforehand (16 of a bucket, by chance); one topic, and all caches empty.`;

export function topicText(result: TopicResult): string {
  const { nodes, advertisers, sybils, first, all, looks, traffic, load, seconds } = result;
  const attacker = sybils > 0 ? `, and an attacker with ${sybils} identities` : '';
  const last = looks.at(-1);
  return lines(`${nodes} nodes, of which ${advertisers} advertise${attacker}`, [
    ['first registrar after', spreadText(first, 's')],
    ['all registrars after', spreadText(all, 's')],
    [
      'an advertiser sends and receives',
      `${fixed(traffic.packets)} packets, ${fixed(traffic.bytes / 1000, 2)} kB a minute`,
    ],
    ['requests of an advertiser', `${fixed(traffic.requests)} a minute`],
    [
      'requests to a registrar',
      `${fixed(load.requests.mean, 2)} a minute, at most ${fixed(load.requests.max)}: ${ratio(load.requests)} times as many`,
    ],
    [
      'advertisements of a registrar',
      `${fixed(load.ads.mean, 2)}, at most ${load.ads.max}: ${ratio(load.ads)} times as many`,
    ],
    ...looks.map(({ minute, active, pending, searches }): [string, string] => [
      `after ${minute} min`,
      `${fixed(active)} registrars of an advertiser, ${fixed(pending)} to come; ${foundText(searches)}`,
    ]),
    ...(last === undefined ? [] : searchRows(last.searches)),
    ['wall time', `${fixed(seconds)} s`],
  ]);
}

function foundText({ found, ms, requests }: SearchFigures): string {
  return `a search finds ${fixed(found)} in ${fixed(ms.median, 0)} ms by ${fixed(requests)} requests`;
}

function searchRows(searches: SearchFigures): [string, string][] {
  const { ended, found, enough, distinct, favourite, dead, without, sybils, ms, firstMs } = searches;
  return [
    ['last searches', `${ended}, of which ${percent(enough)} found enough; ${fixed(found)} on average`],
    ['time of a search', `${spreadText(ms, 'ms')}; the first after ${fixed(firstMs.median, 0)} ms`],
    [
      'messages of a search',
      `${fixed(searches.requests)} requests, ${fixed(searches.packets)} packets, ${fixed(searches.bytes / 1000)} kB`,
    ],
    ['advertisers found by any', `${distinct}, the one found most by ${percent(favourite)} of the searches`],
    ['found that have left', percent(dead)],
    ["found that are the attacker's", percent(sybils)],
    ['searches without an honest one', percent(without)],
  ];
}

/** A table of attacks, for a document. */
export function attackTable(
  results: readonly { readonly options: TopicSimulationOptions; readonly figures: TopicFigures }[],
): string {
  const head = [
    ...['honest', 'identities', 'of the advertisers', 'of the nodes', '/24', 'of the advertisers', 'near'],
    ...["attacker's part of a search", 'honest found', 'without'],
  ];
  const rows = results.map(({ options: { attack }, figures: { nodes, advertisers, sybils, looks } }) => {
    const searches = looks.at(-1)?.searches;
    // Each honest node has one of its own.
    const networks = attack?.networks ?? 0;
    return [
      ...[advertisers, sybils, percent(sybils / (sybils + advertisers)), percent(sybils / (sybils + nodes))],
      ...[networks, percent(networks / (networks + advertisers))],
      attack === undefined || attack.nearBits === 0 ? '-' : `${attack.nearBits} bits`,
      ...(searches === undefined
        ? []
        : [
            percent(searches.sybils),
            fixed(searches.found * (1 - searches.sybils)),
            percent(searches.without),
          ]),
    ];
  });
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Why the figures say nothing; `undefined` when they do. */
export function topicFailure({ looks, first }: TopicFigures): string | undefined {
  if ((looks.at(-1)?.searches.ended ?? 0) === 0) return 'no search has ended';
  return first.count === 0 ? 'no advertiser has found a registrar' : undefined;
}

function spreadText({ missing, median, most, max }: Spread, unit: string): string {
  const never = missing > 0 ? `; ${missing} never` : '';
  return `${fixed(median)} ${unit}, nine of ten ${fixed(most)} ${unit}, at most ${fixed(max)} ${unit}${never}`;
}

function ratio({ mean, max }: { readonly mean: number; readonly max: number }): string {
  return fixed(max / mean);
}
