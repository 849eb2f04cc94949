import { describe, expect, it, vi } from 'vitest';
import { eclipse } from '../../bench/sim/eclipse.ts';
import { SimNetwork } from '../../bench/sim/network.ts';
import { type SimulationFigures, simulate } from '../../bench/sim/simulation.ts';
import { backend } from '../../src/crypto/index.ts';

/**
 * With cheap signatures nothing but Keccak is the backend's, and the result is the same: the large networks are for the
 * fast one. Real signatures of JavaScript take twenty times as long.
 */
const isNative = backend.name === 'native';
const NODES = isNative ? 120 : 40;
const REAL_NODES = isNative ? 30 : 12;
const SMALLER = isNative ? 60 : 40;
const SEED = 1;
/**
 * What a network costs is its refreshes, which come 20 s after the start of each node for the second time: nodes join,
 * look around, and are asked before that.
 */
const YOUNG = { joinMinutes: 10 / 60, settleMinutes: 7 / 60, gapMs: 20 };
/** Here they have looked around twice, too. */
const OLDER = { joinMinutes: 15 / 60, settleMinutes: 1, gapMs: 50 };
/** Ten times as many nodes make a lookup dearer by no more than this: by the logarithm it is 1.5, by the root 3.2. */
const GROWTH = 2.5;
/** Of the 16 that a lookup finds under attack, so many are honest on average, and at worst. */
const HONEST = 7;
const LEAST_HONEST = 6;

// None waits for anything: how long they take is up to what else the machine does.
vi.setConfig({ testTimeout: 600_000 });

describe('a simulated network', () => {
  const network = (nodes: number, age = YOUNG): SimulationFigures =>
    simulate({ nodes, seed: SEED, lookups: 100, ...age });

  it('whose nodes knew one: every lookup ends, and 99 of 100 find all of the closest 16', () => {
    const { lookups, tables } = network(NODES);
    console.log(`${NODES} nodes: ${JSON.stringify({ lookups, tables })}`);
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.perfect).toBeGreaterThanOrEqual(0.99);
    expect(tables.known).toBe(1);
    expect(tables.dead).toBe(0);
    // A wrong step costs a question more; asking everybody is what no lookup may do.
    expect(lookups.asked).toBeLessThan(40);
    // What a lookup takes grows with the logarithm of the number of nodes.
    const tenth = network(NODES / 10, OLDER).lookups;
    console.log(`${NODES / 10} nodes: ${JSON.stringify(tenth)}`);
    if (isNative) expect(lookups.packets / tenth.packets).toBeLessThan(GROWTH);
    if (isNative) expect(lookups.asked / tenth.asked).toBeLessThan(GROWTH);
  });

  it('with real signatures', () => {
    const { lookups, tables } = simulate({
      ...{ nodes: REAL_NODES, seed: SEED, lookups: 30, ...YOUNG },
      isReal: true,
    });
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.recall).toBeGreaterThanOrEqual(0.99);
    expect(tables.known).toBe(1);
  });

  it('that loses a tenth of its packets while nodes come and go: 95 of 100 of the closest are found', () => {
    // A tenth leaves in two minutes, thirty times as fast as in an hour.
    const { lookups } = simulate({
      ...{ nodes: SMALLER, seed: SEED, lookups: 100, ...OLDER, loss: 0.1, churn: 3 },
    });
    console.log(`loss and churn: ${JSON.stringify(lookups)}`);
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.recall).toBeGreaterThanOrEqual(0.95);
  });

  it('is the same for the same seed, and another for another', () => {
    const run = (seed: number) =>
      simulate({ nodes: 20, seed, lookups: 10, ...OLDER, loss: 0.1, churn: 10, nat: 0.3 });
    const first = run(7);
    expect(run(7)).toEqual(first);
    expect(run(8)).not.toEqual(first);
  });
});

describe('NAT', () => {
  it('lets in answers for a minute, and nobody else', () => {
    const network = new SimNetwork({ seed: SEED });
    const received: number[] = [];
    const sink = { receive: (packet: Uint8Array) => void received.push(packet[0] ?? 0) };
    const inside = network.links.attach({ ip: '20.0.0.1', port: 30303 }, sink, { isNat: true });
    const outside = network.links.attach({ ip: '20.0.1.1', port: 30303 }, sink);
    const send = (n: number) => {
      network.links.send(outside, Uint8Array.of(n), inside.endpoint);
      network.env.advance(1_000);
    };
    send(1);
    expect(received).toEqual([]);
    network.links.send(inside, Uint8Array.of(2), outside.endpoint);
    network.env.advance(1_000);
    send(3);
    expect(received).toEqual([2, 3]);
    network.env.advance(60_000);
    send(4);
    expect(received).toEqual([2, 3]);
  });

  it('hides a third of a network, and the rest is found all the same', () => {
    const { lookups } = simulate({
      ...{ nodes: SMALLER, seed: SEED, lookups: 40, ...YOUNG, nat: 0.3 },
    });
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.recall).toBeGreaterThanOrEqual(0.95);
  });
});

describe('an attacker with 500 identities in four /24 networks', () => {
  it('wins no more of tables and of lookups than the limits allow', () => {
    const figures = eclipse({
      ...{ seed: SEED, nodes: 40, victims: 4, identities: 500, networks: 4, lookups: 3 },
    });
    console.log(`eclipse: ${JSON.stringify(figures)}`);
    // It has tried: as much as the limits allow is what it has won.
    expect(figures.mostInTable).toBe(figures.allowedInTable);
    expect(figures.mostInBucket).toBeLessThanOrEqual(figures.allowedInBucket);
    // What a lookup finds is as much as a bucket holds, and obeys the limit of one.
    expect(figures.mostInResult).toBeLessThanOrEqual(figures.allowedInBucket);
    // About half of what is found is honest, and in no lookup far less.
    expect(figures.meanHonest).toBeGreaterThanOrEqual(HONEST);
    expect(figures.leastHonest).toBeGreaterThanOrEqual(LEAST_HONEST);
  });
});
