/** Both sides of an RLPx handshake in one process: auth and ack made and read, secrets derived. */
import { ByteQueue } from '../src/base/bytes.ts';
import { systemEnv } from '../src/base/env.ts';
import { backend, generateSecretKey } from '../src/crypto/index.ts';
import { accept, freshRandomness, identityOf, initiate, RlpxSession } from '../src/rlpx/index.ts';
import { measure } from './measure.ts';
import type { BenchRow } from './row.ts';

export async function handshake(): Promise<BenchRow[]> {
  const initiator = identityOf(generateSecretKey(systemEnv));
  const recipient = identityOf(generateSecretKey(systemEnv));
  const remoteId = recipient.publicKey;
  const run = () => {
    const a = initiate({ identity: initiator, remoteId, randomness: freshRandomness(systemEnv) });
    const b = accept({ identity: recipient, randomness: freshRandomness(systemEnv) });
    const received = new ByteQueue();
    received.push(a.opening);
    const atB = b.read(received);
    const answered = new ByteQueue();
    answered.push(atB?.reply ?? new Uint8Array());
    const atA = a.read(answered);
    if (atA === undefined || atB === undefined) throw new Error('the handshake failed');
    new RlpxSession(atA.session).dispose();
    new RlpxSession(atB.session).dispose();
  };
  return [await measure({ id: 'handshake', subject: backend.name, unit: 'handshakes/s', amount: 1, run })];
}
