import { describe, expect, it } from 'vitest';
import { Chunks } from '../../src/p2p/chunks.ts';

const KiB = 1024;

describe('the memory of what was received', () => {
  it('is given back when all of it is decoded', () => {
    const chunks = new Chunks();
    const received = [64, 64, 64].map((size) => new Uint8Array(size * KiB));
    for (const chunk of received) chunks.push(chunk);
    const left = () => received.map(({ length }) => length / KiB);
    chunks.decoded(128 * KiB + 1);
    expect(left()).toEqual([64, 64, 64]);
    chunks.decoded(128 * KiB);
    expect(left()).toEqual([0, 64, 64]);
    chunks.decoded(10);
    expect(left()).toEqual([0, 0, 64]);
    chunks.decoded(0);
    expect(left()).toEqual([0, 0, 0]);
  });

  it('is kept where a message lies in it', () => {
    const chunks = new Chunks();
    const [first, second] = [new Uint8Array(64 * KiB), new Uint8Array(64 * KiB)];
    chunks.push(first);
    chunks.push(second);
    chunks.keep(first.buffer);
    chunks.keep(undefined);
    chunks.decoded(80 * KiB);
    chunks.keep(new ArrayBuffer(8));
    chunks.decoded(0);
    expect([first.length, second.length]).toEqual([64 * KiB, 0]);
  });

  it('is kept where it is a part of something larger, or small', () => {
    const chunks = new Chunks();
    const slab = new Uint8Array(256 * KiB);
    const small = new Uint8Array(KiB);
    chunks.push(slab.subarray(0, 64 * KiB));
    chunks.push(small);
    chunks.decoded(0);
    expect([slab.length, small.length]).toEqual([256 * KiB, KiB]);
  });

  it('counts from the first chunk, whatever waited before', () => {
    const chunks = new Chunks();
    const chunk = new Uint8Array(64 * KiB);
    chunks.push(chunk);
    chunks.decoded(64 * KiB + 500);
    chunks.decoded(64 * KiB);
    expect(chunk).toHaveLength(64 * KiB);
    chunks.decoded(0);
    expect(chunk).toHaveLength(0);
  });
});
