/** What an attacker with many identities in few networks wins. */
import { BUCKET_NETWORK_LIMIT, logDistance, TABLE_NETWORK_LIMIT } from '../../src/kad/index.ts';
import { Attacker } from './attacker.ts';
import { SimNetwork } from './network.ts';
import type { SimNode } from './node.ts';

const JOIN_MS = 20_000;
const SETTLE_MS = 30_000;
/** All identities press all victims, as often as told, each time over so long. */
const ROUNDS = 2;
const ROUND_MS = 30_000;
/** What a lookup takes at most, as a rule. */
const LOOKUP_MS = 5_000;

export interface EclipseOptions {
  readonly seed: number;
  /** Honest nodes before the attack, and victims: half of them are old, half join under it. */
  readonly nodes: number;
  readonly victims: number;
  readonly identities: number;
  readonly networks: number;
  /** Lookups of each victim. */
  readonly lookups: number;
}

export interface EclipseFigures {
  /** The attacker's part of the entries of all victims. */
  readonly tableShare: number;
  /** Entries and replacements of the attacker in one table, and in one bucket, at most; and what the limits allow. */
  readonly mostInTable: number;
  readonly mostInBucket: number;
  readonly allowedInTable: number;
  readonly allowedInBucket: number;
  /** The attacker's part of what lookups found, on average and at worst. */
  readonly resultShare: number;
  readonly worstResultShare: number;
  /** Nodes of the attacker among what one lookup found, at most. */
  readonly mostInResult: number;
  /** Honest nodes among what a lookup found, on average and at least. */
  readonly meanHonest: number;
  readonly leastHonest: number;
}

export function eclipse({
  seed,
  nodes,
  victims,
  identities,
  networks,
  lookups,
}: EclipseOptions): EclipseFigures {
  const network = new SimNetwork({ seed });
  network.grow(nodes, JOIN_MS);
  network.env.advance(SETTLE_MS);
  const attacker = new Attacker(network, { identities, networks });
  const old = network.nodes.slice(-Math.floor(victims / 2));
  const young = Array.from({ length: victims - old.length }, () => network.start(network.newIdentity()));
  const all = [...old, ...young];
  for (let round = 0; round < ROUNDS; round++) {
    attacker.press(
      all.map(({ identity }) => identity.node),
      ROUND_MS,
    );
  }
  const results = all.flatMap((victim) => resultsOf(network, attacker, victim, lookups));
  const shares = results.map(({ won, found }) => won / Math.max(1, found));
  const honest = results.map(({ won, found }) => found - won);
  const tables = all.map(({ engine }) => engine.table);
  const entries = tables.flatMap((table) => table.entries());
  const won = all.map((victim) => wonBy(attacker, victim));
  return {
    tableShare: entries.filter((node) => attacker.owns(node)).length / entries.length,
    mostInTable: Math.max(...won.map(({ table }) => table)),
    mostInBucket: Math.max(...won.map(({ bucket }) => bucket)),
    allowedInTable: networks * TABLE_NETWORK_LIMIT,
    allowedInBucket: networks * BUCKET_NETWORK_LIMIT,
    resultShare: mean(shares),
    worstResultShare: Math.max(...shares),
    mostInResult: Math.max(...results.map(({ won }) => won)),
    meanHonest: mean(honest),
    leastHonest: Math.min(...honest),
  };
}

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

function wonBy(attacker: Attacker, { identity, engine }: SimNode): { table: number; bucket: number } {
  const nodes = [...engine.table.entries(), ...engine.table.replacements()];
  const won = nodes.filter((node) => attacker.owns(node));
  const buckets = new Map<number, number>();
  for (const { id } of won) {
    const distance = logDistance(identity.node.id, id);
    buckets.set(distance, (buckets.get(distance) ?? 0) + 1);
  }
  return { table: won.length, bucket: Math.max(0, ...buckets.values()) };
}

interface Result {
  /** Nodes of the attacker, and all. */
  readonly won: number;
  readonly found: number;
}

function resultsOf(network: SimNetwork, attacker: Attacker, victim: SimNode, count: number): Result[] {
  const results: Result[] = [];
  for (let i = 0; i < count; i++) {
    victim.lookup(network.env.randomBytes(64), ({ result }) => {
      results.push({ won: result.filter((node) => attacker.owns(node)).length, found: result.length });
    });
    network.env.advance(LOOKUP_MS);
  }
  return results;
}
