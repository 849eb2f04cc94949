import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPeerlaneError, PeerlaneError } from '../../src/base/errors.ts';
import { parseEnode, parseRecord, signRecord } from '../../src/enr/index.ts';
import { helloOf } from '../../src/server/node-hello.ts';
import {
  bestOf,
  formatNodeSet,
  MAX_NODE_SET_BYTES,
  MAX_NODE_SET_NODES,
  type NodeSet,
  type NodeSetEntry,
  nodeSetKey,
  parseNodeSet,
} from '../../src/server/node-set.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { recordOf, START, secretOf } from './node-db/nodes.ts';

// EIP-778, "Test Vectors": text and node id of the example record.
const EXAMPLE =
  'enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8';
const ID = 'a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7';
const ENODE =
  'enode://ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f@127.0.0.1:30303';

/** As `devp2p` of go-ethereum v1.17.5 writes it. */
const WRITTEN_BY_DEVP2P = `{
    "${ID}": {
        "seq": 1,
        "record": "${EXAMPLE}",
        "score": 12,
        "firstResponse": "2024-05-01T10:00:00Z",
        "lastResponse": "2024-05-02T10:00:01.34Z",
        "lastCheck": "0001-01-01T00:00:00Z"
    }
}`;

const never = { firstResponse: undefined, lastResponse: undefined, lastCheck: undefined };
const entry = (number: number, more: Partial<NodeSetEntry> = {}): NodeSetEntry => {
  return { node: recordOf(number), score: 0, ...never, ...more };
};
const setOf = (...entries: readonly NodeSetEntry[]): NodeSet =>
  new Map(entries.map((one) => [nodeSetKey(one.node), one]));

describe('a node set', () => {
  it('of go-ethereum is read, and written as it was', async () => {
    const set = await parseNodeSet(WRITTEN_BY_DEVP2P);
    expect([...set]).toEqual([
      [
        ID,
        {
          node: parseRecord(EXAMPLE),
          score: 12,
          firstResponse: Date.UTC(2024, 4, 1, 10),
          lastResponse: Date.UTC(2024, 4, 2, 10, 0, 1, 340),
          lastCheck: undefined,
        },
      ],
    ]);
    expect(formatNodeSet(set)).toBe(`${WRITTEN_BY_DEVP2P}\n`);
  });

  it('may hold times of any zone and precision, unknown fields, and nodes without a record', async () => {
    const other = recordOf(2, 2n ** 64n - 1n);
    const text = `{
      "0x${ID.toUpperCase()}": {"record": "${ENODE}", "seq": 7, "lastCheck": "2024-05-01T12:00:00.123456789+02:00"},
      "${nodeSetKey(other)}": {"seq": 18446744073709551615, "record": "${other}", "colour": ["red"]}
    }`;
    const set = await parseNodeSet(text);
    expect(set.get(ID)).toEqual({
      ...never,
      node: parseEnode(ENODE),
      score: 0,
      lastCheck: Date.UTC(2024, 4, 1, 10, 0, 0, 123),
    });
    expect(set.get(nodeSetKey(other))).toEqual({ ...never, node: other, score: 0 });
    expect(formatNodeSet(set)).toContain('"seq": 18446744073709551615');
    expect(await parseNodeSet(formatNodeSet(set))).toEqual(set);
  });

  it('is the same after writing and reading, whatever it holds', async () => {
    const time = fc.option(fc.integer({ min: 1, max: Date.UTC(9999, 11, 31) }), { nil: undefined });
    const hellos = fc
      .record({
        client: fc.string({ unit: 'binary', maxLength: 300 }),
        names: fc.array(fc.record({ name: fc.string(), version: fc.nat() }), { maxLength: 30 }),
        at: fc.integer({ min: 1, max: Date.UTC(9999, 11, 31) }),
      })
      .map(({ client, names, at }) => helloOf(client, names, at));
    const entries = fc.uniqueArray(
      fc.record({
        number: fc.integer({ min: 1, max: 50 }),
        score: fc.maxSafeNat(),
        hello: fc.option(hellos, { nil: undefined }),
        firstResponse: time,
        lastResponse: time,
        lastCheck: time,
      }),
      { selector: ({ number }) => number, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(entries, async (values) => {
        const set = setOf(...values.map(({ number, ...more }) => entry(number, more)));
        const text = formatNodeSet(set);
        expect(await parseNodeSet(text)).toEqual(set);
        expect(JSON.parse(text)).toBeDefined();
      }),
      { numRuns: runs(30) },
    );
  });

  it('as large as it may be is not too large to be read again', () => {
    const at = Date.UTC(2024, 4, 1, 10, 0, 0, 123);
    const names = Array.from({ length: 99 }, (_, i) => ({ name: `${'"'.repeat(20)}${i}`, version: 99 }));
    const hello = helloOf('\\"'.repeat(1_024), names, at);
    const padding = new Map([['x', Uint8Array.of(0xb8, 160, ...new Uint8Array(160))]]);
    const node = signRecord(secretOf(1), { seq: 2n ** 64n - 1n, entries: {}, others: padding });
    const times = { firstResponse: at, lastResponse: at, lastCheck: at };
    const text = formatNodeSet(setOf({ node, score: Number.MAX_SAFE_INTEGER, ...times, hello }));
    // The longest record takes 404 characters.
    const length = text.length + 404 - String(node).length;
    expect(length * MAX_NODE_SET_NODES).toBeLessThan(MAX_NODE_SET_BYTES);
  });

  it('gives its best nodes', () => {
    const set = setOf(...[5, 9, 9, 1, 0].map((score, i) => entry(i + 1, { score })));
    expect([...bestOf(set, 3).values()].map(({ score }) => score)).toEqual([9, 9, 5]);
    expect([bestOf(set, 0).size, bestOf(set, 99).size]).toEqual([0, 5]);
    expect([...bestOf(set, 1)]).toEqual([...bestOf(new Map([...set].reverse()), 1)]);
  });

  it('is read in steps, which a signal ends', async () => {
    const abort = new AbortController();
    const reading = parseNodeSet(formatNodeSet(setOf(entry(1))), { signal: abort.signal });
    abort.abort();
    expect(await rejectionOf(reading)).toBe('aborted');
  });
});

describe('a node set is refused', () => {
  const node = (fields: string) => `{"${ID}": {${fields}}}`;
  const record = `"record": "${EXAMPLE}"`;

  it.each<[string, string, RegExp]>([
    ['nothing', '', /cut off, or not JSON/],
    ['another thing', 'nodes', /cut off, or not JSON/],
    ['a list', '[]', /not a JSON object/],
    ['null', 'null', /not a JSON object/],
    ['a key that is no id', '{"abc": {}}', /not a node id/],
    ['a key of the engine', '{"__proto__": {}}', /not a node id/],
    ['a node that is no object', `{"${ID}": 7}`, /not an object/],
    ['a node without a record', node('"seq": 1'), /no record/],
    ['a record that is none', node('"record": "enr:-"'), /base64url|not valid RLP|no content/],
    ['a record of another scheme', node('"record": "https://"'), /starts with "enr:"/],
    ['a changed record', node(`"record": "${EXAMPLE.replace('HCYr', 'HCYs')}"`), /signature/],
    ['the record of another node', node(`"record": "${recordOf(1)}"`), /of another node/],
    ['another sequence number', node(`"seq": 2, ${record}`), /"seq"/],
    ['a sequence number that is none', node(`"seq": "1", ${record}`), /"seq"/],
    ['a score below zero', node(`"score": -1, ${record}`), /"score"/],
    ['half a score', node(`"score": 0.5, ${record}`), /"score"/],
    ['a score that is text', node(`"score": "7", ${record}`), /"score"/],
    ['a time that is a number', node(`"lastCheck": 7, ${record}`), /"lastCheck"/],
    ['a day without a time', node(`"lastCheck": "2024-05-01", ${record}`), /"lastCheck"/],
    ['the 31st of June', node(`"lastCheck": "2024-06-31T25:00:00Z", ${record}`), /"lastCheck"/],
    ['a Hello that is none', node(`"hello": null, ${record}`), /"hello"/],
    ['a Hello without a time', node(`"hello": {"client": "a", "capabilities": []}, ${record}`), /"hello"/],
    [
      'a Hello that is too long',
      node(
        `"hello": {"client": "${'a'.repeat(129)}", "capabilities": [], "time": "2024-05-01T10:00:00Z"}, ${record}`,
      ),
      /"hello"/,
    ],
    ['a node twice', `{"${ID}": {${record}}, "0x${ID}": {${record}}}`, /twice/],
  ])('with %s', async (_, text, message) => {
    await expect(parseNodeSet(text)).rejects.toMatchObject({
      code: 'node-set-invalid',
      message: expect.stringMatching(message),
    });
  });

  it('with more nodes than the limit, before any is looked at', async () => {
    const text = `{${Array.from({ length: MAX_NODE_SET_NODES + 1 }, (_, i) => `"${i}":0`).join(',')}}`;
    await expect(parseNodeSet(text)).rejects.toMatchObject({
      code: 'node-set-invalid',
      message: expect.stringMatching(/250001 nodes/),
    });
  });

  it('when it is cut anywhere, or changed anyhow, or is read as it is', async () => {
    const hello = helloOf('Geth/v1', [{ name: 'eth', version: 69 }], START);
    const set = setOf(entry(1, { score: 3, lastCheck: START, hello }), entry(2));
    const text = formatNodeSet(set);
    const cut = fc
      .nat(text.trimEnd().length - 1)
      .map((length) => ({ text: text.slice(0, length), isCut: true }));
    const changed = fc
      .tuple(fc.nat(text.length - 1), fc.string({ maxLength: 2 }))
      .map(([at, put]) => ({ text: text.slice(0, at) + put + text.slice(at + 1), isCut: false }));
    await fc.assert(
      fc.asyncProperty(fc.oneof(cut, changed), async ({ text: bad, isCut }) => {
        try {
          const read = await parseNodeSet(bad);
          expect(isCut).toBe(false);
          for (const [key, { node: one }] of read) expect(nodeSetKey(one)).toBe(key);
        } catch (error) {
          if (!(error instanceof PeerlaneError)) throw error;
          expect(isPeerlaneError(error, 'node-set-invalid')).toBe(true);
        }
      }),
      { numRuns: runs(300) },
    );
  });

  it('when it is to be written with what no reader would take', () => {
    const { node: one } = entry(1);
    expect(codeOf(() => formatNodeSet(new Map([[ID, entry(1)]])))).toBe('invalid-argument');
    for (const more of [{ score: -1 }, { score: 0.5 }, { lastCheck: -1 }, { lastCheck: 2 ** 52 }]) {
      expect(codeOf(() => formatNodeSet(setOf({ node: one, score: 0, ...never, ...more })))).toBe(
        'invalid-argument',
      );
    }
    expect(signRecord(secretOf(1), { seq: 1n }).seq).toBe(1n);
  });
});
