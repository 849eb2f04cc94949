/** One connection over loopback: messages of 100 KB from one server to another, both in this process. */
import { randomFillSync } from 'node:crypto';
import { systemEnv } from '../src/base/env.ts';
import { backend, generateSecretKey } from '../src/crypto/index.ts';
import { Server } from '../src/server/index.ts';
import { quick, summary } from './measure.ts';
import type { BenchRow } from './row.ts';

export const MESSAGE_LENGTH = 100_000;
const MESSAGES = quick ? 100 : 2000;
const ROUNDS = quick ? 1 : 5;

export async function tcp(): Promise<BenchRow[]> {
  const payload = randomFillSync(new Uint8Array(MESSAGE_LENGTH));
  const rates: number[] = [];
  let received = 0;
  let roundDone: () => void = () => undefined;
  const listener = new Server({
    key: generateSecretKey(systemEnv),
    listen: { host: '127.0.0.1', port: 0 },
    protocols: [
      {
        name: 'sink',
        version: 1,
        length: 1,
        async handler(channel) {
          for await (const message of channel) {
            received += message.payload.length;
            if (received === MESSAGES * MESSAGE_LENGTH) roundDone();
          }
        },
      },
    ],
  });
  const count = MESSAGES * MESSAGE_LENGTH;
  let finished: () => void = () => undefined;
  const allRounds = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const dialer = new Server({
    key: generateSecretKey(systemEnv),
    protocols: [
      {
        name: 'sink',
        version: 1,
        length: 1,
        async handler(channel) {
          for (let round = 0; round <= ROUNDS; round++) {
            received = 0;
            const arrived = new Promise<void>((resolve) => {
              roundDone = resolve;
            });
            const start = performance.now();
            for (let sent = 0; sent < MESSAGES; sent++) await channel.send(0, payload);
            await arrived;
            if (round > 0 || ROUNDS === 1) rates.push(count / 1e3 / (performance.now() - start));
          }
          finished();
        },
      },
    ],
  });
  await listener.start();
  await dialer.start();
  await dialer.dial(listener.enode);
  await allRounds;
  await Promise.all([dialer.close(), listener.close()]);
  return [{ id: 'tcp-100k', subject: backend.name, unit: 'MB/s', ...summary(rates) }];
}
