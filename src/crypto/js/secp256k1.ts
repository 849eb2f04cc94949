import { secp256k1 } from '@noble/curves/secp256k1.js';
import { PUBLIC_KEY_LENGTH } from '../backend.ts';

const UNCOMPRESSED = 0x04;
const RAW_DIGEST = { prehash: false, format: 'recovered', lowS: true } as const;
const COMPACT = { prehash: false, format: 'compact', lowS: true } as const;

/** The library throws for whatever is no key, point or signature. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/** With the prefix byte in front, as the library wants it. */
function prefixed(publicKey: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + PUBLIC_KEY_LENGTH);
  bytes[0] = UNCOMPRESSED;
  bytes.set(publicKey, 1);
  return bytes;
}

export function publicKey(secretKey: Uint8Array): Uint8Array | undefined {
  return attempt(() => secp256k1.getPublicKey(secretKey, false).slice(1));
}

export function sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array | undefined {
  return attempt(() => {
    // The library puts the recovery id first.
    const signed = secp256k1.sign(digest, secretKey, RAW_DIGEST);
    const signature = new Uint8Array(signed.length);
    signature.set(signed.subarray(1));
    signature[signed.length - 1] = signed[0] ?? 0;
    return signature;
  });
}

export function recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  return attempt(() => {
    const last = signature.length - 1;
    const signed = new Uint8Array(signature.length);
    signed[0] = signature[last] ?? 0;
    signed.set(signature.subarray(0, last), 1);
    return secp256k1.Signature.fromBytes(signed, 'recovered')
      .recoverPublicKey(digest)
      .toBytes(false)
      .slice(1);
  });
}

export function ecdh(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  return attempt(() => secp256k1.getSharedSecret(secretKey, prefixed(publicKey), true).slice(1));
}

export function sharedPoint(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  return attempt(() => secp256k1.getSharedSecret(secretKey, prefixed(publicKey), true));
}

export function verify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  return attempt(() => secp256k1.verify(signature, digest, prefixed(publicKey), COMPACT)) ?? false;
}

export function decompress(compressed: Uint8Array): Uint8Array | undefined {
  return attempt(() => secp256k1.Point.fromBytes(compressed).toBytes(false).slice(1));
}
