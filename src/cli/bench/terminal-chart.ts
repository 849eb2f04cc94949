/** Bar charts of characters. */
import type { Backend } from '../../bench/figure.ts';
import type { BarGroup, Chart } from './report.ts';
import { formatFigure } from './table.ts';

/** A bar's end, in eighths of a character. */
const EIGHTHS = ['', '\u258f', '\u258e', '\u258d', '\u258c', '\u258b', '\u258a', '\u2589'];
const FULL_BLOCK = '\u2588';
const COLOURS: Readonly<Record<Backend, number>> = { native: 36, js: 33 };
/** Less is no chart. */
const SHORTEST = 8;
const WIDEST = 110;

export interface ChartStyle {
  /** Characters in a line. */
  readonly width: number;
  readonly colour: boolean;
}

/** The charts, one below the other; no line is longer than the width, from 30 on. */
export function chartText(charts: readonly Chart[], { width, colour }: ChartStyle): string {
  const line = Math.min(width, WIDEST);
  return charts.map((chart) => oneChart(chart, line, colour)).join('\n\n');
}

function oneChart({ title, note, groups }: Chart, width: number, colour: boolean): string {
  const labels = Math.max(...groups.map(({ label }) => label.length));
  const subjects = Math.max(...groups.flatMap(({ bars }) => bars.map(({ subject }) => subject.length)));
  const values = Math.max(...groups.flatMap((group) => valuesOf(group).map(({ length }) => length)));
  const beside = width - (labels + subjects + values + 3);
  // Where there is no room for names beside bars they stand above.
  const above = beside < SHORTEST;
  const indent = above ? 2 : labels + 1;
  const room = Math.max(1, width - (indent + subjects + values + 2));
  const lines = groups.flatMap((group) => {
    const texts = valuesOf(group);
    const bars = group.bars.map(({ subject, share }, i) => {
      const drawn = bar(share, room);
      const painted = colour ? `\u001b[${COLOURS[subject]}m${drawn}\u001b[0m` : drawn;
      const label = above ? '  ' : `${i === 0 ? group.label.padEnd(labels) : ' '.repeat(labels)} `;
      return `${label}${subject.padEnd(subjects)} ${painted} ${texts[i] ?? ''}`;
    });
    return above ? [group.label.slice(0, width), ...bars] : bars;
  });
  const heading = `${title} (${note})`;
  return [...wrapped(heading, width), ...lines].join('\n');
}

const valuesOf = ({ bars, unit }: BarGroup): string[] =>
  bars.map(({ value }) => `${formatFigure(value)} ${unit}`);

/** At least an eighth of a character, so that a small figure is not none. */
function bar(share: number, room: number): string {
  const eighths = Math.max(1, Math.round(share * room * 8));
  return FULL_BLOCK.repeat(eighths >> 3) + EIGHTHS[eighths & 7];
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
