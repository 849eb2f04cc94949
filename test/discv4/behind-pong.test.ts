/** What comes right behind the Pong that is its proof, before that has been verified. */
import { describe, expect, it } from 'vitest';
import type { NodeRecord } from '../../src/enr/index.ts';
import type { KadNode } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { Puppet, SimNode } from './network.ts';

/** A node that has pinged a stranger back, whose Pong has not come yet. */
function pinged() {
  const network = new Network({ log: true });
  const node = new SimNode(network, {});
  const stranger = new Puppet(network);
  stranger.ping(node);
  network.env.advance(100);
  expect(stranger.take('ping')).toHaveLength(1);
  const kinds = () => stranger.received.map(({ kind }) => kind).slice(2);
  return { network, node, stranger, kinds };
}

describe('of a stranger', () => {
  it('a FindNode and an ENRRequest in the same turn as the Pong are answered', () => {
    const { network, node, stranger, kinds } = pinged();
    const { expiration } = stranger;
    stranger.pong(node, stranger.hashOf('ping'));
    stranger.send(node, { kind: 'findNode', target: node.publicKey, expiration });
    stranger.send(node, { kind: 'enrRequest', expiration });
    network.env.advance(100);
    expect(kinds()).toEqual(['neighbors', 'enrResponse']);
  });

  it('they are not behind a Pong of somebody else, or to a Ping that was never sent', () => {
    const { network, node, stranger, kinds } = pinged();
    const { expiration } = stranger;
    const other = new Puppet(network);
    stranger.pong(node, new Uint8Array(32));
    stranger.send(node, { kind: 'enrRequest', expiration });
    other.pong(node, stranger.hashOf('ping'), stranger.endpoint);
    stranger.send(node, { kind: 'enrRequest', expiration });
    network.env.advance(100);
    expect(kinds()).toEqual([]);
    expect(node.engine.stats()).toMatchObject({ proofs: 0, dropped: { unproven: 2 } });
  });

  it('a Ping while ours to it is on its way brings it into the table', () => {
    const network = new Network({});
    const node = new SimNode(network, {});
    const stranger = new Puppet(network);
    node.ask((done) => node.engine.ping(stranger.node, node.now, done));
    network.env.advance(50);
    stranger.ping(node);
    network.env.advance(30);
    stranger.pong(node, stranger.hashOf('ping'));
    network.env.advance(100);
    expect(node.engine.table.isLive(stranger.node.id)).toBe(true);
  });
});

describe('a node that has been started again, and so has lost our proof', () => {
  it('is pinged and asked once more for its record', () => {
    const network = new Network({});
    const node = new SimNode(network, {});
    const key = network.env.randomBytes(32);
    const endpoint = { ip: '9.8.7.6', port: 30303 };
    const first = new SimNode(network, { secretKey: key, endpoint });
    const ask = (other: SimNode) =>
      node.ask<NodeRecord>((done) => node.engine.requestRecord(other.node, node.now, done));
    const before = ask(first);
    network.env.advance(5_000);
    expect(before.result?.seq).toBe(1n);
    first.stop();
    const second = new SimNode(network, { secretKey: key, endpoint });
    const after = ask(second);
    network.env.advance(10_000);
    expect(after.result?.encoded).toEqual(second.record.encoded);
    const found = node.ask<KadNode[]>((done) =>
      node.engine.findNode(second.node, node.publicKey, node.now, done),
    );
    network.env.advance(5_000);
    expect(found.isDone).toBe(true);
  });
});

describe('two nodes at one endpoint', () => {
  /** The first has a proof, and the other speaks from the same endpoint. */
  function two() {
    const network = new Network({});
    const node = new SimNode(network, {});
    const first = new Puppet(network);
    first.answerPings(node);
    first.ping(node);
    network.env.advance(1_000);
    expect(node.engine.stats().proofs).toBe(1);
    // Whoever is attached last gets what comes there.
    const second = new Puppet(network, first.endpoint);
    return { network, node, first, second };
  }

  it('that one has a proof is none of the other: its questions are not answered', () => {
    const { network, node, second } = two();
    const { expiration } = second;
    second.send(node, { kind: 'enrRequest', expiration });
    second.send(node, { kind: 'findNode', target: node.publicKey, expiration });
    network.env.advance(1_000);
    expect(second.received).toEqual([]);
    expect(node.engine.stats().dropped.unproven).toBe(2);
  });

  it('the Pong of one with the hash of the Ping to the other is no answer of either', () => {
    const { network, node, first, second } = two();
    first.onMessage = () => undefined;
    // In the same second both Pings would be the same packet.
    network.env.advance(900);
    const ask = (puppet: Puppet) => node.ask((done) => node.engine.ping(puppet.node, node.now, done));
    const asked = [ask(first)];
    network.env.advance(150);
    asked.push(ask(second));
    network.env.advance(30);
    const pings = second.take('ping');
    expect(pings).toHaveLength(2);
    second.pong(node, second.hashOf('ping'));
    first.pong(node, second.hashOf('ping'));
    network.env.advance(50);
    expect(asked.map(({ isDone }) => isDone)).toEqual([false, true]);
    expect(node.engine.stats().dropped.unsolicited).toBe(1);
    network.env.advance(2_000);
    expect(asked[0]).toEqual({ result: undefined, isDone: true });
  });
});
