import { describe, expect, it } from 'vitest';
import { TOPIC_DISCOVERY_VERSION, topicDiscoveryEntries } from '../../src/enr/index.ts';
import { type KadNode, MAX_REQUESTS, MAX_UNANSWERED, nodeOfRecord } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { type NodeOptions, SimNode } from './network.ts';

let count = 0;

/** A node whose record names an IPv4 address, too, where nobody is. */
function halfReached(network: Network, options: NodeOptions = {}): SimNode {
  count++;
  const endpoint = { ip: `2606:${count}::1`, port: 30_303 };
  const entries = { ip: `9.0.${count}.1`, udp: 30_303, ...topicDiscoveryEntries(TOPIC_DISCOVERY_VERSION) };
  return new SimNode(network, { endpoint, entries, ...options });
}

/** As somebody has it who knows its record. */
function known(node: SimNode): KadNode {
  const found = nodeOfRecord(node.record);
  if (found === undefined) throw new Error('the record names no place');
  expect(found.ip).toMatch(/^9\.0\./);
  return found;
}

const packetsTo = (network: Network, ip: string) =>
  (network.log ?? []).filter(({ to }) => to.ip === ip).length;

describe('a node that is not reached at the first place of its record', () => {
  it('is asked at the other by whoever has its record', () => {
    const network = new Network({ log: true });
    const b = halfReached(network, {
      talk: ({ respond }) => {
        respond(Uint8Array.of(1));
        return true;
      },
    });
    const node = known(b);
    for (const ask of [
      (a: SimNode) => a.ping(node),
      (a: SimNode) => a.ask((done) => a.engine.pingNamed(node, a.now, done)),
      (a: SimNode) => a.findNode(node, [0]),
      (a: SimNode) => a.ask((done) => a.engine.requestRecord(node, a.now, done)),
      (a: SimNode) => a.ask((done) => a.engine.talk(node, new Uint8Array(1), new Uint8Array(1), a.now, done)),
    ]) {
      const asked = ask(new SimNode(network));
      network.env.advance(2_000);
      expect(asked.result).toBeDefined();
    }
    // Only as far as the place is reached: there it is sent once more.
    const a = new SimNode(network, { reaches: (ip) => !ip.includes(':') });
    const before = packetsTo(network, node.ip);
    const asked = a.ping(node);
    network.env.advance(2_000);
    expect([asked.isDone, asked.result, packetsTo(network, node.ip) - before]).toEqual([true, undefined, 2]);
  });

  it('is not asked at the other while as many requests as may be await their answers', () => {
    const network = new Network({ log: true });
    const [b, gone] = [halfReached(network), new SimNode(network)];
    gone.stop();
    const a = new SimNode(network);
    const asked = a.ping(known(b));
    network.env.advance(100);
    while (a.engine.sizes().requests < MAX_REQUESTS - 1) a.ping(gone.node);
    // What is too long for a packet beside a handshake has a Ping before it, which makes two.
    const far = new SimNode(network);
    far.stop();
    a.ask((done) => a.engine.talk(far.node, new Uint8Array(1), new Uint8Array(1_100), a.now, done));
    expect(a.engine.sizes().requests).toBe(MAX_REQUESTS + 1);
    network.env.advance(400);
    expect([asked.isDone, asked.result, packetsTo(network, b.endpoint.ip)]).toEqual([true, undefined, 0]);
    network.env.advance(5_000);
    expect([a.engine.sizes().requests, packetsTo(network, b.endpoint.ip)]).toEqual([0, 0]);
  });

  it('is asked where it was found from then on', () => {
    const network = new Network({ log: true });
    const b = halfReached(network);
    const node = known(b);
    const a = new SimNode(network, { seeds: [node] }).start();
    network.env.advance(10_000);
    expect(a.engine.table.get(b.id)?.ip).toBe(b.endpoint.ip);
    const before = packetsTo(network, node.ip);
    const asked = a.ping(node);
    network.env.advance(400);
    expect(asked.result).toBeDefined();
    network.env.advance(10 * 60_000);
    expect(packetsTo(network, node.ip) - before).toBe(0);
    expect(a.engine.table.isLive(b.id)).toBe(true);
  });

  it('has a TalkReq once, however long it takes for the answer, and none that nobody waits for', () => {
    const network = new Network({ log: true });
    let taken = 0;
    const b = halfReached(network, { talk: () => ++taken > 0 });
    const node = known(b);
    const a = new SimNode(network);
    const talk = (isWanted = true) =>
      a.ask<Uint8Array>((done) => {
        a.engine.talk(node, new Uint8Array(1), new Uint8Array(1), a.now, done, () => isWanted);
      });
    talk(false);
    network.env.advance(3_000);
    expect([taken, packetsTo(network, b.endpoint.ip)]).toEqual([0, 0]);
    for (let i = 1; i <= 3; i++) {
      const before = packetsTo(network, node.ip);
      const asked = talk();
      network.env.advance(3_000);
      expect([asked.isDone, asked.result, taken]).toEqual([true, undefined, i]);
      // The first time it is not known yet where the node is.
      if (i > 1) expect(packetsTo(network, node.ip)).toBe(before);
      a.ping(node);
      network.env.advance(3_000);
    }
  });

  it('is of use as a bootnode, and the others are found by it', () => {
    const network = new Network();
    const bootnode = halfReached(network).start();
    const seeds = [known(bootnode)];
    const nodes = Array.from({ length: 8 }, () => halfReached(network, { seeds }).start());
    network.env.advance(60_000);
    for (const node of nodes) {
      expect(node.engine.table.live()).toHaveLength(nodes.length);
      expect(node.engine.table.live().every(({ ip }) => ip.includes(':'))).toBe(true);
    }
    const stranger = new SimNode(network, { seeds }).start();
    const run = stranger.lookup(stranger.id);
    network.env.advance(20_000);
    expect(run.isDone).toBe(true);
    expect(run.result).toHaveLength(nodes.length + 1);
  });

  it('gets no more than a few packets where nobody is, however many name it', () => {
    const network = new Network({ log: true });
    const gone = halfReached(network);
    const node = known(gone);
    gone.stop();
    const a = new SimNode(network);
    for (let i = 0; i < 20; i++) {
      a.findNode(node, [256]);
      network.env.advance(2_000);
    }
    expect([packetsTo(network, node.ip), packetsTo(network, gone.endpoint.ip)]).toEqual([
      MAX_UNANSWERED,
      MAX_UNANSWERED,
    ]);
  });

  it('keeps advertisements, and is asked for them', () => {
    const network = new Network();
    const registrar = halfReached(network);
    const topic = new Uint8Array(32).fill(5);
    const [advertiser, searcher] = [new SimNode(network), new SimNode(network)];
    for (const { engine, now } of [advertiser, searcher]) {
      engine.table.addFound(known(registrar), now);
    }
    advertiser.engine.advertise(topic, advertiser.now);
    advertiser.schedule();
    network.env.advance(20_000);
    expect(registrar.engine.stats().topics?.ads).toBe(1);
    const found: KadNode[] = [];
    const run = searcher.engine.search(topic, 1, { found: (nodes) => found.push(...nodes) });
    searcher.engine.resumeSearch(run, searcher.now);
    searcher.schedule();
    network.env.advance(20_000);
    expect(found.map(({ ip }) => ip)).toEqual([advertiser.endpoint.ip]);
  });
});
