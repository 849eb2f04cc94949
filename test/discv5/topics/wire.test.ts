/** Topics over the wire, among engines in a network of packets in virtual time. */
import { describe, expect, it } from 'vitest';
import { equalBytes, toBareHex } from '../../../src/base/bytes.ts';
import { MAX_DISTANCE } from '../../../src/discv5/index.ts';
import { type AdvertisementRun, E, F_LOOKUP, K_REGISTER } from '../../../src/discv5/topics/index.ts';
import { topicDiscoveryEntries } from '../../../src/enr/index.ts';
import { type KadNode, logDistance } from '../../../src/kad/index.ts';
import { codeOf } from '../../support/errors.ts';
import { Network } from '../../support/packet-network.ts';
import { type NodeOptions, SimNode } from '../network.ts';
import { topicOf } from './nodes.ts';

const entries = topicDiscoveryEntries(1);
const MINUTE = 60_000;

/** Addresses far from each other, as those of the Internet are. */
function farEndpoint(n: number): { ip: string; port: number } {
  return { ip: `${20 + ((n * 37) % 100)}.${(n * 91) % 256}.${(n * 53) % 256}.1`, port: 30303 };
}

let nextNode = 0;

function joined(network: Network, boot: SimNode, options: NodeOptions = {}): SimNode {
  const endpoint = farEndpoint(nextNode++);
  return new SimNode(network, { endpoint, entries, seeds: [boot.node], ...options }).start();
}

/** Nodes that know each other, and take part. The first is the one that all the others began with. */
function grown(
  others: number,
  options: NodeOptions = {},
): { network: Network; nodes: SimNode[]; boot: SimNode } {
  const network = new Network();
  const boot = new SimNode(network, { endpoint: farEndpoint(nextNode++), entries, ...options }).start();
  const nodes = Array.from({ length: others }, () => joined(network, boot, options));
  network.env.advance(MINUTE);
  return { network, boot, nodes };
}

function advertise(node: SimNode, topic: Uint8Array): AdvertisementRun {
  const run = node.engine.advertise(topic, node.now);
  node.schedule();
  return run;
}

/** All that are found, in half a minute. */
function searched(network: Network, node: SimNode, topic: Uint8Array, count?: number): KadNode[] {
  const found: KadNode[] = [];
  const run = node.engine.search(topic, count ?? F_LOOKUP, { found: (nodes) => found.push(...nodes) });
  node.engine.resumeSearch(run, node.now);
  node.schedule();
  network.env.advance(MINUTE / 2);
  expect(run.isDone).toBe(true);
  return found;
}

function search(network: Network, node: SimNode, topic: Uint8Array, count?: number): string[] {
  return idsOf(searched(network, node, topic, count));
}

const idsOf = (nodes: readonly { readonly id: Uint8Array }[]) => nodes.map(({ id }) => toBareHex(id)).sort();
const adsAt = (node: SimNode) => node.engine.stats().topics?.ads;

describe('a topic', () => {
  it('that some advertise is found by another, who finds each of them once, and no more than it wants', () => {
    const { network, boot, nodes } = grown(11);
    const topics = [topicOf(1), topicOf(2), topicOf(3)];
    const runs = nodes.slice(0, 9).map((node, i) => advertise(node, topics[i % 3] ?? new Uint8Array(32)));
    network.env.advance(E);
    for (const run of runs) expect(run.stats.active).toBeGreaterThan(0);
    topics.forEach((topic, i) => {
      const advertisers = nodes.slice(0, 9).filter((_, index) => index % 3 === i);
      expect(search(network, boot, topic)).toEqual(idsOf(advertisers));
      expect(search(network, boot, topic, 1)).toHaveLength(1);
    });
    expect(search(network, boot, topicOf(4))).toEqual([]);
    expect(boot.engine.stats().topics).toMatchObject({ searches: 0, requests: 0 });
  });

  it('of one other is found, once, by the only registrar, which is not asked by itself', () => {
    const { network, boot, nodes } = grown(1);
    const [advertiser] = nodes;
    if (advertiser === undefined) throw new Error('there is one');
    const topic = topicOf(21);
    advertise(advertiser, topic);
    network.env.advance(MINUTE);
    expect(adsAt(boot)).toBe(1);
    const [found, ...others] = searched(network, boot, topic);
    expect(found).toMatchObject({
      id: advertiser.id,
      ip: advertiser.node.ip,
      udpPort: advertiser.node.udpPort,
    });
    expect(others).toEqual([]);
    // What an advertiser keeps is not itself.
    expect(search(network, advertiser, topic)).toEqual([]);
    network.env.advance(2 * E);
    expect(adsAt(boot)).toBe(1);
  });

  it('is not found where it was brought to before others have been asked', () => {
    const { network, nodes } = grown(7);
    const [searcher, sly, ...honest] = nodes;
    if (searcher === undefined || sly === undefined) throw new Error('there are some');
    const topic = topicOf(23);
    // It registers with the searcher alone, and the others with all but that.
    const isOfSly = (one: string, other: string): boolean =>
      one === sly.endpoint.ip && other !== searcher.endpoint.ip;
    const isApart = (one: string, other: string): boolean =>
      isOfSly(one, other) ||
      (one === searcher.endpoint.ip && honest.some(({ endpoint }) => endpoint.ip === other));
    network.loses = ({ from, to }) => isApart(from.ip, to.ip) || isApart(to.ip, from.ip);
    for (const node of honest.slice(0, 3)) advertise(node, topic);
    network.env.advance(2 * E);
    advertise(sly, topic);
    network.env.advance(MINUTE);
    expect(adsAt(searcher)).toBe(1);
    // The searcher is back before the other is.
    network.loses = ({ from, to }) => isOfSly(from.ip, to.ip) || isOfSly(to.ip, from.ip);
    network.env.advance(2 * MINUTE);
    expect(search(network, searcher, topic, 2)).not.toContain(toBareHex(sly.id));
    network.loses = () => false;
    // Of three advertisers of one topic, and nothing else, one may wait for its renewal.
    const all = search(network, searcher, topic);
    expect(all).toContain(toBareHex(sly.id));
    expect(all.length).toBeGreaterThan(2);
  });

  it('beside others of the same node goes to registrars that have none of them, while there are any', () => {
    const { network, nodes } = grown(24);
    const [advertiser, ...others] = nodes;
    if (advertiser === undefined) throw new Error('there are some');
    // Placed at once: one after the other they would find the places of the first taken.
    for (const n of [31, 32, 33]) advertise(advertiser, topicOf(n));
    network.env.advance(MINUTE);
    const kept = others.map((node) => adsAt(node) ?? 0);
    expect(Math.max(...kept)).toBe(1);
    expect(kept.filter((ads) => ads > 0).length).toBeGreaterThan(2 * K_REGISTER);
  });

  it('that a node of the LAN advertises is told within the LAN, and to nobody out in the net', () => {
    const network = new Network();
    const within = (host: number, ...seeds: KadNode[]): SimNode =>
      new SimNode(network, { endpoint: { ip: `192.168.1.${host}`, port: 30303 }, entries, seeds }).start();
    const boot = within(1);
    const [inner, neighbour, outer] = [within(21, boot.node), within(22, boot.node), joined(network, boot)];
    network.env.advance(MINUTE);
    const topic = topicOf(22);
    for (const node of [inner, outer]) advertise(node, topic);
    network.env.advance(2 * E);
    expect(adsAt(boot)).toBe(2);
    expect(search(network, joined(network, boot), topic)).toEqual(idsOf([outer]));
    expect(search(network, neighbour, topic)).toEqual(idsOf([inner, outer]));
  });

  it('is let in with a ticket after its waiting time, as others have it already', () => {
    const { network, boot, nodes } = grown(2);
    const [first, second] = nodes;
    if (first === undefined || second === undefined) throw new Error('there are two');
    const topic = topicOf(5);
    advertise(first, topic);
    network.env.advance(MINUTE);
    expect(adsAt(boot)).toBe(1);
    // The only topic of a registrar has all of the cache: it waits E, and more for an address that is like the first.
    const run = advertise(second, topic);
    const isIn = () =>
      boot.events.some(
        (event) => event.kind === 'topic-registered' && equalBytes(event.record.nodeId, second.id),
      );
    network.env.advance(E - MINUTE);
    expect(isIn()).toBe(false);
    expect(run.stats).toEqual({ active: 1, pending: 1 });
    network.env.advance(E);
    expect(isIn()).toBe(true);
    expect(boot.engine.stats().topics?.answers.wait).toBeGreaterThanOrEqual(3);
  });

  it('stays advertised as long as it is renewed, and goes within E when that ends', () => {
    const { network, boot, nodes } = grown(2);
    const [advertiser, other] = nodes;
    if (advertiser === undefined || other === undefined) throw new Error('there are two');
    const topic = topicOf(6);
    const run = advertise(advertiser, topic);
    for (let minutes = 1; minutes <= 50; minutes++) {
      network.env.advance(MINUTE / 2);
      expect(search(network, other, topic)).toEqual(idsOf([advertiser]));
    }
    expect(adsAt(boot)).toBe(1);
    run.stop();
    expect(run.stats).toEqual({ active: 0, pending: 0 });
    expect(advertiser.engine.stats().topics).toMatchObject({ advertisements: 0, requests: 0 });
    network.env.advance(E);
    expect(search(network, other, topic)).toEqual([]);
    expect(adsAt(boot)).toBe(0);
    // It may begin again.
    advertise(advertiser, topic);
  });

  it('is let in though a packet gets lost, and found though many do', () => {
    const { network, boot, nodes } = grown(1);
    const [advertiser] = nodes;
    if (advertiser === undefined) throw new Error('there is one');
    const run = advertise(advertiser, topicOf(10));
    network.env.advance(500);
    expect(run.stats).toEqual({ active: 0, pending: 1 });
    let lost = 0;
    expect(boot.engine.stats().topics?.answers.admitted).toBe(0);
    network.loses = ({ from }) =>
      from.ip === boot.endpoint.ip && boot.engine.stats().topics?.answers.admitted === 1 && lost++ === 0;
    network.env.advance(5_000);
    expect(lost).toBeGreaterThan(0);
    expect(run.stats).toEqual({ active: 1, pending: 0 });
    network.loses = () => false;
    network.lossRate = 0.2;
    const others = Array.from({ length: 5 }, () => joined(network, boot));
    network.env.advance(MINUTE);
    const found = others.map((node) => search(network, node, topicOf(10)).length);
    expect(found.reduce((sum, n) => sum + n)).toBeGreaterThan(3);
  });

  it('is not asked of registrars that the record says no way from', () => {
    const { network, boot } = grown(0, { endpoint: { ip: '2600:1::1', port: 30303 } });
    const advertiser = joined(network, boot);
    network.env.advance(MINUTE);
    expect(advertiser.engine.table.isLive(boot.id)).toBe(true);
    const run = advertise(advertiser, topicOf(11));
    network.env.advance(MINUTE);
    expect(run.stats).toEqual({ active: 0, pending: 0 });
    expect(boot.engine.stats().receivedOf.regTopic).toBe(0);
    // Whoever searches may come by any family.
    expect(search(network, advertiser, topicOf(11))).toEqual([]);
    expect(boot.engine.stats().receivedOf.topicQuery).toBe(1);
  });

  it('is found, and asked to be kept, as soon as a network that was gone is back', () => {
    const { network, nodes } = grown(8);
    const [advertiser, cut] = nodes;
    if (advertiser === undefined || cut === undefined) throw new Error('there are some');
    const [topic, own] = [topicOf(14), topicOf(15)];
    // What it keeps itself it would find in any case.
    const apart = [advertiser.endpoint.ip, cut.endpoint.ip];
    network.loses = ({ from, to }) => apart.includes(from.ip) && apart.includes(to.ip);
    advertise(advertiser, topic);
    const run = advertise(cut, own);
    network.env.advance(E - MINUTE);
    expect(adsAt(cut)).toBe(0);
    expect(search(network, cut, topic)).toEqual(idsOf([advertiser]));
    network.loses = ({ from, to }) => [from.ip, to.ip].includes(cut.endpoint.ip);
    // Before its table finds out.
    for (let i = 0; i < 5; i++) {
      const hurried = cut.engine.search(topic, F_LOOKUP);
      cut.engine.resumeSearch(hurried, cut.now);
      cut.schedule();
      network.env.advance(4_000);
    }
    // Renewals of its own come due meanwhile.
    for (let i = 0; i < 2; i++) expect(search(network, cut, topic)).toEqual([]);
    network.loses = () => false;
    network.env.advance(MINUTE);
    expect(search(network, cut, topic)).toEqual(idsOf([advertiser]));
    network.env.advance(2 * MINUTE);
    expect(run.stats.active).toBeGreaterThan(0);
  });

  it('is kept by a registrar that was not there yet as soon as it is', () => {
    const network = new Network();
    const boot = new SimNode(network, { endpoint: farEndpoint(nextNode++), entries });
    boot.stop();
    const advertiser = joined(network, boot);
    const run = advertise(advertiser, topicOf(41));
    network.env.advance(5_000);
    network.attach(boot.endpoint, boot);
    boot.start();
    const isKnown = () => advertiser.engine.table.isLive(boot.id);
    for (let waited = 0; !isKnown() && waited < MINUTE; waited += 1_000) network.env.advance(1_000);
    expect(isKnown()).toBe(true);
    network.env.advance(10_000);
    expect(run.stats).toEqual({ active: 1, pending: 0 });
  });

  it('is found by the newest record of its advertiser that the searcher knows, whatever a registrar gives', () => {
    const { network, boot, nodes } = grown(2);
    const [advertiser, searcher] = nodes;
    if (advertiser === undefined || searcher === undefined) throw new Error('there are two');
    const topic = topicOf(42);
    const run = advertise(advertiser, topic);
    network.env.advance(MINUTE);
    run.stop();
    const endpoint = farEndpoint(nextNode++);
    advertiser.record = advertiser.signed(2n, endpoint, entries);
    advertiser.moveTo(endpoint);
    searcher.ping(advertiser.node);
    network.env.advance(MINUTE);
    expect(searcher.engine.table.get(advertiser.id)?.ip).toBe(endpoint.ip);
    expect(adsAt(boot)).toBe(1);
    expect(searched(network, searcher, topic).map(({ ip }) => ip)).toEqual([endpoint.ip]);
  });

  it('goes to another registrar when one is gone', () => {
    const { network, boot, nodes } = grown(1);
    const [advertiser] = nodes;
    if (advertiser === undefined) throw new Error('there is one');
    const topic = topicOf(7);
    const run = advertise(advertiser, topic);
    network.env.advance(MINUTE);
    expect(run.stats).toEqual({ active: 1, pending: 0 });
    boot.stop();
    const next = joined(network, advertiser);
    network.env.advance(E);
    expect(run.stats).toEqual({ active: 1, pending: 0 });
    expect(adsAt(next)).toBe(1);
  });

  it('goes to no registrar that the ordinary table has let go', () => {
    const network = new Network({ log: true });
    const topic = topicOf(16);
    const within = (options: NodeOptions = {}) =>
      new SimNode(network, { endpoint: farEndpoint(nextNode++), entries, ...options });
    // Of one bucket, in which one is enough.
    const registrar = (): SimNode => {
      const node = within();
      return logDistance(topic, node.id) === MAX_DISTANCE ? node : registrar();
    };
    const registrars = [registrar(), registrar()];
    const advertiser = within({ topics: { kRegister: 1 } });
    for (const { node } of registrars) {
      advertiser.engine.addNamed(node, advertiser.now);
      advertiser.ping(node);
    }
    network.env.advance(MINUTE);
    expect(advertiser.engine.table.live()).toHaveLength(2);
    const run = advertise(advertiser, topic);
    network.env.advance(MINUTE);
    expect(run.stats).toEqual({ active: 1, pending: 0 });
    const [first, other] = registrars.toSorted((a, b) => (adsAt(b) ?? 0) - (adsAt(a) ?? 0));
    if (first === undefined || other === undefined) throw new Error('there are two');
    expect([adsAt(first), adsAt(other)]).toEqual([1, 0]);
    other.stop();
    network.env.advance(3 * MINUTE);
    expect(advertiser.engine.table.has(other.id)).toBe(false);
    const packets = () => network.log?.filter(({ to }) => to.ip === other.endpoint.ip).length;
    const before = packets();
    first.stop();
    network.env.advance(2 * E);
    expect(run.stats).toEqual({ active: 0, pending: 0 });
    expect(packets()).toBe(before);
  });

  it('is not asked of nodes whose records do not say that they take part, nor answered by those that do not', () => {
    const { network, boot, nodes } = grown(2, { entries: {} });
    const [advertiser, other] = nodes;
    if (advertiser === undefined || other === undefined) throw new Error('there are two');
    const run = advertise(advertiser, topicOf(8));
    network.env.advance(MINUTE);
    expect(run.stats).toEqual({ active: 0, pending: 0 });
    expect(search(network, other, topicOf(8))).toEqual([]);
    expect(boot.engine.stats().receivedOf).toMatchObject({ regTopic: 0, topicQuery: 0 });
    // It says so, and does not.
    const off = joined(network, boot, { topics: false });
    network.env.advance(MINUTE);
    expect(off.engine.stats().receivedOf.regTopic).toBeGreaterThan(0);
    expect(off.engine.stats().topics).toBeUndefined();
    expect(run.stats.active).toBe(0);
    expect(codeOf(() => off.engine.advertise(topicOf(8), off.now))).toBe('invalid-argument');
    expect(codeOf(() => off.engine.search(topicOf(8), 1))).toBe('invalid-argument');
  });

  it('is advertised as soon as the record says where its node is, and again with each new record', () => {
    const { network, boot } = grown(0);
    const advertiser = joined(network, boot, { isPublic: false });
    const topic = topicOf(9);
    const run = advertise(advertiser, topic);
    network.env.advance(MINUTE);
    expect(boot.engine.stats().receivedOf.regTopic).toBe(0);
    advertiser.record = advertiser.signed(2n, advertiser.endpoint, entries);
    network.env.advance(MINUTE);
    expect(run.stats.active).toBe(1);
    const { regTopic } = boot.engine.stats().receivedOf;
    advertiser.record = advertiser.signed(3n, advertiser.endpoint, { ...entries, tcp: 1 });
    network.env.advance(MINUTE);
    // Long before it would be renewed.
    expect(boot.engine.stats().receivedOf.regTopic).toBeGreaterThan(regTopic);
    network.env.advance(E);
    const found = searched(network, joined(network, boot), topic);
    expect(found.map(({ record }) => record?.seq)).toEqual([3n]);
    expect(run.stats.active).toBeGreaterThan(0);
  });

  it('is advertised once, and only so many are', () => {
    const { boot } = grown(0);
    for (let i = 0; i < 64; i++) advertise(boot, topicOf(100 + i));
    expect(codeOf(() => boot.engine.advertise(topicOf(100), boot.now))).toBe('invalid-argument');
    expect(codeOf(() => boot.engine.advertise(topicOf(99), boot.now))).toBe('request-overload');
  });

  it('and others beside it leave room for the other requests of a node', () => {
    const { network, nodes } = grown(4);
    const [advertiser] = nodes;
    if (advertiser === undefined) throw new Error('there is one');
    network.lossRate = 1;
    const runs = Array.from({ length: 64 }, (_, i) => advertise(advertiser, topicOf(200 + i)));
    network.env.advance(100);
    const { requests = 0 } = advertiser.engine.stats().topics ?? {};
    expect(requests).toBeGreaterThan(56);
    expect(requests).toBeLessThan(64 + 8);
    network.lossRate = 0;
    network.env.advance(MINUTE);
    for (const run of runs) expect(run.stats.active + run.stats.pending).toBeGreaterThan(0);
  });
});
