import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../../src/base/bytes.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { chooseAuxiliary } from '../../../src/discv5/topics/auxiliary.ts';
import { takesPart } from '../../../src/discv5/topics/capability.ts';
import { Exclusions } from '../../../src/discv5/topics/exclusions.ts';
import {
  EXCLUSION_MS,
  MAX_AUXILIARY,
  MAX_EXCLUDED,
  MAX_EXCLUSION_MS,
  MAX_TOPIC_DISTANCES,
} from '../../../src/discv5/topics/parameters.ts';
import { ServiceTable } from '../../../src/discv5/topics/service-table.ts';
import { signRecord } from '../../../src/enr/index.ts';
import {
  BUCKET_NETWORK_LIMIT,
  BUCKET_SIZE,
  type KadNode,
  logDistance,
  networksOf,
  TABLE_NETWORK_LIMIT,
} from '../../../src/kad/index.ts';
import { ipOf, nodeAt } from '../../support/kad-nodes.ts';
import { runs } from '../../support/runs.ts';
import { topicNode, topicOf } from './nodes.ts';

const env = new VirtualEnv({ seed: 21 });
const randomBytes = (length: number): Uint8Array => env.randomBytes(length);
const topic = topicOf(0);
const localId = env.randomBytes(32);
const { record } = topicNode(env, '9.9.9.9');
const newer = topicNode(env, '9.9.9.9', { seq: 2n }).record;

/** A node at a distance from the topic, whose record says that it takes part. */
const at = (distance: number, n: number, ip = ipOf(distance * 256 + n)): KadNode => ({
  ...nodeAt(topic, distance, n, { ip }),
  record,
});
const table = (exclusions = new Exclusions()): ServiceTable =>
  new ServiceTable({ topic, localId, exclusions });

describe('a service table', () => {
  it('has each node where it is asked from now on, and none that is asked nowhere', () => {
    const nodes = table();
    const [gone, stays, moves] = [at(250, 1), at(250, 2), at(250, 3)];
    nodes.addLive([gone, stays, moves], 0);
    const there = { ...moves, ip: '2600:1::1' };
    nodes.move((node) => (node === stays ? stays : node === moves ? there : undefined), 0);
    expect(nodes.at(250, 0)).toEqual([stays, there]);
    expect(nodes.size).toBe(2);
  });

  it('has nodes that take part in our version, by their distance from the topic, and not ourselves', () => {
    const nodes = table();
    const [one, two, none] = [1, 2, undefined].map((version) => {
      const entries = {
        ip: '8.8.8.8',
        udp: 1,
        ...(version === undefined ? {} : { 'topic-discovery': version }),
      };
      return { ...at(250, 3), record: signRecord(env.randomBytes(32), { seq: 1n, entries }) };
    });
    expect([one, two, none].map((node) => node && takesPart(node))).toEqual([true, false, false]);
    nodes.addLive(
      [two, none, { ...at(250, 3), record: undefined }, { ...at(256, 1), id: localId }].flatMap(
        (n) => n ?? [],
      ),
      0,
    );
    expect(nodes.size).toBe(0);
    nodes.addLive([at(256, 1), at(250, 1), at(250, 2), at(3, 0)], 0);
    expect(nodes.distances).toEqual([256, 250, 3]);
    expect(nodes.at(250, 0)).toHaveLength(2);
    nodes.addLive([{ ...at(256, 1), id: topic }], 0);
    expect(nodes.at(1, 0)).toHaveLength(1);
  });

  it('stays within its limits, whatever comes', () => {
    const step = fc.record({
      kind: fc.constantFrom('live' as const, 'auxiliary' as const, 'failed' as const, 'succeeded' as const),
      node: fc
        .record({
          distance: fc.constantFrom(256, 255, 254, 100),
          n: fc.nat(40),
          network: fc.nat(8),
          isNewer: fc.boolean(),
        })
        .map(({ distance, n, network, isNewer }) => ({
          ...at(distance, n, n % 3 === 0 ? `10.0.0.${n + 1}` : ipOf(network, n)),
          record: isNewer ? newer : record,
        })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const nodes = table();
        steps.forEach(({ kind, node }, now) => {
          if (kind === 'live') nodes.addLive([node], now);
          else if (kind === 'auxiliary') nodes.addAuxiliary([node], now);
          else if (kind === 'failed') nodes.failed(node.id, now);
          else nodes.succeeded(node.id);
        });
        const networks = new Map<string, number>();
        const count = (key: string | undefined): void => {
          if (key !== undefined) networks.set(key, (networks.get(key) ?? 0) + 1);
        };
        let size = 0;
        for (const distance of nodes.distances) {
          const bucket = nodes.at(distance, 1e9);
          size += bucket.length;
          expect(bucket.length).toBeLessThanOrEqual(BUCKET_SIZE);
          for (const { id, ip } of bucket) {
            expect(logDistance(topic, id)).toBe(distance);
            count(networksOf(ip)?.ofTable);
            count(networksOf(ip) && `${distance} ${networksOf(ip)?.ofBucket}`);
          }
        }
        expect(nodes.size).toBe(size);
        for (const [key, number] of networks) {
          expect(number).toBeLessThanOrEqual(key.includes(' ') ? BUCKET_NETWORK_LIMIT : TABLE_NETWORK_LIMIT);
        }
      }),
      { numRuns: runs(150) },
    );
  });

  it('lets who has answered push out who has not, and nobody else', () => {
    const nodes = table();
    for (let n = 0; n < BUCKET_SIZE; n++) nodes.addAuxiliary([at(256, n)], 0);
    expect(nodes.addAuxiliary([at(256, 20)], 0)).toEqual([]);
    nodes.succeeded(at(256, 0).id);
    nodes.addLive(
      Array.from({ length: 20 }, (_, i) => at(256, 20 + i)),
      0,
    );
    const ids = nodes.at(256, 0).map(({ id }) => toBareHex(id));
    expect(ids).toHaveLength(BUCKET_SIZE);
    expect(ids).toContain(toBareHex(at(256, 0).id));
    expect(ids).not.toContain(toBareHex(at(256, 1).id));
  });

  it('lets who has answered push out those of its network who have not', () => {
    const nodes = table();
    for (let i = 0; i < TABLE_NETWORK_LIMIT / 2; i++) {
      for (const n of [1, 2]) nodes.addAuxiliary([at(250 - i, n, ipOf(7, 2 * i + n))], 0);
    }
    expect(nodes.size).toBe(TABLE_NETWORK_LIMIT);
    nodes.addLive([at(256, 1, ipOf(7, 99))], 0);
    expect(nodes.at(256, 0)).toHaveLength(1);
    expect(nodes.size).toBe(TABLE_NETWORK_LIMIT);
  });

  it('takes 16 nodes of an answer, one of each distance, and does not let others move whom it knows', () => {
    const nodes = table();
    const told = Array.from({ length: 40 }, (_, i) => at(256 - (i >> 1), i & 1));
    expect(nodes.addAuxiliary(told, 0)).toHaveLength(MAX_AUXILIARY / 2);
    nodes.succeeded(at(256, 0).id);
    const moved = { ...at(256, 0), ip: '1.2.3.4', record: newer };
    nodes.addAuxiliary([moved], 0);
    expect(nodes.at(256, 0)[0]?.ip).toBe(at(256, 0).ip);
    nodes.addLive([moved], 0);
    expect(nodes.at(256, 0).map(({ ip }) => ip)).toEqual(['1.2.3.4']);
  });

  it('asks for the distances with the fewest nodes', () => {
    const nodes = table();
    expect(nodes.freeDistances()).toEqual([]);
    for (let n = 0; n < BUCKET_SIZE; n++) nodes.addLive([at(256, n)], 0);
    for (let n = 0; n < 3; n++) nodes.addLive([at(255, n)], 0);
    nodes.addLive([at(252, 1)], 0);
    expect(nodes.freeDistances()).toEqual([250, 251, 253, 254, 252, 255]);
    nodes.addLive([at(3, 0)], 0);
    expect(nodes.freeDistances()).toHaveLength(MAX_TOPIC_DISTANCES);
    expect(nodes.freeDistances()[0]).toBe(1);
  });
});

describe('a node that fails', () => {
  it('is left alone after the second time, for twice as long each time, and comes back', () => {
    const exclusions = new Exclusions();
    const nodes = table(exclusions);
    const node = at(256, 1);
    let now = 0;
    for (let times = 0; times < 6; times++) {
      nodes.addLive([node], now);
      nodes.failed(node.id, now);
      expect(nodes.at(256, now)).toHaveLength(1);
      nodes.failed(node.id, now);
      expect(nodes.size).toBe(0);
      const ms = Math.min(EXCLUSION_MS * 2 ** times, MAX_EXCLUSION_MS);
      nodes.addLive([node], now + ms - 1);
      expect(nodes.size).toBe(0);
      now += ms;
    }
    nodes.addLive([node], now);
    nodes.failed(node.id, now);
    nodes.succeeded(node.id);
    nodes.failed(node.id, now);
    expect(nodes.size).toBe(1);
    expect(exclusions.size).toBe(1);
  });

  it('is excluded from the tables of all topics', () => {
    const exclusions = new Exclusions();
    const [a, b] = [table(exclusions), table(exclusions)];
    for (const each of [a, b]) each.addLive([at(256, 1)], 0);
    a.exclude(at(256, 1).id, 0);
    expect([a.size, b.at(256, 0).length]).toEqual([0, 0]);
    expect(b.at(256, EXCLUSION_MS)).toHaveLength(1);
  });

  it('is forgotten when there are too many others', () => {
    const exclusions = new Exclusions();
    for (let i = 0; i < 2 * MAX_EXCLUDED; i++) exclusions.failed(env.randomBytes(32), 0);
    expect(exclusions.size).toBe(MAX_EXCLUDED);
  });
});

describe('auxiliary records', () => {
  const nodes = [256, 255, 254].flatMap((distance) =>
    Array.from({ length: 5 }, (_, n) => {
      const { record } = topicNode(env, ipOf(n));
      return { ...at(distance, n), record };
    }),
  );
  const distanceOf = (of: { encoded: Uint8Array }): number => {
    const node = nodes.find((each) => each.record === of);
    return node === undefined ? -1 : logDistance(topic, node.id);
  };

  it('are one for each distance that is asked for, by chance', () => {
    const seen = new Set<unknown>();
    for (let i = 0; i < 200; i++) {
      const chosen = chooseAuxiliary(
        { topic, distances: [254, 256, 256, 100], asker: localId },
        nodes,
        randomBytes,
      );
      expect(chosen.map(distanceOf)).toEqual([254, 256]);
      for (const each of chosen) seen.add(each);
    }
    expect(seen.size).toBe(10);
  });

  it('are of distance 1 also where the topic is the id of a node', () => {
    const [first] = nodes;
    if (first === undefined) throw new Error('there is none');
    const request = { topic: first.id, distances: [1], asker: localId };
    expect(chooseAuxiliary(request, nodes, randomBytes)).toEqual([first.record]);
  });

  it('are not the one who asks, nor one who takes no part', () => {
    const [first] = nodes;
    if (first === undefined) throw new Error('there is none');
    const silent = { ...first, record: signRecord(env.randomBytes(32), { seq: 1n }) };
    const request = { topic, distances: [256], asker: localId };
    expect(chooseAuxiliary({ ...request, asker: first.id }, [first], randomBytes)).toEqual([]);
    expect(chooseAuxiliary(request, [silent], randomBytes)).toEqual([]);
    expect(chooseAuxiliary(request, [first], randomBytes)).toEqual([first.record]);
  });

  it('fuzz: any distances, and any number of them, give at most 16', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer(), fc.double(), fc.integer({ min: 250, max: 256 })), { maxLength: 300 }),
        (distances) => {
          const chosen = chooseAuxiliary({ topic, distances, asker: localId }, nodes, randomBytes);
          expect(new Set(chosen.map(distanceOf)).size).toBe(chosen.length);
          expect(chosen.length).toBeLessThanOrEqual(MAX_AUXILIARY);
          for (const each of chosen) expect(distances).toContain(distanceOf(each));
        },
      ),
    );
    const all = Array.from({ length: 256 }, (_, i) => i + 1);
    const many = all.map((distance) => ({ ...at(distance, 0), record: topicNode(env, '8.8.8.8').record }));
    const request = { topic, distances: all, asker: localId };
    expect(chooseAuxiliary(request, many, randomBytes)).toHaveLength(MAX_AUXILIARY);
  });
});
