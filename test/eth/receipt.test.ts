import { readFileSync } from 'node:fs';
import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import {
  consensusReceiptCodec,
  consensusReceiptsCodec,
  logsBloom,
  networkReceiptCodec,
  networkReceiptsCodec,
  type ReceiptInput,
  receiptEnvelope,
  toConsensusReceipts,
  toNetworkReceipts,
} from '../../src/eth/receipt.ts';
import { receiptsRoot } from '../../src/eth/roots.ts';
import { decode, encode } from '../../src/rlp/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { blockAt, readSmallChain } from './testdata/small-chain.ts';

const chain = readSmallChain();
const file: { blocks: Record<string, string[]> } = JSON.parse(
  readFileSync(new URL('testdata/receipts.json', import.meta.url), 'utf8'),
);
/** Blocks of data/small with the consensus encodings of their receipts. */
const samples = Object.entries(file.blocks).map(([number, receipts]) => ({
  number: Number(number),
  envelopes: receipts.map(fromHex),
}));

/** A block's receipts as eth/68 sends them, made by another encoder. */
function consensusList(envelopes: readonly Uint8Array[]): Uint8Array {
  return RLP.encode(
    envelopes.map((envelope) => ((envelope[0] ?? 0) >= 0xc0 ? RLP.decode(envelope) : envelope)),
  );
}

const log = (address: string, topics: readonly string[], data: string) => ({
  address: fromHex(address.padStart(40, '0')),
  topics: topics.map((topic) => fromHex(topic.padStart(64, '0'))),
  data: fromHex(data),
});

/** The failed receipt of go-ethereum's core/types/receipt_test.go, with its two logs. */
const failed = (type: number): ReceiptInput => ({
  type,
  statusOrRoot: new Uint8Array(0),
  cumulativeGasUsed: 1n,
  logs: [log('11', ['dead', 'beef'], '0100ff'), log('0111', ['dead', 'beef'], '0100ff')],
});

describe('the consensus encoding of receipts', () => {
  it.each(samples)('is decoded and encoded again without a change (block $number)', ({ envelopes }) => {
    const list = consensusList(envelopes);
    const receipts = decode(consensusReceiptsCodec, list).toArray();
    expect(encode(consensusReceiptsCodec, receipts)).toEqual(list);
    expect(receipts.map(receiptEnvelope)).toEqual(envelopes);
  });

  it.each(samples)('has the receipts root of the header (block $number)', ({ number, envelopes }) => {
    const receipts = decode(consensusReceiptsCodec, consensusList(envelopes));
    expect(receiptsRoot(receipts)).toEqual(blockAt(chain, number).header.receiptsRoot);
  });

  it.each(samples)(
    'has blooms that make up the one of the header (block $number)',
    ({ number, envelopes }) => {
      const bloom = new Uint8Array(256);
      for (const { logs } of decode(consensusReceiptsCodec, consensusList(envelopes))) {
        for (const [i, byte] of logsBloom(logs).entries()) bloom[i] = (bloom[i] ?? 0) | byte;
      }
      expect(toHex(bloom)).toBe(toHex(blockAt(chain, number).header.logsBloom));
    },
  );

  it('names the types of the transactions', () => {
    for (const { number, envelopes } of samples) {
      const receipts = decode(consensusReceiptsCodec, consensusList(envelopes)).toArray();
      const transactions = blockAt(chain, number).body.transactions.toArray();
      expect(receipts.map(({ type }) => type)).toEqual(transactions.map(({ type }) => type));
    }
  });

  it('holds failed receipts, and state roots from before Byzantium', () => {
    for (const receipt of [
      failed(0),
      failed(1),
      { ...failed(0), statusOrRoot: new Uint8Array(32).fill(8) },
    ]) {
      const decoded = decode(consensusReceiptCodec, encode(consensusReceiptCodec, receipt));
      expect(decoded).toMatchObject({
        type: receipt.type,
        statusOrRoot: receipt.statusOrRoot,
        cumulativeGasUsed: 1n,
      });
      expect(decoded.logs.toArray().map(({ address, data }) => ({ address, data }))).toEqual(
        [...receipt.logs].map(({ address, data }) => ({ address, data })),
      );
    }
  });

  it('does not trust the bloom that came along', () => {
    const wire = encode(consensusReceiptCodec, failed(0));
    const items = RLP.decode(wire);
    if (!Array.isArray(items)) throw new Error('not a list');
    items[2] = new Uint8Array(256).fill(0xff);
    expect(encode(consensusReceiptCodec, decode(consensusReceiptCodec, RLP.encode(items)))).toEqual(wire);
  });

  it.each([
    ['type 0 in an envelope', '8200c0', 'message-invalid'],
    ['type 0x80', '8280c0', 'message-invalid'],
    ['nothing', '80', 'rlp-unexpected'],
    ['an envelope without content', '01', 'rlp-truncated'],
  ])('is refused with %s', (_, wire, code) => {
    expect(codeOf(() => decode(consensusReceiptCodec, fromHex(wire)))).toBe(code);
  });
});

describe('the encoding of receipts since eth/69', () => {
  it('is type, status, gas and logs, without a bloom', () => {
    expect(toHex(encode(networkReceiptCodec, { ...failed(2), logs: [] }))).toBe('0xc4028001c0');
    const fields = RLP.decode(encode(networkReceiptCodec, failed(0)));
    expect(fields).toEqual([
      new Uint8Array(0),
      new Uint8Array(0),
      Uint8Array.of(1),
      [...failed(0).logs].map(({ address, topics, data }) => [address, [...topics], data]),
    ]);
  });

  it.each(samples)('is converted from the consensus encoding and back (block $number)', ({ envelopes }) => {
    const consensus = consensusList(envelopes);
    const network = toNetworkReceipts(consensus);
    expect(network.length).toBeLessThan(consensus.length - 256 * envelopes.length);
    expect(toConsensusReceipts(network)).toEqual(consensus);
  });

  it.each(samples)('has the same receipts root (block $number)', ({ number, envelopes }) => {
    const receipts = decode(networkReceiptsCodec, toNetworkReceipts(consensusList(envelopes)));
    expect(receiptsRoot(receipts)).toEqual(blockAt(chain, number).header.receiptsRoot);
  });

  it('refuses types that no envelope can have', () => {
    expect(codeOf(() => decode(networkReceiptCodec, fromHex('c581808001c0')))).toBe('rlp-unexpected');
  });
});

describe('the bloom filter of logs', () => {
  // go-ethereum core/types/receipt_test.go, TestReceiptMarshalBinary: the bits of that bloom.
  it('has three bits for each address and topic', () => {
    const bloom = logsBloom(failed(0).logs);
    const set = [...bloom.entries()].filter(([, byte]) => byte !== 0);
    expect(set.map(([at, byte]) => `${at}:${byte.toString(16)}`)).toEqual([
      '6:10',
      '67:50',
      '85:1',
      '86:40',
      '124:1',
      '127:8',
      '138:4',
      '153:40',
      '167:8',
      '194:4',
      '225:10',
    ]);
  });

  it('is empty without logs', () => {
    expect(logsBloom([])).toEqual(new Uint8Array(256));
  });
});

describe('any bytes in the place of receipts', () => {
  it('are converted or refused with a typed error', () => {
    const sample = consensusList(samples[0]?.envelopes ?? []);
    const network = toNetworkReceipts(sample);
    fc.assert(
      fc.property(fc.nat(sample.length - 1), fc.nat(255), (at, byte) => {
        const mutated = sample.slice();
        mutated[at] = byte;
        expect(codeOf(() => receiptsRoot(decode(consensusReceiptsCodec, mutated)))).toMatch(
          /^(none|message-invalid|rlp-.*)$/,
        );
        const other = network.slice();
        other[at % other.length] = byte;
        expect(codeOf(() => toConsensusReceipts(other))).toMatch(/^(none|rlp-.*)$/);
      }),
      { numRuns: runs(200) },
    );
  });
});
