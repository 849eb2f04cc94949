import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headerCodec } from '../../src/eth/header.ts';
import { decodeMessage, encodeMessage, encodeResponse, MAX_MESSAGE_SIZE } from '../../src/eth/messages.ts';
import { toNetworkReceipts } from '../../src/eth/receipt.ts';
import {
  type EthRequest,
  type HeadersQuery,
  MAX_SERVED_BLOCKS,
  MAX_SERVED_TRANSACTIONS,
  prepareAnswer,
  type ServeContext,
  SOFT_RESPONSE_LIMIT,
  serveBlockBodies,
  serveBlockHeaders,
  servePooledTransactions,
  serveReceipts,
} from '../../src/eth/serve.ts';
import { Transaction } from '../../src/eth/transaction.ts';
import { decode } from '../../src/rlp/index.ts';
import { codeOf } from '../support/errors.ts';
import { MemoryChain } from '../support/memory-chain.ts';
import { runs } from '../support/runs.ts';

const MAX_UINT64 = 2n ** 64n - 1n;
const nowhere = new Uint8Array(32).fill(0xee);

const chain = new MemoryChain(1500);

async function numbers(query: Partial<HeadersQuery>, from = chain): Promise<number[]> {
  const whole = { start: 0n, limit: 3n, skip: 0n, reverse: false, ...query };
  return (await serveBlockHeaders(from, whole)).map((header) => decode(headerCodec, header).number);
}

describe('GetBlockHeaders', () => {
  it.each<[string, Partial<HeadersQuery>, number[]]>([
    ['from a number', { start: 5n }, [5, 6, 7]],
    ['from a hash', { start: chain.hashAt(5) }, [5, 6, 7]],
    ['from the genesis block', { start: 0n }, [0, 1, 2]],
    ['falling', { start: 5n, reverse: true }, [5, 4, 3]],
    ['falling from a hash', { start: chain.hashAt(5), reverse: true }, [5, 4, 3]],
    ['falling to the genesis block', { start: 2n, limit: 9n, reverse: true }, [2, 1, 0]],
    ['falling from the genesis block', { start: 0n, reverse: true }, [0]],
    ['with gaps', { start: 5n, skip: 2n }, [5, 8, 11]],
    ['falling with gaps', { start: 11n, skip: 2n, reverse: true }, [11, 8, 5]],
    [
      'falling with gaps onto the genesis block',
      { start: 4n, limit: 9n, skip: 1n, reverse: true },
      [4, 2, 0],
    ],
    ['falling with gaps past it', { start: 5n, limit: 9n, skip: 1n, reverse: true }, [5, 3, 1]],
    ['up to the head', { start: 1499n, limit: 9n }, [1499, 1500]],
    ['with gaps past the head', { start: 1499n, limit: 9n, skip: 1n }, [1499]],
    ['none', { limit: 0n }, []],
    ['from an unknown hash', { start: nowhere }, []],
    ['from a hash of zeros', { start: new Uint8Array(32) }, []],
    ['from above the head', { start: 1501n }, []],
    ['from above the head, falling', { start: 1501n, reverse: true }, []],
    ['from the last number there is', { start: MAX_UINT64 }, []],
    ['from the last number there is, falling', { start: MAX_UINT64, limit: MAX_UINT64, reverse: true }, []],
    ['with the largest gaps', { start: 5n, skip: MAX_UINT64 }, [5]],
    ['with the largest gaps but one', { start: 5n, skip: MAX_UINT64 - 1n }, [5]],
    ['with the largest gaps, falling', { start: 5n, skip: MAX_UINT64, reverse: true }, [5]],
    ['with gaps that would wrap to the block itself', { start: 5n, skip: MAX_UINT64 - 5n }, [5]],
    ['from a hash with the largest gaps', { start: chain.hashAt(5), skip: MAX_UINT64 }, [5]],
    ['with gaps of 2^53', { start: 0n, skip: 2n ** 53n, limit: 9n }, [0]],
  ])('%s', async (_case, query, expected) => {
    expect(await numbers(query)).toEqual(expected);
  });

  it('is answered with at most 1,024, by as many look-ups', async () => {
    const before = chain.lookups;
    expect(await numbers({ limit: MAX_UINT64 })).toHaveLength(MAX_SERVED_BLOCKS);
    expect(await numbers({ start: 1400n, limit: 1025n, reverse: true })).toHaveLength(MAX_SERVED_BLOCKS);
    expect(chain.lookups - before).toBe(2 * MAX_SERVED_BLOCKS);
  });

  it('is closed by the header that crosses 2 MiB', async () => {
    const large = new MemoryChain(9);
    large.header = async () => new Uint8Array(SOFT_RESPONSE_LIMIT / 2 - 1);
    const query = { start: 0n, limit: 9n, skip: 0n, reverse: false };
    expect(await serveBlockHeaders(large, query)).toHaveLength(3);
  });

  it('from beyond the head costs no look-up', async () => {
    const before = chain.lookups;
    expect(await numbers({ start: 1501n, reverse: true })).toEqual([]);
    expect(await numbers({ start: MAX_UINT64 })).toEqual([]);
    expect(chain.lookups).toBe(before);
  });

  it('ends at a block that is missing', async () => {
    const holed = new MemoryChain(9);
    delete holed.blocks[6];
    expect(await numbers({ start: 4n, limit: 9n }, holed)).toEqual([4, 5]);
  });

  it('gives what a walk over the chain in exact integers would', async () => {
    const small = new MemoryChain(40);
    const extreme = fc.oneof(
      fc.bigInt({ min: 0n, max: 45n }),
      fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
      fc.bigInt({ min: MAX_UINT64 - 45n, max: MAX_UINT64 }),
    );
    await fc.assert(
      fc.asyncProperty(extreme, extreme, extreme, fc.boolean(), async (start, limit, skip, reverse) => {
        const expected: number[] = [];
        const step = reverse ? -(skip + 1n) : skip + 1n;
        for (let at = start; at >= 0n && at <= 40n && expected.length < limit; at += step)
          expected.push(Number(at));
        expect(await numbers({ start, limit, skip, reverse }, small)).toEqual(expected);
      }),
      { numRuns: runs(300) },
    );
  });
});

describe.each([
  [
    'GetBlockBodies',
    (from: MemoryChain, hashes: Uint8Array[]) => serveBlockBodies(from, hashes),
    (number: number) => chain.blocks[number]?.body,
  ],
  [
    'GetReceipts',
    (from: MemoryChain, hashes: Uint8Array[]) => serveReceipts(from, hashes, (receipts) => receipts),
    (number: number) => chain.blocks[number]?.receipts,
  ],
] as const)('%s', (_name, serve, expected) => {
  it('is answered in the order of the hashes, as often as each is asked', async () => {
    const hashes = [7, 3, 3, 0].map((number) => chain.hashAt(number));
    expect(await serve(chain, hashes)).toEqual([7, 3, 3, 0].map(expected));
  });

  it('an unknown hash ends the answer', async () => {
    expect(await serve(chain, [chain.hashAt(1), nowhere, chain.hashAt(2)])).toEqual([expected(1)]);
    expect(await serve(chain, [nowhere, chain.hashAt(2)])).toEqual([]);
    expect(await serve(chain, [])).toEqual([]);
  });

  it('is closed by the item that crosses 2 MiB', async () => {
    const large = new MemoryChain(9);
    for (const block of large.blocks) {
      block.body = new Uint8Array(SOFT_RESPONSE_LIMIT / 2 - 1);
      block.receipts = block.body;
    }
    expect(await serve(large, large.hashes(0, 9))).toHaveLength(3);
  });

  it('is closed when it holds 2 MiB exactly', async () => {
    const large = new MemoryChain(9);
    for (const block of large.blocks) {
      block.body = new Uint8Array(SOFT_RESPONSE_LIMIT / 2);
      block.receipts = block.body;
    }
    expect(await serve(large, large.hashes(0, 9))).toHaveLength(2);
  });

  it('leaves out what no message can hold', async () => {
    const large = new MemoryChain(3);
    for (const block of large.blocks.slice(1)) {
      block.body = new Uint8Array(MAX_MESSAGE_SIZE);
      block.receipts = block.body;
    }
    expect(await serve(large, large.hashes(0, 3))).toHaveLength(1);
    expect(await serve(large, large.hashes(1, 3))).toEqual([]);
  });

  it('is closed where the largest message is full, which can be sent', async () => {
    const large = new MemoryChain(3);
    const first = new Uint8Array(SOFT_RESPONSE_LIMIT - 1);
    const sizes = [first.length, MAX_MESSAGE_SIZE - first.length - 64, 1];
    for (const [i, size] of sizes.entries()) {
      const block = large.blocks[i];
      if (block !== undefined) block.body = block.receipts = new Uint8Array(size);
    }
    const items = await serve(large, large.hashes(0, 3));
    expect(items).toHaveLength(2);
    const { payload } = encodeResponse(69, 'BlockBodies', MAX_UINT64, items);
    expect(payload.length).toBeLessThanOrEqual(MAX_MESSAGE_SIZE);
  });

  it('stops looking when the connection is over', async () => {
    const context = { version: 68, chain, signal: AbortSignal.abort() } as const;
    expect(await prepareAnswer(request(0x05, 1), context)()).toEqual([]);
    expect(await prepareAnswer(request(0x0f, 1), context)()).toEqual([]);
    expect(await prepareAnswer(request(0x03), context)()).toEqual([]);
  });
});

function request(code: number, count = 0): EthRequest {
  const payload =
    code === 0x03
      ? encodeMessage(69, 'GetBlockHeaders', {
          id: 1n,
          query: { start: 0n, limit: 5n, skip: 0n, reverse: false },
        }).payload
      : encodeMessage(69, 'GetBlockBodies', {
          id: 1n,
          hashes: Array.from({ length: count }, (_, i) => chain.hashAt(i % 1000)),
        }).payload;
  const message = decodeMessage(69, code, payload);
  if (message.kind !== 'request') throw new Error('not a request');
  return message;
}

describe('a request', () => {
  const context: ServeContext = { version: 69, chain };

  it.each([
    ['GetBlockBodies', 0x05],
    ['GetReceipts', 0x0f],
  ] as const)('%s for 3,000 blocks is answered with 1,024, by as many look-ups', async (_name, code) => {
    const before = chain.lookups;
    expect(await prepareAnswer(request(code, 3000), context)()).toHaveLength(MAX_SERVED_BLOCKS);
    expect(chain.lookups - before).toBe(MAX_SERVED_BLOCKS);
  });

  it('is read before anything is looked up: what is no hash is a breach', () => {
    const hashes = [0xc1, 0x80];
    const message = decodeMessage(69, 0x05, Uint8Array.of(0xc4, 0x01, 0xc2, ...hashes));
    if (message.kind !== 'request') throw new Error('not a request');
    expect(codeOf(() => prepareAnswer(message, context))).toBe('rlp-unexpected');
  });

  it('for receipts is answered in the form of the version', async () => {
    const consensus = chain.blocks[0]?.receipts ?? new Uint8Array(0);
    expect(await prepareAnswer(request(0x0f, 1), { ...context, version: 68 })()).toEqual([consensus]);
    expect(await prepareAnswer(request(0x0f, 1), context)()).toEqual([toNetworkReceipts(consensus)]);
  });

  it('for receipts is answered with none by a chain that keeps none', async () => {
    const { genesisHash } = chain;
    const bare = {
      genesisHash,
      head: () => chain.head(),
      earliest: () => 0,
      hashOf: (number: number) => chain.hashOf(number),
      numberOf: (hash: Uint8Array) => chain.numberOf(hash),
      header: (number: number) => chain.header(number),
      body: (number: number) => chain.body(number),
    };
    expect(await prepareAnswer(request(0x0f, 2), { ...context, chain: bare })()).toEqual([]);
  });

  it('for pooled transactions asks the pool for 256 at most', async () => {
    let asked = 0;
    const pooledTransactions = (hashes: readonly Uint8Array[]): [] => {
      asked = hashes.length;
      return [];
    };
    const served = await prepareAnswer(request(0x09, 1000), { ...context, pooledTransactions })();
    expect(asked).toBe(MAX_SERVED_TRANSACTIONS);
    expect(served).toEqual([]);
    expect(await prepareAnswer(request(0x09, 10), context)()).toEqual([]);
  });
});

describe('GetPooledTransactions', () => {
  const legacy = new Transaction(Uint8Array.of(0xc1, 0x05));
  const typed = new Transaction(Uint8Array.of(2, 0xc1, 0x05));

  it('is answered in the order of the pool, gaps left out, in the encoding of the wire', async () => {
    const served = await servePooledTransactions(
      () => [legacy, undefined, typed],
      [nowhere, nowhere, nowhere],
    );
    expect(served).toEqual([Uint8Array.of(0xc1, 0x05), Uint8Array.of(0x83, 2, 0xc1, 0x05)]);
  });

  it('is closed by the transaction that crosses 2 MiB', async () => {
    const large = new Transaction(new Uint8Array(SOFT_RESPONSE_LIMIT / 2 - 9).fill(3));
    const served = await servePooledTransactions(async () => Array(9).fill(large), [nowhere]);
    expect(served).toHaveLength(3);
  });

  it('does not ask the pool for nothing', async () => {
    const pool = (): never => {
      throw new Error('asked');
    };
    expect(await servePooledTransactions(pool, [])).toEqual([]);
  });
});
