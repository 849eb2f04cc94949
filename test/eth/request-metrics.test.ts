import { expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { type ChainReader, type EthNetwork, type EthPeer, ethProtocols } from '../../src/eth/index.ts';
import { Server } from '../../src/server/index.ts';
import { rejectionOf } from '../support/errors.ts';
import { MemoryChain } from '../support/memory-chain.ts';

const chain = new MemoryChain(20);
const network: EthNetwork = {
  networkId: 1337,
  genesisHash: chain.genesisHash,
  schedule: { blocks: [], times: [] },
};

async function node(served: ChainReader) {
  let met: (peer: EthPeer) => void = () => undefined;
  const peer = new Promise<EthPeer>((resolve) => {
    met = resolve;
  });
  const server = new Server({
    key: generateSecretKey(systemEnv),
    listen: { host: '127.0.0.1', port: 0 },
    protocols: ethProtocols({ network, chain: served, versions: [69], onPeer: (other) => met(other) }),
  });
  onTestFinished(() => server.close());
  await server.start();
  return { server, peer };
}

it('measures how long answers take, and counts messages by their names', async () => {
  const silent: ChainReader = new Proxy(chain, {
    get(target, name) {
      // Bodies never come.
      if (name === 'body') return () => new Promise(() => undefined);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const [asked, asking] = [await node(silent), await node(chain)];
  await asking.server.dial(asked.server.enode);
  const peer = await asking.peer;
  for (const start of [1, 2, 3]) await peer.getBlockHeaders({ start, limit: 1 });
  const late = peer.getBlockBodies([chain.head().hash], { timeoutMs: 5 });
  const pending = asking.server.metrics().requests.find(({ request }) => request === 'GetBlockBodies');
  expect(pending).toMatchObject({ protocol: 'eth', version: 69, pending: 1, failures: {} });
  expect(await rejectionOf(late)).toBe('request-timeout');

  const { requests, messages } = asking.server.metrics();
  const [headers, bodies] = ['GetBlockHeaders', 'GetBlockBodies'].map((name) =>
    requests.find(({ request }) => request === name),
  );
  expect(headers).toMatchObject({ pending: 0, failures: {}, seconds: { count: 3 } });
  expect(headers?.seconds.sum).toBeGreaterThan(0);
  expect(bodies).toMatchObject({ pending: 0, failures: { 'request-timeout': 1 }, seconds: { count: 0 } });
  const count = (direction: string, message: string) =>
    messages.find((one) => one.direction === direction && one.message === message)?.count;
  expect([count('out', 'GetBlockHeaders'), count('in', 'BlockHeaders')]).toEqual([3, 3]);
  expect([count('out', 'Status'), count('in', 'Status'), count('in', 'BlockBodies')]).toEqual([
    1,
    1,
    undefined,
  ]);
});
