/** The vectors of the specification, sizes, and what lies where. Any bytes: fuzz.test.ts. */
import { describe, expect, it } from 'vitest';
import { EMPTY } from '../../src/base/bytes.ts';
import { decompressPublicKey, gcmOpen, gcmSeal, publicKeyOf } from '../../src/crypto/index.ts';
import { deriveKeys, signIdentity, verifyIdentity } from '../../src/discv5/keys.ts';
import {
  MAX_PACKET_SIZE,
  MAX_PLAINTEXT_SIZE,
  MIN_PACKET_SIZE,
  openMessage,
  randomMessage,
  sealHandshake,
  sealMessage,
  sealWhoareyou,
  type Unmasked,
  unmask,
} from '../../src/discv5/packet.ts';
import { decodeRecord } from '../../src/enr/index.ts';
import {
  ENCRYPTION,
  HANDSHAKE,
  HANDSHAKE_WITH_RECORD,
  MESSAGE,
  NODE_A_ID,
  NODE_A_KEY,
  NODE_B_ID,
  NODE_B_KEY,
  WHOAREYOU,
} from './vectors.ts';

const IV = new Uint8Array(16);
const A_TO_B = { srcId: NODE_A_ID, destId: NODE_B_ID, maskingIv: IV };
const refused = expect.objectContaining({ code: 'invalid-argument' });

function unmasked<K extends Unmasked['kind']>(packet: Uint8Array, kind: K): Unmasked & { readonly kind: K } {
  const found = unmask(packet, NODE_B_ID);
  if (typeof found !== 'object' || found.kind !== kind) throw new Error(`not a ${kind}`);
  return found as Unmasked & { readonly kind: K };
}

describe('the vectors of the specification', () => {
  it('an ordinary message', () => {
    const found = unmasked(MESSAGE.packet, 'message');
    expect(found).toMatchObject({ nonce: MESSAGE.nonce, srcId: NODE_A_ID });
    expect(openMessage(found, MESSAGE.readKey)).toEqual(MESSAGE.plaintext);
    const { nonce, plaintext, readKey: key } = MESSAGE;
    expect(sealMessage({ ...A_TO_B, nonce, key, plaintext })).toEqual(MESSAGE.packet);
  });

  it('WHOAREYOU', () => {
    const { challengeData, idNonce, enrSeq, requestNonce: nonce, packet } = WHOAREYOU;
    expect(unmask(packet, NODE_B_ID)).toEqual({ kind: 'whoareyou', nonce, idNonce, enrSeq, challengeData });
    const sealed = sealWhoareyou({ destId: NODE_B_ID, nonce, maskingIv: IV, idNonce, enrSeq });
    expect(sealed).toEqual({ packet, challengeData });
  });

  it.each([
    ['without a record', HANDSHAKE],
    ['with a record', HANDSHAKE_WITH_RECORD],
  ])('a handshake %s', (_, vector) => {
    const { challengeData, ephemeralPublicKey, nonce, plaintext, packet } = vector;
    const found = unmasked(packet, 'handshake');
    expect(found).toMatchObject({ nonce, srcId: NODE_A_ID, ephemeralKey: ephemeralPublicKey });
    const agreement = { initiatorId: NODE_A_ID, recipientId: NODE_B_ID, challengeData };
    const theirs = deriveKeys({ ...agreement, secretKey: NODE_B_KEY, publicKey: found.ephemeralKey });
    const ours = deriveKeys({
      ...agreement,
      secretKey: vector.ephemeralKey,
      publicKey: publicKeyOf(NODE_B_KEY),
    });
    expect(theirs).toEqual(ours);
    expect(theirs.initiatorKey).toEqual(vector.readKey);
    expect(openMessage(found, theirs.initiatorKey)).toEqual(plaintext);

    const proof = { challengeData, ephemeralKey: ephemeralPublicKey, recipientId: NODE_B_ID };
    const publicKey = publicKeyOf(NODE_A_KEY);
    expect(verifyIdentity({ ...proof, publicKey, signature: found.idSignature })).toBe(true);
    const idSignature = signIdentity({ ...proof, secretKey: NODE_A_KEY });
    const { ephemeralKey, record } = found;
    const key = ours.initiatorKey;
    expect(sealHandshake({ ...A_TO_B, nonce, key, plaintext, idSignature, ephemeralKey, record })).toEqual(
      packet,
    );
  });

  it('of which only one has a record, that of node A', () => {
    expect(unmasked(HANDSHAKE.packet, 'handshake').record).toBeUndefined();
    const { record } = unmasked(HANDSHAKE_WITH_RECORD.packet, 'handshake');
    expect(decodeRecord(record ?? EMPTY)).toMatchObject({ publicKey: publicKeyOf(NODE_A_KEY), seq: 1n });
  });

  it('the ephemeral key', () => {
    const publicKey = publicKeyOf(HANDSHAKE.ephemeralKey);
    expect(decompressPublicKey(HANDSHAKE.ephemeralPublicKey)).toEqual(publicKey);
  });

  it('encryption', () => {
    const { key, nonce, plaintext, authData, ciphertext } = ENCRYPTION;
    expect(gcmSeal(key, nonce, plaintext, authData)).toEqual(ciphertext);
    expect(gcmOpen(key, nonce, ciphertext, authData)).toEqual(plaintext);
  });
});

const message = (plaintext: Uint8Array) =>
  sealMessage({ ...A_TO_B, nonce: MESSAGE.nonce, key: MESSAGE.readKey, plaintext });

const { ephemeralPublicKey } = HANDSHAKE;
const handshake = (plaintext: Uint8Array, record?: Uint8Array) =>
  sealHandshake({
    ...A_TO_B,
    ...{ nonce: MESSAGE.nonce, key: MESSAGE.readKey, plaintext, record },
    ...{ idSignature: new Uint8Array(64), ephemeralKey: ephemeralPublicKey },
  });

describe('sizes', () => {
  it('are 63 to 1,280 bytes; others are no packets', () => {
    expect([MIN_PACKET_SIZE, MAX_PACKET_SIZE]).toEqual([63, 1280]);
    expect(WHOAREYOU.packet.length).toBe(63);
    expect(unmask(WHOAREYOU.packet.subarray(0, 62), NODE_B_ID)).toBeUndefined();
    const longest = message(new Uint8Array(MAX_PLAINTEXT_SIZE));
    expect(longest.length).toBe(1280);
    const found = unmasked(longest, 'message');
    expect(openMessage(found, MESSAGE.readKey)).toEqual(new Uint8Array(MAX_PLAINTEXT_SIZE));
    expect(unmask(Uint8Array.of(...longest, 0), NODE_B_ID)).toBeUndefined();
    expect(unmask(EMPTY, NODE_B_ID)).toBeUndefined();
  });

  it('of an ordinary packet leave room for a tag', () => {
    const shortest = message(EMPTY);
    expect(shortest.length).toBe(16 + 23 + 32 + 16);
    expect(openMessage(unmasked(shortest, 'message'), MESSAGE.readKey)).toEqual(EMPTY);
    expect(unmask(shortest.subarray(0, -1), NODE_B_ID)).toBe('malformed');
  });

  it('of a handshake leave room for a tag, and none for a record of over 300 bytes', () => {
    const shortest = handshake(EMPTY);
    expect(shortest.length).toBe(16 + 23 + 34 + 64 + 33 + 16);
    expect(openMessage(unmasked(shortest, 'handshake'), MESSAGE.readKey)).toEqual(EMPTY);
    for (let length = 63; length < shortest.length; length++) {
      expect(unmask(shortest.subarray(0, length), NODE_B_ID)).toBe('malformed');
    }
    const record = new Uint8Array(300).fill(7);
    expect(unmasked(handshake(EMPTY, record), 'handshake').record).toEqual(record);
    expect(() => handshake(EMPTY, new Uint8Array(301))).toThrow(refused);
  });

  it('of what is sent are at most 1,280 bytes', () => {
    expect(() => message(new Uint8Array(MAX_PLAINTEXT_SIZE + 1))).toThrow(refused);
    expect(handshake(new Uint8Array(MAX_PLAINTEXT_SIZE - 99)).length).toBe(1280);
    expect(() => handshake(new Uint8Array(MAX_PLAINTEXT_SIZE - 98))).toThrow(refused);
    expect(handshake(new Uint8Array(MAX_PLAINTEXT_SIZE - 399), new Uint8Array(300)).length).toBe(1280);
    expect(() => handshake(new Uint8Array(MAX_PLAINTEXT_SIZE - 398), new Uint8Array(300))).toThrow(refused);
  });

  it('of WHOAREYOU is one', () => {
    expect(unmask(Uint8Array.of(...WHOAREYOU.packet, 0), NODE_B_ID)).toBe('malformed');
  });
});

describe('a packet', () => {
  it('for another node is none', () => {
    for (const { packet } of [MESSAGE, WHOAREYOU, HANDSHAKE, HANDSHAKE_WITH_RECORD]) {
      expect(unmask(packet, NODE_A_ID)).toBeUndefined();
    }
  });

  it('with random content has the header of an ordinary one, and opens with no key', () => {
    const random = Uint8Array.from({ length: 20 }, (_, i) => i);
    const found = unmasked(randomMessage({ ...A_TO_B, nonce: MESSAGE.nonce, random }), 'message');
    expect(found).toMatchObject({ nonce: MESSAGE.nonce, srcId: NODE_A_ID, message: random });
    expect(openMessage(found, MESSAGE.readKey)).toBeUndefined();
  });

  it('that was changed anywhere opens no more, or is another one', () => {
    for (let i = 0; i < MESSAGE.packet.length; i++) {
      const changed = MESSAGE.packet.slice();
      changed[i] = (changed[i] ?? 0) ^ 1;
      const found = unmask(changed, NODE_B_ID);
      if (typeof found !== 'object') continue;
      if (found.kind !== 'message') throw new Error('another kind');
      expect(openMessage(found, MESSAGE.readKey), `byte ${i}`).toBeUndefined();
    }
  });

  it('that is overwritten changes nothing that was read of it but its message', () => {
    const copy = HANDSHAKE_WITH_RECORD.packet.slice();
    const found = unmasked(copy, 'handshake');
    const expected = structuredClone(found);
    copy.fill(0);
    expect({ ...found, message: expected.message }).toEqual(expected);
    expect(found.message).toEqual(new Uint8Array(found.message.length));
    const whoareyou = WHOAREYOU.packet.slice();
    const challenge = unmasked(whoareyou, 'whoareyou');
    whoareyou.fill(0);
    expect(challenge.challengeData).toEqual(WHOAREYOU.challengeData);
  });

  it('gives up no memory but its own', () => {
    const around = new Uint8Array(2000).fill(0x55);
    around.set(HANDSHAKE.packet, 100);
    const packet = around.subarray(100, 100 + HANDSHAKE.packet.length);
    expect(unmasked(packet, 'handshake')).toEqual(unmasked(HANDSHAKE.packet, 'handshake'));
    const { authData, message: sealed } = unmasked(packet, 'handshake');
    expect(authData.buffer.byteLength).toBe(authData.length);
    expect(sealed.byteOffset + sealed.length).toBe(100 + packet.length);
  });

  it('is read the same from a Buffer', () => {
    const found = unmasked(Buffer.from(HANDSHAKE_WITH_RECORD.packet), 'handshake');
    expect({ ...found, message: new Uint8Array(found.message) }).toEqual(
      unmasked(HANDSHAKE_WITH_RECORD.packet, 'handshake'),
    );
  });
});

describe('what is to be sealed', () => {
  const nonce = MESSAGE.nonce;
  const message = { ...A_TO_B, nonce, key: MESSAGE.readKey, plaintext: MESSAGE.plaintext };
  const challenge = { destId: NODE_B_ID, nonce, maskingIv: IV, idNonce: IV, enrSeq: 5n };
  const handshake = { ...message, idSignature: new Uint8Array(64), ephemeralKey: ephemeralPublicKey };
  const short = new Uint8Array(5);

  it.each<[string, () => unknown]>([
    ['destId', () => sealMessage({ ...message, destId: short })],
    ['srcId', () => sealMessage({ ...message, srcId: short })],
    ['nonce', () => sealMessage({ ...message, nonce: short })],
    ['masking-iv', () => sealMessage({ ...message, maskingIv: short })],
    ['key', () => sealMessage({ ...message, key: short })],
    ['random content', () => randomMessage({ ...A_TO_B, nonce, random: new Uint8Array(15) })],
    ['id-nonce', () => sealWhoareyou({ ...challenge, idNonce: short })],
    ['id signature', () => sealHandshake({ ...handshake, idSignature: short })],
    ['ephemeral key', () => sealHandshake({ ...handshake, ephemeralKey: short })],
    ['key of a handshake', () => sealHandshake({ ...handshake, key: short })],
    ['id of a handshake', () => sealHandshake({ ...handshake, srcId: short })],
  ])('is refused where the %s has a wrong length', (_, seal) => {
    expect(seal).toThrow(refused);
  });

  it('has a number of 64 bits', () => {
    const last = 2n ** 64n - 1n;
    const { packet } = sealWhoareyou({ ...challenge, enrSeq: last });
    expect(unmasked(packet, 'whoareyou').enrSeq).toBe(last);
    for (const enrSeq of [-1n, last + 1n]) {
      expect(() => sealWhoareyou({ ...challenge, enrSeq })).toThrow(refused);
    }
  });
});
