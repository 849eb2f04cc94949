/**
 * Networks of discovery nodes, v4 or v5, that start from one bootnode, all of them in one process: how fast their tables are full,
 * what lookups find and cost, and the memory of a node. The network of each subject runs alone, one after the other.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { closestIds, closestTo, GoDiscovery, type GoNode } from '../test/interop/discover-harness.ts';
import { quick } from './measure.ts';
import { compare, type Figures, type NodeSubject, residentKib } from './node-harness.ts';

const NODES = quick ? 30 : 200;
/** Each node looks up a random target so often. */
const LOOKUP_MS = quick ? 500 : 5000;
/**
 * When the tables are looked at, and the age of the networks at which lookups begin: an older one has had more time for its checks,
 * and ours look for more nodes 100 s after their start, then for minutes not again.
 */
const POLL_MS = 250;
const AGE_MS = quick ? 6_000 : 150_000;
/** Entries of a bucket. */
const K = 16;
/** Lookups of each node when the tables are full, and how many run at a time. */
const LOOKUPS = quick ? 1 : 3;
const PARALLEL = 4;
/** Nodes whose lookups run one after the other then. */
const ALONE = quick ? 2 : 20;
/** Nobody looks up anything when no packet of a lookup was sent for so long; how long that is waited for. */
const QUIET_MS = 1000;
const MAX_QUIET_MS = quick ? 2000 : 15_000;
const REST_MS = quick ? 1000 : 10_000;
/** What lookups have set off is over by then: new entries, and those that were too busy to answer, wait for their checks. */
const SETTLE_MS = quick ? 0 : 60_000;
/** Which part of what the tables have room for is there, and has passed a check. */
const MARKS = { 90: 0.9, 99: 0.99 };

/** What differs between versions. */
interface Version {
  readonly prefix: string;
  readonly goCommand: string;
  readonly ownArgs: readonly string[];
  /** Bytes of what is looked up. */
  readonly targetLength: number;
  closest(target: Uint8Array, ids: readonly string[]): string[];
  /** Packets that all nodes have sent, and those that lookups may have sent. */
  sentBy(program: GoDiscovery): Promise<{ readonly all: number; readonly ofLookups: number }>;
}

const V4: Version = {
  ...{ prefix: 'discovery-network', goCommand: 'discover', ownArgs: [], targetLength: 64 },
  closest: (target, ids) => closestIds(target, ids, K),
  async sentBy(program) {
    const { sent } = await program.counts();
    const all = Object.values(sent).reduce((sum, { packets }) => sum + packets, 0);
    return { all, ofLookups: sent.findNode.packets + sent.neighbors.packets };
  },
};

/** Nobody sees what the packets are, so all count. */
const V5: Version = {
  ...{ prefix: 'v5-network', goCommand: 'discover5', ownArgs: ['--v5'], targetLength: 32 },
  closest: (target, ids) => closestTo(target, ids, K),
  async sentBy(program) {
    const { packets } = await program.ask('traffic', 'traffic');
    return { all: packets, ofLookups: packets };
  },
};

const networksOf = (version: Version, subjects: readonly NodeSubject[]) => {
  const units = {
    ...{ 90: 's', 99: 's', recall: '%', exact: '%', packets: 'packets', lookup: 'ms' },
    ...{ 'lookup-cpu': 'CPU ms', 'lookup-alone': 'ms' },
    ...{ rest: 'packets/s', memory: 'KiB', cpu: 'CPU s' },
  };
  return compare({
    unit: Object.fromEntries(
      Object.entries(units).map(([name, unit]) => [`${version.prefix}-${name}`, unit]),
    ),
    subjects,
    rounds: 1,
    warmUp: false,
    // What a round starts ends with it: the next subject has the machine to itself.
    prepare: ({ subject }) => Promise.resolve(() => network(subject, version)),
  });
};

const SUBJECTS: readonly NodeSubject[] = ['native', 'go-ethereum'];
export const discoveryNetwork = (subjects = SUBJECTS) => networksOf(V4, subjects);
export const v5Network = (subjects = SUBJECTS) => networksOf(V5, subjects);

const subjectProgram = (subject: NodeSubject, { goCommand, ownArgs }: Version) =>
  subject === 'go-ethereum'
    ? new GoDiscovery(undefined, [goCommand])
    : new GoDiscovery(
        process.execPath,
        [fileURLToPath(new URL('./discovery-network-subject.js', import.meta.url)), ...ownArgs],
        { PEERLANE_BACKEND: subject },
      );

async function network(subject: NodeSubject, version: Version): Promise<Figures> {
  await using program = subjectProgram(subject, version);
  await program.cpuSeconds(true);
  const before = residentKib(program);
  const begun = performance.now();
  const [bootnode] = await program.nodes(1, { lookupMs: LOOKUP_MS });
  if (bootnode === undefined) throw new Error('there is no bootnode');
  const options = { lookupMs: LOOKUP_MS, bootnodes: [await bootnode.enr()] };
  const nodes = [bootnode, ...(await program.nodes(NODES - 1, options))];
  const filling = await fill(program, nodes, begun);
  await program.rest();
  await quiet(program, version);
  const cpu = await program.cpuSeconds();
  const lookups = await lookUp(program, nodes, version);
  const lookupCpu = (((await program.cpuSeconds()) - cpu) * 1000) / (LOOKUPS * NODES);
  const alone = await lookUp(program, nodes, version, {
    asking: nodes.slice(0, ALONE),
    parallel: 1,
  });
  await pause(SETTLE_MS);
  const [packets, restedAt] = [await version.sentBy(program), performance.now()];
  await pause(REST_MS);
  const sent = (await version.sentBy(program)).all - packets.all;
  const rest = (sent * 1000) / (performance.now() - restedAt) / NODES;
  await program.cpuSeconds(true);
  const memory = (residentKib(program) - before) / NODES;
  const ofOne = { 'lookup-cpu': lookupCpu, 'lookup-alone': alone.lookup };
  const figures: Figures = { ...filling, ...lookups, ...ofOne, rest, memory, cpu };
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [`${version.prefix}-${name}`, value]),
  );
}

/**
 * Seconds until the tables of all nodes together have so much of what they can have: each bucket has room for 16 of those
 * nodes of the network whose distance is the bucket's, and only entries that have passed a check count.
 */
async function fill(program: GoDiscovery, nodes: readonly GoNode[], begun: number): Promise<Figures> {
  const ids = nodes.map(({ id }) => BigInt(`0x${id}`));
  const possible = ids.reduce((sum, id) => sum + roomFor(id, ids), 0);
  const figures: Record<string, number> = {};
  while (Object.keys(figures).length < Object.keys(MARKS).length) {
    const live = (await program.tables()).reduce((sum, table) => sum + table.live, 0);
    const elapsed = performance.now() - begun;
    for (const [name, full] of Object.entries(MARKS)) {
      if (live >= full * possible) figures[name] ??= elapsed / 1000;
    }
    if (elapsed > AGE_MS) {
      const percent = ((100 * live) / possible).toFixed(1);
      process.stderr.write(`after ${(elapsed / 1000).toFixed()} s the tables are ${percent} % full\n`);
      break;
    }
    await pause(POLL_MS);
  }
  await pause(Math.max(0, AGE_MS - (performance.now() - begun)));
  return figures;
}

/** How many entries the table of a node has at most. */
function roomFor(own: bigint, ids: readonly bigint[]): number {
  const buckets = new Map<number, number>();
  for (const id of ids) {
    if (id === own) continue;
    const distance = (id ^ own).toString(2).length;
    buckets.set(distance, (buckets.get(distance) ?? 0) + 1);
  }
  return [...buckets.values()].reduce((sum, count) => sum + Math.min(K, count), 0);
}

/** Lookups of random targets, a few at a time: which of those who are closest of all they find, and at what cost. */
async function lookUp(
  program: GoDiscovery,
  nodes: readonly GoNode[],
  version: Version,
  { asking = nodes, parallel = PARALLEL }: { asking?: readonly GoNode[]; parallel?: number } = {},
): Promise<Record<'recall' | 'exact' | 'packets' | 'lookup', number>> {
  const ids = nodes.map(({ id }) => id);
  const waiting = Array.from({ length: LOOKUPS }, () => asking).flat();
  const [before, count] = [await version.sentBy(program), waiting.length];
  let [found, exact, milliseconds] = [0, 0, 0];
  const work = async () => {
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      const { id } = node;
      const target = randomBytes(version.targetLength);
      const begun = performance.now();
      const got = new Set((await node.lookup(target)).map((other) => other.id));
      milliseconds += performance.now() - begun;
      const wanted = version.closest(
        target,
        ids.filter((other) => other !== id),
      );
      const hits = wanted.filter((other) => got.has(other)).length;
      found += hits;
      if (hits === wanted.length) exact++;
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  const packets = (await version.sentBy(program)).ofLookups - before.ofLookups;
  return {
    recall: (100 * found) / (count * K),
    exact: (100 * exact) / count,
    packets: packets / count,
    lookup: milliseconds / count,
  };
}

/** Waits for lookups that nodes have begun by themselves, to refresh their tables; as far as they can be told from other packets. */
async function quiet(program: GoDiscovery, version: Version): Promise<void> {
  for (let waited = 0; waited < MAX_QUIET_MS; waited += QUIET_MS) {
    const before = await version.sentBy(program);
    await pause(QUIET_MS);
    if ((await version.sentBy(program)).ofLookups === before.ofLookups) return;
  }
}
