import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { keccak256 } from '../../src/crypto/index.ts';
import { headerCodec } from '../../src/eth/header.ts';
import {
  EMPTY_OMMERS_HASH,
  ommersHash,
  receiptsRoot,
  transactionsRoot,
  withdrawalsRoot,
} from '../../src/eth/roots.ts';
import { withdrawalCodec } from '../../src/eth/withdrawal.ts';
import { decode, encode, list } from '../../src/rlp/index.ts';
import { EMPTY_ROOT } from '../../src/trie/index.ts';
import { blockAt, readSmallChain } from './testdata/small-chain.ts';

const chain = readSmallChain();
const empty = Uint8Array.of(0xc0);

describe('the roots of a block', () => {
  it('are the empty root for empty lists', () => {
    expect(transactionsRoot([])).toEqual(EMPTY_ROOT);
    expect(receiptsRoot([])).toEqual(EMPTY_ROOT);
    expect(withdrawalsRoot(decode(list(withdrawalCodec), empty))).toEqual(EMPTY_ROOT);
  });

  it('stand in the headers of a chain', () => {
    for (const { header, body } of chain) {
      expect(toHex(transactionsRoot(body.transactions))).toBe(toHex(header.transactionsRoot));
      expect(toHex(ommersHash(body.ommers))).toBe(toHex(header.ommersHash));
      if (body.withdrawals === undefined) expect(header.withdrawalsRoot).toBeUndefined();
      else expect(withdrawalsRoot(body.withdrawals)).toEqual(header.withdrawalsRoot);
    }
  });

  it('are the same for transactions that were not read from a body', () => {
    const { header, body } = blockAt(chain, 1);
    expect(transactionsRoot(body.transactions.toArray())).toEqual(header.transactionsRoot);
  });
});

describe('the hash of ommers', () => {
  it('is the known constant when there are none', () => {
    expect(toHex(EMPTY_OMMERS_HASH)).toBe(
      '0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347',
    );
    expect(ommersHash(decode(list(headerCodec), empty))).toEqual(EMPTY_OMMERS_HASH);
  });

  it('is the hash of the RLP of their list', () => {
    const encoded = encode(list(headerCodec), [blockAt(chain, 1).header, blockAt(chain, 2).header]);
    expect(ommersHash(decode(list(headerCodec), encoded))).toEqual(keccak256(encoded));
  });
});
