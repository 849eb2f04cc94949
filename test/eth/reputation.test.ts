/** What a peer's answers do for its reputation. */
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { headerCodec } from '../../src/eth/header.ts';
import type { ChainReader, EthPeer } from '../../src/eth/index.ts';
import {
  ETH_VERSIONS,
  type MessageInputs,
  type RequestName,
  type ResponseOf,
} from '../../src/eth/messages.ts';
import { REQUEST_TIMEOUT_MS, USELESS_EVERY_MS } from '../../src/eth/requester.ts';
import { Transaction } from '../../src/eth/transaction.ts';
import { decode } from '../../src/rlp/index.ts';
import { peerSource } from '../../src/sync/index.ts';
import { rejectionOf } from '../support/errors.ts';
import { ethServer, withoutBodies } from '../support/eth-server.ts';
import { MemoryChain } from '../support/memory-chain.ts';

import { chain, meet, network, settle } from './sessions.ts';

const hash = chain.hashAt(7);
const headerInput = decode(headerCodec, chain.blocks[1]?.header ?? new Uint8Array(0));
const body = { transactions: [], ommers: [] };
const transaction = new Transaction(Uint8Array.of(2, 0xc0));

interface Question<N extends RequestName = RequestName> {
  readonly name: N;
  readonly answer: ResponseOf<N>;
  readonly ask: (peer: EthPeer) => Promise<unknown>;
  readonly items: MessageInputs[ResponseOf<N>]['items'];
}

const QUESTIONS = [
  {
    name: 'GetBlockHeaders',
    answer: 'BlockHeaders',
    ask: (peer) => peer.getBlockHeaders({ start: 1, limit: 1 }),
    items: [headerInput],
  } satisfies Question<'GetBlockHeaders'>,
  {
    name: 'GetBlockBodies',
    answer: 'BlockBodies',
    ask: (peer) => peer.getBlockBodies([hash]),
    items: [body],
  } satisfies Question<'GetBlockBodies'>,
  {
    name: 'GetReceipts',
    answer: 'Receipts',
    ask: (peer) => peer.getReceipts([hash]),
    items: [[]],
  } satisfies Question<'GetReceipts'>,
  {
    name: 'GetPooledTransactions',
    answer: 'PooledTransactions',
    ask: (peer) => peer.getPooledTransactions([hash]),
    items: [transaction],
  } satisfies Question<'GetPooledTransactions'>,
] as const;

describe.each(ETH_VERSIONS)('on eth/$version a peer that is asked by', ({ version }) => {
  it.each(QUESTIONS)('$name has credit for an answer', async ({ name, answer, ask, items }) => {
    const { script, peer, handler } = await meet(version);
    const asked = ask(peer);
    const { id } = await script.expect(name);
    expect(handler.channel.reported).toEqual([]);
    await script.send(answer, { id, items } as never);
    await asked;
    expect(handler.channel.reported).toEqual(['good-answer']);
  });

  it.each(QUESTIONS)('$name and has nothing is useless, but for its pool', async ({ name, answer, ask }) => {
    const { script, peer, handler } = await meet(version);
    const asked = ask(peer);
    const { id } = await script.expect(name);
    await script.send(answer, { id, items: [] } as never);
    await asked;
    expect(handler.channel.reported).toEqual(name === 'GetPooledTransactions' ? [] : ['useless-answer']);
  });

  it.each(QUESTIONS)(
    '$name and says nothing in time is blamed, once',
    async ({ name, answer, ask, items }) => {
      const { script, peer, handler, env } = await meet(version);
      const asked = rejectionOf(ask(peer));
      const { id } = await script.expect(name);
      env.advance(REQUEST_TIMEOUT_MS - 1);
      expect(handler.channel.reported).toEqual([]);
      env.advance(1);
      expect(await asked).toBe('request-timeout');
      await script.send(answer, { id, items } as never);
      await settle();
      expect(handler.channel.reported).toEqual(['timeout']);
    },
  );
});

describe('nobody is blamed', () => {
  it('for what the caller has given up, nor for a late answer to it', async () => {
    const { script, peer, handler, env } = await meet(69);
    const abort = new AbortController();
    const asked = rejectionOf(peer.getBlockBodies([hash], { signal: abort.signal }));
    const { id } = await script.expect('GetBlockBodies');
    abort.abort();
    expect(await asked).toBe('aborted');
    env.advance(REQUEST_TIMEOUT_MS);
    await script.send('BlockBodies', { id, items: [] });
    await settle();
    expect(handler.channel.reported).toEqual([]);
  });

  it('for what was under way when the connection ended', async () => {
    const { peer, handler, env } = await meet(69);
    const asked = rejectionOf(peer.getBlockBodies([hash]));
    peer.disconnect(new PeerlaneError('disconnect-requested', ''));
    expect(await asked).toBe('closed');
    env.advance(REQUEST_TIMEOUT_MS);
    expect(handler.channel.reported).toEqual([]);
  });

  it('for a request that has not been sent in time', async () => {
    // Nothing is sent before what was sent has been read.
    const { script, peer, handler, env } = await meet(69, {}, 0);
    const unsent = rejectionOf(peer.getBlockBodies([hash]));
    env.advance(REQUEST_TIMEOUT_MS);
    expect(await unsent).toBe('request-timeout');
    expect(handler.channel.reported).toEqual([]);

    const asked = peer.getBlockBodies([hash]);
    env.advance(REQUEST_TIMEOUT_MS - 1);
    await script.expect('GetBlockBodies');
    const { id } = await script.expect('GetBlockBodies');
    await settle();
    env.advance(REQUEST_TIMEOUT_MS - 1);
    expect(peer.pendingRequests).toBe(1);
    await script.send('BlockBodies', { id, items: [body] });
    expect((await asked).length).toBe(1);

    const late = rejectionOf(peer.getBlockBodies([hash]));
    await script.expect('GetBlockBodies');
    await settle();
    env.advance(REQUEST_TIMEOUT_MS);
    expect(await late).toBe('request-timeout');
    expect(handler.channel.reported).toEqual(['good-answer', 'timeout']);
    expect(env.timers).toBe(0);
  });

  it('for an answer that we ourselves did not read', async () => {
    const { script, peer, handler, env } = await meet(69);
    const { channel } = handler;
    const pass = (ms: number, heldMs: number) => {
      channel.heldMs += heldMs;
      env.advance(ms);
    };
    const asked = peer.getBlockBodies([hash]);
    const { id } = await script.expect('GetBlockBodies');
    await settle();
    pass(REQUEST_TIMEOUT_MS, REQUEST_TIMEOUT_MS - 1_000);
    pass(REQUEST_TIMEOUT_MS, REQUEST_TIMEOUT_MS - 1_000);
    expect(peer.pendingRequests).toBe(1);
    await script.send('BlockBodies', { id, items: [body] });
    await asked;

    const late = rejectionOf(peer.getBlockBodies([hash]));
    await script.expect('GetBlockBodies');
    await settle();
    pass(REQUEST_TIMEOUT_MS, 1_000);
    expect(peer.pendingRequests).toBe(1);
    pass(1_000, 0);
    expect(await late).toBe('request-timeout');
    expect(channel.reported).toEqual(['good-answer', 'timeout']);
  });

  it('twice for one thing: not for each of many answers that have nothing, nor for each of many that are late', async () => {
    const { script, peer, handler, env } = await meet(69);
    const bodies = async (items: readonly (typeof body)[]) => {
      const asked = peer.getBlockBodies([hash]);
      const { id } = await script.expect('GetBlockBodies');
      await script.send('BlockBodies', { id, items });
      await asked;
    };
    for (let i = 0; i < 20; i++) await bodies([]);
    await bodies([body]);
    expect(handler.channel.reported.splice(0)).toEqual(['useless-answer', 'good-answer']);
    env.advance(USELESS_EVERY_MS.unknown - 1);
    await bodies([]);
    expect(handler.channel.reported.splice(0)).toEqual([]);
    env.advance(1);
    await bodies([]);
    expect(handler.channel.reported.splice(0)).toEqual(['useless-answer']);

    const late = [0, 1, 1_000].map((after) =>
      rejectionOf(peer.getBlockBodies([hash], { timeoutMs: 1 + after })),
    );
    await settle();
    for (const ms of [1, 1, 999]) env.advance(ms);
    expect(await Promise.all(late)).toEqual(Array(3).fill('request-timeout'));
    expect(handler.channel.reported).toEqual(['timeout', 'timeout']);
  });
});

describe('the reputation that a server keeps', () => {
  const own = new MemoryChain(20);
  const ofChain = { ...network, genesisHash: own.genesisHash };

  const node = (served: ChainReader) => ethServer({ network: ofChain, chain: served });

  const silent = withoutBodies(own);

  it('follows from answers, their absence, and blocks that are not what they should be', async () => {
    const [asked, asking] = [await node(silent), await node(own)];
    await asking.server.dial(asked.server.enode);
    const peer = await asking.peer;
    const kinds = () => asking.server.reputation(asked.server.enode).recent.map(({ kind }) => kind);
    await peer.getBlockHeaders({ start: 1, limit: 1 });
    await peer.getBlockHeaders({ start: new Uint8Array(32).fill(7), limit: 1 });
    await rejectionOf(peer.getBlockBodies([own.head().hash], { timeoutMs: 1 }));
    expect(kinds()).toEqual(['good-answer', 'useless-answer', 'timeout']);
    // As the download does when it has looked at what came.
    const source = peerSource(peer);
    source.report?.('minor');
    source.fail(new PeerlaneError('body-mismatch', 'not the body of that block'));
    expect(kinds().slice(3)).toEqual(['minor', 'bad-block']);
    expect(asking.server.reputation(asked.server.enode).score).toBeCloseTo(1 - 1 - 5 - 4 - 60, 1);
    expect(asking.server.peers).toEqual([]);
  });
});
