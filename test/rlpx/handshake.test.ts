import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteQueue, concatBytes, fromHex, toBareHex } from '../../src/base/bytes.ts';
import { type ErrorCode, PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { eciesDecrypt, eciesEncrypt, isValidSecretKey, keccak256 } from '../../src/crypto/index.ts';
import { decodePrefix, list, raw } from '../../src/rlp/index.ts';
import {
  accept,
  freshRandomness,
  type HandshakeRandomness,
  identityOf,
  initiate,
} from '../../src/rlpx/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

const vectors: Record<string, string> = JSON.parse(
  readFileSync(new URL('./testdata/eip8.json', import.meta.url), 'utf8'),
);
const vector = (name: string) => fromHex(vectors[name] ?? '');
const env = new VirtualEnv({ seed: 8 });
const IDENTITY_A = identityOf(vector('staticKeyA'));
const IDENTITY_B = identityOf(vector('staticKeyB'));

function queueOf(...chunks: Uint8Array[]): ByteQueue {
  const queue = new ByteQueue();
  for (const chunk of chunks) queue.push(chunk.slice());
  return queue;
}

function randomness(side: 'A' | 'B'): HandshakeRandomness {
  return {
    ...freshRandomness(env),
    ephemeralKey: vector(`ephemeralKey${side}`),
    nonce: vector(`nonce${side}`),
  };
}

const recipient = () => accept({ identity: IDENTITY_B, randomness: randomness('B') });
const initiator = () =>
  initiate({
    identity: IDENTITY_A,
    remoteId: IDENTITY_B.publicKey,
    randomness: randomness('A'),
  });

/** What `read` of a fresh recipient says to these bytes. */
const refusal = (...chunks: Uint8Array[]): ErrorCode | 'none' =>
  codeOf(() => recipient().read(queueOf(...chunks)));

/** An auth like A's, with the body changed before it is sealed for B. */
function forgedAuth(change: (body: Uint8Array) => Uint8Array): Uint8Array {
  const packet = initiator().opening;
  const body = eciesDecrypt({
    secretKey: vector('staticKeyB'),
    packet: packet.subarray(2),
    authData: packet.subarray(0, 2),
  });
  return seal(change(body));
}

function seal(plaintext: Uint8Array): Uint8Array {
  const size = plaintext.length + 113;
  const authData = Uint8Array.of(size >> 8, size & 0xff);
  const packet = eciesEncrypt({
    publicKey: IDENTITY_B.publicKey,
    ephemeralKey: env.randomBytes(32),
    iv: env.randomBytes(16),
    plaintext,
    authData,
  });
  return concatBytes(authData, packet);
}

describe('the vectors of EIP-8', () => {
  it.each(['auth2', 'auth3'])('%s is accepted, whatever its version and further list elements', (name) => {
    const established = recipient().read(queueOf(vector(name)));
    expect(established?.remoteId).toEqual(IDENTITY_A.publicKey);
  });

  it.each(['ack2', 'ack3'])('%s is accepted, whatever its version and further list elements', (name) => {
    const established = initiator().read(queueOf(vector(name)));
    expect(toBareHex(established?.session.aesSecret ?? new Uint8Array())).toBe(vectors.aesSecret);
  });

  it('the recipient of auth2 derives the secrets and the MAC state', () => {
    const session = recipient().read(queueOf(vector('auth2')))?.session;
    if (session === undefined) throw new Error('not established');
    expect(toBareHex(session.aesSecret)).toBe(vectors.aesSecret);
    expect(toBareHex(session.macSecret)).toBe(vectors.macSecret);
    const digest = keccak256(session.ingressSeed, new TextEncoder().encode('foo'));
    expect(toBareHex(digest)).toBe(vectors.ingressMacFoo);
  });

  it('the plain forms from before EIP-8 are refused with their own error', () => {
    expect(refusal(vector('auth1'))).toBe('handshake-plain');
    expect(codeOf(() => initiator().read(queueOf(vector('ack1'))))).toBe('handshake-plain');
  });
});

describe('a handshake', () => {
  it('gives both sides the same secrets and mirrored MAC seeds, byte by byte', () => {
    const [a, b] = [initiator(), recipient()];
    const toB = new ByteQueue();
    let atB: ReturnType<typeof b.read>;
    for (const [index, byte] of a.opening.entries()) {
      expect(atB, `established after ${index} bytes`).toBeUndefined();
      toB.push(Uint8Array.of(byte));
      atB = b.read(toB);
    }
    const atA = a.read(queueOf(atB?.reply ?? new Uint8Array()));
    expect(atA?.session.aesSecret).toEqual(atB?.session.aesSecret);
    expect(atA?.session.macSecret).toEqual(atB?.session.macSecret);
    expect(atA?.session.egressSeed).toEqual(atB?.session.ingressSeed);
    expect(atA?.session.ingressSeed).toEqual(atB?.session.egressSeed);
    expect(atB?.remoteId).toEqual(IDENTITY_A.publicKey);
    expect(atA?.reply).toHaveLength(0);
  });

  it('leaves what follows the packet in the queue', () => {
    const queue = queueOf(concatBytes(initiator().opening, Uint8Array.of(1, 2, 3)));
    expect(recipient().read(queue)).toBeDefined();
    expect(queue.take(3)).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('is the same for the same inputs, and random padding is 100 to 200 bytes', () => {
    const fixed = randomness('A');
    const options = {
      identity: IDENTITY_A,
      remoteId: IDENTITY_B.publicKey,
      randomness: fixed,
    };
    expect(initiate(options).opening).toEqual(initiate(options).opening);
    const lengths = Array.from({ length: 300 }, () => freshRandomness(env).padding.length);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(200);
    expect(new Set(lengths).size).toBeGreaterThan(50);
  });

  it('begins with an identity, which only a secret key gives', () => {
    expect(IDENTITY_A.publicKey).toHaveLength(64);
    expect(codeOf(() => identityOf(new Uint8Array(32)))).toBe('invalid-secret-key');
  });

  it('takes no bytes for a key that are none', () => {
    const drawn: Uint8Array[] = [];
    // Every other time the bytes are a zero key.
    const randomBytes = (length: number) => {
      const bytes = new Uint8Array(length).fill(drawn.length % 2 === 0 ? 0 : drawn.length);
      drawn.push(bytes);
      return bytes;
    };
    const { ephemeralKey, eciesEphemeralKey } = freshRandomness({ randomBytes });
    for (const key of [ephemeralKey, eciesEphemeralKey]) {
      expect(isValidSecretKey(key)).toBe(true);
      expect(drawn).toContain(key);
    }
  });

  it('has a fresh nonce and ephemeral key for each connection', () => {
    const [first, second] = [freshRandomness(env), freshRandomness(env)];
    expect(first.ephemeralKey).not.toEqual(first.eciesEphemeralKey);
    for (const part of ['ephemeralKey', 'nonce', 'eciesEphemeralKey', 'eciesIv'] as const) {
      expect(first[part]).not.toEqual(second[part]);
    }
  });
});

describe('a bad packet', () => {
  it('waits while truncated', () => {
    expect(recipient().read(queueOf(initiator().opening.subarray(0, -1)))).toBeUndefined();
  });

  it('is refused by its size field before anything else has arrived', () => {
    expect(refusal(Uint8Array.of(0x08, 0x01))).toBe('handshake-size');
    expect(refusal(Uint8Array.of(0xff, 0xff))).toBe('handshake-size');
    expect(refusal(Uint8Array.of(0x00, 113))).toBe('handshake-size');
    expect(refusal(Uint8Array.of(0x08, 0x00))).toBe('none');
  });

  it('of the largest size is accepted', () => {
    const auth = forgedAuth((body) => concatBytes(body, new Uint8Array(2048 - 113 - body.length)));
    expect(auth).toHaveLength(2050);
    expect(recipient().read(queueOf(auth))).toBeDefined();
  });

  it('with a size of 0x04xx is not taken for a plain one', () => {
    const auth = forgedAuth((body) => concatBytes(body, new Uint8Array(0x0410 - 113 - body.length)));
    expect(recipient().read(queueOf(auth.subarray(0, 400), auth.subarray(400)))).toBeDefined();
  });

  it('with a wrong tag, or for another key, does not decrypt', () => {
    const auth = initiator().opening.slice();
    auth[auth.length - 1] = (auth[auth.length - 1] ?? 0) ^ 1;
    expect(refusal(auth)).toBe('handshake-decrypt');
    const other = accept({ identity: IDENTITY_A, randomness: randomness('B') });
    expect(codeOf(() => other.read(queueOf(initiator().opening)))).toBe('handshake-decrypt');
  });

  it('with a point off the curve, a bad signature, or a body that is no list is invalid', () => {
    // The body is a list with a header of two bytes: signature at 4, public key at 71.
    expect(refusal(forgedAuth((body) => body.fill(0x11, 71, 135)))).toBe('handshake-invalid');
    expect(refusal(forgedAuth((body) => body.fill(0xff, 4, 36)))).toBe('handshake-invalid');
    expect(refusal(forgedAuth((body) => body.fill(0)))).toBe('handshake-invalid');
    const ecies = initiator().opening.slice();
    ecies.fill(0x22, 3, 67);
    expect(refusal(ecies)).toBe('handshake-decrypt');
  });

  it('with our own key is told apart', () => {
    const own = initiate({
      identity: IDENTITY_B,
      remoteId: IDENTITY_B.publicKey,
      randomness: randomness('A'),
    });
    expect(refusal(own.opening)).toBe('handshake-self');
  });

  it('replayed is answered with other secrets, which the one who replays cannot derive', () => {
    const auth = initiator().opening;
    const fresh = () => accept({ identity: IDENTITY_B, randomness: freshRandomness(env) });
    const [first, second] = [fresh().read(queueOf(auth)), fresh().read(queueOf(auth))];
    expect(first?.reply).not.toEqual(second?.reply);
    expect(first?.session.aesSecret).not.toEqual(second?.session.aesSecret);
  });

  it('never says anything but its typed error, and never a secret', () => {
    const auth = initiator().opening;
    fc.assert(
      fc.property(fc.nat(auth.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bad = auth.slice();
        bad[at] = (bad[at] ?? 0) ^ flip;
        try {
          expect(recipient().read(queueOf(bad))).toBeUndefined();
        } catch (error) {
          expect(error).toBeInstanceOf(PeerlaneError);
          expect(JSON.stringify(error) + String(error)).not.toContain(vectors.staticKeyB);
        }
      }),
      { numRuns: runs(60) },
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 200 }), (bytes) => {
        const code = refusal(seal(concatBytes(bytes)));
        expect(['handshake-invalid', 'handshake-self']).toContain(code);
      }),
      { numRuns: runs(60) },
    );
  });

  it('the body of our auth has the four fields of the specification', () => {
    const packet = initiator().opening;
    const body = eciesDecrypt({
      secretKey: vector('staticKeyB'),
      packet: packet.subarray(2),
      authData: packet.subarray(0, 2),
    });
    const items = decodePrefix(list(raw), body).value.toArray();
    expect(items.map(({ payload }) => payload.length)).toEqual([65, 64, 32, 1]);
  });
});
