/** The npm packages that do what our primitives do: keccak, secp256k1, snappy. */
import { createRequire } from 'node:module';
import { type Primitive, samples } from '../src/bench/primitives.ts';
import { publicKeyOf } from '../src/crypto/index.ts';
import { measure } from './measure.ts';
import type { BenchRow } from './row.ts';

const require = createRequire(import.meta.url);

type Keccak = (algorithm: 'keccak256') => { update(bytes: Buffer): { digest(): Buffer } };
interface Secp256k1 {
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { signature: Uint8Array; recid: number };
  ecdsaRecover(signature: Uint8Array, recid: number, digest: Uint8Array, compressed: boolean): Uint8Array;
  ecdh(publicKey: Uint8Array, key: Uint8Array): Uint8Array;
}
interface Snappy {
  compressSync(bytes: Buffer): Buffer;
  uncompressSync(bytes: Buffer, options: { asBuffer: true }): Buffer;
}

export async function npmPrimitives(): Promise<BenchRow[]> {
  const keccak: Keccak = require('keccak');
  const secp256k1: Secp256k1 = require('secp256k1');
  const snappy: Snappy = require('snappy');
  const { kilobyte, digest, key, compressible } = samples();
  const { signature, recid } = secp256k1.ecdsaSign(digest, key);
  const publicKey = new Uint8Array([4, ...publicKeyOf(key)]);
  const block = snappy.compressSync(Buffer.from(compressible));
  const work: Readonly<Record<Primitive, () => unknown>> = {
    'keccak256-1k': () => keccak('keccak256').update(Buffer.from(kilobyte)).digest(),
    sign: () => secp256k1.ecdsaSign(digest, key),
    recover: () => secp256k1.ecdsaRecover(signature, recid, digest, false),
    ecdh: () => secp256k1.ecdh(publicKey, key),
    'snappy-compress-100k': () => snappy.compressSync(Buffer.from(compressible)),
    'snappy-uncompress-100k': () => snappy.uncompressSync(block, { asBuffer: true }),
  };
  const measured: BenchRow[] = [];
  for (const [id, run] of Object.entries(work)) {
    measured.push(await measure({ id, subject: 'npm', unit: 'ops/s', amount: 1, run: () => void run() }));
  }
  return measured;
}
