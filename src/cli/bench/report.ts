/** What a run has found, and the charts that it is shown in. */
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import type { Backend, BenchRow } from '../../bench/figure.ts';
import { VERSION } from '../../version.ts';
import { formatBytes } from '../format.ts';
import type { PaceName } from './messages.ts';

/** Where the figures come from. */
export interface Machine {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
}

export interface Report {
  readonly machine: Machine;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly pace: PaceName;
  readonly backends: readonly { readonly name: Backend; readonly detail: string }[];
  /** Backends that do not run here. */
  readonly leftOut: readonly { readonly name: Backend; readonly reason: string }[];
  readonly rows: readonly BenchRow[];
}

export function thisMachine(): Machine {
  return {
    version: VERSION,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    system: `${type()} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory: totalmem(),
  };
}

/** Facts about the run: name and value. */
export function factsOf({ machine, backends, leftOut }: Report): readonly (readonly [string, string])[] {
  const { version, node, platform, system, cpu, cores, memory } = machine;
  return [
    ['peerlane', version],
    ['node', `${node}, ${platform}`],
    ['system', `${system}, ${formatBytes(memory)} of memory`],
    ['cpu', `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}`],
    ...backends.map(({ name, detail }) => [name, detail] as const),
    ...leftOut.map(({ name, reason }) => [name, `left out: ${reason}`] as const),
  ];
}

export interface Bar {
  readonly subject: Backend;
  readonly value: number;
  /** Of the longest bar on its scale: 0 to 1. */
  readonly share: number;
}

/** The bars of one question. */
export interface BarGroup {
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export interface Chart {
  readonly title: string;
  /** How the lengths of bars are to be read. */
  readonly note: string;
  readonly groups: readonly BarGroup[];
}

interface ChartKind {
  readonly title: string;
  readonly note: string;
  /** Whether a bar may be compared with those of other questions. */
  readonly commonScale: boolean;
  readonly matches: (id: string) => boolean;
}

const FRAME = /^frame-(encode|decode)-(\d+)([km]?)-x(\d+)$/;
const FRAME_NOTE = 'MB/s of payload, by message size and number of streams; one scale';
const OWN_SCALE = 'each question has a scale of its own';

const KINDS: readonly ChartKind[] = [
  {
    title: 'Frames encoded',
    note: FRAME_NOTE,
    commonScale: true,
    matches: (id) => id.startsWith('frame-encode-'),
  },
  {
    title: 'Frames decoded',
    note: FRAME_NOTE,
    commonScale: true,
    matches: (id) => id.startsWith('frame-decode-'),
  },
  {
    title: 'Handshake, connection, RLP',
    note: `${OWN_SCALE}; of ms less is better`,
    commonScale: false,
    matches: (id) => /^(handshake|tcp|rlp)/.test(id),
  },
  { title: 'Primitives', note: OWN_SCALE, commonScale: false, matches: () => true },
];

/** The rows as charts; each row is in one of them. */
export function chartsOf(rows: readonly BenchRow[]): Chart[] {
  const ids = [...new Set(rows.map(({ id }) => id))];
  const kindOf = (id: string) => KINDS.find(({ matches }) => matches(id));
  return KINDS.flatMap((kind) => {
    const own = ids.filter((id) => kindOf(id) === kind).sort((a, b) => frameOrder(a) - frameOrder(b));
    if (own.length === 0) return [];
    const most = kind.commonScale ? longest(rows.filter(({ id }) => own.includes(id))) : undefined;
    const groups = own.map((id) => groupOf(id, rows, most));
    return [{ title: kind.title, note: kind.note, groups }];
  });
}

const longest = (rows: readonly BenchRow[]): number => Math.max(...rows.map(({ value }) => value));

function groupOf(id: string, all: readonly BenchRow[], most: number | undefined): BarGroup {
  const rows = all.filter((row) => row.id === id);
  const scale = most ?? longest(rows);
  const bars = rows.map(({ subject, value }) => ({
    subject,
    value,
    share: scale > 0 ? Math.max(0, value / scale) : 0,
  }));
  return { id, label: labelOf(id), unit: rows[0]?.unit ?? '', bars };
}

const UNITS: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  '': { name: 'B', bytes: 1 },
  k: { name: 'KiB', bytes: 1024 },
  m: { name: 'MiB', bytes: 1024 * 1024 },
};

function labelOf(id: string): string {
  const [, , size, unit = '', streams] = FRAME.exec(id) ?? [];
  return size === undefined ? id : `${size} ${UNITS[unit]?.name ?? unit} x${streams}`;
}

/** Frames by size, then by streams; all else stays as it is. */
function frameOrder(id: string): number {
  const [, , size, unit = '', streams] = FRAME.exec(id) ?? [];
  return size === undefined ? 0 : Number(size) * (UNITS[unit]?.bytes ?? 1) * 1e4 + Number(streams);
}
