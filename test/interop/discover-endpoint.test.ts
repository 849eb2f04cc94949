/** Whether go-ethereum takes the record of a node of ours that listens on all addresses. */
import { expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatEnode, parseEnode, parseRecord } from '../../src/enr/index.ts';
import { MIN_LOCAL_VOTES } from '../../src/server/endpoint-votes.ts';
import { Discv4Service } from '../../src/server/index.ts';
import { bootnodeProcess } from '../cli/bootnode.ts';
import { disposingAfterEach } from '../support/opened.ts';
import { TestServer } from '../support/servers.ts';
import { GoDiscovery } from './discover-harness.ts';

const opened = disposingAfterEach();

async function server(): Promise<string> {
  const started = new TestServer({ discovery: true, listen: { host: '0.0.0.0', port: 0 } });
  opened(started);
  await started.start();
  return started.enode;
}

async function service(): Promise<string> {
  const started = new Discv4Service({
    key: generateSecretKey(systemEnv),
    listen: { host: '0.0.0.0', port: 0 },
  });
  opened(started);
  await started.start();
  const { publicKey, port: udpPort } = started;
  return formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 0, udpPort });
}

it.each([
  ['a server', server],
  ['a discovery service', service],
  ['`listen`', async () => (await bootnodeProcess('--listen', '0.0.0.0:0')).enode],
])('go-ethereum takes the record of %s on 0.0.0.0 when enough have answered its Pings', async (_, start) => {
  const enode = await start();
  const go = new GoDiscovery();
  opened(go);
  const nodes = await go.nodes(MIN_LOCAL_VOTES);
  const [first, ...others] = nodes;
  if (first === undefined) throw new Error('no node was started');
  // Whoever asks answers a Ping before it gets an answer.
  await expect(first.requestRecord(enode)).rejects.toThrow(/invalid IP/);
  await Promise.allSettled(others.map((node) => node.requestRecord(enode)));
  for (const node of nodes) {
    const record = parseRecord(await node.requestRecord(enode));
    expect(toBareHex(record.publicKey)).toBe(toBareHex(parseEnode(enode).publicKey));
    expect(record.entries()).toMatchObject({ ip: '127.0.0.1', udp: parseEnode(enode).udpPort });
  }
});
