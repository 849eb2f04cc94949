import { expect, it } from 'vitest';
import { kadNode } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';

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
