/** npm's libraries, and slow readings of rlpx.md on top of them, that the implementation is held against. */
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import * as snappy from 'snappy';
import { concatBytes } from '../../src/base/bytes.ts';

const require = createRequire(import.meta.url);

interface KeccakHash {
  update(data: Buffer): KeccakHash;
  digest(): Buffer;
}

interface Secp256k1 {
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean;
  publicKeyConvert(publicKey: Uint8Array, compressed: boolean): Uint8Array;
  publicKeyCreate(secretKey: Uint8Array, compressed: boolean): Uint8Array;
  ecdsaSign(digest: Uint8Array, secretKey: Uint8Array): { signature: Uint8Array; recid: number };
  ecdsaRecover(signature: Uint8Array, recid: number, digest: Uint8Array, compressed: boolean): Uint8Array;
  ecdh(
    publicKey: Uint8Array,
    secretKey: Uint8Array,
    options: { hashfn: (x: Uint8Array, y: Uint8Array) => Uint8Array },
    output: Uint8Array,
  ): Uint8Array;
}

const createKeccak = require('keccak') as (algorithm: string) => KeccakHash;
const secp256k1 = require('secp256k1') as Secp256k1;

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

export function oracleKeccak256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createKeccak('keccak256');
  for (const part of parts) hash.update(Buffer.from(part));
  return new Uint8Array(hash.digest());
}

export function oraclePublicKey(secretKey: Uint8Array): Uint8Array | undefined {
  return attempt(() => secp256k1.publicKeyCreate(secretKey, false).slice(1));
}

export function oracleSign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array | undefined {
  return attempt(() => {
    const { signature, recid } = secp256k1.ecdsaSign(digest, secretKey);
    return concatBytes(signature, Uint8Array.of(recid));
  });
}

export function oracleRecover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  return attempt(() =>
    secp256k1.ecdsaRecover(signature.slice(0, 64), signature[64] ?? 0, digest, false).slice(1),
  );
}

export function oracleEcdh(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const point = concatBytes(Uint8Array.of(4), publicKey);
  // A hash function may not return its argument itself.
  return attempt(() => secp256k1.ecdh(point, secretKey, { hashfn: (x) => x.slice() }, new Uint8Array(32)));
}

export function oracleSharedPoint(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const point = concatBytes(Uint8Array.of(4), publicKey);
  const hashfn = (x: Uint8Array, y: Uint8Array) => concatBytes(Uint8Array.of(2 + ((y[31] ?? 0) & 1)), x);
  return attempt(() => secp256k1.ecdh(point, secretKey, { hashfn }, new Uint8Array(33)));
}

export function oracleVerify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  const point = concatBytes(Uint8Array.of(4), publicKey);
  return attempt(() => secp256k1.ecdsaVerify(signature, digest, point)) ?? false;
}

export function oracleDecompress(compressed: Uint8Array): Uint8Array | undefined {
  return attempt(() => secp256k1.publicKeyConvert(compressed, false).slice(1));
}

/** rlpx.md, "ECIES Encryption". */
export function oracleEciesEncrypt(
  publicKey: Uint8Array,
  ephemeralKey: Uint8Array,
  iv: Uint8Array,
  plaintext: Uint8Array,
  authData: Uint8Array,
): Uint8Array | undefined {
  const point = oraclePublicKey(ephemeralKey);
  const shared = oracleEcdh(ephemeralKey, publicKey);
  if (point === undefined || shared === undefined) return undefined;
  const material = createHash('sha256')
    .update(Uint8Array.of(0, 0, 0, 1))
    .update(shared)
    .digest();
  const ciphertext = createCipheriv('aes-128-ctr', material.subarray(0, 16), iv).update(plaintext);
  const macKey = createHash('sha256').update(material.subarray(16)).digest();
  const tag = createHmac('sha256', macKey).update(iv).update(ciphertext).update(authData).digest();
  return concatBytes(Uint8Array.of(4), point, iv, ciphertext, tag);
}

export function oracleCompress(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(snappy.compressSync(Buffer.from(bytes)));
}

export function oracleUncompress(block: Uint8Array): Uint8Array | undefined {
  return attempt(() => {
    const out = snappy.uncompressSync(Buffer.from(block));
    return typeof out === 'string' ? undefined : new Uint8Array(out);
  });
}

/**
 * The sending half of rlpx.md, "Framing", that frames any data, well-formed or not. It keeps all that its MAC
 * has absorbed and hashes it anew each time.
 */
export class OracleSender {
  readonly #stream: ReturnType<typeof createCipheriv>;
  readonly #macSecret: Uint8Array;
  #absorbed: Uint8Array;

  constructor({ aesSecret, macSecret, seed }: Record<'aesSecret' | 'macSecret' | 'seed', Uint8Array>) {
    this.#stream = createCipheriv('aes-256-ctr', aesSecret, new Uint8Array(16));
    this.#macSecret = macSecret;
    this.#absorbed = seed;
  }

  frame(data: Uint8Array, options: { size?: number; headerData?: Uint8Array } = {}): Uint8Array {
    const { size = data.length, headerData = Uint8Array.of(0xc2, 0x80, 0x80) } = options;
    const header = new Uint8Array(16);
    header.set([size >>> 16, (size >>> 8) & 0xff, size & 0xff]);
    header.set(headerData, 3);
    const headerText = new Uint8Array(this.#stream.update(header));
    const headerMac = this.#mix(headerText);
    const padded = new Uint8Array(Math.ceil(data.length / 16) * 16);
    padded.set(data);
    const bodyText = new Uint8Array(this.#stream.update(padded));
    this.#absorbed = concatBytes(this.#absorbed, bodyText);
    return concatBytes(headerText, headerMac, bodyText, this.#mix(this.#digest()));
  }

  #digest(): Uint8Array {
    return oracleKeccak256(this.#absorbed).slice(0, 16);
  }

  #mix(block: Uint8Array): Uint8Array {
    const cipher = createCipheriv('aes-256-ecb', this.#macSecret, null);
    const seed = new Uint8Array(cipher.update(this.#digest())).map((byte, i) => byte ^ (block[i] ?? 0));
    this.#absorbed = concatBytes(this.#absorbed, seed);
    return this.#digest();
  }
}
