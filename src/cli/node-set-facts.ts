/** What is counted in a set of nodes. */
import { toBareHex } from '../base/bytes.ts';
import { NodeRecord } from '../enr/index.ts';
import { PRESETS } from '../eth/index.ts';
import type { NodeSet, NodeSetEntry } from '../server/node-set.ts';
import { followsChain } from './node-filters.ts';

/** Names, and how many nodes each stands for. */
export type Counts = readonly (readonly [name: string, count: number])[];

/** How many nodes follow each public network, another one, or say nothing of it. */
export function networksOf(set: NodeSet): Counts {
  const presets = Object.values(PRESETS).map((preset) => ({ preset, follows: followsChain(preset) }));
  return counted(set, (entry) => {
    const found = presets.find(({ follows }) => follows(entry))?.preset.name;
    return [found ?? (forkIdOf(entry) === undefined ? 'unknown' : 'other')];
  });
}

/** How many nodes announce each fork id. */
export function forksOf(set: NodeSet): Counts {
  const presets = Object.values(PRESETS).map((preset) => ({ preset, follows: followsChain(preset) }));
  return counted(set, (entry) => {
    const forkId = forkIdOf(entry);
    if (forkId === undefined) return [];
    const name = presets.find(({ follows }) => follows(entry))?.preset.name;
    return [`${toBareHex(forkId.hash)}${name === undefined ? '' : ` ${name}`}`];
  });
}

/** How many records have an entry under each key. */
export function entriesOf(set: NodeSet): Counts {
  return counted(set, ({ node }) => (node instanceof NodeRecord ? [...node.keys()] : []));
}

/** How many nodes have an address of each family. */
export function familiesOf(set: NodeSet): Counts {
  return counted(set, ({ node }) => {
    if (!(node instanceof NodeRecord)) return [node.host.includes(':') ? 'IPv6' : 'IPv4'];
    const families = [
      ...(node.get('ip') === undefined ? [] : ['IPv4']),
      ...(node.get('ip6') === undefined ? [] : ['IPv6']),
    ];
    return [families.join(' and ') || 'none'];
  });
}

/** How many nodes have said what they are. */
export function greetedOf(set: NodeSet): number {
  return [...set.values()].filter(({ hello }) => hello !== undefined).length;
}

/** What clients the nodes say that they are, as far as they have been asked. */
export function clientsOf(set: NodeSet): Counts {
  return counted(set, ({ hello }) => (hello === undefined ? [] : [clientName(hello.clientId)]));
}

/** How many nodes offer each version of a protocol, as far as they have been asked. */
export function capabilitiesOf(set: NodeSet): Counts {
  return counted(set, ({ hello }) => [...new Set(hello?.capabilities)]);
}

/** `Geth` of `Geth/v1.17.5-stable/linux-amd64/go1.25.1`. */
function clientName(clientId: string): string {
  return clientId.split('/')[0]?.trim() || 'no name';
}

const SCORES: readonly (readonly [most: number, name: string])[] = [
  [1, '1 or less'],
  [3, '2 to 3'],
  [10, '4 to 10'],
  [30, '11 to 30'],
  [Number.POSITIVE_INFINITY, 'more than 30'],
];

export function scoresOf(set: NodeSet): Counts {
  return ranged(set, SCORES, ({ score }) => score);
}

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
const AGES: readonly (readonly [most: number, name: string])[] = [
  [HOUR_MS, 'up to an hour'],
  [DAY_MS, 'up to a day'],
  [7 * DAY_MS, 'up to a week'],
  [30 * DAY_MS, 'up to 30 days'],
  [Number.POSITIVE_INFINITY, 'longer'],
];

/** For how long the nodes are known: from their first answer to their last. */
export function agesOf(set: NodeSet): Counts {
  return ranged(set, AGES, ({ firstResponse, lastResponse }) =>
    firstResponse === undefined || lastResponse === undefined ? undefined : lastResponse - firstResponse,
  );
}

/** How long ago the nodes have answered last. @param now Unix ms */
export function lastSeenOf(set: NodeSet, now: number): Counts {
  return ranged(set, AGES, ({ lastResponse }) =>
    lastResponse === undefined ? undefined : now - lastResponse,
  );
}

export interface SetTimes {
  /** Unix ms. */
  readonly firstResponse: number | undefined;
  readonly lastResponse: number | undefined;
  readonly lastCheck: number | undefined;
}

/** From the first answer of any node to the last, and the last try. */
export function timesOf(set: NodeSet): SetTimes {
  let [first, last, check] = [Number.POSITIVE_INFINITY, 0, 0];
  for (const { firstResponse, lastResponse, lastCheck } of set.values()) {
    first = Math.min(first, firstResponse ?? first);
    last = Math.max(last, lastResponse ?? 0);
    check = Math.max(check, lastCheck ?? 0);
  }
  return {
    firstResponse: Number.isFinite(first) ? first : undefined,
    lastResponse: last || undefined,
    lastCheck: check || undefined,
  };
}

/** The most frequent first. */
function countsOf(names: Iterable<string>): Counts {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([a, one], [b, two]) => two - one || (a < b ? -1 : 1));
}

function counted(set: NodeSet, namesOf: (entry: NodeSetEntry) => readonly string[]): Counts {
  return countsOf([...set.values()].flatMap(namesOf));
}

/** How many values lie in each of some ranges, in the order of these. */
function ranged(
  set: NodeSet,
  ranges: readonly (readonly [most: number, name: string])[],
  valueIn: (entry: NodeSetEntry) => number | undefined,
): Counts {
  const counts = new Map(ranges.map(([, name]) => [name, 0]));
  for (const entry of set.values()) {
    const value = valueIn(entry);
    const name = value === undefined ? undefined : ranges.find(([most]) => value <= most)?.[1];
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts];
}

function forkIdOf({ node }: NodeSetEntry) {
  return node instanceof NodeRecord ? node.get('eth') : undefined;
}
