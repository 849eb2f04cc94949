/** Samples of memory as a table: medians of three stretches of the run, and a slope. */
import { type Comparison, formatFigure } from '../../src/cli/bench/table.ts';
import { summary } from '../measure.ts';

/** How a count of honest peers begins that have lost the server, and not by leaving it; the code of the error follows. */
export const DROPPED = 'dropped: ';

/** The count of dials of honest peers that the server ended. */
export const REFUSED = 'dials failed: remote-disconnect';

/** As in `process.memoryUsage()`. */
export const MEMORY_KINDS = ['rss', 'heapTotal', 'heapUsed', 'external', 'arrayBuffers'] as const;
export type MemoryKind = (typeof MEMORY_KINDS)[number];

export interface Sample {
  /** Since the traffic began. */
  readonly minutes: number;
  /** Bytes, after a forced collection. */
  readonly memory: Readonly<Record<MemoryKind, number>>;
  readonly peers: number;
  /** Sockets, timers and whatever else keeps the server's process alive. */
  readonly handles: number;
  /** CPU seconds of the server's process so far. */
  readonly cpuSeconds: number;
}

/** How long the first, the middle and the last stretch are at most. */
const STRETCH_MINUTES = 10;
/** The first quarter is left out: code is compiled and pools grow to their size. */
const SETTLING = 0.25;

export interface Trend {
  readonly kind: MemoryKind;
  /** Medians in KiB. */
  readonly first: number;
  readonly middle: number;
  readonly last: number;
  /** KiB a minute over the last three quarters, by least squares, and the standard error of that. */
  readonly slope: number;
  readonly error: number;
}

export function trends(samples: readonly Sample[]): Trend[] {
  const total = samples.at(-1)?.minutes ?? 0;
  const stretch = Math.min(STRETCH_MINUTES, total / 3);
  return MEMORY_KINDS.map((kind) => {
    const kib = ({ memory }: Sample) => memory[kind] / 1024;
    const median = (from: number, to: number) =>
      summary(samples.filter(({ minutes }) => from <= minutes && minutes <= to).map(kib)).value;
    const settled = samples.filter(({ minutes }) => minutes >= SETTLING * total);
    return {
      kind,
      first: median(0, stretch),
      middle: median((total - stretch) / 2, (total + stretch) / 2),
      last: median(total - stretch, total),
      ...slopeOf(settled.map((sample) => [sample.minutes, kib(sample)])),
    };
  });
}

/** Slope of the line through points by least squares, and its standard error; 0 where there are too few. */
function slopeOf(points: readonly (readonly [number, number])[]): { slope: number; error: number } {
  const count = points.length;
  if (count < 3) return { slope: 0, error: 0 };
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / count;
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const xx = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / xx;
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (count - 2) / xx) };
}

/** For `tableText`. */
export function trendTable(found: readonly Trend[], total: number): Comparison {
  const length = formatFigure(Math.min(STRETCH_MINUTES, total / 3));
  const header = ['KiB', `first ${length} min`, `middle ${length}`, `last ${length}`, 'slope, KiB/min'];
  const lines = found.map(({ kind, first, middle, last, slope, error }) => [
    kind,
    ...[first, middle, last].map(formatFigure),
    `${slope.toFixed(2)} \u00b1${error.toFixed(2)}`,
  ]);
  return { header, lines, textColumns: 1 };
}

/** A sample in a line. */
export function sampleText({ minutes, memory, peers, handles, cpuSeconds }: Sample): string {
  const figures = MEMORY_KINDS.map((kind) => `${kind} ${formatFigure(memory[kind] / 1024)}`);
  return `${minutes.toFixed(1)} min: ${peers} peers, ${handles} handles, ${figures.join(', ')} KiB, CPU ${cpuSeconds.toFixed(1)} s`;
}
