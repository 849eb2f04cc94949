import { describe, expect, it, vi } from 'vitest';
import { eclipse } from '../../bench/sim/eclipse.ts';
import { SimNetwork } from '../../bench/sim/network.ts';
import { simulate } from '../../bench/sim/simulation.ts';
import { backend } from '../../src/crypto/index.ts';

/**
 * With cheap signatures nothing but Keccak is the backend's, and the result is the same: the large networks are for the
 * fast one. Real signatures of JavaScript take twenty times as long.
 */
const isNative = backend.name === 'native';
const NODES = isNative ? 1_000 : 60;
const REAL_NODES = isNative ? 300 : 12;
const SEED = 1;

// None waits for anything: how long they take is up to what else the machine does.
vi.setConfig({ testTimeout: 600_000 });

describe('a simulated network', () => {
  it('whose nodes knew one: every lookup ends, and 99 of 100 find all of the closest 16', () => {
    const figures = simulate({ nodes: NODES, seed: SEED, lookups: 100, joinMinutes: 1, settleMinutes: 2 });
    const { lookups, tables } = figures;
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.perfect).toBeGreaterThanOrEqual(0.99);
    expect(tables.known).toBe(1);
    expect(tables.dead).toBe(0);
    // A wrong step costs a question more; asking everybody is what no lookup may do.
    expect(lookups.asked).toBeLessThan(40);
  });

  it('with real signatures', () => {
    const options = { nodes: REAL_NODES, seed: SEED, lookups: 30, joinMinutes: 1, settleMinutes: 1 };
    const { lookups, tables } = simulate({ ...options, isReal: true });
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.recall).toBeGreaterThanOrEqual(0.99);
    expect(tables.known).toBe(1);
  });

  it('that loses a tenth of its packets while nodes come and go: 95 of 100 of the closest are found', () => {
    const { lookups } = simulate({
      ...{ nodes: isNative ? 200 : 60, seed: SEED, lookups: 100, joinMinutes: 1, settleMinutes: 20 },
      ...{ loss: 0.1, churn: 0.1 },
    });
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.recall).toBeGreaterThanOrEqual(0.95);
  });

  it('is the same for the same seed, and another for another', () => {
    const run = (seed: number) =>
      simulate({
        ...{ nodes: 40, seed, lookups: 10, joinMinutes: 1, settleMinutes: 4 },
        ...{ loss: 0.1, churn: 1, nat: 0.3 },
      });
    expect(run(7)).toEqual(run(7));
    expect(run(8)).not.toEqual(run(7));
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
      ...{ nodes: isNative ? 200 : 60, seed: SEED, lookups: 40, joinMinutes: 1, settleMinutes: 5, nat: 0.3 },
    });
    expect(lookups.ended).toBe(lookups.lookups);
    expect(lookups.recall).toBeGreaterThanOrEqual(0.95);
  });
});

describe('an attacker with 1,000 identities in four /24 networks', () => {
  it('wins no more of tables and of lookups than the limits allow', () => {
    const figures = eclipse({
      ...{ seed: SEED, nodes: isNative ? 200 : 60, victims: 6, identities: 1_000, networks: 4, lookups: 3 },
    });
    console.log(`eclipse: ${JSON.stringify(figures)}`);
    expect(figures.mostInTable).toBeLessThanOrEqual(figures.allowedInTable);
    expect(figures.mostInBucket).toBeLessThanOrEqual(figures.allowedInBucket);
    // What a lookup finds is as much as a bucket holds, and obeys the limit of one.
    expect(figures.mostInResult).toBeLessThanOrEqual(figures.allowedInBucket);
  });
});
