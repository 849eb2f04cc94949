import { describe, expect, it } from 'vitest';
import { IdSpace } from '../../bench/sim/id-space.ts';
import { madeUpNode } from '../../bench/sim/made-up.ts';
import { Random } from '../../bench/sim/random.ts';
import { readTopicOptions } from '../../bench/sim/topics/options.ts';
import { attackTable, topicFailure, topicText } from '../../bench/sim/topics/report.ts';
import { simulateTopic, type TopicSimulationOptions } from '../../bench/sim/topics/simulation.ts';
import { toBareHex } from '../../src/base/bytes.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { takesPart } from '../../src/discv5/topics/index.ts';
import { BUCKET_NETWORK_LIMIT, BUCKET_SIZE, type KadNode, logDistance } from '../../src/kad/index.ts';

const SEED = 1;
const SMALL: TopicSimulationOptions = { seed: SEED, nodes: 200, share: 0.2, searches: 20, minutes: 20 };

describe('a simulated topic', () => {
  it('is advertised by a fifth of 200 nodes, and found', () => {
    const figures = simulateTopic(SMALL);
    console.log(JSON.stringify(figures));
    const { advertisers, first, looks, load, traffic } = figures;
    expect(advertisers).toBe(40);
    expect(first).toMatchObject({ count: 40, missing: 0 });
    expect(looks.map(({ minute }) => minute)).toEqual([1, 5, 15, 20]);
    const [young, , , last] = looks;
    // Who is the second of a topic at a registrar waits for as long as an advertisement lives.
    expect(last?.ads).toBeGreaterThan(2 * (young?.ads ?? Number.NaN));
    expect(last?.active).toBeGreaterThan(2 * (young?.active ?? Number.NaN));
    const searches = last?.searches;
    expect(searches).toMatchObject({ ended: 20, enough: 1, found: 30, sybils: 0, dead: 0, without: 0 });
    expect(searches?.distinct).toBeGreaterThan(30);
    // Each request is a packet at least, and its answer another.
    expect(searches?.packets).toBeGreaterThanOrEqual(2 * (searches?.requests ?? Number.NaN));
    expect(load.requests.max).toBeGreaterThan(load.requests.mean);
    expect(load.ads.mean * 200).toBeCloseTo(last?.ads ?? Number.NaN, -1);
    expect(traffic.packets).toBeGreaterThanOrEqual(2 * traffic.requests);
    expect(topicFailure(figures)).toBeUndefined();
    expect(topicText({ ...figures, seconds: 1 })).not.toContain('NaN');
  }, 120_000);

  it('is the same for the same seed, and another for another', () => {
    const run = (seed: number) =>
      simulateTopic({ ...SMALL, nodes: 100, minutes: 10, seed, searches: 5, loss: 0.1, churn: 2 });
    const first = run(7);
    expect(run(7)).toEqual(first);
    expect(run(8)).not.toEqual(first);
  }, 120_000);

  it('of which an attacker in one /24 with four fifths of the advertisers gets less than half', () => {
    const attack = { identities: 160, networks: 1, effort: 50, nearBits: 0 };
    const options = { ...SMALL, attack };
    const figures = simulateTopic(options);
    const searches = figures.looks.at(-1)?.searches;
    console.log(JSON.stringify(searches));
    expect(figures.sybils).toBe(160);
    expect(searches?.sybils).toBeGreaterThan(0);
    expect(searches?.sybils).toBeLessThan(0.5);
    expect(searches?.without).toBe(0);
    expect(attackTable([{ options, figures }])).toMatch(
      /^\| 40 \| 160 \| 80.00 % \| 44.44 % \| 1 \| 2.44 % \| - \|/m,
    );
  }, 120_000);

  it('is not found where nobody hears anybody, and that is a failure', () => {
    const figures = simulateTopic({ ...SMALL, nodes: 20, searches: 2, minutes: 1, loss: 1 });
    expect(topicFailure(figures)).toBe('no advertiser has found a registrar');
  });
});

describe('the table of a node of a simulated network', () => {
  const random = new Random(SEED);
  const nodes = Array.from({ length: 600 }, (_, n) => {
    const ip = n < 300 ? random.address() : `20.20.20.${1 + (n % 250)}`;
    return madeUpNode(random, { ip, port: 1_000 + n });
  });
  const buckets = (of: KadNode, table: readonly KadNode[]) => {
    const byDistance = new Map<number, KadNode[]>();
    for (const node of table) {
      const distance = logDistance(of.id, node.id);
      byDistance.set(distance, [...(byDistance.get(distance) ?? []), node]);
    }
    return byDistance;
  };

  it('has 16 nodes of each bucket, and of one network as many as a table takes', () => {
    const space = new IdSpace(nodes, random);
    for (const node of nodes.slice(0, 20)) {
      const table = space.tableOf(node);
      expect(new Set(table.map(({ id }) => toBareHex(id))).size).toBe(table.length);
      const there = buckets(node, nodes);
      for (const [distance, bucket] of buckets(node, table)) {
        expect(bucket.length).toBeLessThanOrEqual(BUCKET_SIZE);
        const others = bucket.filter(({ ip }) => !ip.startsWith('20.20.20.'));
        const all = there.get(distance)?.filter(({ ip }) => !ip.startsWith('20.20.20.')) ?? [];
        expect(bucket.length - others.length).toBeLessThanOrEqual(BUCKET_NETWORK_LIMIT);
        expect(others.length).toBeGreaterThanOrEqual(
          Math.min(BUCKET_SIZE - BUCKET_NETWORK_LIMIT, all.length),
        );
      }
      expect(table.every(takesPart)).toBe(true);
    }
  });

  it('keeps what is known, and nobody who has been taken out', () => {
    const space = new IdSpace(nodes, random);
    const [node, ...others] = nodes;
    if (node === undefined) throw new Error('there is none');
    const known = space.tableOf(node).slice(5);
    for (const other of others.slice(0, 500)) if (!known.includes(other)) space.remove(other);
    const table = space.tableOf(node, known);
    expect(table.slice(0, known.length)).toEqual(known);
    const late = new Set<KadNode>([...known, ...nodes.slice(501)]);
    for (const other of table) expect(late.has(other)).toBe(true);
  });
});

describe('the options of a simulated topic', () => {
  const told = (line: string) => readTopicOptions(line === '' ? [] : line.split(' '));

  it('are three shares, unless told otherwise', () => {
    const { json, runs } = told('--seed 7');
    expect(json).toBe(false);
    expect(runs.map(({ share }) => share)).toEqual([0.01, 0.1, 0.5]);
    expect(runs[0]).toEqual({
      ...{ nodes: 10_000, seed: 7, share: 0.01, searches: 100, minutes: 60, fLookup: undefined },
      ...{ loss: 0, churn: 0 },
    });
    expect(told('--share 0.2 --enough 5 --loss 0.1').runs).toMatchObject([
      { share: 0.2, fLookup: 5, loss: 0.1 },
    ]);
  });

  it('name an attacker by its part of those who advertise', () => {
    const { runs } = told('--nodes 1000 --sybils 0.5 --sybils 0.8 --networks 3 --near 0 --near 8 --effort 9');
    expect(runs.map(({ share, attack }) => [share, attack?.identities, attack?.nearBits])).toEqual([
      ...[
        [0.01, 10, 0],
        [0.01, 10, 8],
        [0.01, 40, 0],
        [0.01, 40, 8],
      ],
      ...[
        [0.1, 100, 0],
        [0.1, 100, 8],
        [0.1, 400, 0],
        [0.1, 400, 8],
      ],
    ]);
    expect(runs[0]?.attack).toMatchObject({ networks: 3, effort: 9 });
  });

  it.each([
    ['--what', '--what'],
    ['--share 1.1', '--share is a number from 0.0001 to 1'],
    ['--near 3', '--near goes with --sybils'],
    ['--sybils 0.5 --near 17', '--near is a number from 0 to 16'],
    ['--sybils 0.99 --nodes 100000', 'are 99000 identities'],
  ])('%s is wrong, and it is said why', (line, message) => {
    let error: unknown;
    try {
      told(line);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(PeerlaneError);
    expect(error).toMatchObject({ code: 'invalid-argument', message: expect.stringContaining(message) });
  });
});
