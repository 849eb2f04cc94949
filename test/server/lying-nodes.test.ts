/** Nodes that name others which are not there. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import type { KadNode } from '../../src/kad/index.ts';
import { Discv4Service } from '../../src/server/discv4-service.ts';
import { lyingNode } from '../support/scripted-node.ts';

const HOST = '127.0.0.1';

async function startService(bootnodes: readonly string[]): Promise<Discv4Service> {
  const key = generateSecretKey(systemEnv);
  const service = new Discv4Service({ key, listen: { host: HOST, port: 0 }, bootnodes });
  onTestFinished(() => service.close());
  await service.start();
  return service;
}

it('keys that nobody has are not handed to whoever looks for nodes', async () => {
  const honest = publicKeyOf(generateSecretKey(systemEnv));
  const named = [new Uint8Array(64), new Uint8Array(64).fill(0xff), honest];
  const nodes = named.map((publicKey, i) => ({ ip: HOST, udpPort: 40_000 + i, tcpPort: 1, publicKey }));
  const { enode, port } = await lyingNode(nodes);
  const service = await startService([enode]);
  const told = await service.findNode(enode, honest);
  expect(told.map(({ publicKey }) => publicKey)).toEqual([honest]);
  const met: KadNode[] = [];
  for await (const node of service.lookup(honest)) met.push(node);
  expect(met.map(({ udpPort }) => udpPort).toSorted()).toEqual([port, 40_002].toSorted());
});

it('a node that is named first at a place where nobody answers is found at another', async () => {
  const target = await startService([]);
  const mute = createSocket('udp4');
  mute.bind(0, HOST);
  await once(mute, 'listening');
  onTestFinished(() => void mute.close());
  const { publicKey, port } = target;
  const ports = [mute.address().port, port];
  const { enode } = await lyingNode(ports.map((udpPort) => ({ ip: HOST, udpPort, tcpPort: 1, publicKey })));
  const service = await startService([enode]);
  const met: KadNode[] = [];
  for await (const node of service.lookup(publicKey)) met.push(node);
  expect(met.flatMap((node) => (ports.includes(node.udpPort) ? [node.udpPort] : []))).toEqual(ports);
  expect((await service.resolve(publicKey))?.encoded).toEqual(target.record.encoded);
});
