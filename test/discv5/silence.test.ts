/** Addresses that others name, where nobody has asked for packets. */
import { describe, expect, it } from 'vitest';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { signRecord } from '../../src/enr/index.ts';
import {
  type KadNode,
  kadNode,
  MAX_UNANSWERED,
  MAX_UNANSWERED_OF_ADDRESS,
  SILENCE_MS,
} from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';
import { Puppet } from './puppet.ts';

const VICTIM = '203.0.114.7';
/** Where there is somebody, if anybody is. */
const KNOWN_PORT = 1_999;

function setUp() {
  const network = new Network({ log: true });
  const node = new SimNode(network).start();
  let port = 2_000;
  /** A node of a fresh key that a record puts at the victim's. */
  const named = (at = port++): KadNode => {
    const secretKey = generateSecretKey(network.env);
    const record = signRecord(secretKey, { seq: 1n, entries: { ip: VICTIM, udp: at } });
    return kadNode({ publicKey: publicKeyOf(secretKey), ip: VICTIM, udpPort: at, tcpPort: 0, record });
  };
  const sent = () => network.log?.filter(({ to }) => to.ip === VICTIM && to.port !== KNOWN_PORT).length ?? 0;
  /** Others name so many nodes, one after the other, in the given time. */
  const name = (count: number, ms: number, at?: number) => {
    for (let i = 0; i < count; i++) {
      node.engine.addNamed(named(at), node.now);
      node.schedule();
      network.env.advance(ms / count);
    }
  };
  return { network, node, named, name, sent };
}

describe('an address that others name', () => {
  it('gets no more than some packets where nobody answers, a few for each node, and again after a while', () => {
    const { network, node, named, name, sent } = setUp();
    const one = named(1_500);
    for (let i = 0; i < 10; i++) {
      node.findNode(one, [0]);
      network.env.advance(SILENCE_MS / 40);
    }
    expect(sent()).toBe(MAX_UNANSWERED);
    name(100, SILENCE_MS / 8, 1_500);
    name(100, SILENCE_MS / 8);
    expect(sent()).toBe(MAX_UNANSWERED_OF_ADDRESS);
    network.env.advance(2 * SILENCE_MS);
    name(100, SILENCE_MS / 2);
    expect(sent()).toBe(2 * MAX_UNANSWERED_OF_ADDRESS);
  });

  it('of this machine gets no more at one port, under however many keys', () => {
    const { network, node } = setUp();
    const endpoint = { ip: '127.0.0.1', port: 1_500 };
    const sent = () => network.log?.filter(({ to }) => to.ip === endpoint.ip).length;
    for (let i = 0; i < 100; i++) {
      node.engine.addNamed(
        kadNode({
          publicKey: publicKeyOf(generateSecretKey(network.env)),
          ip: endpoint.ip,
          udpPort: endpoint.port,
          tcpPort: 0,
        }),
        node.now,
      );
      node.schedule();
      network.env.advance(1_000);
    }
    expect(sent()).toBe(MAX_UNANSWERED_OF_ADDRESS);
  });

  it('where somebody is does not hide that node, though others are named at its endpoint', () => {
    const { network, node, named } = setUp();
    const honest = new SimNode(network, { endpoint: { ip: VICTIM, port: KNOWN_PORT } });
    for (let i = 0; i < 10; i++) {
      const asked = node.findNode(named(KNOWN_PORT), [0]);
      network.env.advance(2_000);
      expect(asked.result).toBeUndefined();
    }
    const ping = node.ask<object>((done) => node.engine.pingNamed(honest.node, node.now, done));
    network.env.advance(1_000);
    expect(ping.result).toBeDefined();
  });

  it('is forgotten when it answers, in a session too', () => {
    const network = new Network();
    const [a, b] = [new SimNode(network), new SimNode(network)];
    const pinged = () => {
      const ping = a.ping(b.node);
      network.env.advance(1_000);
      return ping.result !== undefined;
    };
    expect(pinged()).toBe(true);
    for (let i = 0; i < 2 * MAX_UNANSWERED; i++) {
      network.loses = () => true;
      expect(pinged()).toBe(false);
      expect(a.engine.sizes().silent).toBeGreaterThan(0);
      network.loses = () => false;
      expect(pinged()).toBe(true);
      expect(a.engine.sizes().silent).toBe(0);
    }
  });

  it('gets more at other ports where somebody is, but not at all', () => {
    const { network, node, name, sent } = setUp();
    new Puppet(network, { ip: VICTIM, port: KNOWN_PORT }).meet(node);
    name(1_000, SILENCE_MS);
    expect(sent()).toBeGreaterThan(MAX_UNANSWERED);
    expect(sent()).toBeLessThanOrEqual(MAX_UNANSWERED_OF_ADDRESS);
  });

  it('gets no fewer for answers of a node there that come late: after a question was sent twice', () => {
    const { network, node, named, name, sent } = setUp();
    const friend = new SimNode(network, { endpoint: { ip: VICTIM, port: KNOWN_PORT } });
    friend.ping(node.node);
    network.env.advance(500);
    name(20, 20_000);
    network.delayMs = 150;
    for (let i = 0; i < MAX_UNANSWERED_OF_ADDRESS; i++) {
      const ping = node.ping(friend.node);
      network.env.advance(1_000);
      expect(ping.result).toBeDefined();
    }
    const before = sent();
    node.findNode(named(), [0]);
    expect(sent()).toBe(before + 1);
  });

  it('is asked all the same when the user says so, and when a node there has a session', () => {
    const { network, node, named, name, sent } = setUp();
    const friend = new SimNode(network, { endpoint: { ip: VICTIM, port: KNOWN_PORT } });
    const ping = friend.ping(node.node);
    network.env.advance(500);
    expect(ping.result).toBeDefined();
    name(100, 20_000);
    expect(node.engine.table.has(friend.id)).toBe(true);
    const asked = friend.engine.stats().received;
    node.lookup(friend.id);
    network.env.advance(2_000);
    expect(friend.engine.stats().received).toBeGreaterThan(asked);
    const before = sent();
    node.ping(named());
    expect(sent()).toBe(before + 1);
  });

  it('gets none of what a caller asks of nodes that others have named, who is told so', () => {
    const { network, node, named, name, sent } = setUp();
    name(100, 50_000);
    expect(sent()).toBe(MAX_UNANSWERED_OF_ADDRESS);
    const asked = [
      node.ask<object>((done) => node.engine.pingNamed(named(), node.now, done)),
      node.ask<object>((done) => node.engine.requestRecord(named(), node.now, done)),
      node.findNode(named(), [256]),
    ];
    network.env.advance(2_000);
    const withheld = { isDone: true, result: undefined, failure: 'withheld-address' };
    expect(asked).toEqual([withheld, withheld, withheld]);
    expect(sent()).toBe(MAX_UNANSWERED_OF_ADDRESS);
  });

  it('is asked again once somebody there has answered', () => {
    const { network, node, named, name, sent } = setUp();
    name(100, 50_000);
    expect(sent()).toBe(MAX_UNANSWERED_OF_ADDRESS);
    const late = new SimNode(network, { endpoint: { ip: VICTIM, port: 1_500 } });
    node.ping(late.node);
    network.env.advance(1_000);
    const before = sent();
    node.engine.addNamed(named(), node.now);
    node.schedule();
    network.env.advance(60_000);
    expect(sent()).toBeGreaterThan(before);
  });
});
