/** What a crawl has found, as one HTML page. */
import type { NodeSet } from '../../server/node-set.ts';
import { formatCount, formatNumber, printable } from '../format.ts';
import {
  agesOf,
  type Counts,
  capabilitiesOf,
  clientsOf,
  entriesOf,
  familiesOf,
  forksOf,
  greetedOf,
  lastSeenOf,
  networksOf,
  scoresOf,
  timesOf,
} from '../node-set-facts.ts';
import { documentOf, escaped, factListOf } from '../page.ts';
import { DISCOVERY_VERSIONS } from '../versions.ts';
import type { VersionCounts } from './asker.ts';

/** Bars of a chart: strangers may invent any number of names. */
const MAX_BARS = 20;
const MAX_NAME_LENGTH = 60;

const NOT_ASKED =
  'They are said only to whoever connects, and no node of the set has been asked. A crawl with --hello asks.';

const STYLE = `
table { border-collapse: collapse; width: 100%; margin-top: .5rem; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: normal; padding: .1rem .75rem .1rem 0; overflow-wrap: anywhere; width: 14rem; }
td { padding: .1rem 0; }
td.figure { text-align: right; white-space: nowrap; width: 8rem; }
.bar { display: block; height: .9rem; min-width: 1px; border-radius: 2px; background: var(--first); }
`;

export interface CrawlReport {
  readonly set: NodeSet;
  /** Unix ms. */
  readonly now: number;
  /** How many nodes have answered in this crawl, by each version that was asked. */
  readonly versions: VersionCounts;
}

interface Chart {
  readonly title: string;
  readonly note: string;
  /** A sentence: why there are none. */
  readonly counts: Counts | string;
}

/** A whole HTML document. */
export function crawlPageOf({ set, now, versions }: CrawlReport): string {
  const date = new Date(now).toISOString();
  const { firstResponse, lastResponse } = timesOf(set);
  const asked = DISCOVERY_VERSIONS.filter((version) => versions[version] !== undefined);
  const answered = Object.entries(versions).map(([by, nodes]): [string, string] => [
    `answered by ${by}`,
    formatNumber(nodes),
  ]);
  const day = (ms: number | undefined): string =>
    ms === undefined ? 'never' : `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const charts: Chart[] = [
    {
      title: 'Networks',
      note: 'By the fork id of the record: a public network, another one, or none named.',
      counts: networksOf(set),
    },
    { title: 'Forks', note: 'The fork ids that records name, by their hash.', counts: forksOf(set) },
    ...helloCharts(set),
    { title: 'Entries', note: 'What records say, by its key.', counts: entriesOf(set) },
    { title: 'Addresses', note: 'The families of addresses.', counts: familiesOf(set) },
    { title: 'Ages', note: 'From the first answer of a node to its last.', counts: agesOf(set) },
    { title: 'Last seen', note: 'Time since the last answer.', counts: lastSeenOf(set, now) },
    {
      title: 'Scores',
      note: 'One more for each check that a node has answered, half for each that it has not.',
      counts: scoresOf(set),
    },
  ];
  const main = `<h1>peerlane crawl</h1>
<p>Nodes of discovery ${asked.join(' and ')}, on <time datetime="${date}">${day(now)}</time></p>
${factListOf([
  ['nodes', formatNumber(set.size)],
  ...answered,
  ['first answer', day(firstResponse)],
  ['last answer', day(lastResponse)],
])}
${charts.map(sectionOf).join('\n')}`;
  return documentOf('peerlane crawl', STYLE, main);
}

function helloCharts(set: NodeSet): Chart[] {
  const known = greetedOf(set);
  if (known === 0) return [{ title: 'Protocol versions and clients', note: '', counts: NOT_ASKED }];
  const note = `Of the ${formatCount(known, 'node')} that took a connection, in this crawl or an earlier one.`;
  return [
    { title: 'Protocol versions', note, counts: capabilitiesOf(set) },
    { title: 'Clients', note, counts: clientsOf(set) },
  ];
}

function sectionOf({ title, note, counts }: Chart, index: number): string {
  return `<section aria-labelledby="title-${index}">
<h2 id="title-${index}">${escaped(title)}</h2>
${note === '' ? '' : `<p class="note">${escaped(note)}</p>\n`}${typeof counts === 'string' ? `<p>${escaped(counts)}</p>` : tableOf(counts, index)}
</section>`;
}

function tableOf(counts: Counts, index: number): string {
  const shown = counts.slice(0, MAX_BARS);
  const most = Math.max(1, ...shown.map(([, count]) => count));
  const rows = shown.map(([name, count]) => {
    const share = ((100 * count) / most).toFixed(1);
    return `<tr><th scope="row">${escaped(printable(name, MAX_NAME_LENGTH))}</th><td><span class="bar" style="width:${share}%"></span></td><td class="figure">${formatNumber(count)}</td></tr>`;
  });
  const more = counts.length - shown.length;
  const rest = more > 0 ? `<p class="note">and ${formatNumber(more)} more</p>` : '';
  if (rows.length === 0) return '<p>none</p>';
  return `<table aria-labelledby="title-${index}"><tbody>\n${rows.join('\n')}\n</tbody></table>${rest}`;
}
