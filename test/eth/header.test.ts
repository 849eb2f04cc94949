import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes, fromHex, toHex } from '../../src/base/bytes.ts';
import { parseGenesis } from '../../src/eth/genesis.ts';
import { type HeaderInput, headerCodec, headerHash } from '../../src/eth/header.ts';
import { decode, encode } from '../../src/rlp/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { blockAt, readSmallChain, smallGenesis } from './testdata/small-chain.ts';

const blocks = readSmallChain();

/** The items of a header's list, as an independent decoder sees them. */
function fieldsOf(encoded: Uint8Array): Uint8Array[] {
  const fields = RLP.decode(encoded);
  if (!Array.isArray(fields)) throw new Error('not a list');
  return fields.map((field) => {
    if (field instanceof Uint8Array) return field;
    throw new Error('a list');
  });
}

/** The header of block 1, London's shape, with the fields changed. */
function changed(fields: Partial<HeaderInput>): HeaderInput {
  return { ...blockAt(blocks, 1).header, ...fields };
}

describe('a header', () => {
  it('has the hash of its encoding, which the next block names as its parent', () => {
    let parent = parseGenesis(smallGenesis).hash;
    for (const { header, headerEncoding } of blocks) {
      expect(equalBytes(header.parentHash, parent)).toBe(true);
      parent = headerHash(headerEncoding);
    }
    // The head's hash, as in data/small/README.md.
    expect(toHex(parent)).toBe('0x7c7af7efb34fe5ad18515cff4f6d8822b10128fe906f3a02c918ea00bec0e555');
    expect(blocks.map(({ header }) => header.number)).toEqual(blocks.map((_, index) => index + 1));
  });

  it('is encoded as it was decoded, with the fields of every fork', () => {
    const differing = blocks.filter(
      ({ header, headerEncoding }) => !equalBytes(encode(headerCodec, header), headerEncoding),
    );
    expect(differing).toEqual([]);
  });

  it.each([
    [1, 16, 'London'],
    [149, 16, 'London'],
    [150, 17, 'Shanghai'],
    [300, 20, 'Cancun'],
    [450, 21, 'Prague'],
    [525, 21, 'Osaka'],
  ])('of block %i has %i fields (%s)', (number, count) => {
    const { header, headerEncoding } = blockAt(blocks, number);
    expect(fieldsOf(headerEncoding)).toHaveLength(count);
    expect(header.baseFeePerGas).toBeDefined();
    expect(header.withdrawalsRoot !== undefined).toBe(count >= 17);
    expect(header.blobGasUsed !== undefined).toBe(count >= 20);
    expect(header.excessBlobGas !== undefined).toBe(count >= 20);
    expect(header.parentBeaconBlockRoot !== undefined).toBe(count >= 20);
    expect(header.requestsHash !== undefined).toBe(count >= 21);
    expect(header.blockAccessListHash).toBeUndefined();
  });

  it('reads each field from its place', () => {
    const { header, headerEncoding } = blockAt(blocks, 600);
    const fields = fieldsOf(headerEncoding).map(toHex);
    expect(fields).toEqual([
      ...[header.parentHash, header.ommersHash, header.coinbase, header.stateRoot].map(toHex),
      ...[header.transactionsRoot, header.receiptsRoot, header.logsBloom].map(toHex),
      '0x',
      '0x0258',
      `0x0${header.gasLimit.toString(16)}`,
      expect.stringMatching(new RegExp(`^0x0?${header.gasUsed.toString(16)}$`)),
      '0x1770',
      ...[header.extraData, header.mixHash, header.nonce].map(toHex),
      expect.stringMatching(new RegExp(`^0x0?${header.baseFeePerGas?.toString(16)}$`)),
      toHex(header.withdrawalsRoot ?? new Uint8Array()),
      header.blobGasUsed === 0n
        ? '0x'
        : expect.stringMatching(new RegExp(`^0x0?${header.blobGasUsed?.toString(16)}$`)),
      header.excessBlobGas === 0n
        ? '0x'
        : expect.stringMatching(new RegExp(`^0x0?${header.excessBlobGas?.toString(16)}$`)),
      ...[header.parentBeaconBlockRoot, header.requestsHash].map((hash) => toHex(hash ?? new Uint8Array())),
    ]);
    expect([header.number, header.timestamp]).toEqual([600, 6000]);
  });

  it('may have the fields of Amsterdam, and nothing beyond them', () => {
    const amsterdam = changed({
      withdrawalsRoot: new Uint8Array(32),
      blobGasUsed: 0n,
      excessBlobGas: 0n,
      parentBeaconBlockRoot: new Uint8Array(32),
      requestsHash: new Uint8Array(32),
      blockAccessListHash: new Uint8Array(32).fill(9),
      slotNumber: 77n,
    });
    const encoded = encode(headerCodec, amsterdam);
    expect(decode(headerCodec, encoded)).toMatchObject({
      blockAccessListHash: amsterdam.blockAccessListHash,
      slotNumber: 77n,
    });
    const longer = RLP.encode([...fieldsOf(encoded), Uint8Array.of(1)]);
    expect(codeOf(() => decode(headerCodec, longer))).toBe('rlp-unexpected');
  });

  it('is refused without all fields of the first fork', () => {
    const fields = fieldsOf(blockAt(blocks, 1).headerEncoding);
    expect(decode(headerCodec, RLP.encode(fields.slice(0, 15))).baseFeePerGas).toBeUndefined();
    expect(codeOf(() => decode(headerCodec, RLP.encode(fields.slice(0, 14))))).toBe('rlp-unexpected');
  });

  it('cannot leave out a field before one that it has', () => {
    expect(codeOf(() => encode(headerCodec, changed({ blobGasUsed: 1n })))).toBe('invalid-argument');
  });

  it('takes numbers and times up to 2^53 - 1 and refuses larger ones', () => {
    const largest = changed({ number: Number.MAX_SAFE_INTEGER, timestamp: Number.MAX_SAFE_INTEGER });
    const encoded = encode(headerCodec, largest);
    expect(decode(headerCodec, encoded)).toMatchObject({ number: 2 ** 53 - 1, timestamp: 2 ** 53 - 1 });
    for (const place of [8, 11]) {
      const fields = fieldsOf(encoded);
      fields[place] = fromHex('20000000000000');
      expect(codeOf(() => decode(headerCodec, RLP.encode(fields)))).toBe('rlp-unexpected');
    }
  });

  it('takes 64 bits of gas and 256 of difficulty and base fee', () => {
    const most = changed({
      gasLimit: 2n ** 64n - 1n,
      gasUsed: 2n ** 64n - 1n,
      difficulty: 2n ** 256n - 1n,
      baseFeePerGas: 2n ** 256n - 1n,
    });
    expect(decode(headerCodec, encode(headerCodec, most))).toMatchObject(most);
  });

  it('is refused with a typed error, whatever byte of it changes its meaning', () => {
    const { headerEncoding } = blockAt(blocks, 600);
    fc.assert(
      fc.property(fc.nat(headerEncoding.length - 1), fc.nat(255), (at, byte) => {
        const mutated = headerEncoding.slice();
        mutated[at] = byte;
        expect(codeOf(() => decode(headerCodec, mutated))).toMatch(/^(none|rlp-.*)$/);
      }),
      { numRuns: runs(500) },
    );
  });
});
