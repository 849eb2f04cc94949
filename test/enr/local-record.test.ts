import { type Input, RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { keccak256, publicKeyOf, sign } from '../../src/crypto/index.ts';
import {
  decodeRecord,
  firstSeq,
  hasTopicDiscovery,
  LocalRecord,
  signRecord,
  TOPIC_DISCOVERY_KEYS,
  topicDiscoveryEntries,
} from '../../src/enr/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { uncaughtOf } from '../support/uncaught.ts';
import { errorOf } from './errors.ts';

const secretKey = fromHex('b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291');
const otherKey = fromHex('45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8');
const forkId = { hash: fromHex('aef1f653'), next: 0n };
const LAST_SEQ = 2n ** 64n - 1n;

/** The record as another node reads it. */
const read = (local: LocalRecord) => decodeRecord(local.record.encoded);

describe('the local record', () => {
  it('counts up by one with each change, and is signed anew', () => {
    const local = new LocalRecord(secretKey, { seq: 7n, entries: { udp: 30303 } });
    expect([read(local).seq, read(local).get('udp')]).toEqual([7n, 30303]);
    expect(local.update({ ip: '203.0.113.7', tcp: 30303 })).toBe(true);
    expect(read(local).seq).toBe(8n);
    expect(local.update({ udp: 30304, eth: forkId })).toBe(true);
    const record = read(local);
    expect([local.seq, record.seq]).toEqual([9n, 9n]);
    expect(record.keys()).toEqual(['eth', 'id', 'ip', 'secp256k1', 'tcp', 'udp']);
    expect([record.get('ip'), record.get('tcp'), record.get('udp')]).toEqual(['203.0.113.7', 30303, 30304]);
    expect(record.get('eth')).toEqual(forkId);
    expect([local.publicKey, record.publicKey]).toEqual([publicKeyOf(secretKey), publicKeyOf(secretKey)]);
  });

  it('does nothing when nothing changes', () => {
    const local = new LocalRecord(secretKey, { seq: 7n, entries: { udp: 30303, eth: forkId } });
    const { record } = local;
    expect(local.update({})).toBe(false);
    expect(local.update({ udp: 30303, eth: { ...forkId }, ip: undefined, snap: undefined })).toBe(false);
    expect(local.update({}, new Map([['x', undefined]]))).toBe(false);
    expect(local.seq).toBe(7n);
    expect(local.record).toBe(record);
  });

  it('takes entries out, known and unknown ones', () => {
    const others = new Map([['x', RLP.encode('y')]]);
    const local = new LocalRecord(secretKey, { seq: 1n, entries: { ip: '1.2.3.4', snap: true }, others });
    expect(local.update({ snap: undefined }, new Map([['x', undefined]]))).toBe(true);
    expect([local.seq, read(local).keys()]).toEqual([2n, ['id', 'ip', 'secp256k1']]);
  });

  it('tells its listeners after each change until they go', () => {
    const local = new LocalRecord(secretKey, { seq: 1n });
    const seen: bigint[] = [];
    const end = local.subscribe(({ seq, record }) => {
      expect(record.seq).toBe(seq);
      seen.push(seq);
    });
    local.update({ udp: 1 });
    local.update({ udp: 1 });
    local.update({ udp: 2 });
    expect(seen).toEqual([2n, 3n]);
    end();
    end();
    local.update({ udp: 3 });
    expect(seen).toEqual([2n, 3n]);
  });

  it('tells a function as often as it was subscribed, and none that another has ended', () => {
    const local = new LocalRecord(secretKey, { seq: 1n });
    let calls = 0;
    const count = () => void calls++;
    const [one] = [local.subscribe(count), local.subscribe(count)];
    local.update({ udp: 1 });
    expect(calls).toBe(2);
    one();
    local.update({ udp: 2 });
    expect(calls).toBe(3);
    const other = new LocalRecord(secretKey, { seq: 1n });
    let end: () => void = () => undefined;
    other.subscribe(() => end());
    end = other.subscribe(count);
    other.update({ udp: 1 });
    expect(calls).toBe(3);
  });

  it('may be changed by a listener', () => {
    const local = new LocalRecord(secretKey, { seq: 1n });
    local.subscribe(() => void local.update({ tcp: 5 }));
    local.update({ udp: 1 });
    expect([local.seq, read(local).get('tcp')]).toEqual([3n, 5]);
  });

  it('tells the others when a listener throws, whose error is not lost', async () => {
    const local = new LocalRecord(secretKey, { seq: 1n });
    const seen: bigint[] = [];
    local.subscribe(() => {
      throw new Error('a bug of a listener');
    });
    local.subscribe(({ seq }) => seen.push(seq));
    const uncaught = await uncaughtOf(() => expect(local.update({ udp: 1 })).toBe(true));
    expect(seen).toEqual([2n]);
    expect(uncaught).toMatchObject([{ message: 'a bug of a listener' }]);
  });

  it.each([
    ['a value of the wrong type', { udp: 65_536 }, undefined, 'invalid-argument'],
    ['an address that is none', { udp: 9, ip: '1.2.3' }, undefined, 'invalid-argument'],
    ['an entry that the key decides', { id: 'v5' }, undefined, 'invalid-argument'],
    ['an entry that nobody knows', { frobnicate: 1 }, undefined, 'invalid-argument'],
    ['what is no object', null, undefined, 'invalid-argument'],
    ['others that are no map', {}, { x: 1 }, 'invalid-argument'],
    ['an entry with a type among the others', {}, new Map([['ip', RLP.encode('x')]]), 'invalid-argument'],
    ['a value that is no RLP', { udp: 9 }, new Map([['x', Uint8Array.of(0x82, 1)]]), 'invalid-argument'],
    ['a value that is two', {}, new Map([['x', Uint8Array.of(1, 1)]]), 'invalid-argument'],
    ['a list with rubbish in it', {}, new Map([['x', Uint8Array.of(0xc2, 0x81, 1)]]), 'invalid-argument'],
    ['a key of characters', {}, new Map([['\u0142', RLP.encode('x')]]), 'invalid-argument'],
    ['a key that is none', {}, new Map([[5, RLP.encode('x')]]), 'invalid-argument'],
    ['more than 300 bytes', { tcp: 9 }, new Map([['x', RLP.encode(new Uint8Array(200))]]), 'invalid-record'],
  ])('stays as it was after %s', (_, entries, others, code) => {
    const local = new LocalRecord(secretKey, { seq: 7n, entries: { udp: 30303 } });
    let told = 0;
    local.subscribe(() => told++);
    const { record } = local;
    expect(codeOf(() => local.update(entries as never, others as never))).toBe(code);
    expect([local.seq, told]).toEqual([7n, 0]);
    expect(local.record).toBe(record);
    expect(local.update({ udp: 30304 })).toBe(true);
    expect([read(local).seq, read(local).keys()]).toEqual([8n, ['id', 'secp256k1', 'udp']]);
  });

  it('may fill 300 bytes, also when its number gets longer', () => {
    const local = new LocalRecord(secretKey, { seq: 127n });
    const room = 300 - local.record.encoded.length;
    const filled = (length: number) => new Map([['x', RLP.encode(new Uint8Array(length).fill(1))]]);
    // Key 1, header of the value 2, and the number grows from 1 byte to 2. The list header may grow too.
    let length = room - 4;
    while (codeOf(() => local.update({}, filled(length))) !== 'none') length--;
    expect([local.seq, local.record.encoded.length]).toEqual([128n, 300]);
  });

  it('ends at 2^64 - 1', () => {
    const local = new LocalRecord(secretKey, { seq: LAST_SEQ - 1n });
    expect(local.update({ udp: 1 })).toBe(true);
    expect(read(local).seq).toBe(LAST_SEQ);
    expect(codeOf(() => local.update({ udp: 2 }))).toBe('invalid-record');
    expect([local.seq, read(local).get('udp')]).toEqual([LAST_SEQ, 1]);
    expect(codeOf(() => new LocalRecord(secretKey, { seq: LAST_SEQ + 1n }))).toBe('invalid-argument');
    expect(codeOf(() => new LocalRecord(secretKey, { seq: 1 as never }))).toBe('invalid-argument');
  });

  it('is not made of a key or a listener that is none', () => {
    expect(codeOf(() => new LocalRecord(new Uint8Array(32), { seq: 1n }))).toBe('invalid-secret-key');
    const local = new LocalRecord(secretKey, { seq: 1n });
    expect(codeOf(() => local.subscribe(undefined as never))).toBe('invalid-argument');
  });

  it('does not depend on what becomes of the key and the values it was given', () => {
    // What `slice` of a Buffer gives is no copy.
    const key = Buffer.from(secretKey);
    const value = Buffer.from(RLP.encode('abc'));
    const local = new LocalRecord(key, { seq: 1n, others: new Map([['x', value]]) });
    key.fill(0);
    value.fill(0);
    expect(read(local).raw('x')).toEqual(RLP.encode('abc'));
  });

  it('is, after any changes, what signing its content gives', () => {
    const change = fc.record(
      {
        ip: fc.option(fc.ipV4(), { nil: undefined }),
        udp: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
        snap: fc.option(fc.constant(true as const), { nil: undefined }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        const local = new LocalRecord(secretKey, { seq: 0n });
        let expected = {};
        let seq = 0n;
        for (const entries of changes) {
          const before = signRecord(secretKey, { seq, entries: expected }).encoded;
          expected = { ...expected, ...entries };
          const isSame = before.join() === signRecord(secretKey, { seq, entries: expected }).encoded.join();
          expect(local.update(entries)).toBe(!isSame);
          if (!isSame) seq++;
        }
        expect(local.record.encoded).toEqual(signRecord(secretKey, { seq, entries: expected }).encoded);
      }),
      { numRuns: runs(30) },
    );
  });
});

describe('a local record that goes on from another', () => {
  // An `eth` entry with an element that a later specification may add, and entries that nobody here knows.
  const others = new Map([
    ['a', RLP.encode([['deep'], 'x'])],
    ['quic', RLP.encode(9000)],
  ]);
  const record = signRecord(secretKey, { seq: 5n, entries: { ip: '1.2.3.4', eth: forkId }, others });

  it('keeps its number and its entries, unknown ones too', () => {
    const local = LocalRecord.from(secretKey, record);
    expect([local.seq, local.record]).toEqual([5n, record]);
    local.update({ ip: '1.2.3.5' });
    const changed = read(local);
    expect([changed.seq, changed.get('ip'), changed.keys()]).toEqual([6n, '1.2.3.5', record.keys()]);
    expect([changed.raw('a'), changed.raw('quic')]).toEqual([others.get('a'), others.get('quic')]);
    expect(record.get('ip')).toBe('1.2.3.4');
  });

  it('keeps values of known entries that do not make sense here', () => {
    // The elements behind the fork id are ignored (enr-entries/eth.md), yet are what was signed.
    const later = [[fromHex('aef1f653'), new Uint8Array()], 'new'];
    for (const [value, next] of [
      [later, 0n],
      ['no list', undefined],
    ] as const) {
      const foreign = decodeRecord(signedWithEth(value));
      expect(foreign.get('eth')?.next).toBe(next);
      const local = LocalRecord.from(secretKey, foreign);
      local.update({ udp: 1 });
      expect([local.seq, read(local).raw('eth')]).toEqual([2n, RLP.encode(value as Input)]);
    }
  });

  it('has to be of the same key', () => {
    expect(codeOf(() => LocalRecord.from(otherKey, record))).toBe('invalid-argument');
  });
});

/** A record as a node writes it whose `eth` entry is not ours. */
function signedWithEth(value: unknown): Uint8Array {
  const compressed = fromHex('03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138');
  const items = [1, 'eth', value as Input, 'id', 'v4', 'secp256k1', compressed];
  return RLP.encode([sign(keccak256(RLP.encode(items)), secretKey).slice(0, 64), ...items]);
}

describe('the first sequence number', () => {
  it('is the time in milliseconds', () => {
    expect(firstSeq(1_700_000_000_000)).toBe(1_700_000_000_000n);
    expect(firstSeq(12.75)).toBe(12n);
    expect(firstSeq(0)).toBe(0n);
  });

  it('is above the one that was stored, whatever the clock says', () => {
    expect(firstSeq(1_000, 10n)).toBe(1_000n);
    expect(firstSeq(1_000, 999n)).toBe(1_000n);
    expect(firstSeq(1_000, 1_000n)).toBe(1_001n);
    expect(firstSeq(1_000, 5_000n)).toBe(5_001n);
    expect(firstSeq(0, LAST_SEQ - 1n)).toBe(LAST_SEQ);
  });

  it.each([
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [1e300, undefined],
    [-1, undefined],
    ['1' as never, undefined],
    [1, -1n],
    [1, LAST_SEQ],
    [1, 2n ** 70n],
    [1, 5 as never],
  ])('is none of %s and %s', (time, stored) => {
    expect(errorOf(() => firstSeq(time, stored)).code).toBe('invalid-argument');
  });
});

describe('topic discovery in a record', () => {
  it('is published under both names, and taken back', () => {
    const local = new LocalRecord(secretKey, { seq: 1n, entries: topicDiscoveryEntries(1) });
    expect(read(local).keys()).toEqual(['id', 'ng', 'secp256k1', 'topic-discovery']);
    expect(TOPIC_DISCOVERY_KEYS.map((key) => read(local).raw(key))).toEqual([
      Uint8Array.of(1),
      Uint8Array.of(1),
    ]);
    expect(hasTopicDiscovery(read(local))).toBe(true);
    local.update(topicDiscoveryEntries(undefined));
    expect([read(local).keys(), hasTopicDiscovery(read(local))]).toEqual([['id', 'secp256k1'], false]);
  });

  it.each([
    [{ ng: 1 }, true],
    [{ 'topic-discovery': 1 }, true],
    [{ ng: 2, 'topic-discovery': 1 }, true],
    [{ ng: 2 }, false],
    [{ ng: 0 }, false],
    [{}, false],
  ])('is believed under either name, in our version: %j', (entries, expected) => {
    expect(hasTopicDiscovery(signRecord(secretKey, { seq: 1n, entries }))).toBe(expected);
  });
});
