import { expect, it } from 'vitest';
import type { ChainReader, EthNetwork } from '../../src/eth/index.ts';
import { rejectionOf } from '../support/errors.ts';
import { ethServer, withoutBodies } from '../support/eth-server.ts';
import { MemoryChain } from '../support/memory-chain.ts';

const chain = new MemoryChain(20);
const network: EthNetwork = {
  networkId: 1337,
  genesisHash: chain.genesisHash,
  schedule: { blocks: [], times: [] },
};

const node = (served: ChainReader) => ethServer({ network, chain: served, versions: [69] });

it('measures how long answers take, and counts messages by their names', async () => {
  const [asked, asking] = [await node(withoutBodies(chain)), await node(chain)];
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
