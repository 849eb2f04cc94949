/** Frames with valid MACs around anything, down to a header without a body (rlpx.md, "Framing"). */
import { concatBytes } from '../../src/base/bytes.ts';
import type { FrameSessionInit } from '../../src/crypto/index.ts';
import { RunningKeccak } from '../../src/crypto/js/keccak.ts';
import { aes256Block, aes256CtrStream, type ByteCipher } from '../../src/crypto/js/node.ts';

/** The sending half of a connection. */
export class RawFrames {
  readonly #stream: ByteCipher;
  readonly #block: ByteCipher;
  readonly #mac = new RunningKeccak();

  constructor({ aesSecret, macSecret, egressSeed }: FrameSessionInit) {
    this.#stream = aes256CtrStream(aesSecret);
    this.#block = aes256Block(macSecret);
    this.#mac.absorb(egressSeed);
  }

  /** A header that declares `size` bytes. */
  header(size: number): Uint8Array {
    const header = new Uint8Array(16);
    header.set([size >>> 16, (size >>> 8) & 0xff, size & 0xff, 0xc2, 0x80, 0x80]);
    const ciphertext = this.#stream.update(header).slice();
    return concatBytes(ciphertext, this.#mix(ciphertext));
  }

  /** The body that belongs to the header before it. */
  body(data: Uint8Array): Uint8Array {
    const padded = new Uint8Array(Math.ceil(data.length / 16) * 16);
    padded.set(data);
    const ciphertext = this.#stream.update(padded);
    this.#mac.absorb(ciphertext);
    return concatBytes(ciphertext, this.#mix(this.#mac.peek(16).slice()));
  }

  frame(data: Uint8Array): Uint8Array {
    return concatBytes(this.header(data.length), this.body(data));
  }

  #mix(block: Uint8Array): Uint8Array {
    const mask = this.#block.update(this.#mac.peek(16));
    const seed = Uint8Array.from(block, (byte, i) => byte ^ (mask[i] ?? 0));
    this.#mac.absorb(seed);
    return this.#mac.peek(16).slice();
  }
}

/**
 * A snappy block of copies that decodes to `length` bytes: `seed`, and its last `period` bytes over and over. It has
 * three bytes for every 64 that come out.
 */
export function snappyBomb(
  length: number,
  seed: Uint8Array = Uint8Array.of(0),
  period: number = seed.length,
): Uint8Array {
  const copies = Math.floor((length - seed.length) / 64);
  const rest = length - seed.length - 64 * copies;
  const [low, high] = [period & 0xff, period >>> 8];
  const parts: Uint8Array[] = [varint(length), literal(seed)];
  const run = new Uint8Array(3 * copies);
  for (let i = 0; i < copies; i++) run.set([(63 << 2) | 2, low, high], 3 * i);
  parts.push(run);
  if (rest > 0) parts.push(Uint8Array.of(((rest - 1) << 2) | 2, low, high));
  return concatBytes(...parts);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function literal(bytes: Uint8Array): Uint8Array {
  const size = bytes.length - 1;
  const tag = size < 60 ? [size << 2] : [61 << 2, size & 0xff, size >>> 8];
  return concatBytes(Uint8Array.from(tag), bytes);
}
