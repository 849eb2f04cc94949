import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { budgetsOf } from '../../src/server/budgets.ts';
import { Connector, type ConnectorOptions } from '../../src/server/connector.ts';
import { Lanes } from '../../src/server/lanes.ts';
import { Traffic } from '../../src/server/traffic.ts';
import { rejectionOf } from '../support/errors.ts';

/** A listener, and the sockets that it has. */
async function listener() {
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    socket.on('error', () => undefined).resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  return { port: address.port, close, accepted: () => accepted };
}

function connector(options: Partial<ConnectorOptions> = {}): Connector {
  const budgets = budgetsOf({ memoryBudget: 64 * 1024 * 1024, env: systemEnv });
  return new Connector({
    ...{ key: generateSecretKey(systemEnv), env: systemEnv, name: 'test', protocols: [], allows: () => true },
    ...{ lanes: new Lanes(systemEnv, budgets.blocks), budgets, traffic: new Traffic(), listenPort: () => 0 },
    ownerOf: () => ({
      ...{ identified: () => undefined, opened: () => undefined },
      ...{ closed: () => undefined, handlerFailed: () => undefined },
    }),
    ...options,
  });
}

it('does not connect to a node whose key is no point of the curve', async () => {
  const { port, close, accepted } = await listener();
  const enode = { publicKey: new Uint8Array(64).fill(7), host: '127.0.0.1', tcpPort: port, udpPort: 0 };
  const dial = connector().dial(enode, new AbortController().signal, true);
  expect(await rejectionOf(dial)).toBe('invalid-public-key');
  await close();
  expect(accepted()).toBe(0);
});

it('leaves no socket open when a connection cannot be made', async () => {
  const { port, close } = await listener();
  const publicKey = publicKeyOf(generateSecretKey(systemEnv));
  const listenPort = () => {
    throw new TypeError('a bug');
  };
  const dialer = connector({ listenPort });
  const enode = { publicKey, host: '127.0.0.1', tcpPort: port, udpPort: 0 };
  await expect(dialer.dial(enode, new AbortController().signal, true)).rejects.toThrow('a bug');
  // It resolves when no socket is open any more.
  await close();
});
