import { describe, expect, it } from 'vitest';
import { compareBytes, toBareHex } from '../../src/base/bytes.ts';
import { nodeIdOf } from '../../src/enr/index.ts';
import { compareDistance, FIRST_REFRESH_INTERVAL_MS, REFRESH_INTERVAL_MS } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';

/** A bootnode, and others that know only it, each starting some time after the one before. */
function grow(network: Network, count: number, { isCheap = true, everyMs = 100 } = {}): SimNode[] {
  const boot = new SimNode(network, { isCheap }).start();
  const nodes = [boot];
  while (nodes.length < count) {
    network.env.advance(everyMs);
    nodes.push(new SimNode(network, { isCheap, seeds: [boot.node] }).start());
  }
  return nodes;
}

/** The keys of the 16 nodes that are closest to the target, but for the one who asks. */
function trueClosest(nodes: readonly SimNode[], target: Uint8Array, asker: SimNode): string[] {
  const id = nodeIdOf(target);
  return nodes
    .filter((node) => node !== asker)
    .map(({ publicKey }) => ({ key: toBareHex(publicKey), id: nodeIdOf(publicKey) }))
    .toSorted((a, b) => compareDistance(id, a.id, b.id))
    .slice(0, 16)
    .map(({ key }) => key);
}

/** Runs lookups of random targets, one at a time; the part of the true closest that they find. */
function recall(network: Network, nodes: readonly SimNode[], count: number): number {
  let [found, wanted] = [0, 0];
  for (let i = 0; i < count; i++) {
    const asker = nodes[(7 * i) % nodes.length];
    if (asker === undefined) throw new Error('no node');
    const target = network.env.randomBytes(64);
    const run = asker.lookup(target);
    network.env.advance(15_000);
    expect(run.isDone).toBe(true);
    const result = new Set(run.result.map(({ publicKey }) => toBareHex(publicKey)));
    const closest = trueClosest(nodes, target, asker);
    found += closest.filter((key) => result.has(key)).length;
    wanted += closest.length;
  }
  return found / wanted;
}

/** FindNodes in the log that the node has sent. */
function askedBy(network: Network, { endpoint }: SimNode): number | undefined {
  return network.log?.filter(({ packet, from }) => from === endpoint && packet[97] === 3).length;
}

describe('a network', () => {
  it('of 12 nodes with real signatures: each knows most others after a minute', () => {
    const network = new Network({ seed: 5 });
    const nodes = grow(network, 12, { isCheap: false, everyMs: 100 });
    network.env.advance(60_000);
    for (const { engine } of nodes) expect(engine.table.stats().live).toBeGreaterThan(8);
    expect(recall(network, nodes, 5)).toBe(1);
  });

  it('of 40 nodes: lookups find the true closest', () => {
    const network = new Network({ seed: 2 });
    const nodes = grow(network, 40);
    network.env.advance(60_000);
    expect(recall(network, nodes, 10)).toBeGreaterThanOrEqual(0.99);
  });

  it('that loses a tenth of its packets, and of whose nodes a tenth has left and others come', () => {
    const network = new Network({ seed: 3 });
    const nodes = grow(network, 40);
    network.env.advance(60_000);
    network.lossRate = 0.1;
    const [boot, ...others] = nodes;
    if (boot === undefined) throw new Error('no bootnode');
    for (const node of others.splice(0, 4)) node.stop();
    for (let i = 0; i < 4; i++) {
      others.push(new SimNode(network, { isCheap: true, seeds: [boot.node] }).start());
      network.env.advance(5_000);
    }
    network.env.advance(60_000);
    expect(recall(network, [boot, ...others], 10)).toBeGreaterThanOrEqual(0.95);
  });

  it('that loses a tenth of its packets keeps its live nodes in tables, and soon none that does not answer', () => {
    const network = new Network({ seed: 1 });
    const nodes = grow(network, 12);
    network.env.advance(120_000);
    network.lossRate = 0.1;
    // Of five checks of a live node one fails: that must not be its end, nor two in a row.
    const places = nodes.length * (nodes.length - 1);
    for (let minute = 0; minute < 30; minute++) {
      network.env.advance(60_000);
      const live = nodes.reduce((sum, { engine }) => sum + engine.table.stats().live, 0);
      expect(live).toBeGreaterThan(0.95 * places);
    }

    const gone = nodes.splice(8, 2);
    for (const node of gone) node.stop();
    // Its last answers are still on the way.
    network.env.advance(1_000);
    for (const { events } of nodes) events.length = 0;
    const left = nodes.flatMap((node) => gone.map(({ node: { id } }) => ({ node, id, silentFor: 0 })));
    const isThere = ({ node, id }: (typeof left)[number]) => node.engine.table.has(id);
    let longest = 0;
    for (let second = 0; second < 600; second++) {
      network.env.advance(1_000);
      for (const one of left.filter(isThere)) {
        const isSilent = one.node.events.some(
          ({ kind, node }) => kind === 'node-silent' && compareBytes(node.id, one.id) === 0,
        );
        if (isSilent) longest = Math.max(longest, ++one.silentFor);
      }
    }
    expect(left.filter(isThere)).toEqual([]);
    expect(longest).toBeLessThan(20);
  });

  it('whose nodes have all left is found again when the bootnode is back', () => {
    const network = new Network({ seed: 4 });
    const secretKey = new Uint8Array(32).fill(9);
    const endpoint = { ip: '19.1.1.1', port: 30303 };
    const boot = new SimNode(network, { secretKey, endpoint });
    const node = new SimNode(network, { seeds: [boot.node] });
    boot.stop();
    node.start();
    network.env.advance(60_000);
    expect(node.engine.table.stats().live).toBe(0);
    new SimNode(network, { secretKey, endpoint }).start();
    network.env.advance(30_000);
    expect(node.engine.table.stats().live).toBe(1);
  });

  it('is searched anew soon after the first node is known, however late', () => {
    const network = new Network({ seed: 8, log: true });
    const [boot] = grow(network, 5);
    const node = new SimNode(network, { isCheap: true }).start();
    network.env.advance(3_600_000);
    if (boot === undefined || network.log === undefined) throw new Error('no node');
    node.engine.addSeed(boot.node, node.now);
    node.schedule();
    network.env.advance(5_000);
    network.log.length = 0;
    network.env.advance(FIRST_REFRESH_INTERVAL_MS);
    expect(askedBy(network, node)).toBeGreaterThanOrEqual(4);
  });

  it('is searched anew soon after the start, then ever more seldom, and at last every half an hour', () => {
    const network = new Network({ seed: 6, log: true });
    const nodes = grow(network, 5);
    const asked = () => network.log?.splice(0).filter(({ packet }) => packet[97] === 3).length ?? 0;
    network.env.advance(5_000);
    expect(asked()).toBeGreaterThan(0);
    network.env.advance(FIRST_REFRESH_INTERVAL_MS);
    expect(asked()).toBeGreaterThanOrEqual(4 * nodes.length);
    network.env.advance(REFRESH_INTERVAL_MS + 60_000);
    asked();
    network.env.advance(REFRESH_INTERVAL_MS - 240_000);
    expect(asked()).toBe(0);
    network.env.advance(300_000);
    expect(asked()).toBeGreaterThanOrEqual(4 * nodes.length);
  });
});

describe('a lookup', () => {
  it('asks nobody while it is paused, and ends when it is stopped', () => {
    const network = new Network({ seed: 7, log: true });
    const [, node] = grow(network, 20);
    // Between two refreshes of the table.
    network.env.advance(120_000);
    if (node === undefined || network.log === undefined) throw new Error('no node');
    const asked = () => askedBy(network, node);
    network.log.length = 0;
    const found: number[] = [];
    const run = node.engine.lookup(new Uint8Array(64).fill(1), {
      found: (nodes) => {
        found.push(nodes.length);
        run.pause();
      },
    });
    // In so small a network nothing new is found that would pause it.
    const resume = () => {
      node.engine.resumeLookup(run, node.now);
      run.pause();
      node.schedule();
      network.env.advance(5_000);
    };
    resume();
    expect([found.length, asked()]).toEqual([1, 0]);
    resume();
    expect(asked()).toBe(3);
    network.env.advance(60_000);
    expect(asked()).toBe(3);
    run.stop();
    resume();
    expect([run.isDone, asked()]).toEqual([true, 3]);
  });
});
