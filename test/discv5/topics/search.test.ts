import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../../src/base/bytes.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../../src/crypto/index.ts';
import { Exclusions } from '../../../src/discv5/topics/exclusions.ts';
import { F_LOOKUP, F_RETURN, K_LOOKUP, SEARCH_ALPHA } from '../../../src/discv5/topics/parameters.ts';
import { type QueryToSend, Search } from '../../../src/discv5/topics/search.ts';
import { ServiceTable } from '../../../src/discv5/topics/service-table.ts';
import { signRecord } from '../../../src/enr/index.ts';
import type { KadNode } from '../../../src/kad/index.ts';
import { codeOf } from '../../support/errors.ts';
import { ipOf, nodeAt } from '../../support/kad-nodes.ts';
import { topicNode, topicOf } from './nodes.ts';

const topic = topicOf(0);
const env = new VirtualEnv({ seed: 41 });
const local = topicNode(env, '9.9.9.9');
const advertisers = Array.from({ length: 60 }, (_, i) => topicNode(env, ipOf(i)));
const registrar = (distance: number, n: number): KadNode => ({
  ...nodeAt(topic, distance, n, { ip: ipOf(distance * 256 + n) }),
  record: local.record,
});

function setUp(sizes: Readonly<Record<number, number>>, fLookup?: number) {
  const table = new ServiceTable({ topic, localId: local.id, exclusions: new Exclusions() });
  for (const [distance, size] of Object.entries(sizes)) {
    for (let n = 0; n < size; n++) table.addLive([registrar(Number(distance), n)], 0);
  }
  const randomBytes = (length: number): Uint8Array => env.randomBytes(length);
  const search = new Search({ table, localId: local.id, randomBytes, fLookup });
  const distanceOf = ({ node }: QueryToSend): number => table.distanceOf(node.id);
  const answer = ({ node }: QueryToSend, from = 0, to = 0, auxiliary: KadNode[] = []): KadNode[] =>
    search.answered(
      node.id,
      { advertisers: advertisers.slice(from, to).map(({ record }) => record), auxiliary },
      0,
    );
  return { table, search, distanceOf, answer };
}

describe('a search', () => {
  it('asks five of each bucket, the farthest first, three at once, and nobody twice', () => {
    const { search, distanceOf, answer } = setUp({ 256: 16, 255: 2, 240: 7 });
    const asked: QueryToSend[] = [];
    for (let sent = search.next(0); sent.length > 0; sent = search.next(0)) {
      expect(sent.length).toBeLessThanOrEqual(SEARCH_ALPHA);
      for (const each of sent) answer(each);
      asked.push(...sent);
    }
    const fives = new Array<number>(K_LOOKUP);
    expect(asked.map(distanceOf)).toEqual([...fives.fill(256), 255, 255, ...fives.fill(240)]);
    expect(new Set(asked.map(({ node }) => toBareHex(node.id))).size).toBe(12);
    expect([search.isDone, search.found, search.asked]).toEqual([true, 0, 12]);
  });

  it('gives each advertiser once, as soon as it is found, and never ourselves', () => {
    const { search, answer } = setUp({ 256: 4 });
    const [a, b, c] = search.next(0);
    if (a === undefined || b === undefined || c === undefined) throw new Error('nobody is asked');
    expect(
      answer(a, 0, 3)
        .map(({ id }) => toBareHex(id))
        .sort(),
    ).toEqual(
      advertisers
        .slice(0, 3)
        .map(({ id }) => toBareHex(id))
        .sort(),
    );
    expect(answer(b, 1, 5)).toHaveLength(2);
    expect(search.answered(c.node.id, { advertisers: [local.record], auxiliary: [] }, 0)).toEqual([]);
    expect(answer(c, 10, 20)).toEqual([]);
    expect(search.found).toBe(5);
  });

  it('gives an advertiser again that is somewhere else by a newer record, and that no more than twice', () => {
    const { search } = setUp({ 256: 5 });
    const key = generateSecretKey(env);
    const queries = [...search.next(0)];
    const answers = (ip: string, seq: bigint): string[] => {
      if (queries.length === 0) queries.push(...search.next(0));
      const { node } = queries.shift() ?? {};
      if (node === undefined) throw new Error('nobody is asked');
      const { record } = topicNode(env, ip, { key, seq });
      return search.answered(node.id, { advertisers: [record], auxiliary: [] }, 0).map((found) => found.ip);
    };
    expect(answers('20.1.0.1', 2n)).toEqual(['20.1.0.1']);
    // Older ones, and newer ones that say the same, are nothing new.
    expect(answers('20.2.0.1', 1n)).toEqual([]);
    expect(answers('20.1.0.1', 4n)).toEqual([]);
    // Between those two.
    expect(answers('20.6.0.1', 3n)).toEqual([]);
    expect(answers('20.3.0.1', 5n)).toEqual(['20.3.0.1']);
    expect(search.kept([topicNode(env, '20.4.0.1', { key, seq: 6n })]).map(({ ip }) => ip)).toEqual([
      '20.4.0.1',
    ]);
    expect(search.kept([topicNode(env, '20.5.0.1', { key, seq: 7n })])).toEqual([]);
    expect(search.found).toBe(1);
  });

  it('takes of what the node keeps itself as much as of another, none twice, and of a network no more', () => {
    const { search, answer } = setUp({ 256: 1 }, 10);
    const crowd = Array.from({ length: 4 }, () => topicNode(env, '66.66.66.6'));
    const own = [...advertisers.slice(0, 2), local, ...crowd];
    expect(search.kept(own)).toEqual([...advertisers.slice(0, 2), ...crowd.slice(0, 2)]);
    expect(search.kept(own.slice(0, 3))).toEqual([]);
    const [only] = search.next(0);
    if (only === undefined) throw new Error('nobody is asked');
    expect(answer(only, 0, 3)).toHaveLength(1);
    expect(search.found).toBe(5);
    expect(search.kept(advertisers.slice(10, 20))).toHaveLength(5);
    expect(search.isDone).toBe(true);
  });

  it('ends with enough, in the middle of an answer', () => {
    const { search, answer } = setUp({ 256: 5 }, 7);
    const [a, b] = search.next(0);
    if (a === undefined || b === undefined) throw new Error('nobody is asked');
    answer(a, 0, 5);
    expect(search.isDone).toBe(false);
    expect(answer(b, 5, 12)).toHaveLength(2);
    expect([search.isDone, search.found]).toEqual([true, 7]);
    expect(search.next(0)).toEqual([]);
    expect(
      new Search({ ...setUp({}), localId: local.id, randomBytes: (n) => env.randomBytes(n) }).isDone,
    ).toBe(false);
  });

  it('wants thirty if not told otherwise', () => {
    const { search, answer } = setUp({ 256: 9 });
    let from = 0;
    for (let sent = search.next(0); sent.length > 0; sent = search.next(0)) {
      for (const each of sent) {
        answer(each, from, from + 8);
        from += 8;
      }
    }
    expect(search.found).toBe(F_LOOKUP);
  });

  it('takes no more of one answer than a registrar should give', () => {
    const { search, answer } = setUp({ 256: 1 }, 100);
    const [only] = search.next(0);
    if (only === undefined) throw new Error('nobody is asked');
    expect(answer(only, 0, 60)).toHaveLength(F_RETURN);
  });

  it('passes over advertisers that cannot be reached', () => {
    const { search } = setUp({ 256: 1 });
    const [only] = search.next(0);
    if (only === undefined) throw new Error('nobody is asked');
    const nowhere = signRecord(env.randomBytes(32), { seq: 1n });
    expect(search.answered(only.node.id, { advertisers: [nowhere], auxiliary: [] }, 0)).toEqual([]);
    expect(search.found).toBe(0);
  });

  it('goes on with whom it has learned of, nearer ones and farther ones', () => {
    const { search, distanceOf, answer } = setUp({ 250: 1 });
    const [first] = search.next(0);
    if (first === undefined) throw new Error('nobody is asked');
    answer(first, 0, 0, [registrar(249, 1), registrar(256, 1)]);
    expect(search.next(0).map(distanceOf)).toEqual([256, 249]);
  });

  it('waits for those that were asked, goes on when they fail, and tells the table', () => {
    const { table, search } = setUp({ 256: 2 });
    const [a, b] = search.next(0);
    if (a === undefined || b === undefined) throw new Error('nobody is asked');
    const failed = ({ node: { id } }: typeof a) => {
      if (search.unanswered(id)) table.failed(id, 0);
    };
    failed(a);
    failed(a);
    expect([search.next(0), search.isDone, table.size]).toEqual([[], false, 2]);
    failed(b);
    expect([search.next(0), search.isDone]).toEqual([[], true]);
    table.failed(a.node.id, 0);
    expect(table.size).toBe(1);
  });

  it('is for at least one', () => {
    expect(codeOf(() => setUp({}, 0))).toBe('invalid-argument');
  });

  it('counts an advertiser for all addresses of its record, of which all but one may be made up', () => {
    const sybils = Array.from({ length: 60 }, (_, i) =>
      signRecord(generateSecretKey(env), {
        seq: 1n,
        entries: { ip: ipOf(9_000 + i), udp: 30303, ip6: `2a0f:1:${(i + 1).toString(16)}::1`, udp6: 30303 },
      }),
    );
    const { search } = setUp({ 256: 16, 255: 16, 254: 16, 253: 16 });
    let from = 0;
    for (let sent = search.next(0); sent.length > 0; sent = search.next(0)) {
      for (const { node } of sent) {
        search.answered(node.id, { advertisers: sybils.slice(from, from + F_RETURN), auxiliary: [] }, 0);
        from += 5;
      }
    }
    expect(search.found).toBe(F_LOOKUP / 2);
  });

  it('takes half of what it looks for of one IPv6 /32, and a third of one /48, to ask on', () => {
    for (const [ipAt, most] of [
      [(i: number) => `2a0f:1:${(i + 1).toString(16)}::1`, F_LOOKUP / 2],
      [(i: number) => `2a0f:1:2:${(i + 1).toString(16)}::1`, F_LOOKUP / 3],
    ] as const) {
      const { search } = setUp({ 256: 16, 255: 16, 254: 16, 253: 16 });
      const sybils = Array.from({ length: 100 }, (_, i) => topicNode(env, ipAt(i)).record);
      let from = 0;
      for (let sent = search.next(0); sent.length > 0; sent = search.next(0)) {
        for (const { node } of sent) {
          search.answered(node.id, { advertisers: sybils.slice(from, from + F_RETURN), auxiliary: [] }, 0);
          from += 5;
        }
      }
      expect(search.found).toBe(most);
      expect(search.asked).toBe(4 * K_LOOKUP);
    }
  });
});
