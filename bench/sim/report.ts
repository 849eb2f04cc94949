/** The figures of a simulation, for people. */
import type { EclipseFigures, EclipseOptions } from './eclipse.ts';
import type { SimulationFigures } from './simulation.ts';

export type Result = SimulationFigures & {
  /** Wall time. */
  readonly seconds: number;
};

export function networkText({ nodes, lookups, tables, traffic, memory, seconds }: Result): string {
  return lines(`${nodes} nodes`, [
    ['nodes that everybody can reach', `${tables.reachable} of ${nodes}`],
    ['lookups ended', `${lookups.ended} of ${lookups.lookups}`],
    [
      'closest that count in a lookup',
      `${fixed(lookups.wanted)}, ${fixed(lookups.wantedBehindNat)} of them behind NAT, which count where found`,
    ],
    ['lookups that found the closest 16', percent(lookups.perfect)],
    ['recall of the closest 16', percent(lookups.recall)],
    ['time of a lookup', `${fixed(lookups.meanMs, 0)} ms, at most ${fixed(lookups.maxMs, 0)} ms`],
    ['nodes asked by a lookup', `${fixed(lookups.asked)} FindNodes`],
    ['messages of a lookup', `${fixed(lookups.packets)} packets`],
    [
      'entries of a table',
      `${fixed(tables.entries)}, ${fixed(tables.live)} live; ${fixed(tables.replacements)} replacements`,
    ],
    ['places taken of those possible', percent(tables.filled)],
    ['buckets full of those possible', percent(tables.full)],
    ['dead entries', percent(tables.dead)],
    ['nodes known by another', percent(tables.known)],
    ['tables that name a node', `${fixed(tables.meanNamed)}, at least ${tables.leastNamed}`],
    ['traffic of a node', `${fixed(traffic.packets)} packets, ${fixed(traffic.bytes / 1000, 2)} kB a minute`],
    ['memory of a node', memory === undefined ? '-' : `${fixed(memory / 1000, 0)} kB`],
    ['wall time', `${fixed(seconds)} s`],
  ]);
}

/** Why the figures of lookups say nothing; `undefined` when they do. */
export function failureOf({ nodes, lookups }: Result): string | undefined {
  if (lookups.ended > 0) return undefined;
  return `of ${nodes} nodes, those that began a lookup have all left before its end`;
}

export function attackText({ nodes, identities, networks }: EclipseOptions, figures: EclipseFigures): string {
  const { mostInTable, allowedInTable, mostInBucket, allowedInBucket } = figures;
  return lines(`${nodes} honest nodes, an attacker with ${identities} identities in ${networks} networks`, [
    ["its part of the victims' tables", percent(figures.tableShare)],
    ['its places of a table', `at most ${mostInTable} of ${allowedInTable} allowed`],
    ['its places of a bucket', `at most ${mostInBucket} of ${allowedInBucket} allowed`],
    [
      'its part of what a lookup found',
      `${percent(figures.resultShare)}, at most ${percent(figures.worstResultShare)}`,
    ],
    [
      'honest nodes that a lookup found',
      `${fixed(figures.meanHonest)}, at least ${figures.leastHonest}; at most ${figures.mostInResult} others`,
    ],
  ]);
}

export function fixed(figure: number, digits = 1): string {
  return Number.isNaN(figure) ? '-' : figure.toFixed(digits);
}

export function percent(part: number): string {
  return Number.isNaN(part) ? '-' : `${fixed(100 * part, 2)} %`;
}

export function lines(title: string, rows: readonly (readonly [string, string])[]): string {
  return `\n${title}\n${rows.map(([name, value]) => `  ${name.padEnd(36)}${value}`).join('\n')}`;
}
