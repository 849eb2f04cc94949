import { describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { SharedLength, WorkQueue } from '../../src/eth/work-queue.ts';
import { MemoryChain } from '../support/memory-chain.ts';
import { plain } from './message-values.ts';
import { meet, network, settle, talk } from './sessions.ts';

const none = { types: new Uint8Array(0), sizes: [], hashes: [] };

describe('requests of a peer', () => {
  it('are answered one after another, in their order', async () => {
    const chain = new MemoryChain(9);
    let underWay = 0;
    let most = 0;
    const read = chain.header.bind(chain);
    chain.header = async (number) => {
      most = Math.max(most, ++underWay);
      await settle();
      underWay--;
      return read(number);
    };
    const { script } = await meet(69, { chain });
    for (let id = 1n; id <= 5n; id++) {
      const query = { start: id, limit: 1n, skip: 0n, reverse: false };
      await script.send('GetBlockHeaders', { id, query });
    }
    for (let id = 1n; id <= 5n; id++) expect((await script.expect('BlockHeaders')).id).toBe(id);
    expect(most).toBe(1);
  });

  it('whose answers it does not read stop being looked up, and then being read', async () => {
    const chain = new MemoryChain(9);
    const capacity = 8;
    const { script } = await meet(69, { chain }, capacity);
    let taken = 0;
    const count = 300;
    const sending = (async () => {
      for (; taken < count; taken++) {
        const query = { start: 1n, limit: 1n, skip: 0n, reverse: false };
        await script.send('GetBlockHeaders', { id: BigInt(taken), query });
      }
    })();
    await settle();
    // One more waits to be taken by the channel, at each of the two ends.
    expect(script.channel.waiting).toBeLessThanOrEqual(capacity + 1);
    expect(chain.lookups).toBeLessThanOrEqual(capacity + 2);
    expect(taken).toBeLessThanOrEqual(64 + 2 * capacity + 3);
    for (let id = 0n; id < count; id++) expect((await script.expect('BlockHeaders')).id).toBe(id);
    await sending;
    expect(chain.lookups).toBe(count);
    expect(script.channel.peak).toBeLessThanOrEqual(capacity + 1);
  });

  it('do not lock two nodes that ask each other all they may', async () => {
    const [a, b] = talk(69);
    const peers = [await a.peer, await b.peer];
    const asked = peers.flatMap((peer) =>
      Array.from({ length: 64 }, () => peer.getBlockHeaders({ start: 1, limit: 3 })),
    );
    for (const headers of await Promise.all(asked)) expect(headers.length).toBe(3);
  });
});

describe('a handler', () => {
  it('may await an answer of its own peer', async () => {
    const lengths: number[] = [];
    const [a] = talk(
      69,
      {},
      {
        onTransactionHashes: async (peer) => {
          lengths.push((await peer.getBlockHeaders({ start: 1, limit: 2 })).length);
        },
      },
    );
    const peer = await a.peer;
    await peer.announceTransactions([]);
    await peer.announceTransactions([]);
    await peer.getBlockHeaders({ start: 1, limit: 1 });
    await settle();
    expect(lengths).toEqual([2, 2]);
  });

  it('of onPeer may go on while notifications are handled', async () => {
    let heard = 0;
    const { script } = await meet(69, {
      onPeer: () => new Promise(() => undefined),
      onTransactions: () => void heard++,
    });
    await script.send('Transactions', []);
    await settle();
    expect(heard).toBe(1);
  });

  it('that lags behind stops the reading, and loses nothing', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const ranges: number[] = [];
    const { script } = await meet(69, {
      onBlockRange: async (_peer, { latest }) => {
        await released;
        ranges.push(latest);
      },
    });
    let taken = 0;
    const sending = (async () => {
      for (; taken < 1000; taken++) {
        const latestHash = new Uint8Array(32).fill(1);
        await script.send('BlockRangeUpdate', { earliest: 0, latest: taken, latestHash });
      }
    })();
    await settle();
    expect(taken).toBeLessThanOrEqual(256 + 16 + 2);
    release();
    await sending;
    await settle();
    expect(ranges).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it('that lags behind does not hold up answers: what comes too fast is dropped', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let heard = 0;
    const { script, peer } = await meet(69, {
      onTransactionHashes: async () => {
        await released;
        heard++;
      },
    });
    const sending = (async () => {
      for (let i = 0; i < 1000; i++) await script.send('NewPooledTransactionHashes', none);
    })();
    await settle();
    // The reading has stopped by now; the request makes it go on.
    const bodies = peer.getBlockBodies([network.genesisHash]);
    await sending;
    const { id } = await script.expect('GetBlockBodies');
    await script.send('BlockBodies', { id, items: [] });
    expect((await bodies).length).toBe(0);
    release();
    await settle();
    expect(heard).toBeGreaterThanOrEqual(256);
    expect(heard).toBeLessThan(1000);
  });

  it('that waits for an answer hears of the end of the connection', async () => {
    const ended: string[] = [];
    const { script, handler } = await meet(69, {
      onTransactionHashes: async (peer) => {
        await peer
          .getBlockBodies([network.genesisHash])
          .catch((error: PeerlaneError) => ended.push(error.code));
      },
    });
    await script.send('NewPooledTransactionHashes', none);
    await script.send('NewPooledTransactionHashes', none);
    expect(plain(await script.expect('GetBlockBodies'))).toMatchObject({ hashes: [network.genesisHash] });
    script.channel.disconnect(new PeerlaneError('network-error', 'gone'));
    await handler.result;
    await settle();
    expect(ended).toEqual(['closed']);
  });
});

/** Puts an item into a queue when there is room; false when there is none for it. */
async function push(queue: WorkQueue, size: number, run: () => Promise<void>): Promise<boolean> {
  if (!(await queue.admit(size))) return false;
  queue.push(size, run);
  return true;
}

describe('a work queue', () => {
  const forever = (): Promise<void> => new Promise(() => undefined);

  it('bounds the bytes that wait, but takes any one item', async () => {
    const queue = new WorkQueue({
      env: new VirtualEnv(),
      maxItems: 10,
      maxBytes: 100,
      mayDrop: () => true,
      onFailure: () => undefined,
    });
    expect(await push(queue, 1000, forever)).toBe(true);
    expect(await push(queue, 1, forever)).toBe(false);
  });

  it('has its room back when items are done', async () => {
    const queue = new WorkQueue({
      env: new VirtualEnv(),
      maxItems: 2,
      maxBytes: 100,
      mayDrop: () => true,
      onFailure: () => undefined,
    });
    await push(queue, 100, async () => undefined);
    await settle();
    expect(await push(queue, 50, forever)).toBe(true);
    expect(await push(queue, 1, forever)).toBe(true);
    expect(await push(queue, 1, forever)).toBe(false);
  });

  it('runs nothing after an item that failed', async () => {
    const failures: unknown[] = [];
    const queue = new WorkQueue({
      env: new VirtualEnv(),
      maxItems: 10,
      maxBytes: 100,
      onFailure: (error) => failures.push(error),
    });
    let ran = 0;
    await push(queue, 1, () => Promise.reject(new Error('no')));
    await push(queue, 1, async () => void ran++);
    await settle();
    expect(await push(queue, 1, async () => void ran++)).toBe(false);
    expect(failures).toEqual([new Error('no')]);
    expect(ran).toBe(0);
  });

  it('gives way to other work now and then, though its items wait for nothing', async () => {
    const env = new VirtualEnv();
    const queue = new WorkQueue({ env, maxItems: 100, maxBytes: 100, onFailure: () => undefined });
    let ran = 0;
    for (let i = 0; i < 12; i++) {
      await push(queue, 1, async () => {
        env.advance(2);
        ran++;
      });
    }
    await settle();
    expect(ran).toBe(5);
    env.advance(0);
    await settle();
    expect(ran).toBe(10);
    env.advance(0);
    await settle();
    expect(ran).toBe(12);
    env.advance(0);
    expect(env.timers).toBe(0);
  });

  it('shares a bound with others, and goes on when they have room again', async () => {
    const shared = new SharedLength(100);
    const limits = { env: systemEnv, maxItems: 10, maxBytes: 1000, shared, onFailure: () => undefined };
    let end: () => void = () => undefined;
    const first = new WorkQueue(limits);
    const second = new WorkQueue(limits);
    expect(await push(first, 150, () => new Promise((resolve) => (end = resolve)))).toBe(true);
    let isIn = false;
    const waiting = push(second, 10, async () => undefined).then(() => {
      isIn = true;
    });
    const third = new WorkQueue({ ...limits, mayDrop: () => true });
    expect(await push(third, 10, async () => undefined)).toBe(false);
    await settle();
    expect(isIn).toBe(false);
    end();
    await waiting;
    const closed = new WorkQueue(limits);
    expect(await push(closed, 100, () => new Promise(() => undefined))).toBe(true);
    expect(shared.fits(1)).toBe(false);
    closed.close();
    expect(shared.fits(1)).toBe(true);
  });

  it('lets go of who waits for room when it is closed', async () => {
    const queue = new WorkQueue({
      env: new VirtualEnv(),
      maxItems: 1,
      maxBytes: 100,
      onFailure: () => undefined,
    });
    await push(queue, 1, forever);
    const waiting = push(queue, 1, forever);
    queue.close();
    expect(await waiting).toBe(false);
  });
});
