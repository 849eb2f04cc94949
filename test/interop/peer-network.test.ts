/** A network of whole nodes, go-ethereum's and ours, that forms by itself from one bootnode and heals. */
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatEnode } from '../../src/enr/index.ts';
import { Discv4Service } from '../../src/server/index.ts';
import { JsonProgram } from './json-program.ts';
import { toolPath } from './tools.ts';

/** Nodes in a process; there are two processes of each kind, and one of each is killed. */
const SIZE = 25;
const MAX_PEERS = 12;
/** Of these, as many as a node dials: a third, with both. */
const DIALED = 4;
const FORMING_MS = 90_000;
/** A node that both kinds have dialed is not dialed again for half a minute, and most of those they know are dead. */
const HEALING_MS = 90_000;
const LOOK_MS = 1_000;

/** A node and the 64-byte public keys, in hexadecimal, of those that it is connected to. */
interface Node {
  readonly id: string;
  readonly dialed: readonly string[];
  readonly inbound: readonly string[];
}

type Program = JsonProgram<{ readonly event: 'ready' }, { readonly nodes?: readonly Node[] }>;

/** And whether they are of ours. */
const programs = new Map<Program, boolean>();
let bootnode: Discv4Service;
beforeEach(async () => {
  const key = generateSecretKey(systemEnv);
  bootnode = new Discv4Service({ key, listen: { host: '127.0.0.1', port: 0 } });
  await bootnode.start();
});
afterEach(async () => {
  await Promise.all([...programs.keys()].map((program) => program[Symbol.asyncDispose]()));
  programs.clear();
  await bootnode.close();
});

/** Every node has an address, and every process's are of five networks (/24). */
const addresses = (process: number) =>
  Array.from({ length: SIZE }, (_, i) => `127.${process}.${i % 5}.${1 + i}`);

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

/** Starts all nodes, in all processes at a time: those that are there first would else be enough for each other. */
async function startNodes(): Promise<void> {
  const { publicKey, port: udpPort } = bootnode;
  const url = formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 0, udpPort });
  await Promise.all(
    [...programs.keys()].map((program, i) =>
      program.command({ cmd: 'start', args: { ips: addresses(i + 1), bootnode: url, maxPeers: MAX_PEERS } }),
    ),
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
    if (deadline.aborted) throw new Error(`still wanting: ${JSON.stringify(wanting(all))}`);
    await pause(LOOK_MS);
  }
}

it(
  '50 servers of each kind find each other from one bootnode, and go on when half of them is killed',
  async () => {
    const kinds = await Promise.all([program(true), program(true), program(false), program(false)]);
    await startNodes();
    const formed = await untilSettled(FORMING_MS);
    expect(formed).toHaveLength(4 * SIZE);
    expect(reached(formed)).toBe(formed.length);

    // The two kinds are one network, of which neither keeps to itself.
    const ours = new Set([...(await nodesOf(kinds[0])), ...(await nodesOf(kinds[1]))].map(({ id }) => id));
    const theirs = formed.filter(({ id }) => !ours.has(id));
    expect(theirs.flatMap(({ dialed }) => dialed).some((id) => ours.has(id))).toBe(true);
    expect(theirs.flatMap(({ inbound }) => inbound).some((id) => ours.has(id))).toBe(true);

    // Without a goodbye; and where all of them began there is nobody any more.
    await bootnode.close();
    for (const program of [kinds[1], kinds[3]]) {
      programs.delete(program);
      process.kill(program.pid, 'SIGKILL');
    }
    const healed = await untilSettled(HEALING_MS);
    expect(healed).toHaveLength(2 * SIZE);
    expect(reached(healed)).toBe(healed.length);
  },
  FORMING_MS + HEALING_MS + 20_000,
);
