/** Observers that close the server when they are told something, while it starts or just after. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode } from '../../src/enr/index.ts';
import { NodeDatabase, Server, type ServerEvent } from '../../src/server/index.ts';
import { rejectionOf } from '../support/errors.ts';
import { echo, LOOPBACK } from '../support/servers.ts';

/** A node that takes connections, and says nothing. */
async function silentNode(): Promise<{ enode: string; connected: () => number }> {
  let connections = 0;
  const listener = createServer((socket) => {
    connections++;
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
  });
  await new Promise<void>((resolve) => listener.listen(0, LOOPBACK.host, resolve));
  onTestFinished(() => void listener.close());
  const address = listener.address();
  const tcpPort = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const publicKey = publicKeyOf(generateSecretKey(systemEnv));
  return {
    enode: formatEnode({ publicKey, host: LOOPBACK.host, tcpPort, udpPort: 0 }),
    connected: () => connections,
  };
}

/** A database whose bans cannot be read. */
async function damagedDatabase(): Promise<NodeDatabase> {
  const path = await mkdtemp(join(tmpdir(), 'peerlane-'));
  const database = await NodeDatabase.open(join(path, 'nodes'));
  onTestFinished(async () => {
    await database.close();
    await rm(path, { recursive: true });
  });
  vi.spyOn(database, 'localBans').mockResolvedValue(Uint8Array.of(255, 1, 2, 3));
  return database;
}

it.each<[ServerEvent['kind'], ServerEvent['kind'][]]>([
  ['bans-failed', ['bans-failed']],
  ['listening', ['bans-failed', 'listening']],
])('closed by whoever is told %s, a server does not go on with its start', async (kind, kinds) => {
  const { enode, connected } = await silentNode();
  const env = new VirtualEnv();
  const seen: string[] = [];
  let closing: Promise<void> | undefined;
  const server = new Server({
    ...{ key: generateSecretKey(systemEnv), env, protocols: [echo], listen: LOOPBACK, discovery: false },
    ...{ nat: 'any', staticNodes: [enode], nodeDatabase: await damagedDatabase() },
    onEvent: (event) => {
      seen.push(event.kind);
      if (event.kind === kind) closing = server.close();
    },
  });
  onTestFinished(() => server.close());
  expect(await rejectionOf(server.start())).toBe('closed');
  await closing;
  // What had been begun all the same would ask for the router, and set a timer.
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  expect({ seen, timers: env.timers, connected: connected() }).toEqual({
    seen: kinds,
    timers: 0,
    connected: 0,
  });
});
