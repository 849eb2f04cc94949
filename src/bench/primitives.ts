/** The primitives under the protocols: keccak, secp256k1, snappy. */
import { systemEnv } from '../base/env.ts';
import {
  compress,
  ecdh,
  generateSecretKey,
  keccak256,
  publicKeyOf,
  recover,
  sign,
  uncompress,
} from '../crypto/index.ts';

/** What the primitives are given, the same for whoever is compared. */
export interface Samples {
  readonly kilobyte: Uint8Array;
  readonly digest: Uint8Array;
  readonly key: Uint8Array;
  /** 100 KB of which half repeats, as in block bodies. */
  readonly compressible: Uint8Array;
}

export function samples(): Samples {
  return {
    kilobyte: systemEnv.randomBytes(1024),
    digest: systemEnv.randomBytes(32),
    key: generateSecretKey(systemEnv),
    compressible: systemEnv
      .randomBytes(100_000)
      .map((byte, index) => (index % 1000 < 500 ? index % 50 : byte)),
  };
}

export type Primitive = keyof typeof PRIMITIVES;

/** Makes, for each primitive, the call that is measured. */
export const PRIMITIVES = {
  'keccak256-1k':
    ({ kilobyte }: Samples) =>
    () =>
      keccak256(kilobyte),
  sign:
    ({ digest, key }: Samples) =>
    () =>
      sign(digest, key),
  recover: ({ digest, key }: Samples) => {
    const signature = sign(digest, key);
    return () => recover(digest, signature);
  },
  ecdh: ({ key }: Samples) => {
    const publicKey = publicKeyOf(key);
    return () => ecdh(key, publicKey);
  },
  'snappy-compress-100k':
    ({ compressible }: Samples) =>
    () =>
      compress(compressible),
  'snappy-uncompress-100k': ({ compressible }: Samples) => {
    const block = compress(compressible);
    return () => uncompress(block, compressible.length);
  },
} as const;
