/** Lookups of random targets by random nodes, held against what a view of the whole network says. */
import { toBareHex } from '../../src/base/bytes.ts';
import { BUCKET_SIZE, compareDistance, type LookupRun } from '../../src/kad/index.ts';
import type { SimNetwork } from './network.ts';
import type { SimNode } from './node.ts';
import { Random } from './random.ts';

/** A lookup that takes longer has not ended: 256 nodes, none of whom answers, take two minutes. */
const PATIENCE_MS = 5 * 60_000;
/** From the beginning of one lookup to that of the next. */
export const LOOKUP_GAP_MS = 500;
const FIND_NODE = 3;

/** Parts and averages are NaN where there is nothing that they would be of. */
export interface LookupFigures {
  /** Those whose node stayed until their end. */
  readonly lookups: number;
  readonly ended: number;
  /**
   * The true closest that a lookup is held against, at most 16, on average; and those of them that are behind NAT. Where
   * everybody is, these are nearly all: they count because they were found, and say nothing of those that were not.
   */
  readonly wanted: number;
  readonly wantedBehindNat: number;
  /** The part of the lookups that ended which found all of the true closest. */
  readonly perfect: number;
  /** The part of the true closest that was found. */
  readonly recall: number;
  /** Milliseconds: on average, and the longest. */
  readonly meanMs: number;
  readonly maxMs: number;
  /** FindNodes that the node sent meanwhile (of version 5: nodes that the lookup asked), and all packets that it sent and received; on average. */
  readonly asked: number;
  readonly packets: number;
}

interface Search {
  readonly asker: SimNode;
  readonly target: Uint8Array;
  readonly begin: number;
  /** What the asker's counters said at the beginning. */
  readonly before: Counts;
  outcome: Outcome | undefined;
}

interface Counts {
  readonly asked: number;
  readonly packets: number;
}

interface Outcome extends Counts {
  readonly found: number;
  readonly wanted: number;
  readonly wantedBehindNat: number;
  readonly ms: number;
}

export interface LookupsOptions {
  readonly count: number;
  readonly seed: number;
  /** Default `LOOKUP_GAP_MS`. */
  readonly gapMs?: number | undefined;
  /** Told how many have begun. */
  readonly begun?: (count: number) => void;
}

/** Runs lookups, each beginning some time after the one before. */
export function runLookups(
  network: SimNetwork,
  { count, seed, gapMs = LOOKUP_GAP_MS, begun = () => undefined }: LookupsOptions,
): LookupFigures {
  const random = new Random(seed ^ 0x100c);
  const searches: Search[] = [];
  const isOpen = ({ asker, outcome }: Search) => asker.isRunning && outcome === undefined;
  while (searches.length < count) {
    const asker = random.pick(network.nodes);
    const target = random.bytes(network.protocol.targetLength);
    const begin = network.env.now();
    const search: Search = { asker, target, begin, before: countsOf(asker), outcome: undefined };
    searches.push(search);
    asker.lookup(target, (run) => {
      search.outcome = judge(network, search, run);
    });
    network.env.advance(gapMs);
    begun(searches.length);
  }
  for (let waited = 0; searches.some(isOpen) && waited < PATIENCE_MS; waited += 1_000) {
    network.env.advance(1_000);
  }
  return figuresOf(searches);
}

function figuresOf(searches: readonly Search[]): LookupFigures {
  const outcomes = searches.flatMap(({ outcome }) => (outcome === undefined ? [] : [outcome]));
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, each) => total + of(each), 0);
  const mean = (of: (outcome: Outcome) => number) => sum(of) / outcomes.length;
  const judged = outcomes.filter(({ wanted }) => wanted > 0);
  return {
    lookups: searches.filter(({ asker, outcome }) => asker.isRunning || outcome !== undefined).length,
    ended: outcomes.length,
    wanted: mean(({ wanted }) => wanted),
    wantedBehindNat: mean(({ wantedBehindNat }) => wantedBehindNat),
    perfect: judged.filter(({ found, wanted }) => found === wanted).length / judged.length,
    recall: sum(({ found }) => found) / sum(({ wanted }) => wanted),
    meanMs: mean(({ ms }) => ms),
    maxMs: outcomes.reduce((most, { ms }) => Math.max(most, ms), 0),
    asked: mean(({ asked }) => asked),
    packets: mean(({ packets }) => packets),
  };
}

function countsOf({ port: { sent, received } }: SimNode): Counts {
  return { asked: sent.byType[FIND_NODE] ?? 0, packets: sent.packets + received.packets };
}

function judge(network: SimNetwork, search: Search, { asked, result }: LookupRun): Outcome {
  const { asker, target, begin, before } = search;
  const names = new Set(result.map(({ id }) => toBareHex(id)));
  const isFound = ({ identity }: SimNode) => names.has(toBareHex(identity.node.id));
  // Whoever is behind NAT can be found by some and not by others: it counts where it is found.
  const there = network.nodes.filter((node) => {
    return node !== asker && node.startedAt < begin && (!node.identity.isNat || isFound(node));
  });
  const closest = closestTo(there, network.protocol.idOf(target));
  const after = countsOf(asker);
  return {
    found: closest.filter(isFound).length,
    wanted: closest.length,
    wantedBehindNat: closest.filter(({ identity }) => identity.isNat).length,
    ms: network.env.now() - begin,
    // Nobody reads the packets of version 5.
    asked: network.protocol.version === 5 ? asked : after.asked - before.asked,
    packets: after.packets - before.packets,
  };
}

/** The 16 closest to an id, nearest first. */
function closestTo(nodes: readonly SimNode[], id: Uint8Array): SimNode[] {
  const closest: SimNode[] = [];
  for (const node of nodes) {
    let at = closest.length;
    while (at > 0 && isCloser(id, node, closest[at - 1])) at--;
    if (at >= BUCKET_SIZE) continue;
    closest.splice(at, 0, node);
    if (closest.length > BUCKET_SIZE) closest.pop();
  }
  return closest;
}

function isCloser(target: Uint8Array, a: SimNode, b: SimNode | undefined): boolean {
  return b !== undefined && compareDistance(target, a.identity.node.id, b.identity.node.id) < 0;
}
