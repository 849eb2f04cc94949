import { describe, expect, it } from 'vitest';
import type { KadNode } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { Puppet, SimNode } from './network.ts';

const isIpv4 = (ip: string): boolean => !ip.includes(':');

/** A node with a socket of IPv4, and one of IPv6, which it has no way to. */
function setUp() {
  const network = new Network({ log: true });
  const far = new Puppet(network, { ip: '2a00::1', port: 30303 });
  const ipv6Packets = () => network.log?.filter(({ to }) => to.ip.includes(':'));
  return { network, far, ipv6Packets };
}

describe('a node without a way to IPv6', () => {
  it('takes none of its nodes from others', () => {
    const { network, far, ipv6Packets } = setUp();
    const node = new SimNode(network, { reaches: isIpv4 });
    const near = { ip: '5.6.7.8', udpPort: 30303, tcpPort: 30303, publicKey: new Uint8Array(64).fill(1) };
    const teller = new Puppet(network);
    const { ip, port } = far.endpoint;
    teller.answerPings(node);
    teller.onMessage = ((answer) => (message, packet) => {
      answer(message, packet);
      if (message.kind !== 'findNode') return;
      const named = { ip, udpPort: port, tcpPort: 30303, publicKey: far.publicKey };
      teller.send(node, { kind: 'neighbors', nodes: [named, near], expiration: teller.expiration });
    })(teller.onMessage);
    const asked = node.ask<KadNode[]>((done) =>
      node.engine.findNode(teller.node, far.publicKey, node.now, done),
    );
    node.lookup(far.publicKey);
    network.env.advance(10_000);
    expect(asked.result?.map(({ ip }) => ip)).toEqual(['5.6.7.8']);
    expect(node.engine.table.get(far.node.id)).toBeUndefined();
    expect(ipv6Packets()).toEqual([]);
    const unreached = node.events.flatMap((event) => (event.kind === 'node-unreached' ? [event.node] : []));
    expect(new Set(unreached.map(({ ip }) => ip))).toEqual(new Set(['2a00::1']));
  });

  it('begins with none of them, and has none that is silent', () => {
    const { network, far, ipv6Packets } = setUp();
    const node = new SimNode(network, { reaches: isIpv4, seeds: [far.node] }).start();
    const other = new Puppet(network, { ip: '2a01::1', port: 30303 });
    node.engine.addSeed(other.node, node.now);
    node.schedule();
    network.env.advance(60_000);
    expect(node.engine.table.entries()).toEqual([]);
    expect(ipv6Packets()).toEqual([]);
    expect(node.events.filter(({ kind }) => kind === 'node-silent')).toEqual([]);
  });

  it('while one with a way takes and asks them', () => {
    const { network, far, ipv6Packets } = setUp();
    new SimNode(network, { seeds: [far.node] }).start();
    network.env.advance(1_000);
    expect(ipv6Packets()).not.toEqual([]);
  });

  it('answers those that come from where one does not look for nodes, and names them to nobody', () => {
    const network = new Network();
    const node = new SimNode(network, { reaches: (ip) => !ip.startsWith('9.') }).start();
    const [stranger, asker] = [
      new SimNode(network, { endpoint: { ip: '9.1.1.1', port: 30303 }, seeds: [node.node] }).start(),
      new SimNode(network, { seeds: [node.node] }).start(),
    ];
    network.env.advance(10_000);
    expect(stranger.engine.table.isLive(node.node.id)).toBe(true);
    expect(node.engine.table.entries().map(({ ip }) => ip)).toEqual([asker.endpoint.ip]);
    const asked = asker.ask<KadNode[]>((done) =>
      asker.engine.findNode(node.node, stranger.node.publicKey, asker.now, done),
    );
    network.env.advance(10_000);
    expect(asked.result).toEqual([]);
  });
});
