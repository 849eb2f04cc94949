/** Figures in columns. */
import { advantage, type BenchRow } from '../../bench/figure.ts';

/** Three digits, or all before the point. */
export function formatFigure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

/** The median, and how far rounds were off to either side. */
export function formatRow({ value, spread }: BenchRow<string>): string {
  return `${formatFigure(value)} \u00b1${Math.round(spread * 50)}%`;
}

export interface Comparison {
  readonly header: readonly string[];
  readonly lines: readonly (readonly string[])[];
  /** Columns of text; those behind them are figures. */
  readonly textColumns: number;
}

/**
 * A line for each id, a column for each subject that has figures, in the order of `subjects`, and how many times as
 * good as each other subject the first one is.
 */
export function comparison<Subject extends string>(
  rows: readonly BenchRow<Subject>[],
  subjects: readonly Subject[],
): Comparison {
  const ids = [...new Set(rows.map(({ id }) => id))];
  const present = subjects.filter((subject) => rows.some((row) => row.subject === subject));
  const isOwnThere = present.length > 0 && present[0] === subjects[0];
  const others = isOwnThere ? present.slice(1) : [];
  const lines = ids.map((id) => {
    const of = (subject: Subject) => rows.find((row) => row.id === id && row.subject === subject);
    const own = isOwnThere ? rows.find((row) => row.id === id && row.subject === subjects[0]) : undefined;
    const ratio = (row: BenchRow<Subject> | undefined) =>
      row === undefined || own === undefined || row.value === 0 || own.value === 0
        ? ''
        : advantage(row.unit, own.value, row.value).toFixed(2);
    const unit = rows.find((row) => row.id === id)?.unit ?? '';
    const figures = present.map((subject) => {
      const row = of(subject);
      return row === undefined ? '' : formatRow(row);
    });
    return [id, unit, ...figures, ...others.map((subject) => ratio(of(subject)))];
  });
  const header = ['id', 'unit', ...present, ...others.map((subject) => `x ${subject}`)];
  return { header, lines, textColumns: 2 };
}

/** The table as text. */
export function tableText({ header, lines, textColumns }: Comparison): string {
  const widths = header.map((title, i) =>
    Math.max(title.length, ...lines.map((line) => line[i]?.length ?? 0)),
  );
  const text = [header, widths.map((width) => '-'.repeat(width)), ...lines].map((line) =>
    line
      .map((cell, i) => (i < textColumns ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return text.join('\n');
}
