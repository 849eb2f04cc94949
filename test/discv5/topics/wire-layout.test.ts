/** The messages of topics byte by byte (discv5-wire.md, "REGTOPIC Request" to "TOPICNODES Response"): nobody else speaks them yet. */
import { describe, expect, it } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { encodeMessage, type Message } from '../../../src/discv5/index.ts';
import { MAX_PLAINTEXT_SIZE } from '../../../src/discv5/packet.ts';
import { E } from '../../../src/discv5/topics/index.ts';
import { MAX_TICKET_LENGTH, MAX_TOPIC_DISTANCES } from '../../../src/discv5/topics/parameters.ts';
import { MAX_RECORD_SIZE, topicDiscoveryEntries } from '../../../src/enr/index.ts';
import { logDistance } from '../../../src/kad/index.ts';
import { freshEndpoint, Network } from '../../support/packet-network.ts';
import { SimNode } from '../network.ts';
import { Puppet } from '../puppet.ts';
import { topicOf } from './nodes.ts';
import { item, list, message, number } from './rlp.ts';

const entries = topicDiscoveryEntries(1);
const topic = topicOf(1);
const id = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7);

/** A registrar that knows one more node, and somebody who has a session with it. */
function met() {
  const network = new Network();
  const registrar = new SimNode(network, { entries });
  const other = new SimNode(network, { entries });
  other.ping(registrar.node);
  network.env.advance(1_000);
  const puppet = new Puppet(network, freshEndpoint(), entries).meet(registrar);
  puppet.messages();
  return { network, registrar, other, puppet };
}

/** What the node says to that, as bytes. */
function said(puppet: Puppet, node: SimNode, plaintext: Uint8Array): Uint8Array[] {
  puppet.plaintexts.length = 0;
  puppet.say(node, plaintext);
  puppet.messages();
  return [...puppet.plaintexts];
}

it('a request fits into a packet with the longest record, ticket and distances', () => {
  const sent = encodeMessage({
    ...{ kind: 'regTopic', requestId: id, topic, ticket: new Uint8Array(MAX_TICKET_LENGTH) },
    record: list(item(new Uint8Array(MAX_RECORD_SIZE - 6))),
    distances: Array.from({ length: MAX_TOPIC_DISTANCES }, () => 256),
  });
  expect(sent.length).toBeLessThan(MAX_PLAINTEXT_SIZE);
});

describe('a registrar', () => {
  it('answers REGTOPIC with REGCONFIRMATION, with a ticket and without, and NODES', () => {
    const { registrar, other, puppet } = met();
    const distance = logDistance(topic, other.id);
    const ask = (ticket: Uint8Array) =>
      message(7, item(id), item(topic), puppet.record.encoded, item(ticket), list(number(distance)));
    const [first, auxiliary, ...rest] = said(puppet, registrar, ask(EMPTY));
    expect(rest).toEqual([]);
    // Behind the type, the list's head, the id, the total and its own head of two bytes.
    const ticket = first?.slice(1 + 2 + 9 + 1 + 2, -1) ?? EMPTY;
    expect(ticket).toHaveLength(56);
    expect(first).toEqual(message(8, item(id), number(2), item(ticket), number(1)));
    expect(auxiliary).toEqual(message(4, item(id), number(2), list(other.record.encoded)));
    const second = said(puppet, registrar, ask(ticket));
    expect(second).toEqual([
      message(8, item(id), number(2), item(EMPTY), number(E)),
      message(4, item(id), number(2), list(other.record.encoded)),
    ]);
  });

  it('answers TOPICQUERY with TOPICNODES, empty where nobody advertises, and NODES', () => {
    const { registrar, other, puppet } = met();
    const ask = (distance: number) => message(9, item(id), item(topic), list(number(distance)));
    expect(said(puppet, registrar, ask(1))).toEqual([message(10, item(id), number(1), list())]);
    const register = (ticket: Uint8Array) =>
      message(7, item(EMPTY), item(topic), puppet.record.encoded, item(ticket), list());
    const [waiting] = said(puppet, registrar, register(EMPTY));
    said(puppet, registrar, register(waiting?.slice(-57, -1) ?? EMPTY));
    expect(said(puppet, registrar, ask(logDistance(topic, other.id)))).toEqual([
      message(10, item(id), number(2), list(puppet.record.encoded)),
      message(4, item(id), number(2), list(other.record.encoded)),
    ]);
  });
});

describe('a node', () => {
  it('asks with REGTOPIC and TOPICQUERY, takes the answers by hand, and comes back with the ticket', () => {
    const { network, registrar: node, puppet } = met();
    const distances = (sent: Message) => {
      if (!('distances' in sent)) throw new Error(`${sent.kind} has no distances`);
      return list(...sent.distances.map(number));
    };
    const asked = (kind: Message['kind']) => {
      const sent = puppet.messages();
      const at = sent.findIndex((one) => one.kind === kind);
      const [plaintext, one] = [puppet.plaintexts.at(at - sent.length), sent[at]];
      if (one === undefined || plaintext === undefined) throw new Error(`no ${kind} has come`);
      return { one, plaintext };
    };
    const run = node.engine.advertise(topic, node.now);
    node.schedule();
    network.env.advance(100);
    const first = asked('regTopic');
    const requestId = item(first.one.requestId);
    const { encoded } = node.record;
    expect(first.one.requestId).toHaveLength(8);
    expect(first.plaintext).toEqual(
      message(7, requestId, item(topic), encoded, item(EMPTY), distances(first.one)),
    );
    const ticket = Uint8Array.of(1, 2, 3);
    puppet.say(node, message(8, requestId, number(1), item(ticket), number(5_000)));
    expect(run.stats.pending).toBeGreaterThan(0);
    network.env.advance(4_800);
    expect(puppet.messages().filter(({ kind }) => kind === 'regTopic')).toEqual([]);
    network.env.advance(400);
    const second = asked('regTopic');
    expect(second.plaintext).toEqual(
      message(7, item(second.one.requestId), item(topic), encoded, item(ticket), distances(second.one)),
    );
    puppet.say(node, message(8, item(second.one.requestId), number(1), item(EMPTY), number(E)));
    const admitted = node.events.filter((event) => event.kind === 'topic-admitted');
    expect(admitted).toContainEqual(
      expect.objectContaining({ lifetimeMs: E, node: expect.objectContaining({ id: puppet.id }) }),
    );
    const found: Uint8Array[] = [];
    const searching = node.engine.search(topic, 1, {
      found: (nodes) => found.push(...nodes.map((n) => n.id)),
    });
    node.engine.resumeSearch(searching, node.now);
    node.schedule();
    network.env.advance(100);
    const query = asked('topicQuery');
    expect(query.plaintext).toEqual(message(9, item(query.one.requestId), item(topic), distances(query.one)));
    const advertiser = new Puppet(network);
    puppet.say(node, message(10, item(query.one.requestId), number(1), list(advertiser.record.encoded)));
    expect(found).toEqual([advertiser.id]);
  });
});
