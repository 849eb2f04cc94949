/** The addon in worker threads: at once, ended in the midst of their work, again and again. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';

const file = process.env.PEERLANE_ADDON ?? join(import.meta.dirname, '../../build/Release/peerlane.node');

/**
 * A script with a function `work(addon, seed)`: handshakes, and batches of 20 connections both ways, one of which
 * fails. Gives a digest of all results.
 */
const SCRIPT = `
function work(addon, seed) {
  const key = (n) => new Uint8Array(32).fill(1 + ((n + seed) % 250));
  const results = [];
  const keep = (bytes) => results.push(bytes.slice());
  const half = addon.scratch.length / 2;
  const give = (...parts) => addon.scratch.set(Buffer.concat(parts), half);
  const publicKey = (n) => (give(key(n)), addon.publicKeyOfScratch(), addon.scratch.slice(0, 64));
  for (let n = 0; n < 5; n++) {
    give(key(n), key(n + 1));
    addon.signOfScratch();
    give(key(n), addon.scratch.slice(0, 65));
    if (!addon.recoverOfScratch()) throw new Error('recover');
    keep(addon.scratch.subarray(0, 64));
    give(key(n), publicKey(n + 7));
    addon.ecdhOfScratch();
    keep(addon.scratch.subarray(0, 32));
    give(key(n), publicKey(n + 7));
    addon.sharedPointOfScratch();
    keep(addon.scratch.subarray(0, 33));
    const packet = new Uint8Array(113 + 200), plain = new Uint8Array(200);
    addon.eciesEncrypt(publicKey(n), key(n + 3), key(n).slice(16), plain.fill(n), key(n), packet);
    if (!addon.eciesDecrypt(key(n), packet, key(n), plain)) throw new Error('decrypt');
    keep(packet);
  }
  const count = 20;
  const session = (i, a, b) => {
    const slot = addon.createSession(key(i), key(i + 1), key(a), key(b));
    addon.configureSession(slot, i % 2 === 0, 0xffffff);
    return slot;
  };
  const senders = Uint32Array.from({ length: count }, (_, i) => session(i, i, i + 9));
  const receivers = Uint32Array.from({ length: count }, (_, i) => session(i, i + 9, i));
  const ends = new Uint32Array(2 * count), out = new Uint8Array(count * 1500);
  for (let round = 0; round < 5; round++) {
    const payloads = Array.from({ length: count }, (_, i) => new Uint8Array(50 * i + round).fill(i));
    addon.encodeMany(senders, new Uint32Array(count).fill(round), payloads, out, ends, new Uint8Array(0), new Uint32Array(0));
    const inputs = payloads.map((_, i) => out.slice(i === 0 ? 0 : ends[2 * i - 1], ends[2 * i + 1]));
    inputs[3][20] ^= 1;
    const lanes = new Uint32Array(4 * count), table = new Uint32Array(6 * count), room = new Uint8Array(30000);
    const messages = addon.decodeMany(receivers, inputs, room, 65536, lanes, table, [], new Uint32Array(0));
    if (messages !== count - 1) throw new Error(messages + ' messages');
    keep(new Uint8Array(lanes.buffer));
    keep(room);
  }
  // Nobody may be there any more when it is done.
  for (let n = 1; n < 4; n++) addon.envelopesBeside(new Uint8Array(2000 * n), new Uint32Array(20 * n).fill(100), 10 * n, key(n));
  for (const slots of [senders, receivers]) {
    for (const slot of slots) addon.freeSession(slot);
  }
  addon.keccak256(results);
  return Buffer.from(addon.scratch.slice(0, 32)).toString('hex');
}`;

const IN_WORKER = `
${SCRIPT}
const { parentPort, workerData } = require('node:worker_threads');
const addon = require(${JSON.stringify(file)});
parentPort.postMessage(work(addon, workerData.seed));
while (workerData.endless) work(addon, workerData.seed);`;

function start(seed: number, endless: boolean) {
  const worker = new Worker(IN_WORKER, { eval: true, workerData: { seed, endless } });
  const digest = new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const exited = new Promise<number>((resolve) => worker.once('exit', resolve));
  return { worker, digest, exited };
}

describe.runIf(existsSync(file))('the addon in worker threads (where it was built)', () => {
  const addon: unknown = createRequire(import.meta.url)(file);
  const work = new Function(`${SCRIPT}; return work;`)() as (addon: unknown, seed: number) => string;

  it('works in eight at once as it does here', async () => {
    const seeds = Array.from({ length: 8 }, (_, i) => 5 * i);
    const workers = seeds.map((seed) => start(seed, false));
    const here = seeds.map((seed) => work(addon, seed));
    expect(new Set(here).size).toBe(seeds.length);
    expect(await Promise.all(workers.map(({ digest }) => digest))).toEqual(here);
    expect(await Promise.all(workers.map(({ exited }) => exited))).toEqual(seeds.map(() => 0));
  });

  it('may be ended in the midst of a batch, and the others go on', async () => {
    const workers = Array.from({ length: 4 }, (_, seed) => start(seed, true));
    await Promise.all(workers.map(({ digest }) => digest));
    const [last, ...others] = workers;
    expect(await Promise.all(others.map(({ worker }) => worker.terminate()))).toEqual([1, 1, 1]);
    expect(work(addon, 3)).toBe(await start(3, false).digest);
    expect(await last?.worker.terminate()).toBe(1);
  });

  // In a process where no other thread has the addon, its library is unloaded with each worker.
  it('can be loaded and unloaded many times in one process, whose memory does not grow', () => {
    const rounds = 60;
    const code = `
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      (async () => {
        const memory = [], digests = new Set();
        for (let i = 0; i < ${rounds}; i++) {
          const worker = new Worker(${JSON.stringify(IN_WORKER)}, { eval: true, workerData: { seed: 1, endless: i % 2 === 0 } });
          const exited = once(worker, 'exit');
          digests.add((await once(worker, 'message'))[0]);
          await worker.terminate();
          await exited;
          gc();
          memory.push(process.memoryUsage().rss / 2 ** 20);
        }
        console.log(JSON.stringify({ memory, digests: [...digests] }));
      })();`;
    const child = spawnSync(process.execPath, ['--expose-gc', '-e', code], {
      encoding: 'utf8',
      // AddressSanitizer keeps what was freed, by default 256 MB of it.
      env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0:quarantine_size_mb=1' },
    });
    expect([child.status, child.signal, child.stderr]).toEqual([0, null, '']);
    const { memory, digests } = JSON.parse(child.stdout) as { memory: number[]; digests: string[] };
    expect(digests).toEqual([work(addon, 1)]);
    const half = Math.max(...memory.slice(0, rounds / 2));
    expect(memory.at(-1), memory.map((mebibytes) => mebibytes.toFixed(0)).join(' ')).toBeLessThan(half + 15);
  });
});
