import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ByteQueue,
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  toBareHex,
  toHex,
} from '../../src/base/bytes.ts';
import { codeOf } from '../support/errors.ts';

describe('hexadecimal', () => {
  it('is read with and without prefix, in either case, and written in lower case', () => {
    expect(fromHex('0xABcd')).toEqual(Uint8Array.of(0xab, 0xcd));
    expect(fromHex('')).toEqual(new Uint8Array());
    expect(toHex(Uint8Array.of(0, 255))).toBe('0x00ff');
    expect(toBareHex(Uint8Array.of(1))).toBe('01');
  });

  it('is as long as the bytes, of which it reads only those of the view', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 130 }), fc.nat(10), (bytes, from) => {
        const view = bytes.subarray(from);
        expect(toBareHex(view)).toBe(Buffer.from(view).toString('hex'));
        expect(fromHex(toBareHex(view))).toEqual(view);
      }),
    );
  });

  it('of half a byte, or with another character, is refused', () => {
    for (const bad of ['0x1', '0xzz', '0x 1', '1 '])
      expect(codeOf(() => fromHex(bad))).toBe('invalid-argument');
  });
});

describe('comparison', () => {
  it('is by bytes, then by length', () => {
    const sorted = [[], [0], [0, 1], [1]].map((bytes) => Uint8Array.from(bytes));
    for (const [i, a] of sorted.entries()) {
      for (const [j, b] of sorted.entries()) {
        expect(Math.sign(compareBytes(a, b))).toBe(Math.sign(i - j));
        expect(equalBytes(a, b)).toBe(i === j);
      }
    }
  });
});

describe('a byte queue', () => {
  it('gives out what went in, however it was cut', () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 20 });
    const steps = fc.array(fc.tuple(fc.constantFrom('take', 'takeAtLeast', 'putBack'), fc.nat(30)), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(chunks, steps, (input, plan) => {
        const queue = new ByteQueue();
        for (const chunk of input) queue.push(chunk);
        const out: Uint8Array[] = [];
        for (const [step, length] of plan) {
          const piece = step === 'takeAtLeast' ? queue.takeAtLeast(length) : queue.take(length);
          if (piece === undefined) {
            expect(length).toBeGreaterThan(queue.length);
            continue;
          }
          if (step === 'takeAtLeast') expect(piece.length).toBeGreaterThanOrEqual(length);
          else expect(piece).toHaveLength(length);
          if (step === 'putBack') queue.unshift(piece);
          else out.push(piece);
        }
        out.push(queue.take(queue.length) ?? new Uint8Array());
        expect(concatBytes(...out)).toEqual(concatBytes(...input));
        expect(queue.length).toBe(0);
      }),
    );
  });

  it('does not copy a piece that lies within one chunk', () => {
    const queue = new ByteQueue();
    const chunk = new Uint8Array(100);
    queue.push(chunk);
    expect(queue.take(10)?.buffer).toBe(chunk.buffer);
    expect(queue.takeAtLeast(5)?.byteOffset).toBe(10);
  });

  it('gives out what spans chunks as it lies there, for whoever joins it himself', () => {
    const queue = new ByteQueue();
    const chunks = [2000, 3000, 4000].map((length) => new Uint8Array(length));
    for (const chunk of chunks) queue.push(chunk);
    expect(queue.take(10)).toHaveLength(10);
    expect([1990, 1991, 8990, 8991].map((length) => queue.isSplit(length))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(queue.takePieces(8991)).toBeUndefined();
    const pieces = queue.takePieces(5990) ?? [];
    expect(pieces.map(({ length }) => length)).toEqual([1990, 3000, 1000]);
    expect(pieces.map(({ buffer }) => buffer)).toEqual(chunks.map(({ buffer }) => buffer));
    expect(queue.take(3000)?.byteOffset).toBe(1000);
    expect(queue.takePieces(0)).toEqual([]);
    expect(queue.isSplit(1)).toBe(false);
  });

  it('gives out a large chunk by and by, and joins what is put back with what it was cut from', () => {
    const queue = new ByteQueue();
    const chunk = new Uint8Array(64 * 1024);
    queue.push(chunk);
    const piece = queue.takeAtLeast(100);
    expect(piece).toHaveLength(16 * 1024);
    if (piece !== undefined) queue.unshift(piece.subarray(16_000));
    const rest = queue.take(chunk.length - 16_000);
    expect(rest?.buffer).toBe(chunk.buffer);
    expect(rest?.byteOffset).toBe(16_000);
    queue.push(new Uint8Array(64 * 1024));
    expect(queue.takeAtLeast(20 * 1024)).toHaveLength(64 * 1024);
  });

  it('is linear: a piece that spans 100,000 chunks is put together once', () => {
    const queue = new ByteQueue();
    for (let i = 0; i < 100_000; i++) queue.push(Uint8Array.of(i));
    expect(queue.take(100_001)).toBeUndefined();
    expect(queue.take(100_000)?.[99_999]).toBe(99_999 & 0xff);
  });
});
