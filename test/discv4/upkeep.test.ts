import { expect, it } from 'vitest';
import { packetHash } from '../../src/discv4/index.ts';
import { kadNode } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { Puppet, SimNode } from './network.ts';

it('a node that is given again and again is begun with once, and at each of its places', () => {
  const network = new Network({ seed: 5 });
  const node = new SimNode(network, { isCheap: true });
  const publicKey = new Uint8Array(64).fill(7);
  const places = ['9.9.9.9', '9.9.9.10'].map((ip) => kadNode({ publicKey, ip, udpPort: 30_303, tcpPort: 0 }));
  for (let i = 0; i < 100; i++) for (const seed of places) node.engine.addSeed(seed, node.now);
  const found: string[] = [];
  const { table } = node.engine;
  const addFound = table.addFound.bind(table);
  table.addFound = (each, now) => {
    found.push(each.ip);
    return addFound(each, now);
  };
  node.start();
  network.env.advance(1);
  expect(found).toEqual(['9.9.9.9', '9.9.9.10']);
});

it('a node that says nothing of a record is not asked for one', () => {
  const network = new Network({ seed: 6 });
  const puppet = new Puppet(network, { ip: '9.8.7.6', port: 30_303 }, new Uint8Array(32).fill(7));
  const node = new SimNode(network, { seeds: [puppet.node] });
  const to = { ip: node.endpoint.ip, udpPort: node.endpoint.port, tcpPort: 0 };
  puppet.onMessage = (message, packet) => {
    const { expiration } = puppet;
    if (message.kind === 'ping')
      puppet.send(node, { kind: 'pong', to, pingHash: packetHash(packet), expiration });
  };
  node.start();
  network.env.advance(60_000);
  expect(node.engine.table.isLive(puppet.node.id)).toBe(true);
  expect(puppet.take('ping').length).toBeGreaterThan(1);
  expect(puppet.take('enrRequest')).toEqual([]);
});
