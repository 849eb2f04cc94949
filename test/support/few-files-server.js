// A server in a process that may have few files, from the compiled dist/. It offers `echo`, and
// says where it listens.
import { systemEnv } from '../../dist/base/env.js';
import { generateSecretKey } from '../../dist/crypto/index.js';
import { Server } from '../../dist/server/index.js';

const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const echo = {
  name: 'echo',
  version: 1,
  length: 16,
  async handler(channel) {
    for await (const { code, payload } of channel) await channel.send(code, payload);
  },
};

const server = new Server({
  key: generateSecretKey(systemEnv),
  listen: { host: '127.0.0.1', port: 0 },
  protocols: [echo],
  // More than there are files for.
  maxPeers: 1000,
  maxPendingPeers: 1000,
});
await server.start();
process.stdin.resume().on('end', () => process.exit(0));
report({ event: 'ready', enode: server.enode });
