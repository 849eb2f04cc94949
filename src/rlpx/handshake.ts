/**
 * The initial handshake of RLPx in its EIP-8 form, as a machine: keys, nonces, padding and bytes go in, the two
 * packets and the session's secrets come out (rlpx.md, "Initial Handshake").
 */
import { type ByteQueue, concatBytes, EMPTY, equalBytes } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import {
  ECIES_OVERHEAD,
  ecdh,
  eciesDecrypt,
  eciesEncrypt,
  type FrameSessionInit,
  generateSecretKey,
  PUBLIC_KEY_LENGTH,
  publicKeyOf,
  recover,
  SECRET_KEY_LENGTH,
  SIGNATURE_LENGTH,
  sign,
} from '../crypto/index.ts';
import { bytes, decodePrefix, encode, struct, uint } from '../rlp/index.ts';
import { deriveSecrets } from './secrets.ts';

/** The size field of auth and ack is at most this; with the field itself a packet has two bytes more. */
export const MAX_HANDSHAKE_SIZE = 2048;
export const NONCE_LENGTH = 32;
const ECIES_IV_LENGTH = 16;
const SIZE_LENGTH = 2;
const HANDSHAKE_VERSION = 4;
/** EIP-8: at least 100 bytes of random padding, so that the packet can be told from the plain form. */
const MIN_PADDING = 100;
const MAX_PADDING = 200;
/** Lengths of the packets before EIP-8: 194 and 97 bytes under ECIES, without a size field. */
const PLAIN_AUTH_LENGTH = 194 + ECIES_OVERHEAD;
const PLAIN_ACK_LENGTH = 97 + ECIES_OVERHEAD;
/** A plain packet begins with the prefix byte of its ephemeral public key. */
const PLAIN_FIRST_BYTE = 0x04;

const authBody = struct(
  {
    signature: bytes(SIGNATURE_LENGTH),
    publicKey: bytes(PUBLIC_KEY_LENGTH),
    nonce: bytes(NONCE_LENGTH),
    version: uint(53),
  },
  { trailing: 'ignore' },
);
const ackBody = struct(
  { ephemeralPublicKey: bytes(PUBLIC_KEY_LENGTH), nonce: bytes(NONCE_LENGTH), version: uint(53) },
  { trailing: 'ignore' },
);

/** All that is random in one side of a handshake. Fresh for each connection, except in tests. */
export interface HandshakeRandomness {
  /** Secret key of this connection, 32 bytes. */
  readonly ephemeralKey: Uint8Array;
  /** 32 bytes. */
  readonly nonce: Uint8Array;
  /** 100 to 200 bytes behind the body. */
  readonly padding: Uint8Array;
  /** Secret key of the packet's ECIES, 32 bytes. */
  readonly eciesEphemeralKey: Uint8Array;
  /** 16 bytes. */
  readonly eciesIv: Uint8Array;
}

/** A static key pair, the name of a node. Made once with `identityOf`, for all its handshakes. */
export interface Identity {
  /** 32 bytes. */
  readonly secretKey: Uint8Array;
  /** 64 bytes, of `secretKey`. */
  readonly publicKey: Uint8Array;
}

/** @throws PeerlaneError `invalid-secret-key` */
export function identityOf(secretKey: Uint8Array): Identity {
  return { secretKey, publicKey: publicKeyOf(secretKey) };
}

/** What padding holds is encrypted under a key that is used once: its bytes need not be random, as its length must. */
const PADDING = new Uint8Array(MAX_PADDING);

export function freshRandomness(env: Pick<Env, 'randomBytes'>): HandshakeRandomness {
  const [span = 0] = env.randomBytes(1);
  return {
    ephemeralKey: generateSecretKey(env),
    nonce: env.randomBytes(NONCE_LENGTH),
    padding: PADDING.subarray(0, MIN_PADDING + (span % (MAX_PADDING - MIN_PADDING + 1))),
    eciesEphemeralKey: generateSecretKey(env),
    eciesIv: env.randomBytes(ECIES_IV_LENGTH),
  };
}

/** What a handshake ends with. */
export interface Established {
  /** The remote side's static public key, 64 bytes. */
  readonly remoteId: Uint8Array;
  /** What the remote side has made for this handshake, 32 bytes. */
  readonly remoteNonce: Uint8Array;
  readonly session: FrameSessionInit;
  /** What is still to be sent: the ack, when we are the recipient. */
  readonly reply: Uint8Array;
}

export interface HandshakeOptions {
  /** Our own. */
  readonly identity: Identity;
  readonly randomness: HandshakeRandomness;
}

/**
 * One side of a handshake. `read` takes the remote packet out of the bytes that have arrived, and returns
 * `undefined` while it is not whole.
 *
 * Errors, after which the connection is closed without a word: `handshake-size`, `handshake-plain` (the form
 * before EIP-8), `handshake-decrypt`, `handshake-invalid`, `handshake-self`.
 */
export interface Handshake {
  /** What this side sends before it has heard anything: the auth, when we are the initiator. */
  readonly opening: Uint8Array;
  read(received: ByteQueue): Established | undefined;
}

/** The side that opened the connection and knows whom it talks to. */
export function initiate({
  identity: { secretKey, publicKey },
  randomness,
  remoteId,
}: HandshakeOptions & { readonly remoteId: Uint8Array }): Handshake {
  const { ephemeralKey, nonce } = randomness;
  const token = ecdh(secretKey, remoteId);
  const body = encode(authBody, {
    signature: sign(xor(token, nonce), ephemeralKey),
    publicKey,
    nonce,
    version: HANDSHAKE_VERSION,
  });
  const auth = seal(body, remoteId, randomness);
  const packets = new PacketReader(secretKey, PLAIN_ACK_LENGTH);
  return {
    opening: auth,
    read(received) {
      const packet = packets.read(received);
      if (packet === undefined) return undefined;
      const ack = parse(() => decodePrefix(ackBody, packet.body).value);
      const secrets = deriveSecrets({
        ephemeralSecret: agree(ephemeralKey, ack.ephemeralPublicKey),
        initiatorNonce: nonce,
        recipientNonce: ack.nonce,
      });
      return {
        remoteId,
        remoteNonce: ack.nonce,
        reply: EMPTY,
        session: {
          ...secrets,
          egressSeed: concatBytes(xor(secrets.macSecret, ack.nonce), auth),
          ingressSeed: concatBytes(xor(secrets.macSecret, nonce), packet.encoded),
        },
      };
    },
  };
}

/** The side that accepted the connection. */
export function accept({ identity: { secretKey, publicKey }, randomness }: HandshakeOptions): Handshake {
  const { ephemeralKey, nonce } = randomness;
  const packets = new PacketReader(secretKey, PLAIN_AUTH_LENGTH);
  return {
    opening: EMPTY,
    read(received) {
      const packet = packets.read(received);
      if (packet === undefined) return undefined;
      const auth = parse(() => decodePrefix(authBody, packet.body).value);
      const remoteId = auth.publicKey.slice();
      if (equalBytes(remoteId, publicKey)) {
        throw new PeerlaneError('handshake-self', 'the initiator has our own key');
      }
      const token = agree(secretKey, remoteId);
      const remoteEphemeral = parse(() => recover(xor(token, auth.nonce), auth.signature));
      const body = encode(ackBody, {
        ephemeralPublicKey: publicKeyOf(ephemeralKey),
        nonce,
        version: HANDSHAKE_VERSION,
      });
      const ack = seal(body, remoteId, randomness);
      const secrets = deriveSecrets({
        ephemeralSecret: agree(ephemeralKey, remoteEphemeral),
        initiatorNonce: auth.nonce,
        recipientNonce: nonce,
      });
      return {
        remoteId,
        remoteNonce: auth.nonce,
        reply: ack,
        session: {
          ...secrets,
          egressSeed: concatBytes(xor(secrets.macSecret, auth.nonce), ack),
          ingressSeed: concatBytes(xor(secrets.macSecret, nonce), packet.encoded),
        },
      };
    },
  };
}

interface Packet {
  /** As it was on the wire, size field included: the MAC states start from it. */
  readonly encoded: Uint8Array;
  /** The list and the padding behind it. */
  readonly body: Uint8Array;
}

class PacketReader {
  readonly #secretKey: Uint8Array;
  readonly #plainLength: number;
  #size: number | undefined;
  #plainChecked = false;

  constructor(secretKey: Uint8Array, plainLength: number) {
    this.#secretKey = secretKey;
    this.#plainLength = plainLength;
  }

  read(received: ByteQueue): Packet | undefined {
    if (this.#size === undefined) {
      const field = received.take(SIZE_LENGTH);
      if (field === undefined) return undefined;
      received.unshift(field);
      this.#size = ((field[0] ?? 0) << 8) | (field[1] ?? 0);
      if (this.#size >> 8 !== PLAIN_FIRST_BYTE) this.#checkSize(this.#size);
    }
    this.#refusePlain(received, this.#size);
    const encoded = received.take(SIZE_LENGTH + this.#size);
    if (encoded === undefined) return undefined;
    const [authData, packet] = [encoded.subarray(0, SIZE_LENGTH), encoded.subarray(SIZE_LENGTH)];
    return { encoded, body: this.#open(packet, authData) };
  }

  #checkSize(size: number): void {
    if (size > ECIES_OVERHEAD && size <= MAX_HANDSHAKE_SIZE) return;
    throw new PeerlaneError('handshake-size', `a handshake packet cannot have ${size} bytes`, {
      details: { size },
    });
  }

  /** A size of 0x04xx may also be the start of a plain packet, whose sender waits for an answer after it. */
  #refusePlain(received: ByteQueue, size: number): void {
    if (this.#plainChecked || size >> 8 !== PLAIN_FIRST_BYTE) return;
    const packet = received.take(this.#plainLength);
    if (packet === undefined) return;
    this.#plainChecked = true;
    received.unshift(packet);
    try {
      eciesDecrypt({ secretKey: this.#secretKey, packet, authData: EMPTY });
    } catch (error) {
      if (isPeerlaneError(error, 'ecies-invalid')) return;
      throw error;
    }
    throw new PeerlaneError('handshake-plain', 'the handshake form from before EIP-8 is not supported');
  }

  #open(packet: Uint8Array, authData: Uint8Array): Uint8Array {
    try {
      return eciesDecrypt({ secretKey: this.#secretKey, packet, authData });
    } catch (cause) {
      throw new PeerlaneError('handshake-decrypt', 'the handshake packet does not decrypt with our key', {
        cause,
      });
    }
  }
}

/** size || ecies(body || padding), with the size as authenticated data. */
function seal(body: Uint8Array, publicKey: Uint8Array, randomness: HandshakeRandomness): Uint8Array {
  const plaintext = concatBytes(body, randomness.padding);
  const size = plaintext.length + ECIES_OVERHEAD;
  const authData = Uint8Array.of(size >> 8, size & 0xff);
  const packet = eciesEncrypt({
    publicKey,
    ephemeralKey: randomness.eciesEphemeralKey,
    iv: randomness.eciesIv,
    plaintext,
    authData,
  });
  return concatBytes(authData, packet);
}

/** ECDH with a key that came from the remote side. */
function agree(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return parse(() => ecdh(secretKey, publicKey));
}

/** Whatever is wrong inside a packet that decrypted is one kind of error to the caller. */
function parse<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new PeerlaneError('handshake-invalid', 'the handshake packet is malformed', { cause });
  }
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  const mixed = new Uint8Array(SECRET_KEY_LENGTH);
  for (let i = 0; i < mixed.length; i++) mixed[i] = (a[i] ?? 0) ^ (b[i] ?? 0);
  return mixed;
}
