import { readFileSync } from 'node:fs';
import { encode as encodeOracle, type Input } from '@ethereumjs/rlp';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toHex } from '../../src/base/bytes.ts';
import {
  decodeMessage,
  ETH_VERSIONS,
  type EthVersion,
  encodeMessage,
  encodeResponse,
  MAX_MESSAGE_SIZE,
  type MessageInputs,
  type MessageName,
  messageRow,
} from '../../src/eth/messages.ts';
import { Transaction } from '../../src/eth/transaction.ts';
import { codeOf } from '../support/errors.ts';
import { plain } from './message-values.ts';

const vectors: { vectors: { name: MessageName; rlp: string }[] } = JSON.parse(
  readFileSync(new URL('testdata/eip-2481.json', import.meta.url), 'utf8'),
);

const deadc0de = fromHex(`${'00'.repeat(28)}deadc0de`);
const feedbeef = fromHex(`${'00'.repeat(28)}feedbeef`);
const zero = (length: number): Uint8Array => new Uint8Array(length);
const one = (length: number): Uint8Array => new Uint8Array(length).fill(1);

describe('the table of messages', () => {
  // caps/eth.md, "Protocol Messages" and "Change Log".
  const eth68 = [
    'Status',
    'NewBlockHashes',
    'Transactions',
    'GetBlockHeaders',
    'BlockHeaders',
    'GetBlockBodies',
    'BlockBodies',
    'NewBlock',
    'NewPooledTransactionHashes',
    'GetPooledTransactions',
    'PooledTransactions',
    undefined,
    undefined,
    undefined, // GetNodeData, until eth/66
    undefined, // NodeData, until eth/66
    'GetReceipts',
    'Receipts',
  ];
  const eth69 = [...eth68, 'BlockRangeUpdate'].map((name) =>
    name === 'NewBlockHashes' || name === 'NewBlock' ? undefined : name,
  );

  it.each([
    [68, eth68],
    [69, eth69],
  ] as const)('of eth/%d has the codes of the specification', (version, names) => {
    expect(ETH_VERSIONS.find((spoken) => spoken.version === version)?.length).toBe(names.length);
    for (const [code, name] of names.entries()) {
      if (name === undefined) {
        expect(codeOf(() => decodeMessage(version, code, Uint8Array.of(0xc0)))).toBe('message-unsupported');
      } else expect(messageRow(version, name as MessageName)).toMatchObject({ code, name });
    }
    expect(codeOf(() => decodeMessage(version, names.length, Uint8Array.of(0xc0)))).toBe(
      'message-unsupported',
    );
  });

  it('does not encode what a version does not have', () => {
    const range = { earliest: 0, latest: 1, latestHash: one(32) };
    expect(codeOf(() => encodeMessage(68, 'BlockRangeUpdate', range))).toBe('invalid-argument');
    expect(codeOf(() => encodeMessage(69, 'NewBlockHashes', []))).toBe('invalid-argument');
  });
});

describe('the vectors of EIP-2481', () => {
  function vector(name: MessageName, index = 0): Uint8Array {
    const found = vectors.vectors.filter((candidate) => candidate.name === name)[index];
    return fromHex(found?.rlp ?? '');
  }

  const header = {
    parentHash: zero(32),
    ommersHash: zero(32),
    coinbase: zero(20),
    stateRoot: zero(32),
    transactionsRoot: zero(32),
    receiptsRoot: zero(32),
    logsBloom: zero(256),
    difficulty: 0x8aen,
    number: 0xd05,
    gasLimit: 0x115cn,
    gasUsed: 0x15b3n,
    timestamp: 0x1a0a,
    extraData: fromHex('7788'),
    mixHash: zero(32),
    nonce: zero(8),
  };
  const transactions = [
    'f867088504a817c8088302e2489435353535353535353535353535353535353535358202008025' +
      'a064b1702d9298fee62dfeccc57d322a463ad55ca201256d01f62b45b2e1c21c12' +
      'a064b1702d9298fee62dfeccc57d322a463ad55ca201256d01f62b45b2e1c21c10',
    'f867098504a817c809830334509435353535353535353535353535353535353535358202d98025' +
      'a052f8f61201b2b11a78d6e866abc9c3db2ae8631fa656bfe5cb53668255367afb' +
      'a052f8f61201b2b11a78d6e866abc9c3db2ae8631fa656bfe5cb53668255367afb',
  ].map((hex) => new Transaction(fromHex(hex)));
  const hashes = { id: 1111n, hashes: [deadc0de, feedbeef] };

  const cases: [MessageName, number, MessageInputs[MessageName]][] = [
    ['GetBlockHeaders', 0, { id: 1111n, query: { start: deadc0de, limit: 5n, skip: 5n, reverse: false } }],
    ['GetBlockHeaders', 1, { id: 1111n, query: { start: 9999n, limit: 5n, skip: 5n, reverse: false } }],
    ['BlockHeaders', 0, { id: 1111n, items: [header] }],
    ['GetBlockBodies', 0, hashes],
    ['BlockBodies', 0, { id: 1111n, items: [{ transactions, ommers: [header] }] }],
    ['GetReceipts', 0, hashes],
    ['GetPooledTransactions', 0, hashes],
    ['PooledTransactions', 0, { id: 1111n, items: transactions }],
  ];

  it.each(cases)('%s (%d)', (name, index, value) => {
    const payload = vector(name, index);
    for (const { version } of ETH_VERSIONS) {
      const encoded = encodeMessage(version, name, value);
      expect(toHex(encoded.payload)).toBe(toHex(payload));
      expect(plain(decodeMessage(version, encoded.code, payload).value)).toEqual(plain(value));
    }
  });

  it('the transactions in them have the hashes that stand there', () => {
    expect(transactions.map((transaction) => toHex(transaction.hash()))).toEqual([
      '0x588df025c4c2d757d3e314bd3dfbfe352687324e6b8557ad1731585e96928aed',
      '0xf39c7dac06a9f3abf09faf5e30439a349d3717611b3ed337cd52b0d192bc72da',
    ]);
  });

  it('Receipts, as eth/68 has them; the bloom in it, which is none of its log, is dropped', () => {
    const { value } = decodeMessage(68, 0x10, vector('Receipts'));
    const log = {
      address: fromHex('0x0000000000000000000000000000000000000011'),
      topics: [fromHex(`${'00'.repeat(30)}dead`), fromHex(`${'00'.repeat(30)}beef`)],
      data: fromHex('0100ff'),
    };
    const receipt = { type: 0, statusOrRoot: zero(0), cumulativeGasUsed: 1n, logs: [log] };
    expect(plain(value)).toEqual({ id: 1111n, items: [[receipt]] });
  });
});

describe('messages that EIP-2481 has no vector for, against an RLP encoder of others', () => {
  const forkId = { hash: fromHex('fc64ec04'), next: 1_150_000n };
  const status = {
    version: 69,
    networkId: 1n,
    genesisHash: deadc0de,
    forkId,
    head: { number: 1000, hash: feedbeef },
    totalDifficulty: 2n ** 70n,
    earliest: 500,
  };
  const legacy = encodeOracle([1, 2, 3]);
  const typed = fromHex('02c0ffee');
  const log = { address: one(20), topics: [deadc0de], data: fromHex('abcd') };
  const oracleLog = [one(20), [deadc0de], fromHex('abcd')];
  const header: Input[] = [
    ...[32, 32, 20, 32, 32, 32, 256].map(one),
    0,
    20_000_000,
    30_000_000,
    21_000,
    1_700_000_000,
    fromHex(''),
    one(32),
    zero(8),
    7,
    one(32),
  ];
  const headerValue = {
    parentHash: one(32),
    ommersHash: one(32),
    coinbase: one(20),
    stateRoot: one(32),
    transactionsRoot: one(32),
    receiptsRoot: one(32),
    logsBloom: one(256),
    difficulty: 0n,
    number: 20_000_000,
    gasLimit: 30_000_000n,
    gasUsed: 21_000n,
    timestamp: 1_700_000_000,
    extraData: zero(0),
    mixHash: one(32),
    nonce: zero(8),
    baseFeePerGas: 7n,
    withdrawalsRoot: one(32),
  };
  const txs = [new Transaction(legacy), new Transaction(typed)];
  const oracleTxs: Input[] = [[1, 2, 3], typed];
  const withdrawals = [{ index: 1n, validatorIndex: 2n, address: one(20), amount: 3n }];
  const body = { transactions: txs, ommers: [headerValue], withdrawals };
  const oracleBody: Input[] = [oracleTxs, [header], [[1, 2, one(20), 3]]];

  const cases: [string, EthVersion, MessageName, MessageInputs[MessageName], Input][] = [
    [
      'Status of eth/68',
      68,
      'Status',
      { ...status, version: 68 },
      [68, 1, 2n ** 70n, feedbeef, deadc0de, [forkId.hash, 1_150_000]],
    ],
    [
      'Status of eth/69',
      69,
      'Status',
      status,
      [69, 1, deadc0de, [forkId.hash, 1_150_000], 500, 1000, feedbeef],
    ],
    ['NewBlockHashes', 68, 'NewBlockHashes', [{ hash: deadc0de, number: 1000 }], [[deadc0de, 1000]]],
    ['Transactions', 69, 'Transactions', txs, oracleTxs],
    [
      'GetBlockHeaders for the last number there is',
      69,
      'GetBlockHeaders',
      {
        id: 2n ** 64n - 1n,
        query: { start: 2n ** 64n - 1n, limit: 0n, skip: 2n ** 64n - 1n, reverse: true },
      },
      [2n ** 64n - 1n, [2n ** 64n - 1n, 0, 2n ** 64n - 1n, 1]],
    ],
    ['BlockBodies with withdrawals', 69, 'BlockBodies', { id: 0n, items: [body] }, [0, [oracleBody]]],
    [
      'NewBlock',
      68,
      'NewBlock',
      { block: { header: headerValue, ...body }, totalDifficulty: 5n },
      [[header, ...oracleBody], 5],
    ],
    [
      'NewPooledTransactionHashes, types as one byte string',
      69,
      'NewPooledTransactionHashes',
      { types: Uint8Array.of(0, 3), sizes: [200, 131_072], hashes: [deadc0de, feedbeef] },
      [Uint8Array.of(0, 3), [200, 131_072], [deadc0de, feedbeef]],
    ],
    [
      'Receipts of eth/69, any type a list, no bloom',
      69,
      'Receipts',
      {
        id: 9n,
        items: [[{ type: 2, statusOrRoot: Uint8Array.of(1), cumulativeGasUsed: 21_000n, logs: [log] }], []],
      },
      [9, [[[2, 1, 21_000, [oracleLog]]], []]],
    ],
    [
      'BlockRangeUpdate',
      69,
      'BlockRangeUpdate',
      { earliest: 1, latest: 2, latestHash: deadc0de },
      [1, 2, deadc0de],
    ],
  ];

  it.each(cases)('%s', (_title, version, name, value, oracle) => {
    const { code, payload } = encodeMessage(version, name, value);
    expect(toHex(payload)).toBe(toHex(encodeOracle(oracle)));
    if (name !== 'Status') expect(plain(decodeMessage(version, code, payload).value)).toEqual(plain(value));
  });

  it('Receipts of eth/68 put typed receipts into byte strings, with the bloom of their logs', () => {
    const fields = { statusOrRoot: Uint8Array.of(1), cumulativeGasUsed: 5n, logs: [] };
    const value = {
      id: 9n,
      items: [
        [
          { type: 0, ...fields },
          { type: 2, ...fields },
        ],
      ],
    };
    const receipt: Input[] = [1, 5, zero(256), []];
    const oracle: Input = [9, [[receipt, concatBytes(Uint8Array.of(2), encodeOracle(receipt))]]];
    expect(toHex(encodeMessage(68, 'Receipts', value).payload)).toBe(toHex(encodeOracle(oracle)));
  });

  it('a response is the same whether its items are values or encoded already', () => {
    const { payload } = encodeMessage(69, 'BlockBodies', { id: 3n, items: [body, body] });
    const item = encodeOracle(oracleBody);
    expect(encodeResponse(69, 'BlockBodies', 3n, [item, item])).toEqual({ code: 6, payload });
  });
});

describe('what is refused', () => {
  const range = (earliest: number, latest: number, hash: Uint8Array): Uint8Array =>
    encodeOracle([earliest, latest, hash]);

  it.each([
    ['an empty payload', 0x03, new Uint8Array(0), 'rlp-truncated'],
    ['a byte string', 0x03, Uint8Array.of(0x80), 'rlp-unexpected'],
    ['something behind the message', 0x09, Uint8Array.of(0xc2, 0x80, 0xc0, 0x00), 'rlp-trailing-bytes'],
    ['a field too many', 0x09, encodeOracle([1, [], 2]), 'rlp-unexpected'],
    ['a field too few', 0x09, encodeOracle([1]), 'rlp-unexpected'],
    ['a request id of 65 bits', 0x09, encodeOracle([2n ** 64n, []]), 'rlp-unexpected'],
    ['a request id with a leading zero', 0x09, fromHex('c4820001c0'), 'rlp-non-canonical'],
    ['a start of 31 bytes', 0x03, encodeOracle([1, [one(31), 1, 0, 0]]), 'rlp-unexpected'],
    ['a start of 9 bytes', 0x03, encodeOracle([1, [one(9), 1, 0, 0]]), 'rlp-unexpected'],
    ['a start with a leading zero', 0x03, fromHex('c801c6820001018080'), 'rlp-non-canonical'],
    ['a list as start', 0x03, encodeOracle([1, [[one(32)], 1, 0, 0]]), 'rlp-unexpected'],
    ['reverse 2', 0x03, encodeOracle([1, [1, 1, 0, 2]]), 'rlp-unexpected'],
    ['a limit of 65 bits', 0x03, encodeOracle([1, [1, 2n ** 64n, 0, 0]]), 'rlp-unexpected'],
    ['more types than hashes', 0x08, encodeOracle([one(2), [1], [one(32)]]), 'message-invalid'],
    ['fewer sizes than hashes', 0x08, encodeOracle([one(1), [], [one(32)]]), 'message-invalid'],
    ['types as a list', 0x08, encodeOracle([[1], [1], [one(32)]]), 'rlp-unexpected'],
    ['5,001 transactions', 0x02, encodeOracle(Array.from({ length: 5001 }, () => [])), 'rlp-unexpected'],
    ['an empty block range', 0x11, range(3, 2, one(32)), 'block-range-invalid'],
    ['a block range that ends with no hash', 0x11, range(2, 3, zero(32)), 'block-range-invalid'],
  ] as const)('%s', (_case, code, payload, expected) => {
    expect(codeOf(() => decodeMessage(69, code, payload))).toBe(expected);
  });

  it('an element of a list, when it is looked at', () => {
    const message = decodeMessage(69, 0x05, encodeOracle([1, [one(32), one(31)]]));
    expect(message.name).toBe('GetBlockBodies');
    expect(codeOf(() => plain(message.value))).toBe('rlp-unexpected');
  });

  it('a message over 10 MiB, unread', () => {
    const payload = new Uint8Array(MAX_MESSAGE_SIZE + 1);
    for (const code of [0x00, 0x02, 0x06]) {
      expect(codeOf(() => decodeMessage(69, code, payload))).toBe('message-too-large');
    }
    const item = new Uint8Array(MAX_MESSAGE_SIZE);
    expect(codeOf(() => encodeResponse(69, 'BlockBodies', 1n, [item]))).toBe('invalid-argument');
  });

  it('says in which message and field', () => {
    expect(() => decodeMessage(69, 0x03, encodeOracle([1, [1, 1, 0, 2]]))).toThrow(
      /^GetBlockHeaders: .*query.*reverse/,
    );
  });
});

it('5,000 transactions and 10,000 announced hashes are accepted, as go-ethereum does', () => {
  const many = encodeOracle(Array.from({ length: 5000 }, () => [1]));
  expect(decodeMessage(69, 0x02, many).value).toHaveLength(5000);
  const hashes = Array.from({ length: 10_000 }, () => deadc0de);
  const announced = { types: new Uint8Array(10_000), sizes: hashes.map(() => 100), hashes };
  const { code, payload } = encodeMessage(69, 'NewPooledTransactionHashes', announced);
  expect(decodeMessage(69, code, payload).value).toMatchObject({ hashes: { length: 10_000 } });
});
