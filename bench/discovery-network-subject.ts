/**
 * Many discovery nodes of ours in one process, of v4 or with `--v5` of v5. Takes orders as JSON lines on stdin, and ends when stdin does. It takes
 * those of `devp2p-peer discover` and `discover5` that a benchmark needs; see test/interop/go.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { fromHex, toBareHex } from '../src/base/bytes.ts';
import { systemEnv } from '../src/base/env.ts';
import { generateSecretKey } from '../src/crypto/index.ts';
import { formatEnode, nodeIdOf } from '../src/enr/index.ts';
import type { KadNode } from '../src/kad/index.ts';
import { Discv4Service } from '../src/server/discv4-service.ts';
import { Discv5Service } from '../src/server/discv5-service.ts';
import { returnMemory } from './return-memory.ts';

/** Nobody waits for a benchmark that takes longer. */
const MAX_LIFE_MS = 600_000;
const KINDS = ['ping', 'pong', 'findNode', 'neighbors', 'enrRequest', 'enrResponse'] as const;

interface Order {
  readonly ref: number;
  readonly cmd: string;
  readonly args: {
    readonly count?: number;
    readonly bootnodes?: readonly string[];
    readonly lookupMs?: number;
    readonly node?: number;
    readonly target?: string;
    readonly gc?: boolean;
  };
}

const { values } = parseArgs({ options: { v5: { type: 'boolean', default: false } } });
type Service = Discv4Service | Discv5Service;
/** What is looked up: a public key or a node id. */
const TARGET_LENGTH = values.v5 ? 32 : 64;

const services: Service[] = [];
const walks: { readonly timer: NodeJS.Timeout; last: Promise<unknown> }[] = [];

/** Like a ticker of Go: what comes too often while a lookup is under way is left out. */
function walk(service: Service, intervalMs: number): void {
  let isBusy = false;
  const lookup = async () => {
    if (isBusy) return;
    isBusy = true;
    await service.findClosest(systemEnv.randomBytes(TARGET_LENGTH));
    isBusy = false;
  };
  const begun = {
    timer: setInterval(() => {
      begun.last = lookup();
    }, intervalMs),
    last: Promise.resolve(),
  };
  walks.push(begun);
}

async function start({ count = 1, bootnodes = [], lookupMs = 0 }: Order['args']) {
  const nodes: object[] = [];
  for (let i = 0; i < count; i++) {
    const key = generateSecretKey(systemEnv);
    const options = { key, listen: { host: '127.0.0.1', port: 0 }, bootnodes };
    const service = values.v5 ? new Discv5Service(options) : new Discv4Service(options);
    await service.start();
    nodes.push(describe(service, services.push(service) - 1));
    if (lookupMs > 0) walk(service, lookupMs);
  }
  return { nodes };
}

function describe(service: Service, index: number): object {
  const { publicKey, port } = service;
  const enode = formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 0, udpPort: port });
  return { index, id: toBareHex(nodeIdOf(publicKey)), enode, seq: 0, enr: service.record.toString() };
}

const found = ({ id, publicKey, ip, tcpPort, udpPort }: KadNode) => ({
  id: toBareHex(id),
  enode: formatEnode({ publicKey, host: ip, tcpPort, udpPort }),
});

function counts() {
  const sent: Record<string, { packets: number }> = { other: { packets: 0 } };
  for (const kind of KINDS) {
    const sentBy = (service: Service) =>
      service instanceof Discv4Service ? service.stats().sentOf[kind] : 0;
    sent[kind] = { packets: services.reduce((sum, service) => sum + sentBy(service), 0) };
  }
  // What arrives is not told by kind.
  return { sent, received: {} };
}

function traffic() {
  const sum = (field: 'sent' | 'sentBytes') =>
    services.reduce((all, service) => {
      const { [field]: sent } = service.stats() as { readonly sent: number; readonly sentBytes: number };
      return all + sent;
    }, 0);
  return { traffic: { packets: sum('sent'), bytes: sum('sentBytes') } };
}

async function handle({ cmd, args: { node = 0, target = '', gc = false, ...args } }: Order): Promise<object> {
  switch (cmd) {
    case 'start':
      return await start(args);
    case 'nodes':
      return { nodes: services.map(describe) };
    case 'tables':
      return { tables: services.map(({ table }, index) => ({ index, ...table.stats() })) };
    case 'lookup': {
      const service = services[node];
      if (service === undefined) break;
      return { nodes: (await service.findClosest(fromHex(target))).map(found) };
    }
    case 'rest':
      for (const { timer } of walks) clearInterval(timer);
      await Promise.all(walks.map(({ last }) => last));
      return {};
    case 'counts':
      return counts();
    case 'traffic':
      return traffic();
    case 'usage': {
      if (gc) await returnMemory();
      const { user, system } = process.cpuUsage();
      return { cpuSeconds: (user + system) / 1e6 };
    }
  }
  throw new Error(`unknown order ${cmd}`);
}

const reply = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
setTimeout(() => process.exit(3), MAX_LIFE_MS).unref();
createInterface(process.stdin)
  .on('line', (line) => {
    const order = JSON.parse(line) as Order;
    handle(order).then(
      (answer) => reply({ ref: order.ref, event: 'done', ...answer }),
      (error: unknown) => reply({ ref: order.ref, event: 'failed', error: String(error) }),
    );
  })
  .on('close', () => process.exit(0));
reply({ event: 'ready' });
