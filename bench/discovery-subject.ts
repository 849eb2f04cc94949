/**
 * The process under test when discovery is compared: one node of discovery v4 as a program has it. Takes orders as JSON
 * lines on stdin, and ends when stdin does. Its counterpart on go-ethereum's packages is bench/peers/discover.go.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { toBareHex } from '../src/base/bytes.ts';
import { systemEnv } from '../src/base/env.ts';
import { generateSecretKey } from '../src/crypto/index.ts';
import { Discv4Service } from '../src/server/index.ts';
import { returnMemory } from './return-memory.ts';

/** Nobody waits for a benchmark that takes longer. */
const MAX_LIFE_MS = 300_000;
/**
 * go-ethereum limits nobody, and the load of this benchmark comes from one address. What strangers may cost stays as it
 * is: it is what the flood is about.
 */
const UNLIMITED = { perSecond: 1e6, burst: 1e6 };
/** CPU time of the thread that JavaScript runs in, the first of the process, in nanoseconds. */
const THREAD = `/proc/self/task/${process.pid}/schedstat`;

const service = new Discv4Service({
  key: generateSecretKey(systemEnv),
  listen: { host: '127.0.0.1', port: 0 },
  limits: { known: UNLIMITED, knownLocalIp: UNLIMITED },
});

/** Seconds of CPU time, of all threads, and where the system tells it, of the one of JavaScript. */
function cpu() {
  const { user, system } = process.cpuUsage();
  const thread = existsSync(THREAD) ? Number(readFileSync(THREAD, 'utf8').split(' ')[0]) / 1e9 : undefined;
  return { seconds: (user + system) / 1e6, thread };
}

async function handle(cmd: string): Promise<object> {
  switch (cmd) {
    case 'cpu':
      return cpu();
    case 'gc':
      await returnMemory();
      return {};
    case 'stats':
      return service.stats();
  }
  throw new Error(`unknown order ${cmd}`);
}

const reply = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

await service.start();
setTimeout(() => process.exit(3), MAX_LIFE_MS).unref();
createInterface(process.stdin)
  .on('line', (line) => {
    const { ref, cmd } = JSON.parse(line) as { readonly ref: number; readonly cmd: string };
    handle(cmd).then(
      (answer) => reply({ ref, ...answer }),
      (error: unknown) => reply({ ref, error: String(error) }),
    );
  })
  .on('close', () => process.exit(0));
reply({ ready: true, port: service.port, id: toBareHex(service.publicKey) });
