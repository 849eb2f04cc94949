import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { isPeerlaneError } from '../../src/base/errors.ts';
import { blockCodec, joinBlock, splitBlock } from '../../src/eth/block.ts';
import { type Body, bodyCodec, checkBody } from '../../src/eth/body.ts';
import { headerCodec } from '../../src/eth/header.ts';
import { ommersHash } from '../../src/eth/roots.ts';
import { decode, type Encodable, encode } from '../../src/rlp/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { blockAt, readSmallChain, type TestBlock } from './testdata/small-chain.ts';

const chain = readSmallChain();
/** Blocks with transactions: block 1 has no withdrawals, block 158 some. */
const early = blockAt(chain, 1);
const withWithdrawals = chain.find(
  ({ body }) => (body.withdrawals?.length ?? 0) > 1 && body.transactions.length > 1,
);

function later(): TestBlock {
  if (withWithdrawals === undefined) throw new Error('the chain has no such block');
  return withWithdrawals;
}

function changed(body: Body, change: Partial<Encodable<typeof bodyCodec>>): Body {
  return decode(bodyCodec, encode(bodyCodec, { ...body, ...change }));
}

/** What `checkBody` says is wrong. */
function mismatchOf({ header }: Pick<TestBlock, 'header'>, body: Body): string {
  try {
    checkBody(header, body);
  } catch (error) {
    if (isPeerlaneError(error, 'body-mismatch')) return String(error.details.what);
    throw error;
  }
  return 'none';
}

describe('a body', () => {
  it('is the one of its header, for every block of a chain', () => {
    expect(chain).toHaveLength(600);
    for (const block of chain) expect(mismatchOf(block, block.body)).toBe('none');
  });

  it('is none for another header', () => {
    for (const [index, block] of chain.entries()) {
      const next = chain[index + 1];
      if (next !== undefined) expect(mismatchOf(next, block.body)).not.toBe('none');
    }
  });

  it('is encoded as it was decoded', () => {
    for (const { encoded, body } of chain) {
      expect(equalBytes(encode(bodyCodec, body), splitBlock(encoded).body)).toBe(true);
    }
  });

  it('has withdrawals since Shanghai and a field less before', () => {
    expect(blockAt(chain, 149).body.withdrawals).toBeUndefined();
    expect(blockAt(chain, 150).body.withdrawals).toBeDefined();
    expect(RLP.decode(encode(bodyCodec, blockAt(chain, 149).body))).toHaveLength(2);
    expect(RLP.decode(encode(bodyCodec, blockAt(chain, 150).body))).toHaveLength(3);
  });

  it('has at most two ommers', () => {
    const { header } = early;
    const two = changed(early.body, { ommers: [header, header] });
    expect(two.ommers).toHaveLength(2);
    const three = RLP.encode([
      [],
      [header, header, header].map((one) => RLP.decode(encode(headerCodec, one))),
    ]);
    expect(codeOf(() => decode(bodyCodec, three))).toBe('rlp-unexpected');
  });
});

describe('the check of a body against its header', () => {
  it('refuses transactions that are missing, repeated or in another order', () => {
    const transactions = early.body.transactions.toArray();
    expect(transactions.length).toBeGreaterThan(2);
    const [first, ...rest] = transactions;
    if (first === undefined) throw new Error('no transaction');
    for (const other of [rest, [first, ...transactions], [...rest, first], []]) {
      expect(mismatchOf(early, changed(early.body, { transactions: other }))).toBe('transactions root');
    }
  });

  it('refuses ommers that the header does not commit to', () => {
    const body = changed(early.body, { ommers: [blockAt(chain, 2).header] });
    expect(mismatchOf(early, body)).toBe('ommers hash');
    const committing = { header: { ...early.header, ommersHash: ommersHash(body.ommers) } };
    expect(mismatchOf(committing, body)).toBe('none');
    expect(mismatchOf(committing, early.body)).toBe('ommers hash');
  });

  it('refuses withdrawals that are changed, missing, or not to be there', () => {
    const block = later();
    const withdrawals = block.body.withdrawals?.toArray() ?? [];
    const altered = withdrawals.map((one) => ({ ...one, amount: one.amount + 1n }));
    for (const other of [altered, withdrawals.slice(1), [...withdrawals].reverse(), []]) {
      expect(mismatchOf(block, changed(block.body, { withdrawals: other }))).toBe('withdrawals root');
    }
    expect(mismatchOf(block, changed(block.body, { withdrawals: undefined }))).toBe(
      'presence of withdrawals',
    );
    expect(mismatchOf(early, changed(early.body, { withdrawals: [] }))).toBe('presence of withdrawals');
  });

  it('notices any byte that changes, or the body cannot be decoded', () => {
    const block = later();
    const encoded = encode(bodyCodec, block.body);
    fc.assert(
      fc.property(fc.nat(encoded.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const mutated = encoded.slice();
        mutated[at] = (mutated[at] ?? 0) ^ difference;
        expect(codeOf(() => checkBody(block.header, decode(bodyCodec, mutated)))).toMatch(
          /^(body-mismatch|message-invalid|rlp-.*)$/,
        );
      }),
      { numRuns: runs(300) },
    );
  });
});

describe('a block', () => {
  it('is its header and the lists of its body', () => {
    for (const { encoded, headerEncoding, body } of chain) {
      expect(equalBytes(joinBlock(splitBlock(encoded)), encoded)).toBe(true);
      const block = decode(blockCodec, encoded);
      expect(equalBytes(encode(headerCodec, block.header), headerEncoding)).toBe(true);
      expect(equalBytes(block.transactions.encoded, body.transactions.encoded)).toBe(true);
      expect(equalBytes(encode(blockCodec, block), encoded)).toBe(true);
    }
  });

  it('is refused with more fields than it can have', () => {
    const block = RLP.decode(later().encoded);
    if (!Array.isArray(block)) throw new Error('not a list');
    const longer = RLP.encode([...block, []]);
    expect(codeOf(() => decode(blockCodec, longer))).toBe('rlp-unexpected');
    expect(codeOf(() => splitBlock(longer))).toBe('rlp-unexpected');
    expect(codeOf(() => splitBlock(RLP.encode(block.slice(0, 2))))).toBe('rlp-unexpected');
  });
});
