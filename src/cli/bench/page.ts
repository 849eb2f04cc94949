/** The result as one HTML page that needs nothing else: charts in SVG, and all figures in a table. */
import type { Backend } from '../../bench/figure.ts';
import { documentOf, escaped, factListOf } from '../page.ts';
import { type BarGroup, type Chart, chartsOf, factsOf, type Report } from './report.ts';
import { comparison, formatFigure } from './table.ts';

/** Of a chart, in units of its view box. */
const LABEL_WIDTH = 170;
const BAR_WIDTH = 400;
const VALUE_WIDTH = 190;
const BAR_HEIGHT = 14;
const BAR_GAP = 3;
const GROUP_GAP = 12;

const STYLE = `
:root { --native: var(--first); --js: var(--second); }
svg { display: block; width: 100%; min-width: 40rem; height: auto; margin-top: .5rem; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.native { fill: var(--native); background: var(--native); }
.js { fill: var(--js); background: var(--js); }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; border-radius: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-top: .5rem; }
caption { text-align: left; color: var(--dim); }
th, td { padding: .2rem .75rem .2rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { text-align: left; }
.figure { text-align: right; }
`;

/** A whole HTML document. */
export function pageOf(report: Report): string {
  const charts = chartsOf(report.rows);
  const date = new Date(report.startedAt).toISOString();
  const pace = report.pace === 'quick' ? ' with short rounds (--quick): the figures are rough.' : '.';
  const main = `<h1>peerlane bench</h1>
<p>The native addon and the JavaScript backend of peerlane on one machine, measured on
<time datetime="${date}">${date.slice(0, 16).replace('T', ' ')} UTC</time>${pace}</p>
${factListOf(factsOf(report))}
<p class="note">Bars are medians.${legend(report)}</p>
${charts.map(chartSection).join('\n')}
${tableSection(report)}`;
  return documentOf('peerlane bench', STYLE, main);
}

function legend({ backends }: Report): string {
  return backends.map(({ name }) => `<span class="key ${name}" aria-hidden="true"></span>${name}`).join('');
}

function chartSection(chart: Chart, index: number): string {
  return `<section aria-labelledby="title-${index}">
<h2 id="title-${index}">${escaped(chart.title)}</h2>
<figure>
<figcaption>${escaped(chart.note)}</figcaption>
<div class="scroll" role="region" tabindex="0" aria-labelledby="title-${index}">
${svgOf(chart, index)}
</div>
</figure>
</section>`;
}

function svgOf({ title, groups }: Chart, index: number): string {
  const width = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH;
  const parts: string[] = [];
  let y = 0;
  for (const group of groups) {
    parts.push(groupOf(group, y));
    y += group.bars.length * (BAR_HEIGHT + BAR_GAP) + GROUP_GAP;
  }
  const [titleId, textId] = [`chart-${index}`, `chart-text-${index}`];
  return `<svg viewBox="0 0 ${width} ${y}" role="img" aria-labelledby="${titleId}" aria-describedby="${textId}">
<title id="${titleId}">${escaped(title)}</title>
<desc id="${textId}">${escaped(groups.map(inWords).join('; '))}</desc>
${parts.join('\n')}
</svg>`;
}

function groupOf({ label, unit, bars }: BarGroup, top: number): string {
  const height = bars.length * (BAR_HEIGHT + BAR_GAP);
  const name = svgText(LABEL_WIDTH - 10, top + height / 2 + 3, escaped(label), 'end');
  const drawn = bars.map(({ subject, value, share }, i) => {
    const y = top + i * (BAR_HEIGHT + BAR_GAP);
    const length = Math.max(1, Math.round(share * BAR_WIDTH));
    return (
      `<rect class="${subject}" x="${LABEL_WIDTH}" y="${y}" width="${length}" height="${BAR_HEIGHT}" rx="2"/>` +
      svgText(LABEL_WIDTH + length + 6, y + BAR_HEIGHT - 3, valueText(subject, value, unit), 'start')
    );
  });
  return `<g aria-hidden="true">${name}${drawn.join('')}</g>`;
}

function svgText(x: number, y: number, content: string, anchor: 'start' | 'end'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${content}</text>`;
}

/** Colour alone tells nobody who does not see it. */
const valueText = (subject: Backend, value: number, unit: string): string =>
  escaped(`${subject} ${formatFigure(value)} ${unit}`);

function inWords({ label, unit, bars }: BarGroup): string {
  const values = bars.map(({ subject, value }) => `${subject} ${formatFigure(value)}`);
  return `${label}: ${values.join(', ')} ${unit}`;
}

function tableSection({ rows, backends }: Report): string {
  const { header, lines, textColumns } = comparison(
    rows,
    backends.map(({ name }) => name),
  );
  const head = header.map(
    (title, i) => `<th scope="col"${figureClass(i >= textColumns)}>${escaped(title)}</th>`,
  );
  const body = lines.map((line) => {
    const cells = line.map((cell, i) =>
      i === 0
        ? `<th scope="row">${escaped(cell)}</th>`
        : `<td${figureClass(i >= textColumns)}>${escaped(cell)}</td>`,
    );
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<section aria-labelledby="figures">
<h2 id="figures">All figures</h2>
<div class="scroll" role="region" tabindex="0" aria-labelledby="figures">
<table>
<caption>Median of the rounds, and how far they lie from it; of ms less is better.</caption>
<thead><tr>${head.join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody>
</table>
</div>
</section>`;
}

const figureClass = (isFigure: boolean): string => (isFigure ? ' class="figure"' : '');
