/** What a discovery node under test does when it is told to; orders are JSON lines on stdin, and it ends when stdin does. */
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { toBareHex } from '../src/base/bytes.ts';
import { returnMemory } from './return-memory.ts';

/** Nobody waits for a benchmark that takes longer. */
const MAX_LIFE_MS = 300_000;
/** CPU time of the thread that JavaScript runs in, the first of the process, in nanoseconds. */
const THREAD = `/proc/self/task/${process.pid}/schedstat`;

export const UNLIMITED = { perSecond: 1e6, burst: 1e6 };
/** The limits of discovery v5 that bound a load from this machine: of those who have sessions, and of strangers. */
export const V5_KNOWN_UNLIMITED = { known: UNLIMITED, knownLocalIp: UNLIMITED, allKnown: UNLIMITED };
export const V5_STRANGERS_UNLIMITED = {
  ...{ ip: UNLIMITED, subnet: UNLIMITED, strangers: UNLIMITED, handshakeMs: UNLIMITED },
};

export interface NodeOrder {
  readonly ref: number;
  readonly cmd: string;
  /** Of nodes to be pinged, and how many at a time. */
  readonly records?: readonly string[];
  readonly parallel?: number;
}

/** A service of either version. */
export interface NodeService {
  readonly publicKey: Uint8Array;
  readonly port: number;
  start(): Promise<void>;
  stats(): object;
  ping(node: string): Promise<unknown>;
}

/** Seconds of CPU time, of all threads, and where the system tells it, of the one of JavaScript. */
function cpu() {
  const { user, system } = process.cpuUsage();
  const thread = existsSync(THREAD) ? Number(readFileSync(THREAD, 'utf8').split(' ')[0]) / 1e9 : undefined;
  return { seconds: (user + system) / 1e6, thread };
}

async function pingAll(service: NodeService, { records = [], parallel = 1 }: NodeOrder): Promise<object> {
  const waiting = [...records];
  let answered = 0;
  const work = async () => {
    for (let record = waiting.pop(); record !== undefined; record = waiting.pop()) {
      try {
        await service.ping(record);
        answered++;
      } catch {
        // It is one that was not answered.
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return { answered };
}

async function handle(service: NodeService, order: NodeOrder): Promise<object> {
  switch (order.cmd) {
    case 'cpu':
      return cpu();
    case 'gc':
      await returnMemory();
      return {};
    case 'stats':
      return service.stats();
    case 'ping':
      return await pingAll(service, order);
  }
  throw new Error(`unknown order ${order.cmd}`);
}

const reply = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Starts the service, and takes orders until there is nobody to give any. */
export async function takeOrders(service: NodeService): Promise<void> {
  await service.start();
  setTimeout(() => process.exit(3), MAX_LIFE_MS).unref();
  createInterface(process.stdin)
    .on('line', (line) => {
      const order = JSON.parse(line) as NodeOrder;
      const { ref } = order;
      handle(service, order).then(
        (answer) => reply({ ref, ...answer }),
        (error: unknown) => reply({ ref, error: String(error) }),
      );
    })
    .on('close', () => process.exit(0));
  reply({ ready: true, port: service.port, id: toBareHex(service.publicKey) });
}
