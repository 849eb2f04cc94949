/** Large networks on loopback in which go-ethereum's nodes and ours are mixed, and nodes that come back. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { parseRecord } from '../../src/enr/index.ts';
import type { KadNode } from '../../src/kad/index.ts';
import type { Discv4ServiceEvent } from '../../src/server/discv4-options.ts';
import { NodeDatabase } from '../../src/server/node-db/index.ts';
import { NodeNotes } from '../../src/server/node-notes.ts';
import { seedsOf } from '../../src/server/node-sources.ts';
import { closestIds, type DiscoveryNode, GoDiscovery, OwnNode } from './discover-harness.ts';

/** Nodes of each kind. */
const SIZE = 100;
/** So many of ours begin at a time: they share one thread with all the others. */
const GROUP = 10;
/** Of each kind, so many look up so many targets. */
const LOOKING = 6;
const TARGETS = 2;
/** How long it may take until a lookup finds whom it should: the network is still finding itself. */
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

describe(`a network of ${SIZE} nodes of go-ethereum and ${SIZE} of peerlane`, () => {
  it(
    'is one network: lookups from either kind find the 16 that are closest of all, records go both ways',
    async () => {
      const bootnode = await ownNode();
      const bootnodes = [await bootnode.enr()];
      const theirs = await go.nodes(SIZE, { ...PACE, bootnodes });
      const ours = [bootnode];
      while (ours.length < SIZE) {
        const group: OwnNode[] = [];
        while (group.length < GROUP && ours.length + group.length < SIZE)
          group.push(await ownNode(bootnodes));
        await Promise.all(group.map((node) => node.lookup(randomBytes(64))));
        ours.push(...group);
      }
      const nodes: DiscoveryNode[] = [...theirs, ...ours];
      // One after the other: what two cores can do is little beside what the network does by itself.
      for (const group of [ours, theirs]) {
        for (const node of group.slice(-LOOKING)) {
          for (let i = 0; i < TARGETS; i++) await expectClosest(nodes, node, randomBytes(64));
        }
      }
      for (let i = 1; i <= LOOKING; i++) {
        const [their, our] = [theirs.at(-i), ours.at(-i)];
        if (their === undefined || our === undefined) throw new Error('there are fewer nodes than that');
        expect(await our.requestRecord(await their.enr())).toBe(await their.enr());
        expect(await their.requestRecord(await our.enr())).toBe(await our.enr());
      }
    },
    2 * PATIENCE_MS,
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
    expect(await database.get(Buffer.from(theirSecond.id, 'hex'))).toMatchObject({ failures: 0 });

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
