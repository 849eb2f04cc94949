import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, equalBytes, fromHex, toHex } from '../../src/base/bytes.ts';
import { keccak256 } from '../../src/crypto/index.ts';
import { Transaction, transactionCodec } from '../../src/eth/transaction.ts';
import { decodeTransaction, encodeTransaction, legacyChainId } from '../../src/eth/transaction-fields.ts';
import { decode, encode } from '../../src/rlp/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { readSmallChain } from './testdata/small-chain.ts';

const transactions = readSmallChain().flatMap(({ body }) => body.transactions.toArray());
const firstOfType = (type: number): Transaction => {
  const found = transactions.find((transaction) => transaction.type === type);
  if (found === undefined) throw new Error(`no transaction of type ${type}`);
  return found;
};

// EIP-155, "Example".
const EIP155 = fromHex(
  'f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83',
);

describe('a transaction on the wire', () => {
  it('is a list when it is legacy, else a byte string of type and payload', () => {
    for (const transaction of transactions) {
      const wire = encode(transactionCodec, transaction);
      const expected = transaction.type === 0 ? transaction.encoded : RLP.encode(transaction.encoded);
      expect(equalBytes(wire, expected)).toBe(true);
      expect(equalBytes(decode(transactionCodec, wire).encoded, transaction.encoded)).toBe(true);
    }
  });

  it('has the hash of its consensus encoding', () => {
    for (const transaction of transactions) {
      expect(equalBytes(transaction.hash(), keccak256(transaction.encoded))).toBe(true);
      expect(transaction.size).toBe(transaction.encoded.length);
    }
    const legacy = decode(transactionCodec, EIP155);
    expect(legacy.hash()).toBe(legacy.hash());
  });

  it('is carried with any type up to 0x7f', () => {
    for (const type of [5, 0x42, 0x7f]) {
      const wire = RLP.encode(Uint8Array.of(type, 0xff, 0xff));
      const transaction = decode(transactionCodec, wire);
      expect(transaction.type).toBe(type);
      expect(encode(transactionCodec, transaction)).toEqual(wire);
      expect(transaction.hash()).toEqual(keccak256(Uint8Array.of(type, 0xff, 0xff)));
      expect(codeOf(() => decodeTransaction(transaction))).toBe('message-invalid');
    }
  });

  it.each([
    ['an empty byte string', '80', 'rlp-unexpected'],
    ['type 0 in an envelope', '820001', 'message-invalid'],
    ['type 0x80', '82807f', 'message-invalid'],
    ['a legacy transaction within a byte string', '82c101', 'message-invalid'],
  ])('is refused when it is %s', (_, wire, code) => {
    expect(codeOf(() => decode(transactionCodec, fromHex(wire)))).toBe(code);
  });

  it('cannot be made of nothing', () => {
    expect(codeOf(() => new Transaction(new Uint8Array(0)))).toBe('message-invalid');
  });
});

describe('the fields of a transaction', () => {
  it('make up the encoding that they came from, for every transaction of a chain', () => {
    for (const transaction of transactions) {
      const fields = decodeTransaction(transaction);
      expect(fields.type).toBe(transaction.type);
      expect(equalBytes(encodeTransaction(fields).encoded, transaction.encoded)).toBe(true);
    }
  });

  it('are there for all types, as often as the chain is said to have them', () => {
    const counts = new Map<string, number>();
    for (const transaction of transactions) {
      const fields = decodeTransaction(transaction);
      const kind = fields.to === undefined ? 'creation' : `type ${fields.type}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    expect(Object.fromEntries(counts)).toEqual({
      'type 0': 253,
      creation: 247,
      'type 1': 266,
      'type 2': 1085,
      'type 3': 115,
      'type 4': 63,
    });
  });

  it('of a legacy transaction are those of the example in EIP-155', () => {
    const fields = decodeTransaction(new Transaction(EIP155));
    expect(fields).toEqual({
      type: 0,
      nonce: 9n,
      gasPrice: 20n * 10n ** 9n,
      gasLimit: 21_000n,
      to: new Uint8Array(20).fill(0x35),
      value: 10n ** 18n,
      data: new Uint8Array(0),
      v: 37n,
      r: 18515461264373351373200002665853028612451056578545711640558177340181847433846n,
      s: 46948507304638947509940763649030358759909902576025900602547168820602576006531n,
    });
    expect([legacyChainId(37n), legacyChainId(38n), legacyChainId(27n)]).toEqual([1n, 1n, undefined]);
  });

  it('name the chain in every typed transaction', () => {
    for (const type of [1, 2, 3, 4]) {
      expect(decodeTransaction(firstOfType(type))).toMatchObject({ type, chainId: 1337331n });
    }
  });

  it('include blob hashes and authorizations', () => {
    const blob = decodeTransaction(firstOfType(3));
    if (blob.type !== 3) throw new Error('not a blob transaction');
    expect(blob.blobVersionedHashes.length).toBeGreaterThan(0);
    for (const hash of blob.blobVersionedHashes) expect([hash.length, hash[0]]).toEqual([32, 1]);

    const setCode = decodeTransaction(firstOfType(4));
    if (setCode.type !== 4) throw new Error('not a set-code transaction');
    expect(setCode.authorizationList.length).toBeGreaterThan(0);
    for (const { address, yParity } of setCode.authorizationList) {
      expect(address).toHaveLength(20);
      expect(yParity).toBeLessThan(2);
    }
  });

  it('include access lists', () => {
    const lists = transactions.flatMap((transaction) => {
      const fields = decodeTransaction(transaction);
      return fields.type === 1 ? fields.accessList.toArray() : [];
    });
    expect(lists.length).toBeGreaterThan(0);
    for (const { address, storageKeys } of lists) {
      expect(address).toHaveLength(20);
      for (const key of storageKeys) expect(key).toHaveLength(32);
    }
  });

  it.each([1, 19, 21])('do not include an address of %i bytes', (length) => {
    const fields = RLP.decode(EIP155);
    if (!Array.isArray(fields)) throw new Error('not a list');
    fields[3] = new Uint8Array(length).fill(1);
    expect(codeOf(() => decodeTransaction(new Transaction(RLP.encode(fields))))).toBe('rlp-unexpected');
  });

  it('of a blob transaction need a recipient', () => {
    const fields = RLP.decode(firstOfType(3).encoded.subarray(1));
    if (!Array.isArray(fields)) throw new Error('not a list');
    fields[5] = new Uint8Array(0);
    const encoded = concatBytes(Uint8Array.of(3), RLP.encode(fields));
    expect(codeOf(() => decodeTransaction(new Transaction(encoded)))).toBe('rlp-unexpected');
  });
});

describe('the pooled form of a blob transaction', () => {
  const inner = firstOfType(3);
  const fields = RLP.decode(inner.encoded.subarray(1));
  const blobs = [new Uint8Array(131_072).fill(5)];
  const commitments = [new Uint8Array(48).fill(6)];
  const proofs = Array.from({ length: 128 }, () => new Uint8Array(48).fill(7));
  const pooled = (...sidecar: Parameters<typeof RLP.encode>[0][]): Transaction => {
    const payload = RLP.encode([fields, ...sidecar]);
    return decode(transactionCodec, RLP.encode(concatBytes(Uint8Array.of(3), payload)));
  };

  it.each([
    ['of EIP-4844', pooled(blobs, commitments, proofs.slice(0, 1))],
    ['of EIP-7594, with a version', pooled(Uint8Array.of(1), blobs, commitments, proofs)],
    ['of eth/72, without blobs', pooled(Uint8Array.of(1), [], commitments, proofs)],
  ])('%s has the hash and the fields of the transaction in it', (_, transaction) => {
    expect(transaction.type).toBe(3);
    expect(transaction.hasSidecar).toBe(true);
    expect(toHex(transaction.hash())).toBe(toHex(inner.hash()));
    expect(transaction.size).toBe(transaction.encoded.length);
    expect(transaction.withoutSidecar().encoded).toEqual(inner.encoded);
    expect(encodeTransaction(decodeTransaction(transaction)).encoded).toEqual(inner.encoded);
    const wire = encode(transactionCodec, transaction);
    expect(equalBytes(decode(transactionCodec, wire).encoded, transaction.encoded)).toBe(true);
  });

  it('is told from the form that stands in blocks', () => {
    expect(inner.hasSidecar).toBe(false);
    expect(inner.withoutSidecar()).toBe(inner);
    expect(firstOfType(2).hasSidecar).toBe(false);
  });
});

describe('any bytes in the place of a transaction', () => {
  it('give a transaction or a typed error, at every step', () => {
    const typed = fc
      .tuple(fc.constantFrom(1, 2, 3, 4, 9), fc.uint8Array({ maxLength: 60 }))
      .map(([type, payload]) => RLP.encode(concatBytes(Uint8Array.of(type), payload)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), typed), (wire) => {
        expect(
          codeOf(() => {
            const transaction = decode(transactionCodec, wire);
            transaction.hash();
            encodeTransaction(decodeTransaction(transaction));
          }),
        ).toMatch(/^(none|message-invalid|rlp-.*)$/);
      }),
      { numRuns: runs(1000) },
    );
  });

  it('give a typed error or fields that make up what was read, when a byte of a real one changes', () => {
    const sample = [0, 1, 2, 3, 4].map(firstOfType);
    fc.assert(
      fc.property(fc.constantFrom(...sample), fc.nat(), fc.nat(255), (transaction, at, byte) => {
        const mutated = transaction.encoded.slice();
        mutated[at % mutated.length] = byte;
        const code = codeOf(() => {
          const read = new Transaction(mutated);
          expect(equalBytes(encodeTransaction(decodeTransaction(read)).encoded, read.encoded)).toBe(true);
        });
        expect(code).toMatch(/^(none|message-invalid|rlp-.*)$/);
      }),
      { numRuns: runs(1000) },
    );
  });
});
