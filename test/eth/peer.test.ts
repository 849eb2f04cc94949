import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { ETH_VERSIONS, encodeResponse } from '../../src/eth/messages.ts';
import type { EthPeer } from '../../src/eth/peer.ts';
import { REQUEST_TIMEOUT_MS } from '../../src/eth/requester.ts';
import { MAX_PENDING_REQUESTS } from '../../src/eth/requests.ts';
import { Transaction } from '../../src/eth/transaction.ts';
import { rejectionOf } from '../support/errors.ts';
import { MemoryChain } from '../support/memory-chain.ts';
import { plain } from './message-values.ts';
import { chain, meet, network, settle } from './sessions.ts';

const hash = chain.hashAt(7);

function headers(peer: EthPeer): Promise<unknown> {
  return peer.getBlockHeaders({ start: 1, limit: 2 });
}

describe.each(ETH_VERSIONS)('a request on eth/$version', ({ version }) => {
  it('goes out with its fields and a 64-bit id, each with another', async () => {
    const { script, peer } = await meet(version);
    headers(peer).catch(() => undefined);
    peer
      .getBlockHeaders({ start: hash, limit: 5, skip: 2n ** 64n - 1n, reverse: true })
      .catch(() => undefined);
    const first = await script.expect('GetBlockHeaders');
    const second = await script.expect('GetBlockHeaders');
    expect(first.query).toEqual({ start: 1n, limit: 2n, skip: 0n, reverse: false });
    expect(second.query).toEqual({ start: hash, limit: 5n, skip: 2n ** 64n - 1n, reverse: true });
    expect(second.id).toBe(BigInt.asUintN(64, first.id + 1n));
    expect(peer.pendingRequests).toBe(2);
  });

  it('does not wait behind answers for bandwidth, nor does the Status', async () => {
    const { script, peer, handler } = await meet(version);
    headers(peer).catch(() => undefined);
    await script.expect('GetBlockHeaders');
    expect(handler.channel.priorities).toEqual(['request', 'request']);
  });

  it('ends with its answer, whatever the order of answers, however short', async () => {
    const { script, peer } = await meet(version);
    const bodies = peer.getBlockBodies([hash]);
    const pooled = peer.getPooledTransactions([hash, hash]);
    const { id: bodiesId } = await script.expect('GetBlockBodies');
    const { id: pooledId } = await script.expect('GetPooledTransactions');
    const transaction = new Transaction(Uint8Array.of(2, 0xc0));
    await script.send('PooledTransactions', { id: pooledId, items: [transaction] });
    await script.send('BlockBodies', { id: bodiesId, items: [] });
    expect((await pooled).toArray()).toEqual([transaction]);
    expect((await bodies).length).toBe(0);
    expect(peer.pendingRequests).toBe(0);
  });

  it('gives receipts in one form for both versions', async () => {
    const { script, peer } = await meet(version);
    const receipts = peer.getReceipts([hash]);
    const { id } = await script.expect('GetReceipts');
    const log = { address: new Uint8Array(20), topics: [hash], data: Uint8Array.of(1) };
    const receipt = { type: 2, statusOrRoot: Uint8Array.of(1), cumulativeGasUsed: 5n, logs: [log] };
    await script.send('Receipts', { id, items: [[receipt]] });
    expect(plain(await receipts)).toEqual([[receipt]]);
  });

  it.each([
    ['to an id that was not asked', 'BlockHeaders', 1n, 0, 'request-unknown'],
    ['of another kind', 'BlockBodies', 0n, 0, 'request-unknown'],
    ['with an item too many', 'BlockHeaders', 0n, 3, 'response-too-long'],
  ] as const)('answered %s ends the connection, and the request', async (_case, name, add, count, code) => {
    const { script, peer, handler } = await meet(version);
    const pending = rejectionOf(headers(peer));
    const { id } = await script.expect('GetBlockHeaders');
    const item = { encoded: chain.blocks[1]?.header ?? hash };
    const items = Array.from({ length: count }, () => item.encoded);
    const { code: messageCode, payload } = encodeResponse(version, name, id + add, items);
    await script.channel.send(messageCode, payload);
    expect(await handler.result).toMatchObject({ code });
    expect((await script.channel.over).code).toBe(code);
    expect(await pending).toBe('closed');
  });
});

describe('a request without an answer', () => {
  it('times out after 10 s, and the late answer is dropped, once', async () => {
    const { script, peer, env, handler } = await meet(69);
    const pending = rejectionOf(headers(peer));
    const { id } = await script.expect('GetBlockHeaders');
    env.advance(REQUEST_TIMEOUT_MS - 1);
    expect(peer.pendingRequests).toBe(1);
    env.advance(1);
    expect(await pending).toBe('request-timeout');
    expect(peer.pendingRequests).toBe(0);
    await script.send('BlockHeaders', { id, items: [] });
    await settle();
    expect(peer.signal.aborted).toBe(false);
    await script.send('BlockHeaders', { id, items: [] });
    expect(await handler.result).toMatchObject({ code: 'request-unknown' });
  });

  it('times out when its caller says, before or after others', async () => {
    const { peer, env } = await meet(69);
    const ended: string[] = [];
    const note = (name: string, timeoutMs: number): void => {
      peer.getBlockBodies([hash], { timeoutMs }).catch((error: PeerlaneError) => {
        ended.push(`${name} ${error.code} ${env.now()}`);
      });
    };
    note('second', 300);
    note('first', 100);
    note('third', 500);
    await settle();
    for (let i = 0; i < 6; i++) {
      env.advance(100);
      await settle();
    }
    expect(ended).toEqual([
      'first request-timeout 100',
      'second request-timeout 300',
      'third request-timeout 500',
    ]);
    expect(env.timers).toBe(0);
  });

  it('ends when its signal aborts; its late answer is dropped', async () => {
    const { script, peer, env } = await meet(69);
    const abort = new AbortController();
    const pending = rejectionOf(peer.getBlockBodies([hash], { signal: abort.signal }));
    const { id } = await script.expect('GetBlockBodies');
    abort.abort();
    expect(await pending).toBe('aborted');
    expect(peer.pendingRequests).toBe(0);
    expect(env.timers).toBe(0);
    await script.send('BlockBodies', { id, items: [{ transactions: [], ommers: [] }] });
    await settle();
    expect(peer.signal.aborted).toBe(false);
  });

  it('is not sent when its signal is aborted already', async () => {
    const { script, peer } = await meet(69);
    expect(await rejectionOf(peer.getBlockBodies([hash], { signal: AbortSignal.abort() }))).toBe('aborted');
    await settle();
    expect(script.channel.waiting).toBe(0);
  });

  it('ends when the connection does, as every later one', async () => {
    const { script, peer, env, handler } = await meet(69);
    const pending = peer.getBlockBodies([hash]);
    const gone = new PeerlaneError('network-error', 'gone');
    script.channel.disconnect(gone);
    await expect(pending).rejects.toMatchObject({ code: 'closed', cause: gone });
    await expect(peer.getBlockBodies([hash])).rejects.toMatchObject({ code: 'closed', cause: gone });
    expect(await rejectionOf(peer.announceTransactions([]))).toBe('closed');
    expect(env.timers).toBe(0);
    expect(await handler.result).toBeUndefined();
  });
});

it('a request ends with the connection even while the chain is stuck and the reading has stopped', async () => {
  const stuck = new MemoryChain(1);
  stuck.body = () => new Promise(() => undefined);
  const { script, peer } = await meet(69, {
    chain: stuck,
    network: { ...network, genesisHash: stuck.genesisHash },
  });
  const pending = rejectionOf(peer.getBlockBodies([hash]));
  const asking = Array.from({ length: 70 }, (_, id) =>
    script.send('GetBlockBodies', { id: BigInt(id), hashes: [stuck.hashAt(1)] }),
  );
  await settle();
  script.channel.disconnect(new PeerlaneError('network-error', 'gone'));
  expect(await pending).toBe('closed');
  await Promise.all(asking);
});

describe('the requests pending at a peer', () => {
  it('are 64 at most; an answer makes room', async () => {
    const { script, peer } = await meet(69, {}, 100);
    const pending = Array.from({ length: MAX_PENDING_REQUESTS }, () => peer.getBlockBodies([hash]));
    expect(await rejectionOf(peer.getBlockBodies([hash]))).toBe('request-overload');
    const { id } = await script.expect('GetBlockBodies');
    await script.send('BlockBodies', { id, items: [] });
    await pending[0];
    const more = peer.getBlockBodies([hash]);
    expect(peer.pendingRequests).toBe(MAX_PENDING_REQUESTS);
    script.channel.disconnect(new PeerlaneError('network-error', 'gone'));
    expect(new Set(await Promise.all([...pending.slice(1), more].map(rejectionOf)))).toEqual(
      new Set(['closed']),
    );
  });
});

describe('what cannot be asked or said', () => {
  it.each<[string, (peer: EthPeer) => Promise<unknown>]>([
    ['no headers', (peer) => peer.getBlockHeaders({ start: 1, limit: 0 })],
    ['half a header', (peer) => peer.getBlockHeaders({ start: 1, limit: 1.5 })],
    ['headers from a negative number', (peer) => peer.getBlockHeaders({ start: -1, limit: 1 })],
    ['headers from a number of 65 bits', (peer) => peer.getBlockHeaders({ start: 2n ** 64n, limit: 1 })],
    [
      'headers from a hash of 31 bytes',
      (peer) => peer.getBlockHeaders({ start: hash.subarray(1), limit: 1 }),
    ],
    ['headers with a negative gap', (peer) => peer.getBlockHeaders({ start: 1, limit: 1, skip: -1 })],
    ['bodies for a hash of 31 bytes', (peer) => peer.getBlockBodies([hash.subarray(1)])],
    ['a request without time for its answer', (peer) => peer.getBlockBodies([hash], { timeoutMs: 0 })],
    [
      '5,001 transactions',
      (peer) => peer.sendTransactions(Array(5001).fill(new Transaction(Uint8Array.of(2)))),
    ],
    ['no transactions', (peer) => peer.sendTransactions([])],
    ['a blob transaction, whole', (peer) => peer.sendTransactions([new Transaction(Uint8Array.of(3, 0xc0))])],
    ['an announced type of 200', (peer) => peer.announceTransactions([{ type: 200, size: 1, hash }])],
    [
      'a negative size behind 4,096 good ones',
      (peer) =>
        peer.announceTransactions([
          ...Array(4096).fill({ type: 2, size: 1, hash }),
          { type: 2, size: -1, hash },
        ]),
    ],
    ['a negative size', (peer) => peer.announceTransactions([{ type: 2, size: -1, hash }])],
    [
      'an empty block range',
      (peer) => peer.sendBlockRangeUpdate({ earliest: 3, latest: 2, latestHash: hash }),
    ],
    ['new blocks on eth/69', (peer) => peer.announceBlocks([{ hash, number: 7 }])],
  ])('%s, which costs the connection nothing', async (_case, act) => {
    const { script, peer, env } = await meet(69);
    expect(await rejectionOf(act(peer))).toBe('invalid-argument');
    await settle();
    expect(peer.pendingRequests).toBe(0);
    expect(env.timers).toBe(0);
    expect(script.channel.waiting).toBe(0);
    expect(peer.signal.aborted).toBe(false);
  });
});

it('disconnect ends the connection with the error given', async () => {
  const { script, peer, handler } = await meet(69);
  peer.disconnect(new PeerlaneError('too-many-peers', 'full'));
  expect((await script.channel.over).code).toBe('too-many-peers');
  expect(peer.signal.reason).toMatchObject({ code: 'too-many-peers' });
  expect(await handler.result).toBeUndefined();
});
