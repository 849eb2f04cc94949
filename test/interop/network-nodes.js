// Servers of ours in a process of their own, from the compiled dist/, that find each other by discovery. Takes the orders
// of `devp2p-peer network`.
import { createInterface } from 'node:readline';
import { systemEnv } from '../../dist/base/env.js';
import { generateSecretKey } from '../../dist/crypto/index.js';
import { Server } from '../../dist/server/index.js';

const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const servers = [];

const echo = {
  name: 'echo',
  version: 1,
  length: 16,
  async handler(channel) {
    for await (const _ of channel);
  },
};

const orders = {
  async start({ ips, bootnode, maxPeers, version = 'v4' }) {
    const discovery = { v4: version !== 'v5', v5: version !== 'v4' };
    for (const host of ips) {
      const server = new Server({
        key: generateSecretKey(systemEnv),
        listen: { host, port: 0 },
        protocols: [echo],
        maxPeers,
        bootnodes: [bootnode],
        netRestrict: ['127.0.0.0/8'],
        discovery,
      });
      servers.push(server);
      await server.start();
    }
    return {};
  },
  async peers() {
    const idsOf = (peers) => peers.map(({ info }) => hex(info.id));
    const nodes = servers.map((server) => ({
      id: hex(server.id),
      enr: server.enr,
      dialed: idsOf(server.peers.filter(({ info }) => !info.inbound)),
      inbound: idsOf(server.peers.filter(({ info }) => info.inbound)),
      why: server.diagnose().summary,
    }));
    return { nodes };
  },
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { ref, cmd, args = {} } = JSON.parse(line);
    orders[cmd](args).then(
      (answer) => report({ ref, event: 'done', ...answer }),
      (error) => report({ ref, event: 'failed', error: String(error) }),
    );
  })
  .on('close', async () => {
    await Promise.all(servers.map((server) => server.close()));
    process.exit(0);
  });
report({ event: 'ready' });
