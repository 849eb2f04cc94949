/** Nodes whose records change while others know them for topics. */
import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../../src/base/bytes.ts';
import { encodeMessage } from '../../../src/discv5/index.ts';
import { E } from '../../../src/discv5/topics/index.ts';
import { topicDistance } from '../../../src/discv5/topics/topic-id.ts';
import { decodeRecord, type EntryChanges, topicDiscoveryEntries } from '../../../src/enr/index.ts';
import type { UdpEndpoint } from '../../../src/kad/index.ts';
import { Network } from '../../support/packet-network.ts';
import { type NodeOptions, SimNode } from '../network.ts';
import { Puppet } from '../puppet.ts';
import { topicOf } from './nodes.ts';

const MINUTE = 60_000;
const ENTRIES = topicDiscoveryEntries(1);

function setUp() {
  const network = new Network();
  let made = 0;
  /** In a network of its own. */
  const place = (): UdpEndpoint => ({ ip: `${20 + made++}.9.9.1`, port: 30_303 });
  const start = (options: NodeOptions = {}) =>
    new SimNode(network, { endpoint: place(), entries: ENTRIES, ...options }).start();
  const search = (node: SimNode, topic: Uint8Array): void => {
    const run = node.engine.search(topic, 30, { found: () => run.resume() });
    node.engine.resumeSearch(run, node.now);
    node.schedule();
    network.env.advance(MINUTE);
  };
  const advertise = (node: SimNode, topic: Uint8Array): void => {
    node.engine.advertise(topic, node.now);
    node.schedule();
    network.env.advance(MINUTE);
  };
  /** The node has another record, of which the others hear. */
  const change = (node: SimNode, entries: EntryChanges, others: readonly SimNode[], to = node.endpoint) => {
    if (to !== node.endpoint) node.moveTo(to);
    node.record = node.signed(2n, to, entries);
    for (const other of others) node.ping(other.node);
    network.env.advance(2 * MINUTE);
    for (const other of others) expect(other.engine.table.get(node.id)?.record?.seq).toBe(2n);
  };
  /** By which records a registrar names a node, in many answers. */
  const named = (registrar: SimNode, node: SimNode): Set<bigint> => {
    const puppet = new Puppet(network, place(), ENTRIES).meet(registrar);
    const seqs = new Set<bigint>();
    for (let i = 0; i < 40; i++) {
      const topic = topicOf(1_000 + i);
      const distances = [topicDistance(topic, node.id)];
      puppet.messages();
      puppet.say(
        registrar,
        encodeMessage({ kind: 'topicQuery', requestId: Uint8Array.of(1), topic, distances }),
      );
      for (const message of puppet.messages()) {
        if (message.kind !== 'nodes') continue;
        for (const record of message.records.map((encoded) => decodeRecord(encoded))) {
          if (equalBytes(record.nodeId, node.id)) seqs.add(record.seq);
        }
      }
    }
    return seqs;
  };
  return { network, place, start, search, advertise, change, named };
}

const received = ({ engine }: SimNode): number => {
  const { regTopic, topicQuery } = engine.stats().receivedOf;
  return regTopic + topicQuery;
};

describe('a node that others know for topics', () => {
  it.each([
    ['takes part no more', {}],
    ['speaks another version', topicDiscoveryEntries(2)],
  ])('and that %s is asked for nothing, and named to nobody', (_, entries) => {
    const { network, start, search, advertise, change, named } = setUp();
    const registrar = start();
    const node = start({ seeds: [registrar.node] });
    const advertiser = start({ seeds: [registrar.node] });
    network.env.advance(MINUTE);
    advertise(advertiser, topicOf(1));
    search(registrar, topicOf(2));
    expect(named(registrar, node)).toEqual(new Set([1n]));
    expect(received(node)).toBeGreaterThan(1);
    change(node, entries, [registrar, advertiser]);
    const before = received(node);
    network.env.advance(2 * E);
    search(registrar, topicOf(3));
    search(start({ seeds: [registrar.node] }), topicOf(4));
    expect(received(node)).toBe(before);
    expect(named(registrar, node)).toEqual(new Set());
  });

  it('and that has moved is named and asked where it is', () => {
    const { network, place, start, search, change, named } = setUp();
    const registrar = start();
    const node = start({ seeds: [registrar.node] });
    network.env.advance(MINUTE);
    search(registrar, topicOf(2));
    change(node, ENTRIES, [registrar], place());
    expect(named(registrar, node)).toEqual(new Set([2n]));
    const before = received(node);
    search(registrar, topicOf(3));
    expect(received(node)).toBeGreaterThan(before);
  });

  it.each([false, true])('keeps an advertiser waiting no longer: it has moved meanwhile: %s', (hasMoved) => {
    const { network, place, start, advertise, change } = setUp();
    const registrar = start();
    const [first, second] = [
      start({ seeds: [registrar.node] }),
      start({ seeds: [registrar.node], entries: {} }),
    ];
    network.env.advance(MINUTE);
    for (const each of [first, second]) advertise(each, topicOf(1));
    network.env.advance(9 * MINUTE);
    if (hasMoved) change(registrar, ENTRIES, [first, second], place());
    network.env.advance(E - 7 * MINUTE);
    const isIn = registrar.events.some(
      (event) => event.kind === 'topic-registered' && equalBytes(event.record.nodeId, second.id),
    );
    expect(isIn).toBe(true);
  });
});
