/** The primitives under the protocols, against the npm packages that do the same: keccak, secp256k1, snappy. */
import { randomFillSync } from 'node:crypto';
import { createRequire } from 'node:module';
import {
  backend,
  compress,
  ecdh,
  keccak256,
  publicKeyOf,
  recover,
  sign,
  uncompress,
} from '../src/crypto/index.ts';
import { measure } from './measure.ts';
import type { BenchRow, BenchSubject } from './row.ts';

const require = createRequire(import.meta.url);
const random = (length: number) => randomFillSync(new Uint8Array(length));

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

const kilobyte = random(1024);
/** Half of it repeats, as block bodies do. */
const compressible = random(100_000).map((byte, index) => (index % 1000 < 500 ? index % 50 : byte));
const [digest, key] = [random(32), random(32)];

export async function primitives(): Promise<BenchRow[]> {
  const signature = sign(digest, key);
  const publicKey = publicKeyOf(key);
  const block = compress(compressible);
  return rows(backend.name, {
    'keccak256-1k': () => keccak256(kilobyte),
    sign: () => sign(digest, key),
    recover: () => recover(digest, signature),
    ecdh: () => ecdh(key, publicKey),
    'snappy-compress-100k': () => compress(compressible),
    'snappy-uncompress-100k': () => uncompress(block, compressible.length),
  });
}

export async function npmPrimitives(): Promise<BenchRow[]> {
  const keccak: Keccak = require('keccak');
  const secp256k1: Secp256k1 = require('secp256k1');
  const snappy: Snappy = require('snappy');
  const { signature, recid } = secp256k1.ecdsaSign(digest, key);
  const publicKey = new Uint8Array([4, ...publicKeyOf(key)]);
  const block = snappy.compressSync(Buffer.from(compressible));
  return rows('npm', {
    'keccak256-1k': () => keccak('keccak256').update(Buffer.from(kilobyte)).digest(),
    sign: () => secp256k1.ecdsaSign(digest, key),
    recover: () => secp256k1.ecdsaRecover(signature, recid, digest, false),
    ecdh: () => secp256k1.ecdh(publicKey, key),
    'snappy-compress-100k': () => snappy.compressSync(Buffer.from(compressible)),
    'snappy-uncompress-100k': () => snappy.uncompressSync(block, { asBuffer: true }),
  });
}

async function rows(
  subject: BenchSubject,
  work: Readonly<Record<string, () => unknown>>,
): Promise<BenchRow[]> {
  const measured: BenchRow[] = [];
  for (const [id, run] of Object.entries(work)) {
    measured.push(await measure({ id, subject, unit: 'ops/s', amount: 1, run: () => void run() }));
  }
  return measured;
}
