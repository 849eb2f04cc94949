/** Both sides of an RLPx handshake in one process: auth and ack made and read, secrets derived. */
import { ByteQueue } from '../base/bytes.ts';
import { systemEnv } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { generateSecretKey } from '../crypto/index.ts';
import { accept, freshRandomness, identityOf, initiate, RlpxSession } from '../rlpx/index.ts';
import type { Figure } from './figure.ts';
import { type Pace, rateOf } from './measure.ts';

/** Handshakes a second. */
export async function handshakeRate(pace: Pace): Promise<Figure> {
  const initiator = identityOf(generateSecretKey(systemEnv));
  const recipient = identityOf(generateSecretKey(systemEnv));
  const remoteId = recipient.publicKey;
  return await rateOf(pace, 1, () => {
    const a = initiate({ identity: initiator, remoteId, randomness: freshRandomness(systemEnv) });
    const b = accept({ identity: recipient, randomness: freshRandomness(systemEnv) });
    const received = new ByteQueue();
    received.push(a.opening);
    const atB = b.read(received);
    const answered = new ByteQueue();
    answered.push(atB?.reply ?? new Uint8Array());
    const atA = a.read(answered);
    if (atA === undefined || atB === undefined) throw new PeerlaneError('internal', 'the handshake failed');
    new RlpxSession(atA.session).dispose();
    new RlpxSession(atB.session).dispose();
  });
}
