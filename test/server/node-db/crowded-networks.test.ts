/** What many identities at few addresses get of a node database: of its places, and of the seeds of the next start. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryKv } from '../../../src/base/kv.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { NodeDatabase } from '../../../src/server/node-db/index.ts';
import { blockOf, networkOf } from '../../../src/server/node-db/network.ts';
import { runs } from '../../support/runs.ts';
import { countBy, DAY, endpointOf, HOUR, idOf, numberOf, START, seedsByBlock } from './nodes.ts';

const SEEDS = 30;
const MAX_AGE = 5 * DAY;
/** Identities of the attacker have numbers from here on. */
const ATTACKER = 1_000_000;
const IDENTITIES = 25_000;

class Kv extends MemoryKv {
  async copy(): Promise<Kv> {
    const copy = new Kv();
    for await (const entries of this.scan(1_000)) await copy.batch(entries);
    return copy;
  }
}

async function opened(maxNodes?: number, env = new VirtualEnv({ now: START }), kv = new Kv()) {
  const database = await NodeDatabase.over(kv, { env, maxNodes });
  const reopened = async () => {
    await database.flush();
    return await opened(maxNodes, env, await kv.copy());
  };
  return { env, kv, database, reopened };
}

/** The node has answered from `host`. */
function answer(database: NodeDatabase, env: VirtualEnv, number: number, host: string): void {
  database.update(idOf(number), { endpoint: endpointOf(number, host), lastPong: env.unixTime() });
}

async function numbersOf(database: NodeDatabase): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { publicKey } of database.nodes()) numbers.push(numberOf(publicKey));
  return numbers.sort((a, b) => a - b);
}

/** Those below `count` that are there: of a large database that is read faster than all of it. */
async function knownBelow(count: number, database: NodeDatabase): Promise<number[]> {
  const nodes = await Promise.all(numbersUpTo(count).map((number) => database.get(idOf(number))));
  return nodes.flatMap((node) => (node === undefined ? [] : [numberOf(node.publicKey)]));
}

const numbersUpTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const isHonest = (number: number) => number < ATTACKER;

/** 500 nodes in 200 blocks; some share a /24. */
const honestHost = (i: number) => `${20 + (i % 100)}.${i % 2}.${i % 150}.${1 + (i >> 8)}`;
const HONEST = 500;

describe.each<[string, (i: number) => string, number]>([
  ['one address', () => '8.8.8.8', 2],
  ['one /24', (i) => `8.8.8.${i % 256}`, 2],
  ['256 networks of one /16', (i) => `8.8.${i % 256}.${(i >> 8) % 256}`, 10],
  ['65,536 networks of one IPv6 /32', (i) => `2a01:4f8:${i.toString(16)}::1`, 10],
])('25,000 identities of %s that answer', (_, hostOf, limit) => {
  it('take no place of others, over restarts too, and at most one of the seeds', async () => {
    const first = await opened();
    const { env } = first;
    // Half of the honest nodes were there before; the others come in the middle of it.
    for (let i = 0; i < HONEST; i += 2) answer(first.database, env, i, honestHost(i));
    env.advance(DAY);
    for (let i = 0; i < IDENTITIES; i++) {
      answer(first.database, env, ATTACKER + i, hostOf(i));
      if (i % 100 > 0) continue;
      const honest = 2 * (i / 100) + 1;
      answer(first.database, env, honest, honestHost(honest));
      env.advance(500);
    }
    expect(first.database.size).toBeLessThanOrEqual(20_000);
    expect(await knownBelow(HONEST, first.database)).toEqual(numbersUpTo(HONEST));

    const { database } = await first.reopened();
    for (let start = 0; start < 20; start++) {
      const seeds = await database.seeds(SEEDS, MAX_AGE);
      const honest = seeds.filter(({ publicKey }) => isHonest(numberOf(publicKey)));
      expect(seeds).toHaveLength(SEEDS);
      expect(honest.length).toBeGreaterThanOrEqual(SEEDS - 1);
    }
    for (let i = 0; i < 2_000; i++) answer(database, env, 2 * ATTACKER + i, hostOf(i));
    expect(await knownBelow(HONEST, database)).toEqual(numbersUpTo(HONEST));
  });

  it(`are ${limit} of the seeds where others are too few`, async () => {
    const { database, env } = await opened();
    for (let i = 0; i < 10; i++) answer(database, env, i, honestHost(i));
    for (let i = 0; i < 1_000; i++) answer(database, env, ATTACKER + i, hostOf(i));
    const seeds = (await database.seeds(SEEDS, MAX_AGE)).map(({ publicKey }) => numberOf(publicKey));
    expect(seeds.filter(isHonest).sort((a, b) => a - b)).toEqual(numbersUpTo(10));
    expect(seeds).toHaveLength(10 + limit);
  });
});

describe('a full node database', () => {
  it('keeps the neighbours of a network that grows: others of its block', async () => {
    const { database, env } = await opened(640);
    for (let i = 0; i < 10; i++) answer(database, env, i, `8.8.${100 + i}.1`);
    env.advance(DAY);
    for (let i = 0; i < 5_000; i++) answer(database, env, ATTACKER + i, `8.8.8.${i % 256}`);
    expect((await numbersOf(database)).filter(isHonest)).toEqual(numbersUpTo(10));
  });

  it('leaves a network that comes late no more places than those that have the most', async () => {
    const { database, env } = await opened(640);
    // Ten blocks of 64.
    for (let i = 0; i < 640; i++) answer(database, env, i, `${20 + (i % 10)}.1.${i % 256}.1`);
    for (let i = 0; i < 5_000; i++) answer(database, env, ATTACKER + i, `8.8.8.${i % 256}`);
    const honest = (await numbersOf(database)).filter(isHonest);
    // Eleven share, and at once a 32nd of all goes.
    expect(honest.length).toBeGreaterThanOrEqual(Math.floor((640 * 10) / 11) - 20);
  });

  it('does not let proven nodes of one network go for others that never answer, wherever these are', async () => {
    const { database, env } = await opened(640);
    for (let i = 0; i < 640; i++) answer(database, env, i, `8.8.8.${i % 256}`);
    for (let i = 0; i < 5_000; i++) {
      const number = ATTACKER + i;
      database.update(idOf(number), { endpoint: endpointOf(number, `${20 + (i % 100)}.${i % 256}.1.1`) });
    }
    expect((await numbersOf(database)).filter(isHonest)).toHaveLength(620);
  });

  it('goes on with a network on this machine: full of it, it has all of its seeds from there', async () => {
    const { database, env, reopened } = await opened(640);
    for (let i = 0; i < 20; i++) answer(database, env, i, honestHost(i));
    for (let i = 0; i < 3_000; i++) answer(database, env, ATTACKER + i, '127.0.0.1');
    const numbers = await numbersOf(database);
    expect(numbers.length).toBeGreaterThanOrEqual(620);
    expect(numbers.filter(isHonest)).toEqual(numbersUpTo(20));
    for (const number of numbersUpTo(20)) database.remove(idOf(number));
    expect(await (await reopened()).database.seeds(SEEDS, MAX_AGE)).toHaveLength(SEEDS);
  });
});

describe('a node that changes its address', () => {
  it('counts where it is, and nowhere else, over restarts too', async () => {
    const { database, env, reopened } = await opened(640);
    const move = (hostOf: (i: number) => string) => {
      for (let i = 0; i < 100; i++) answer(database, env, i, hostOf(i));
    };
    const seeds = async () => [
      (await database.seeds(1_000, MAX_AGE)).length,
      (await (await reopened()).database.seeds(1_000, MAX_AGE)).length,
    ];
    move(() => '8.8.8.8');
    expect(await seeds()).toEqual([2, 2]);
    move((i) => `${20 + i}.1.1.1`);
    expect(await seeds()).toEqual([100, 100]);
    // What is known without an address leaves it where it was.
    for (let i = 0; i < 100; i++) database.update(idOf(i), { client: 'new', failed: true });
    expect(await seeds()).toEqual([100, 100]);
    move((i) => (i < 50 ? '8.8.8.8' : '127.0.0.1'));
    expect(await seeds()).toEqual([52, 52]);
  });
});

const number = fc.nat(60);
const host = fc.oneof(
  fc.tuple(fc.nat(2), fc.nat(4)).map(([a, b]) => `8.${a}.${b}.1`),
  fc.tuple(fc.nat(1), fc.nat(4)).map(([a, b]) => `2a01:${a}:${b}::1`),
  fc.constantFrom('127.0.0.1', '10.0.0.1', '::ffff:8.0.0.7'),
);
const command = fc.oneof(
  { weight: 20, arbitrary: fc.record({ name: fc.constant('answer' as const), number, host }) },
  { weight: 5, arbitrary: fc.record({ name: fc.constant('tell' as const), number, host }) },
  { weight: 4, arbitrary: fc.record({ name: fc.constant('fail' as const), number }) },
  { weight: 4, arbitrary: fc.record({ name: fc.constant('remove' as const), number }) },
  { weight: 1, arbitrary: fc.record({ name: fc.constant('wait' as const), hours: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ name: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ name: fc.constant('reopen' as const) }) },
);

describe('a node database, whatever it was told', () => {
  it('has its nodes counted where they are: its seeds are what a recount allows', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 120 }), async (commands) => {
        let { database, env, reopened } = await opened(40);
        for (const step of commands) {
          if (step.name === 'answer') answer(database, env, step.number, step.host);
          else if (step.name === 'tell') {
            database.update(idOf(step.number), { endpoint: endpointOf(step.number, step.host) });
          } else if (step.name === 'fail') database.update(idOf(step.number), { failed: true });
          else if (step.name === 'remove') database.remove(idOf(step.number));
          else if (step.name === 'wait') env.advance(step.hours * HOUR);
          else if (step.name === 'flush') await database.flush();
          else ({ database, reopened } = await reopened());
        }
        for (const one of [database, (await reopened()).database]) {
          expect(one.size).toBeLessThanOrEqual(40);
          const networks: number[] = [];
          for await (const { endpoint, lastAnswer = 0 } of one.nodes()) {
            if (lastAnswer >= env.unixTime() - MAX_AGE) networks.push(networkOf(endpoint?.host));
          }
          const seeds = await one.seeds(1_000, MAX_AGE);
          const blocks = seeds.map(({ endpoint }) => blockOf(networkOf(endpoint?.host)));
          expect(countBy(blocks)).toEqual(seedsByBlock(networks));
        }
      }),
      { numRuns: runs(60) },
    );
  });
});
