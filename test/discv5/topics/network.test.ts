import { describe, expect, it } from 'vitest';
import { E } from '../../../src/discv5/topics/index.ts';
import { TopicNetwork } from './network.ts';
import { topicOf } from './nodes.ts';

const topic = topicOf(0);

describe('a network', () => {
  const seed = Math.floor(Math.random() * 2 ** 31);

  it(`of 200 nodes: a tenth advertise a topic, and others find them (seed ${seed})`, () => {
    const net = new TopicNetwork({ seed, honest: 200 });
    const machines = net.honest.slice(0, 20).map((node) => net.advertise(node, topic));
    net.env.advance(2 * E);
    for (const { stats } of machines) expect(stats.active).toBeGreaterThan(0);
    for (const searcher of net.honest.slice(100, 110)) {
      const { found } = net.search(searcher, topic, 10);
      expect(found).toHaveLength(10);
      expect(new Set(found).size).toBe(10);
      for (const each of found) expect(net.honest.indexOf(each)).toBeLessThan(20);
    }
    expect(net.honest.slice(100, 101).flatMap((each) => net.search(each, topicOf(1)).found)).toEqual([]);
  }, 60_000);

  it(`with half as many identities in one /24: they get no more than two places of each registrar, and find a third of a search (seed ${seed})`, () => {
    const net = new TopicNetwork({ seed, honest: 120, sybils: 60 });
    for (const node of net.honest.slice(0, 12)) net.advertise(node, topic);
    net.attack(topic);
    net.env.advance(2 * E);
    const { honest, sybils } = net.placed(topic);
    // Five sixths of those who advertise the topic are theirs.
    expect(sybils).toBeLessThanOrEqual(2 * 120);
    expect(sybils / (honest + sybils)).toBeLessThan(0.65);
    for (const searcher of net.honest.slice(70, 80)) {
      const { found } = net.search(searcher, topic);
      expect(found.filter(({ isSybil }) => isSybil).length).toBeLessThanOrEqual(10);
      expect(found.filter(({ isSybil }) => !isSybil).length).toBeGreaterThanOrEqual(8);
    }
  }, 60_000);
});
