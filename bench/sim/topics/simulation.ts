/** A simulation of topic discovery from its beginning to its figures. */
import { Random } from '../random.ts';
import { Advertising } from './advertising.ts';
import { type LoadFigures, loadFigures, loadOf, type Spread, spreadOf } from './figures.ts';
import { TopicNetwork } from './network.ts';
import type { HonestPeer } from './peer.ts';
import { Searches, type SearchFigures, type SearchOptions } from './searches.ts';
import { type AttackOptions, Sybils } from './sybils.ts';

const MINUTE_MS = 60_000;
/** Nodes begin to advertise at any time of the first minute. */
const BEGIN_MS: number = MINUTE_MS;
/** Load, and the traffic of advertisers, are those of the last of so many equal parts of the time. */
const WINDOW_SHARE = 1 / 2;
/** When it is looked after the advertisements, in minutes. */
const LOOKS = [1, 5, 15, 20, 30, 45, 60, 90, 120];

export interface TopicSimulationOptions {
  readonly nodes: number;
  readonly seed: number;
  /** The part of the nodes that advertises the topic. */
  readonly share: number;
  /** Searches at each look, and at the end. */
  readonly searches: number;
  /** Virtual minutes until the last searches. */
  readonly minutes: number;
  readonly fLookup?: number | undefined;
  /** The part of the packets that is lost, and of the nodes that leaves in an hour; from the beginning. */
  readonly loss?: number;
  readonly churn?: number;
  readonly attack?: AttackOptions | undefined;
}

export interface Look {
  readonly minute: number;
  /** Registrars that have the advertisement of an advertiser, and those that are to have it; on average. */
  readonly active: number;
  readonly pending: number;
  /** Advertisements in all caches of honest registrars. */
  readonly ads: number;
  readonly searches: SearchFigures;
}

export interface TopicFigures {
  readonly nodes: number;
  readonly advertisers: number;
  readonly sybils: number;
  /** From the beginning of an advertiser to its first registrar, in seconds; and to when no registrar was pending. */
  readonly first: Spread;
  readonly all: Spread;
  readonly looks: readonly Look[];
  /** Of an advertiser in a minute. */
  readonly traffic: { readonly requests: number; readonly packets: number; readonly bytes: number };
  readonly load: LoadFigures;
}

export function simulateTopic(
  options: TopicSimulationOptions,
  { progress = () => undefined }: { readonly progress?: (text: string) => void } = {},
): TopicFigures {
  const { seed, nodes, share, minutes, loss = 0, churn = 0, attack } = options;
  const random = new Random(seed ^ 0x70911c);
  const topic = random.bytes(32);
  const network = new TopicNetwork({ seed, nodes, loss });
  const { env } = network;
  const sybils = attack && new Sybils(network, topic, attack);
  network.acquaint();
  progress('all know others');
  const beganAt = env.now();
  const advertisings = new Map<HonestPeer, Advertising>();
  const ended: Advertising[] = [];
  const advertise = (peer: HonestPeer): void => {
    if (peer.isRunning) advertisings.set(peer, new Advertising(peer, topic));
  };
  const chosen = new Set(network.honest.slice(0, Math.round(nodes * share)));
  for (const peer of chosen) env.setTimer(random.fraction() * BEGIN_MS, () => advertise(peer));
  network.onReplaced = (left, come) => {
    if (!chosen.delete(left)) return;
    const advertising = advertisings.get(left);
    advertising?.stop();
    advertisings.delete(left);
    if (advertising !== undefined) ended.push(advertising);
    chosen.add(come);
    advertise(come);
  };
  network.churn(churn);
  if (sybils !== undefined) sybils.attack(network.honest, attack?.effort ?? 0);

  const until = (minute: number): void => {
    while (env.now() < beganAt + minute * MINUTE_MS) {
      env.advance(Math.min(MINUTE_MS, beganAt + minute * MINUTE_MS - env.now()));
      progress(`minute ${Math.round((env.now() - beganAt) / MINUTE_MS)} of ${minutes} is over`);
    }
  };
  const search: SearchOptions = { topic, fLookup: options.fLookup, count: options.searches };
  const looks: Look[] = [];
  const look = (minute: number): void => {
    until(minute);
    const running = [...advertisings.values()];
    const stats = running.map(({ advertiser }) => advertiser.stats);
    looks.push({
      minute,
      active: mean(stats.map(({ active }) => active)),
      pending: mean(stats.map(({ pending }) => pending)),
      ads: network.honest.reduce((sum, { registrar }) => sum + registrar.stats.ads, 0),
      searches: new Searches(network, random).run(search),
    });
  };
  const windowAt = minutes * (1 - WINDOW_SHARE);
  // How an attack goes is told by its end.
  const times = attack === undefined ? LOOKS.filter((minute) => minute < minutes) : [];
  for (const minute of times.filter((minute) => minute <= windowAt)) look(minute);
  until(windowAt);
  const before = { load: loadOf(network.honest), tallies: tallied(advertisings.values()) };
  const from = env.now();
  for (const minute of times.filter((minute) => minute > windowAt)) look(minute);
  until(minutes);
  const lasted = (env.now() - from) / MINUTE_MS;
  const after = tallied(advertisings.values());
  const load = loadFigures(network.honest, before.load, lasted);
  const traffic = {
    requests: perMinute('requests'),
    packets: perMinute('packets'),
    bytes: perMinute('bytes'),
  };
  look(minutes);
  const begun = [...ended, ...advertisings.values()];
  return {
    ...{ nodes, advertisers: chosen.size, sybils: sybils?.peers.length ?? 0 },
    first: spreadOf(begun.map((each) => seconds(each.beganAt, each.firstAt))),
    all: spreadOf(begun.map((each) => seconds(each.beganAt, each.allAt))),
    ...{ looks, traffic, load },
  };

  function perMinute(what: 'requests' | 'packets' | 'bytes'): number {
    const differences: number[] = [];
    for (const [advertising, tally] of after) {
      const earlier = before.tallies.get(advertising);
      if (earlier !== undefined) differences.push(tally[what] - earlier[what]);
    }
    return mean(differences) / lasted;
  }
}

function tallied(advertisings: Iterable<Advertising>) {
  return new Map(Array.from(advertisings, (each) => [each, { ...each.tally }]));
}

function seconds(from: number, to: number | undefined): number | undefined {
  return to === undefined ? undefined : (to - from) / 1_000;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}
