/** The jobs of bench/worker-pool.ts, for its own thread and, when it is started as a worker, for that one. */
import { parentPort, workerData } from 'node:worker_threads';
import { ByteQueue } from '../src/base/bytes.ts';
import { systemEnv } from '../src/base/env.ts';
import { accept, encodeMessages, freshRandomness, identityOf, RlpxSession } from '../src/rlpx/index.ts';

export type JobKind = 'handshake' | 'frames';
export type Job = { readonly kind: 'handshake'; readonly auth: Uint8Array } | { readonly kind: 'frames' };

const LANES = 8;
const MESSAGE_LENGTH = 128 * 1024;

function newSession(): RlpxSession {
  const random = (length: number) => systemEnv.randomBytes(length);
  const session = new RlpxSession({
    aesSecret: random(32),
    macSecret: random(32),
    egressSeed: random(300),
    ingressSeed: random(300),
  });
  session.open(true);
  return session;
}

/** Does a job, and gives what the other thread would need of it. */
export function jobs(secretKey: Uint8Array): (job: Job) => unknown {
  const identity = identityOf(secretKey);
  const messages = Array.from({ length: LANES }, () => {
    return { session: newSession(), code: 0x10, payload: systemEnv.randomBytes(MESSAGE_LENGTH) };
  });
  const slab = new Uint8Array(2 * LANES * MESSAGE_LENGTH);
  return (job) => {
    if (job.kind === 'frames') {
      // Their memory would be shared: only that they are there is told.
      return encodeMessages(messages, () => slab).length;
    }
    const received = new ByteQueue();
    received.push(job.auth);
    return accept({ identity, randomness: freshRandomness(systemEnv) }).read(received);
  };
}

if (parentPort !== null && workerData?.secretKey instanceof Uint8Array) {
  const port = parentPort;
  const run = jobs(workerData.secretKey);
  port.on('message', (job: Job) => port.postMessage(run(job)));
}
