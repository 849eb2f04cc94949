/** Large networks on loopback in which go-ethereum's nodes and ours are mixed, and nodes that come back. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { parseRecord } from '../../src/enr/index.ts';
import { BUCKET_SIZE, type KadNode } from '../../src/kad/index.ts';
import type { Discv4ServiceEvent } from '../../src/server/discv4-options.ts';
import { NodeDatabase } from '../../src/server/node-db/index.ts';
import { NodeNotes } from '../../src/server/node-notes.ts';
import { seedsOf } from '../../src/server/node-sources.ts';
import { closestIds, type DiscoveryNode, GoDiscovery, type GoNode, OwnNode } from './discover-harness.ts';

/** Nodes of each kind. */
const SIZE = 100;
/** So many of ours begin at a time: they share one thread with all the others. */
const GROUP = 10;
/** Of each kind, so many look up so many targets, each once. */
const LOOKING = 12;
const TARGETS = 2;
/**
 * When the network has found itself: of the places that all tables of a kind have for its nodes (16 of each log-distance),
 * this part is taken by nodes that have answered. Until then each looks up something at random every few seconds, as
 * nodes do.
 */
const FULL = 0.9;
const FILLING_MS = 120_000;
/**
 * Of the true closest, lookups of a kind may miss this part when they are made for the first time; and this part of the
 * lookups finds all of them. The 200 nodes share two processes: where the machine is busy with something else, a node
 * answers later than either kind waits for it (500 ms), which to who asks is a node that is gone. On a machine that is
 * not, none is missed. What was missed is found by the same lookup, made again.
 */
const MISSED = 0.02;
const PERFECT = 0.8;
const RANDOM_LOOKUP_MS = 5_000;
/** So many of ours do so at a time, in turn: they share one thread, and where that has no more to give, lookups wait, not answers. */
const WALKING = 5;
/** So many of ours are asked directly by as many of theirs, for so many targets each. */
const ASKED = 8;
const QUESTIONS = 3;
/** How long it may take a small network to find itself. */
const PATIENCE_MS = 75_000;
/** Between lookups of the same target. */
const RETRY_MS = 500;
/** The pace of go-ethereum's checks; with the usual one its nodes would tell of each other too late for a test. */
const PACE = { pingMs: 1_000 };

let go: GoDiscovery;
const own: OwnNode[] = [];
beforeEach(() => {
  go = new GoDiscovery();
});
afterEach(async () => {
  await Promise.all(own.splice(0).map((node) => node.close()));
  await go[Symbol.asyncDispose]();
});

async function ownNode(...options: Parameters<typeof OwnNode.start>): Promise<OwnNode> {
  const node = await OwnNode.start(...options);
  own.push(node);
  return node;
}

/** A node as the others in this file are named. */
const hexId = ({ id, udpPort }: KadNode) => ({ id: toBareHex(id), udpPort });

const idsOf = (nodes: readonly { readonly id: string }[]) => nodes.map(({ id }) => id);

/** Looks up a target until what is found is what there is. */
async function expectClosest(nodes: readonly DiscoveryNode[], node: DiscoveryNode, target: Uint8Array) {
  const others = idsOf(nodes).filter((id) => id !== node.id);
  const wanted = closestIds(target, others);
  const signal = AbortSignal.timeout(PATIENCE_MS);
  let found = idsOf(await node.lookup(target));
  while (!signal.aborted && found.join() !== wanted.join()) {
    await pause(RETRY_MS);
    found = idsOf(await node.lookup(target));
  }
  expect(found).toEqual(wanted);
}

/** How many places tables have for the others of these nodes. */
function placesOf(nodes: readonly DiscoveryNode[], all: readonly DiscoveryNode[]): number {
  const numbers = all.map(({ id }) => BigInt(`0x${id}`));
  let places = 0;
  for (const { id } of nodes) {
    const own = BigInt(`0x${id}`);
    const counts = new Map<number, number>();
    for (const other of numbers) {
      const distance = (own ^ other).toString(2).length;
      if (other !== own) counts.set(distance, (counts.get(distance) ?? 0) + 1);
    }
    for (const count of counts.values()) places += Math.min(BUCKET_SIZE, count);
  }
  return places;
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** Waits until the tables of both kinds are full, while ours look up something at random, as theirs do. */
async function untilFull(ours: readonly OwnNode[], theirs: readonly DiscoveryNode[]): Promise<void> {
  const all = [...ours, ...theirs];
  const places = { ours: placesOf(ours, all), theirs: placesOf(theirs, all) };
  const end = new AbortController();
  // Each of them waits for it.
  setMaxListeners(WALKING, end.signal);
  let turn = 0;
  const walks = Array.from({ length: WALKING }, async () => {
    while (!end.signal.aborted) {
      await ours[turn++ % ours.length]?.lookup(randomBytes(64));
      await pause(RANDOM_LOOKUP_MS / (ours.length / WALKING), undefined, { signal: end.signal }).catch(
        () => undefined,
      );
    }
  });
  const walking = Promise.all(walks);
  // Where the test fails meanwhile, the nodes are closed under them: the reason is what is to be told.
  walking.catch(() => undefined);
  const deadline = AbortSignal.timeout(FILLING_MS);
  for (;;) {
    const taken = {
      ours: sum(ours.map(({ table }) => table.stats().live)) / places.ours,
      theirs: sum((await go.tables()).map(({ live }) => live)) / places.theirs,
    };
    if (taken.ours >= FULL && taken.theirs >= FULL) break;
    if (deadline.aborted) throw new Error(`the tables are still not full: ${JSON.stringify(taken)}`);
    await pause(RETRY_MS);
  }
  end.abort();
  await Promise.all([walking, go.rest()]);
}

interface OneLookup {
  readonly node: DiscoveryNode;
  readonly target: Uint8Array;
  /** How many of the true closest it has missed. */
  readonly missed: number;
}

/** Lookups by these nodes, one after the other, each of another target and once. */
async function lookupsBy(
  nodes: readonly DiscoveryNode[],
  all: readonly DiscoveryNode[],
): Promise<OneLookup[]> {
  const lookups: OneLookup[] = [];
  for (const node of nodes) {
    const others = idsOf(all).filter((id) => id !== node.id);
    for (let i = 0; i < TARGETS; i++) {
      const target = randomBytes(64);
      const found = new Set(idsOf(await node.lookup(target)));
      const missed = closestIds(target, others).filter((id) => !found.has(id)).length;
      lookups.push({ node, target, missed });
    }
  }
  return lookups;
}

/** The live entries of a table of ours. */
const liveOf = ({ table }: OwnNode) =>
  table
    .entries()
    .filter(({ id }) => table.isLive(id))
    .map(({ id }) => toBareHex(id));

/**
 * One of theirs asks one of ours by a single FindNode. In a lookup the good answers of others hide a bad one: this one
 * has to be the closest of all that our table has live, whoever asks left out.
 */
async function expectClosestOfTable(asking: GoNode, asked: OwnNode): Promise<void> {
  const target = randomBytes(64);
  const record = await asked.enr();
  const wantedNow = () =>
    closestIds(
      target,
      liveOf(asked).filter((id) => id !== asking.id),
    );
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    const wanted = wantedNow();
    // Else the farthest would be the closest.
    expect(liveOf(asked).length).toBeGreaterThan(2 * BUCKET_SIZE);
    const answer = await asking.findNode(record, target);
    // Meanwhile another node may have come into the table, or gone.
    if (wantedNow().join() !== wanted.join() && !deadline.aborted) continue;
    expect(answer).toEqual(wanted);
    return;
  }
}

describe(`a network of ${SIZE} nodes of go-ethereum and ${SIZE} of peerlane`, () => {
  it(
    'is one network: lookups from either kind find the 16 that are closest of all, when made again at the latest, ours tell of the closest that they know, records go both ways',
    async () => {
      const bootnode = await ownNode();
      const bootnodes = [await bootnode.enr()];
      const theirs = await go.nodes(SIZE, { ...PACE, bootnodes, lookupMs: RANDOM_LOOKUP_MS });
      const ours = [bootnode];
      while (ours.length < SIZE) {
        const group: OwnNode[] = [];
        while (group.length < GROUP && ours.length + group.length < SIZE)
          group.push(await ownNode(bootnodes));
        await Promise.all(group.map((node) => node.lookup(randomBytes(64))));
        ours.push(...group);
      }
      await untilFull(ours, theirs);
      // One after the other: what two cores can do is little beside what the network does by itself.
      const all = [...ours, ...theirs];
      const lookups = {
        ours: await lookupsBy(ours.slice(-LOOKING), all),
        theirs: await lookupsBy(theirs.slice(-LOOKING), all),
      };
      for (const [kind, each] of Object.entries(lookups)) {
        const missed = each.map((lookup) => lookup.missed);
        console.log(`of the closest 16, lookups of ${kind} have missed: ${missed.join(' ')}`);
        expect(sum(missed)).toBeLessThanOrEqual(MISSED * BUCKET_SIZE * each.length);
        const inexact = each.filter(({ missed }) => missed > 0);
        expect(each.length - inexact.length).toBeGreaterThanOrEqual(PERFECT * each.length);
        for (const { node, target } of inexact) await expectClosest(all, node, target);
      }
      for (let i = 0; i < ASKED; i++) {
        const [their, our] = [theirs[i], ours[i]];
        if (their === undefined || our === undefined) throw new Error('there are fewer nodes than that');
        for (let j = 0; j < QUESTIONS; j++) await expectClosestOfTable(their, our);
      }
      for (let i = 1; i <= LOOKING; i++) {
        const [their, our] = [theirs.at(-i), ours.at(-i)];
        if (their === undefined || our === undefined) throw new Error('there are fewer nodes than that');
        expect(await our.requestRecord(await their.enr())).toBe(await their.enr());
        expect(await their.requestRecord(await our.enr())).toBe(await our.enr());
      }
    },
    2 * FILLING_MS,
  );
});

describe('a network of both kinds', () => {
  async function folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'peerlane-discover-'));
    onTestFinished(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  /** Whether the node finds all the others, without any bootnode that it could have been told of. */
  const findsAll = async (node: DiscoveryNode, others: readonly DiscoveryNode[]) => {
    await expectClosest([node, ...others], node, randomBytes(64));
  };

  it('takes back a node of go-ethereum and one of ours, which know the others from their databases', async () => {
    const bootnode = await ownNode();
    const bootnodes = [await bootnode.enr()];
    const pace = { pingMs: 50 };
    const stay: DiscoveryNode[] = [bootnode];
    stay.push(...(await go.nodes(4, { ...pace, bootnodes })));
    for (let i = 0; i < 3; i++) stay.push(await ownNode(bootnodes));

    const path = join(await folder(), 'nodes');
    let database = await NodeDatabase.open(path);
    // As a server writes it, and starts from it.
    let notes = new NodeNotes(database, systemEnv);
    const onEvent = (event: Discv4ServiceEvent) => notes.discovered(event);
    /** What is stored, from a database that is opened anew. */
    const reopened = async () => {
      await database.close();
      database = await NodeDatabase.open(path);
      notes = new NodeNotes(database, systemEnv);
      return seedsOf(database, AbortSignal.timeout(PATIENCE_MS));
    };
    /** Where a node is, as it says itself. */
    const portOf = async (node: DiscoveryNode) => parseRecord(await node.enr()).get('udp');
    const key = generateSecretKey(systemEnv);
    const ourFirst = await ownNode(bootnodes, { key, onEvent });
    const identity = { ...pace, key: toBareHex(randomBytes(32)), db: join(await folder(), 'nodes') };
    const theirFirst = await go.node({ ...identity, bootnodes });
    await findsAll(ourFirst, [...stay, theirFirst]);
    await findsAll(theirFirst, [...stay, ourFirst]);
    // go-ethereum writes down nodes that have passed more than five checks.
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    while (!(await theirFirst.table()).some(({ checks }) => checks > 6)) deadline.throwIfAborted();

    await ourFirst.close();
    let seeds = await reopened();
    expect(idsOf(seeds.map(hexId)).sort()).toEqual(idsOf([...stay, theirFirst]).sort());
    const ourSecond = await ownNode([], { key, seeds, onEvent });
    await findsAll(ourSecond, [...stay, theirFirst]);
    await findsAll(theirFirst, [...stay, ourSecond]);

    await theirFirst.close();
    const theirSecond = await go.node(identity);
    await findsAll(theirSecond, [...stay, ourSecond]);
    await findsAll(ourSecond, [...stay, theirSecond]);
    for (const node of stay)
      await findsAll(node, [...stay.filter((n) => n !== node), ourSecond, theirSecond]);
    expect(await ourSecond.requestRecord(await theirSecond.enr())).toBe(await theirSecond.enr());
    expect(await theirSecond.requestRecord(await ourSecond.enr())).toBe(await ourSecond.enr());
    // While others still name the place where it was, a Ping to that fails now and then.
    const failures = async () => {
      await ourSecond.ping(await theirSecond.enr());
      return (await database.get(Buffer.from(theirSecond.id, 'hex')))?.failures;
    };
    const patience = AbortSignal.timeout(PATIENCE_MS);
    while ((await failures()) !== 0) patience.throwIfAborted();

    // That one of theirs has gone and come back has taken nobody from our database, and it is there where it now is.
    await ourSecond.close();
    seeds = await reopened();
    expect(idsOf(seeds.map(hexId)).sort()).toEqual(idsOf([...stay, theirSecond]).sort());
    const back = seeds.map(hexId).find(({ id }) => id === theirSecond.id);
    expect(back?.udpPort).toBe(await portOf(theirSecond));
    const ourThird = await ownNode([], { key, seeds, onEvent });
    await findsAll(ourThird, [...stay, theirSecond]);
    await ourThird.close();
    await database.close();
  }, 120_000);
});
