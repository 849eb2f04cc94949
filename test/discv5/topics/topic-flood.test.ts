/** Topics by the million at one registrar: with PEERLANE_FUZZ_FACTOR=200 it is a million. */
import { expect, it } from 'vitest';
import { C, E } from '../../../src/discv5/topics/index.ts';
import { HOST_ADS_SHARE } from '../../../src/discv5/topics/parameters.ts';
import { runs } from '../../support/runs.ts';
import { type RecordedNode, topicNode, topicOf } from './nodes.ts';
import { Registering } from './registering.ts';

const NETWORKS = 50;
const TOPICS = runs(5_000);
/** So many have the same effect as ten times as many, but for those of many networks. */
const OTHER_TOPICS = runs(2_000);

/** Ever new topics, one after the other within two lifetimes, each of the next of some nodes. */
function flood(at: Registering, nodes: readonly RecordedNode[], topics: number, admitted?: () => void): void {
  for (let i = 0; i < topics; i++) {
    const node = nodes[i % nodes.length] as RecordedNode;
    at.env.setTimer((i * 2 * E) / topics, () => at.keep(node, at.env.randomBytes(32), admitted));
  }
}

it('topics without end from fifty networks take a part of the cache, and who comes with one is let in soon, and found', () => {
  const at = new Registering(7);
  const { env, registrar } = at;
  const attackers = Array.from({ length: NETWORKS }, (_, i) => topicNode(env, `${20 + 2 * i}.${i}.6.6`));
  let most = 0;
  flood(at, attackers, TOPICS, () => {
    most = Math.max(most, registrar.stats.ads);
  });
  env.advance(4 * E);
  const honest = topicNode(env, '101.200.30.40');
  const begun = env.now();
  let waited = Number.POSITIVE_INFINITY;
  let found = 0;
  at.keep(honest, topicOf(1), () => {
    waited = Math.min(waited, env.now() - begun);
    found = registrar.query(topicOf(1), env.now()).length;
  });
  env.advance(3 * E);
  expect(at.asked).toBeGreaterThan(TOPICS);
  expect(most).toBeLessThan(C / 4);
  expect(most).toBeGreaterThan(NETWORKS);
  expect(waited).toBeLessThan(2 * E);
  expect(found).toBe(1);
  console.log(
    `topics: ${TOPICS} from ${NETWORKS} networks took at most ${most} of ${C} places; another one waited ${Math.round(waited / 1000)} s`,
  );
}, 600_000);

const FIFTY = Array.from({ length: NETWORKS }, (_, i) => topicOf(i));

/** How many of fifty advertisements, each of a network and topic of its own, are there on average while others come. */
function staying(others: readonly string[]): { readonly stay: number; readonly taken: number } {
  const at = new Registering(8);
  const { env, registrar } = at;
  for (const [i, topic] of FIFTY.entries()) at.keep(topicNode(env, `${20 + 2 * i}.${i}.6.6`), topic);
  env.advance(2 * E);
  const nodes = others.map((ip) => topicNode(env, ip));
  if (nodes.length > 0) flood(at, nodes, OTHER_TOPICS);
  env.advance(2 * E);
  const samples = 60;
  let sum = 0;
  for (let i = 0; i < samples; i++) {
    env.advance((4 * E) / samples);
    for (const topic of FIFTY) sum += registrar.query(topic, env.now()).length;
  }
  return { stay: sum / samples, taken: registrar.stats.ads };
}

let alone: ReturnType<typeof staying> | undefined;

it.each([
  ['one IPv4 host', ['66.7.8.9'], HOST_ADS_SHARE, 0.95],
  ['one IPv6 host', ['2a00:66::9'], HOST_ADS_SHARE, 0.87],
  [
    'five hundred hosts of an IPv6 /32',
    Array.from({ length: 500 }, (_, i) => `2a00:66:${i.toString(16)}::9`),
    1,
    0.5,
  ],
  // Each has its own networks: what is left to others is what the waiting times of the text leave them.
  [
    'five hundred hosts',
    Array.from({ length: 500 }, (_, i) => `${60 + (i % 90)}.${i % 250}.${i % 7}.9`),
    1,
    0.1,
  ],
])(
  '%s with topics without end leave others a part of what they have',
  (name, places, share, left) => {
    alone ??= staying([]);
    const beside = staying(places);
    console.log(
      `topics: ${alone.stay.toFixed(1)} of ${NETWORKS} are there, and ${beside.stay.toFixed(1)} beside ${OTHER_TOPICS} of ${name}; ${beside.taken} of ${C} places are taken`,
    );
    expect(beside.stay).toBeGreaterThan(left * alone.stay);
    expect(beside.taken).toBeLessThanOrEqual(NETWORKS + share * C);
  },
  600_000,
);
