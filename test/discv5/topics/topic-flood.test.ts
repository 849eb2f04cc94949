/** Topics by the million at one registrar: with PEERLANE_FUZZ_FACTOR=200 it is a million. */
import { expect, it } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { C, E, Registrar } from '../../../src/discv5/topics/index.ts';
import { runs } from '../../support/runs.ts';
import { type RecordedNode, topicNode, topicOf } from './nodes.ts';

const NETWORKS = 50;
const TOPICS = runs(5_000);
/** What an attacker comes too late by. */
const LATE_MS = 100;

it('topics without end from fifty networks take a part of the cache, and who comes with one is let in soon, and found', () => {
  const env = new VirtualEnv({ seed: 7 });
  const registrar = new Registrar({
    localId: env.randomBytes(32),
    randomBytes: (length) => env.randomBytes(length),
  });
  let asked = 0;
  const register = (node: RecordedNode, topic: Uint8Array, ticket: Uint8Array) => {
    asked++;
    const { id, ip, record } = node;
    const outcome = registrar.register({ topic, record, ticket, sender: { id, ip }, now: env.now() });
    if (outcome.kind === 'refused') throw new Error('refused');
    return outcome;
  };
  /** Comes back in time, for ever. */
  const keep = (node: RecordedNode, topic: Uint8Array, ticket: Uint8Array, admitted: () => void): void => {
    const told = register(node, topic, ticket);
    if (told.kind === 'admitted') admitted();
    const [ms, next] = told.kind === 'admitted' ? [told.lifetimeMs, EMPTY] : [told.waitMs, told.ticket];
    env.setTimer(ms + LATE_MS, () => keep(node, topic, next, admitted));
  };
  const attackers = Array.from({ length: NETWORKS }, (_, i) => topicNode(env, `${20 + 2 * i}.${i}.6.6`));
  let most = 0;
  for (let i = 0; i < TOPICS; i++) {
    const node = attackers[i % NETWORKS] as RecordedNode;
    const admitted = () => {
      most = Math.max(most, registrar.stats.ads);
    };
    env.setTimer((i * 2 * E) / TOPICS, () => keep(node, env.randomBytes(32), EMPTY, admitted));
  }
  env.advance(4 * E);
  const honest = topicNode(env, '101.200.30.40');
  const begun = env.now();
  let waited = Number.POSITIVE_INFINITY;
  let found = 0;
  keep(honest, topicOf(1), EMPTY, () => {
    waited = Math.min(waited, env.now() - begun);
    found = registrar.query(topicOf(1), env.now()).length;
  });
  env.advance(3 * E);
  expect(asked).toBeGreaterThan(TOPICS);
  expect(most).toBeLessThan(C / 4);
  expect(most).toBeGreaterThan(NETWORKS);
  expect(waited).toBeLessThan(2 * E);
  expect(found).toBe(1);
  console.log(
    `topics: ${TOPICS} from ${NETWORKS} networks took at most ${most} of ${C} places; another one waited ${Math.round(waited / 1000)} s`,
  );
}, 600_000);
