/** A network of whole nodes, go-ethereum's and ours, that forms by itself from one bootnode and heals. */
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { parseRecord } from '../../src/enr/index.ts';
import type { Protocol } from '../../src/p2p/index.ts';
import { Discv4Service, Discv5Service, Server, SharedUdp } from '../../src/server/index.ts';
import { JsonProgram } from './json-program.ts';
import { toolPath } from './tools.ts';

const MAX_PEERS = 12;
/** Of these, as many as a node dials: a third, with both. */
const DIALED = 4;
/** That join each of the processes that are left. */
const NEWCOMERS = 5;
const FORMING_MS = 90_000;
/** A node that both kinds have dialed is not dialed again for half a minute, and most of those they know are dead. */
const HEALING_MS = 120_000;
const LOOK_MS = 1_000;

const silent: Protocol = {
  ...{ name: 'echo', version: 1, length: 16 },
  handler: async (channel) => {
    for await (const _ of channel);
  },
};

/** A node and the 64-byte public keys, in hexadecimal, of those that it is connected to. */
interface Node {
  readonly id: string;
  readonly dialed: readonly string[];
  readonly inbound: readonly string[];
  /** Of ours: its record. */
  readonly enr?: string;
  /** Of ours: what it says itself of how many it has. */
  readonly why?: string;
}

/** Of discovery: one alone, or both on one socket. */
type Version = 'v4' | 'v5' | 'both';

type Program = JsonProgram<{ readonly event: 'ready' }, { readonly nodes?: readonly Node[] }>;

/** And whether they are of ours. */
const programs = new Map<Program, boolean>();
let bootnode: { close(): Promise<void>; readonly enr: string };
beforeEach(async () => {
  const key = generateSecretKey(systemEnv);
  const listen = new SharedUdp({ host: '127.0.0.1', port: 0 });
  const services = [new Discv4Service({ key, listen }), new Discv5Service({ key, listen })] as const;
  for (const service of services) await service.start();
  const close = async () => void (await Promise.all(services.map((service) => service.close())));
  bootnode = { close, enr: services[1].record.toString() };
});
afterEach(async () => {
  await Promise.all([...programs.keys()].map((program) => program[Symbol.asyncDispose]()));
  programs.clear();
  await bootnode.close();
});

/** Every node has an address, and every process's are of five networks (/24). */
const addresses = (process: number, size: number) =>
  Array.from({ length: size }, (_, i) => `127.${process}.${i % 5}.${1 + i}`);

/** A process that is ready to start nodes. */
async function program(isOurs: boolean): Promise<Program> {
  const own = fileURLToPath(new URL('./network-nodes.js', import.meta.url));
  const program: Program = isOurs
    ? new JsonProgram(process.execPath, [own])
    : new JsonProgram(toolPath('devp2p-peer'), ['network']);
  programs.set(program, isOurs);
  await program.next('ready', ({ event }) => event === 'ready');
  return program;
}

/** Starts nodes in all processes at a time, which know one other; those that are there first would else be enough for each other. */
async function startNodes(version: Version, size: number, known = bootnode.enr, first = 1): Promise<void> {
  await Promise.all(
    [...programs.keys()].map((program, i) => {
      const args = { ips: addresses(first + i, size), bootnode: known, maxPeers: MAX_PEERS, version };
      return program.command({ cmd: 'start', args });
    }),
  );
}

async function nodesOf(program: Program): Promise<readonly Node[]> {
  return (await program.command({ cmd: 'peers' })).nodes ?? [];
}

/** Of all nodes, none of which is beyond its limits. */
async function look(): Promise<readonly Node[]> {
  const all: Node[] = [];
  for (const [program, isOurs] of programs) {
    const nodes = await nodesOf(program);
    // go-ethereum begins twice as many dials as it has slots for, and keeps what comes of them.
    const most = isOurs ? DIALED : MAX_PEERS;
    const beyond = nodes
      .map(({ dialed, inbound }) => ({ dialed: dialed.length, inbound: inbound.length }))
      .filter(({ dialed, inbound }) => dialed > most || dialed + inbound > MAX_PEERS);
    expect(beyond, isOurs ? 'ours' : "go-ethereum's").toEqual([]);
    all.push(...nodes);
  }
  return all;
}

/** Those that could dial one more and have not, or have not noticed yet that a peer is gone. */
function wanting(all: readonly Node[]): readonly Node[] {
  const alive = new Set(all.map(({ id }) => id));
  return all.filter(({ dialed, inbound }) => {
    const peers = [...dialed, ...inbound];
    return (dialed.length < DIALED && peers.length < MAX_PEERS) || peers.some((id) => !alive.has(id));
  });
}

/** Some of all nodes, as text for whoever reads why the network did not form. */
function told(some: readonly Node[], all: readonly Node[]): string {
  const byId = new Map(all.map((node) => [node.id, node]));
  const lines = some.map((node) => {
    const { id, dialed, inbound, why = "go-ethereum's" } = node;
    const peers = new Set([...dialed, ...inbound]);
    const gone = [...peers].filter((other) => !byId.has(other)).length;
    // Whom it could dial yet, if it had found them.
    const withRoom = all.filter((other) => {
      const isStranger = other.id !== id && !peers.has(other.id);
      return (
        isStranger &&
        other.dialed.length + other.inbound.length < MAX_PEERS &&
        other.inbound.length < MAX_PEERS - DIALED
      );
    }).length;
    return `${id.slice(0, 8)} dialed ${dialed.length}, inbound ${inbound.length}, of these gone ${gone}; ${withRoom} others have room; ${why}`;
  });
  return lines.join('\n');
}

/** How many nodes can be reached from the first along connections. */
function reached(all: readonly Node[]): number {
  const byId = new Map(all.map((node) => [node.id, node]));
  const seen = new Set<string>();
  const open = all.slice(0, 1);
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (seen.has(node.id)) continue;
    seen.add(node.id);
    for (const id of [...node.dialed, ...node.inbound]) {
      const next = byId.get(id);
      if (next !== undefined) open.push(next);
    }
  }
  return seen.size;
}

/** Waits until no node has a slot for one more that it would dial; nobody is over a limit meanwhile. */
async function untilSettled(limitMs: number): Promise<readonly Node[]> {
  const deadline = AbortSignal.timeout(limitMs);
  for (;;) {
    const all = await look();
    if (wanting(all).length === 0) return all;
    if (deadline.aborted) throw new Error(`of ${all.length} nodes still wanting: ${told(wanting(all), all)}`);
    await pause(LOOK_MS);
  }
}

/** Nodes in a process; there are two processes of each kind, and one of each is killed. */
describe.each<[Version, number]>([
  ['v4', 25],
  ['v5', 10],
  ['both', 10],
])('a network with discovery %s, of two processes of each kind', (version, size) => {
  it(
    `of ${size} servers each find one another from one bootnode, go on when half of them is killed, and take in newcomers`,
    async () => {
      const kinds = await Promise.all([program(true), program(true), program(false), program(false)]);
      await startNodes(version, size);
      const formed = await untilSettled(FORMING_MS);
      expect(formed).toHaveLength(4 * size);
      expect(reached(formed)).toBe(formed.length);

      // Without a goodbye; and where all of them began there is nobody any more.
      await bootnode.close();
      for (const program of [kinds[1], kinds[3]]) {
        programs.delete(program);
        process.kill(program.pid, 'SIGKILL');
      }
      const healed = await untilSettled(HEALING_MS);
      expect(healed).toHaveLength(2 * size);
      expect(reached(healed)).toBe(healed.length);

      // The two kinds are one network, of which neither keeps to itself. One of them may have been there so much
      // earlier that it had dialed all that it dials; not so where a network is there already.
      const [known] = await nodesOf(kinds[0]);
      await startNodes(version, NEWCOMERS, known?.enr, 2 * programs.size + 1);
      const joined = await untilSettled(FORMING_MS);
      expect(joined).toHaveLength(2 * (size + NEWCOMERS));
      expect(reached(joined)).toBe(joined.length);
      const ours = new Set((await nodesOf(kinds[0])).map(({ id }) => id));
      const theirs = joined.filter(({ id }) => !ours.has(id));
      expect(theirs.flatMap(({ dialed }) => dialed).some((id) => ours.has(id))).toBe(true);
      expect(theirs.flatMap(({ inbound }) => inbound).some((id) => ours.has(id))).toBe(true);
    },
    2 * FORMING_MS + HEALING_MS + 20_000,
  );
});

it(
  'a server with discovery v5 alone is found again when it has moved, and finds the others',
  async () => {
    await Promise.all([program(true), program(false)]);
    await startNodes('v5', 5);
    const key = generateSecretKey(systemEnv);
    const startedAt = async (host: string, ownKey = key) => {
      const server = new Server({
        ...{ key: ownKey, listen: { host, port: 0 }, bootnodes: [bootnode.enr], protocols: [silent] },
        ...{ maxPeers: MAX_PEERS, netRestrict: ['127.0.0.0/8'], discovery: { v4: false, v5: true } },
      });
      await server.start();
      return server;
    };
    await using watcher = await startedAt('127.0.0.1', generateSecretKey(systemEnv));
    const found = async (id: Uint8Array) => (await watcher.discovery?.v5?.resolve(id))?.toString();
    let id: Uint8Array;
    let before: string;
    {
      await using server = await startedAt('127.9.1.1');
      before = server.enr;
      id = parseRecord(before).nodeId;
      await expect.poll(() => server.peers.length, { timeout: FORMING_MS }).toBeGreaterThan(3);
      await expect.poll(() => found(id), { timeout: FORMING_MS }).toBe(before);
    }
    await using moved = await startedAt('127.9.2.2');
    expect(parseRecord(moved.enr).seq).toBeGreaterThan(parseRecord(before).seq);
    await expect.poll(() => found(id), { timeout: HEALING_MS }).toBe(moved.enr);
    await expect.poll(() => moved.peers.length, { timeout: HEALING_MS }).toBeGreaterThan(3);
  },
  FORMING_MS + HEALING_MS,
);
