import { describe, expect, it } from 'vitest';
import { type ErrorCode, isPeerlaneError, PeerlaneError } from '../../src/base/errors.ts';
import { headerCodec } from '../../src/eth/header.ts';
import { ETH_VERSIONS, encodeMessage } from '../../src/eth/messages.ts';
import { type EthOptions, ethProtocols } from '../../src/eth/protocol.ts';
import { toNetworkReceipts } from '../../src/eth/receipt.ts';
import { localStatus } from '../../src/eth/status.ts';
import { Transaction } from '../../src/eth/transaction.ts';
import { decode } from '../../src/rlp/index.ts';
import { codeOf } from '../support/errors.ts';
import { MemoryChain } from '../support/memory-chain.ts';
import { plain } from './message-values.ts';
import { begin, chain, meet, network, type RunningHandler, settle, talk } from './sessions.ts';

async function endOf(handler: RunningHandler): Promise<ErrorCode | 'returned'> {
  const error = await handler.result;
  if (error === undefined) return 'returned';
  if (isPeerlaneError(error)) return error.code;
  throw error;
}

const hash = chain.hashAt(7);

describe('the protocols offered', () => {
  it('are both versions, with the lengths and the bound of the specification', () => {
    expect(ethProtocols({ network, chain })).toMatchObject([
      { name: 'eth', version: 68, length: 17, maxMessageSize: 10_485_760, confirms: true },
      { name: 'eth', version: 69, length: 18, maxMessageSize: 10_485_760, confirms: true },
    ]);
    expect(ethProtocols({ network, chain, versions: [69] })).toHaveLength(1);
  });

  it.each<[string, Partial<EthOptions>]>([
    ['no version', { versions: [] }],
    ['a version twice', { versions: [69, 69] }],
    ['a version not spoken', { versions: [67 as 68] }],
    ['a negative network id', { network: { ...network, networkId: -1 } }],
    ['half a network id', { network: { ...network, networkId: 0.5 } }],
    ['a network id of 65 bits', { network: { ...network, networkId: 2n ** 64n } }],
    ['a short genesis hash', { network: { ...network, genesisHash: new Uint8Array(31) } }],
    ['the genesis hash of another chain', { network: { ...network, genesisHash: new Uint8Array(32) } }],
    ['half a block as fork', { network: { ...network, schedule: { blocks: [0.5], times: [] } } }],
    ['no time for the Status', { statusTimeoutMs: 0 }],
    ['more of it than a timer can wait', { statusTimeoutMs: 1e12 }],
    ['no network', { network: undefined as never }],
    ['no chain', { chain: null as never }],
  ])('are refused with %s', (_case, change) => {
    expect(codeOf(() => ethProtocols({ network, chain, ...change }))).toBe('invalid-argument');
  });
});

describe.each(ETH_VERSIONS)('two nodes on eth/$version', ({ version }) => {
  it('exchange their Status messages and confirm each other', async () => {
    const [a, b] = talk(version);
    for (const { peer, channel } of [a, b]) {
      const other = await peer;
      expect(other).toMatchObject({ version, info: channel.peer, pendingRequests: 0 });
      expect(other.status).toMatchObject({ version, networkId: 1337n, genesisHash: chain.genesisHash });
      expect(other.head).toEqual(
        version === 68 ? { hash: chain.hashAt(300) } : { number: 300, hash: chain.hashAt(300) },
      );
      expect(other.earliest).toBe(version === 68 ? undefined : 0);
      expect(channel.confirmed).toBe(true);
      expect(other.signal.aborted).toBe(false);
    }
  });

  it('serve each other, at the same time', async () => {
    const pool = [new Transaction(Uint8Array.of(2, 0xc0)), undefined];
    const [a, b] = talk(
      version,
      { pooledTransactions: () => pool },
      { pooledTransactions: async () => pool },
    );
    await Promise.all(
      [await a.peer, await b.peer].map(async (peer) => {
        const headers = await peer.getBlockHeaders({ start: 10, limit: 3, skip: 1, reverse: true });
        expect(headers.toArray().map(({ number }) => number)).toEqual([10, 8, 6]);
        expect(headers.encodedAt(0)).toEqual(chain.blocks[10]?.header);
        const [bodies, receipts, transactions] = await Promise.all([
          peer.getBlockBodies([chain.hashAt(3), hash]),
          peer.getReceipts([hash, new Uint8Array(32)]),
          peer.getPooledTransactions([hash, hash]),
        ]);
        expect(bodies.encodedAt(0)).toEqual(chain.blocks[3]?.body);
        expect(bodies.length).toBe(2);
        const kept = chain.blocks[7]?.receipts ?? new Uint8Array(0);
        expect(receipts.encodedAt(0)).toEqual(version === 68 ? kept : toNetworkReceipts(kept));
        expect(receipts.length).toBe(1);
        expect(transactions.toArray()).toEqual([pool[0]]);
      }),
    );
  });

  it.each<[string, Partial<EthOptions>, string]>([
    ['another network', { network: { ...network, networkId: 1 } }, 'network-mismatch'],
    [
      'another genesis block',
      (() => {
        const other = new MemoryChain(2);
        const first = chain.blocks[1];
        if (first !== undefined) other.blocks[0] = first;
        return { chain: other, network: { ...network, genesisHash: other.genesisHash } };
      })(),
      'genesis-mismatch',
    ],
    [
      'another fork behind it',
      { network: { ...network, schedule: { blocks: [5], times: [] } } },
      'fork-id-mismatch',
    ],
  ])('part when one is on %s', async (_case, options, code) => {
    const [a, b] = talk(version, {}, options);
    expect([await endOf(a), await endOf(b)]).toContain(code);
    expect((await b.channel.over).code).toBe(code);
    expect([a.channel.confirmed, b.channel.confirmed]).toEqual([false, false]);
  });
});

describe.each(ETH_VERSIONS)('the Status on eth/$version', ({ version }) => {
  it('is sent unasked, once, and before anything else', async () => {
    const { script, handler } = begin(version);
    expect(await script.expect('Status')).toMatchObject({ version });
    expect(script.channel.waiting).toBe(0);
    expect(handler.channel.confirmed).toBe(false);
  });

  it.each([
    ['a request', 0x03],
    ['an answer', 0x04],
    ['transactions', 0x02],
    ['a code without a message', 0x0d],
  ])('must come first, not %s', async (_case, code) => {
    const { script, handler } = begin(version);
    await script.channel.send(code, Uint8Array.of(0xc0));
    expect(await endOf(handler)).toBe('status-expected');
  });

  it('must not come twice', async () => {
    const { script, handler } = await meet(version);
    await script.sendStatus();
    expect(await endOf(handler)).toBe('status-repeated');
  });

  it('is kept as a copy, not as a view of what was received', async () => {
    const { script, handler } = begin(version);
    const { code, payload } = encodeMessage(version, 'Status', localStatus(version, network, chain));
    const received = new Uint8Array(payload.length + 10_000);
    received.set(payload);
    await script.channel.send(code, received.subarray(0, payload.length));
    const { status, head } = await handler.peer;
    for (const hash of [status.genesisHash, status.forkId.hash, head.hash]) {
      expect(hash.buffer.byteLength).toBe(payload.length);
    }
  });

  it('must come within 5 s', async () => {
    const { handler, env } = begin(version);
    env.advance(4999);
    await settle();
    expect(handler.channel.signal.aborted).toBe(false);
    env.advance(1);
    expect(await endOf(handler)).toBe('status-timeout');
  });

  it('may come later by as long as we do not read', async () => {
    const { script, handler, env } = begin(version);
    handler.channel.heldMs = 20_000;
    env.advance(4_000);
    handler.channel.heldMs += 3_000;
    env.advance(3_999);
    await script.sendStatus();
    await handler.peer;
    expect(handler.channel.confirmed).toBe(true);
  });

  it('leaves no timer behind', async () => {
    const { env } = await meet(version);
    expect(env.timers).toBe(0);
  });

  it('must name the version spoken', async () => {
    const { script, handler } = begin(version);
    await script.sendStatus({ version: 67 });
    expect(await endOf(handler)).toBe('protocol-version-mismatch');
  });

  it('must be well-formed', async () => {
    const { script, handler } = begin(version);
    await script.channel.send(0, Uint8Array.of(0xc1, 0x44));
    expect(await endOf(handler)).toBe('rlp-unexpected');
  });

  it('that never comes because the connection ends is no error', async () => {
    const { script, handler, env } = begin(version);
    script.channel.disconnect(new PeerlaneError('network-error', 'gone'));
    expect(await endOf(handler)).toBe('returned');
    expect(env.timers).toBe(0);
  });
});

describe.each(ETH_VERSIONS)('a peer on eth/$version is disconnected', ({ version }) => {
  it.each([
    ['for a message that eth/67 removed', 0x0d, [0xc0], 'message-unsupported'],
    ['for a code beyond the version', version === 68 ? 0x11 : 0x12, [0xc0], 'message-unsupported'],
    ['for bytes that are no message', 0x05, [0xc0], 'rlp-unexpected'],
    ['for an answer to nothing', 0x04, [0xc2, 0x01, 0xc0], 'request-unknown'],
    ['for a request with something else than hashes', 0x05, [0xc4, 0x01, 0xc2, 0xc1, 0x80], 'rlp-unexpected'],
  ] as const)('%s', async (_case, code, payload, expected) => {
    const { script, handler } = await meet(version);
    await script.channel.send(code, Uint8Array.from(payload));
    expect(await endOf(handler)).toBe(expected);
    expect((await script.channel.over).code).toBe(expected);
  });
});

it.each([
  ['NewBlockHashes', 0x01],
  ['NewBlock', 0x07],
])('a peer on eth/69 is disconnected for a %s', async (_name, code) => {
  const { script, handler } = await meet(69);
  await script.channel.send(code, Uint8Array.of(0xc0));
  expect(await endOf(handler)).toBe('message-unsupported');
});

describe('notifications', () => {
  it('arrive at the handlers of both versions, in their order', async () => {
    const heard: [string, unknown][] = [];
    const hear =
      (name: string) =>
      (_peer: unknown, value: unknown): void => {
        heard.push([name, plain(value)]);
      };
    const handlers = {
      onTransactions: hear('transactions'),
      onTransactionHashes: hear('hashes'),
      onNewBlock: hear('block'),
      onNewBlockHashes: hear('block hashes'),
      onBlockRange: hear('range'),
    };
    const transaction = new Transaction(Uint8Array.of(2, 0xc0));
    const announced = { type: 2, size: 2, hash };
    const range = { earliest: 5, latest: 8, latestHash: hash };
    const header = decode(headerCodec, chain.blocks[7]?.header ?? hash);
    const newBlock = { block: { header, transactions: [transaction], ommers: [] }, totalDifficulty: 8n };

    for (const { version } of ETH_VERSIONS) {
      const [a] = talk(version, {}, handlers);
      const peer = await a.peer;
      await peer.sendTransactions([transaction]);
      await peer.announceTransactions([announced]);
      if (peer.supports('NewBlockHashes')) await peer.announceBlocks([{ hash, number: 7 }]);
      if (peer.supports('NewBlock')) await peer.sendNewBlock(newBlock);
      if (peer.supports('BlockRangeUpdate')) await peer.sendBlockRangeUpdate(range);
      await settle();
    }
    const both = [
      ['transactions', [transaction]],
      ['hashes', { types: Uint8Array.of(2), sizes: [2], hashes: [hash] }],
    ];
    const blocks = [
      ['block hashes', [{ hash, number: 7 }]],
      ['block', plain(newBlock)],
    ];
    expect(heard).toEqual([...both, ...blocks, ...both, ['range', range]]);
  });

  it('without a handler are taken and forgotten', async () => {
    const { script, peer } = await meet(69);
    await script.send('Transactions', []);
    await script.send('NewPooledTransactionHashes', { types: new Uint8Array(0), sizes: [], hashes: [] });
    await settle();
    expect(peer.signal.aborted).toBe(false);
  });

  it('of the block range change what is known of the peer before the handler hears', async () => {
    const seen: unknown[] = [];
    const { script, peer } = await meet(69, {
      onBlockRange: (from) => void seen.push(from.head, from.earliest),
    });
    await script.send('BlockRangeUpdate', { earliest: 50, latest: 400, latestHash: hash });
    await settle();
    expect(seen).toEqual([{ number: 400, hash }, 50]);
    expect(peer.status.head.number).toBe(300);
  });

  it('of a block range that cannot be cost the connection', async () => {
    const { script, handler } = await meet(69);
    await script.channel.send(0x11, Uint8Array.of(0xe3, 0x05, 0x04, 0xa0, ...hash));
    expect(await endOf(handler)).toBe('block-range-invalid');
  });
});

describe('a handler that throws', () => {
  it.each([
    ['an error of its own', new Error('mine')],
    ['one of the family without a Disconnect reason', new PeerlaneError('invalid-argument', 'mine')],
  ])('%s costs the peer nothing', async (_case, error) => {
    const reported: unknown[] = [];
    const { script, peer } = await meet(69, {
      onTransactions: () => {
        throw error;
      },
      onTransactionHashes: async () => {
        throw error;
      },
      onError: (thrown, from) => void reported.push(thrown, from),
    });
    await script.send('Transactions', []);
    await script.send('NewPooledTransactionHashes', { types: new Uint8Array(0), sizes: [], hashes: [] });
    await settle();
    expect(reported).toEqual([error, peer, error, peer]);
    expect(peer.signal.aborted).toBe(false);
  });

  it('from onPeer costs the peer nothing either', async () => {
    const reported: unknown[] = [];
    const error = new Error('mine');
    const { peer } = await meet(69, {
      onPeer: () => Promise.reject(error),
      onError: (thrown) => void reported.push(thrown),
    });
    await settle();
    expect(reported).toEqual([error]);
    expect(peer.signal.aborted).toBe(false);
  });

  it('a verdict on the peer ends the connection with it', async () => {
    const reported: unknown[] = [];
    const { script } = await meet(69, {
      onTransactions: () => {
        throw new PeerlaneError('message-invalid', 'not such transactions');
      },
      onError: (thrown) => void reported.push(thrown),
    });
    await script.send('Transactions', []);
    expect((await script.channel.over).code).toBe('message-invalid');
    expect(reported).toEqual([]);
  });

  it('by looking at a list that holds something else ends the connection', async () => {
    const { script } = await meet(69, { onTransactionHashes: (_peer, { hashes }) => void hashes.check() });
    // One type, one size, and one hash of a single byte.
    await script.channel.send(0x08, Uint8Array.of(0xc6, 0x02, 0xc1, 0x01, 0xc2, 0x81, 0xff));
    expect((await script.channel.over).code).toBe('rlp-unexpected');
  });

  it('within onError ends the connection', async () => {
    const { script } = await meet(69, {
      onTransactions: () => {
        throw new Error('mine');
      },
      onError: () => {
        throw new Error('mine too');
      },
    });
    await script.send('Transactions', []);
    expect((await script.channel.over).code).toBe('internal');
  });
});

describe('a chain or a pool that throws', () => {
  it('is reported, and the peer gets an empty answer', async () => {
    const broken = new MemoryChain(3);
    const error = new PeerlaneError('rlp-truncated', 'a damaged store');
    broken.header = () => Promise.reject(error);
    const reported: unknown[] = [];
    const { script, peer } = await meet(69, {
      chain: broken,
      network: { ...network, genesisHash: broken.genesisHash },
      pooledTransactions: () => {
        throw error;
      },
      onError: (thrown, from) => void reported.push(thrown, from),
    });
    await script.send('GetBlockHeaders', {
      id: 5n,
      query: { start: 1n, limit: 1n, skip: 0n, reverse: false },
    });
    expect(plain(await script.expect('BlockHeaders'))).toEqual({ id: 5n, items: [] });
    await script.send('GetPooledTransactions', { id: 6n, hashes: [hash] });
    expect(plain(await script.expect('PooledTransactions'))).toEqual({ id: 6n, items: [] });
    expect(reported).toEqual([error, peer, error, peer]);
  });

  it('is reported when what it gives is not encoded', async () => {
    const broken = new MemoryChain(3);
    broken.body = async () => new Uint8Array(0);
    const reported: unknown[] = [];
    const { script } = await meet(69, { chain: broken, onError: (thrown) => void reported.push(thrown) });
    await script.send('GetBlockBodies', { id: 5n, hashes: [broken.hashAt(1)] });
    expect(plain(await script.expect('BlockBodies'))).toEqual({ id: 5n, items: [] });
    expect(reported).toMatchObject([{ code: 'invalid-argument' }]);
  });
});

it('the genesis chains of these tests are one', () => {
  expect(new MemoryChain(0).genesisHash).toEqual(chain.genesisHash);
});
