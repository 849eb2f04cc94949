import { describe, expect, it } from 'vitest';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { signRecord } from '../../src/enr/index.ts';
import { type KadNode, nodeOfRecord } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';

/** A node of IPv6, and as somebody has it whose record names an IPv4 address, too, where nobody is. */
function halfReached(network: Network): { node: SimNode; known: KadNode } {
  const secretKey = generateSecretKey(network.env);
  const endpoint = { ip: '2606:4700::7', port: 30_303 };
  const node = new SimNode(network, { endpoint, secretKey });
  const entries = { ip: '9.0.0.1', udp: 30_303, ip6: endpoint.ip, udp6: endpoint.port };
  const known = nodeOfRecord(signRecord(secretKey, { seq: 1n, entries }));
  if (known?.ip !== '9.0.0.1') throw new Error('the record names another place first');
  return { node, known };
}

describe('a node that is not reached at the first place of its record', () => {
  it('is asked at the other by whoever has its record', () => {
    const network = new Network();
    const { node, known } = halfReached(network);
    for (const ask of [
      (a: SimNode) => a.ask((done) => a.engine.ping(known, a.now, done)),
      (a: SimNode) => a.ask((done) => a.engine.pingNamed(known, a.now, done)),
      (a: SimNode) => a.ask((done) => a.engine.findNode(known, node.publicKey, a.now, done)),
      (a: SimNode) => a.ask((done) => a.engine.requestRecord(known, a.now, done)),
    ]) {
      const asked = ask(new SimNode(network, {}));
      network.env.advance(20_000);
      expect(asked.result).toBeDefined();
    }
  });

  it('is of use as a bootnode, and stays in the table where it was found', () => {
    const network = new Network({ log: true });
    const { node, known } = halfReached(network);
    node.start();
    const a = new SimNode(network, { seeds: [known] }).start();
    network.env.advance(20_000);
    const before = network.log?.filter(({ to }) => to.ip === known.ip).length;
    expect([a.engine.table.isLive(known.id), a.engine.table.get(known.id)?.ip]).toEqual([
      true,
      '2606:4700::7',
    ]);
    network.env.advance(10 * 60_000);
    expect([a.engine.table.isLive(known.id), a.engine.table.get(known.id)?.ip]).toEqual([
      true,
      '2606:4700::7',
    ]);
    expect(network.log?.filter(({ to }) => to.ip === known.ip).length).toBe(before);
  });
});
