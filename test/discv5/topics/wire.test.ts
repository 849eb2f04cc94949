/** Topics over the wire, among engines in a network of packets in virtual time. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../../src/base/bytes.ts';
import type { AdvertisementRun } from '../../../src/discv5/topics/index.ts';
import { E } from '../../../src/discv5/topics/index.ts';
import { topicDiscoveryEntries } from '../../../src/enr/index.ts';
import type { KadNode } from '../../../src/kad/index.ts';
import { Network } from '../../support/packet-network.ts';
import { SimNode } from '../network.ts';
import { topicOf } from './nodes.ts';

const entries = topicDiscoveryEntries(1);

/** Nodes that take part and know each other. */
function grown(count: number, seed = 1): { network: Network; nodes: SimNode[] } {
  const network = new Network({ seed });
  const boot = new SimNode(network, { entries }).start();
  const others = Array.from({ length: count - 1 }, () =>
    new SimNode(network, { entries, seeds: [boot.node] }).start(),
  );
  network.env.advance(60_000);
  return { network, nodes: [boot, ...others] };
}

function advertise(node: SimNode, topic: Uint8Array): AdvertisementRun {
  const run = node.engine.advertise(topic, node.now);
  node.schedule();
  return run;
}

/** The ids of all that are found. */
function search(network: Network, node: SimNode, topic: Uint8Array, count = 30) {
  const found: KadNode[] = [];
  const run = node.engine.search(topic, count, { found: (nodes) => found.push(...nodes) });
  node.engine.resumeSearch(run, node.now);
  node.schedule();
  network.env.advance(30_000);
  expect(run.isDone).toBe(true);
  return found.map(({ id }) => toBareHex(id)).sort();
}

const idsOf = (nodes: readonly SimNode[]) => nodes.map(({ id }) => toBareHex(id)).sort();

describe('a topic', () => {
  it('that some advertise is found by another, who finds each of them once', () => {
    const { network, nodes } = grown(12);
    const topic = topicOf(1);
    const advertisers = nodes.slice(3, 6);
    const runs = advertisers.map((node) => advertise(node, topic));
    network.env.advance(3 * E);
    for (const run of runs) expect(run.stats.active).toBeGreaterThan(0);
    expect(search(network, nodes[1] as SimNode, topic)).toEqual(idsOf(advertisers));
    expect(search(network, nodes[1] as SimNode, topicOf(2))).toEqual([]);
  });
});
