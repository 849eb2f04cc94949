import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/io/crc32c.ts';
import { logOf, readLog } from '../../src/io/level-log.ts';
import { runs } from '../support/runs.ts';

const BLOCK = 32_768;

/** By Buffer: `toEqual` goes through typed arrays byte by byte. */
function areFirstOf(records: readonly Uint8Array[], all: readonly Uint8Array[]): boolean {
  return records.every((bytes, i) => Buffer.compare(bytes, all[i] ?? new Uint8Array()) === 0);
}

const record = fc
  .oneof(fc.nat(50), fc.integer({ min: BLOCK - 30, max: BLOCK }), fc.nat(100_000))
  .map((length) => new Uint8Array(length).map((_, i) => (i * 7 + length) & 0xff));
const records = fc.array(record, { minLength: 1, maxLength: 5 });

describe('a log of LevelDB', () => {
  it('has checksums of CRC-32C (RFC 3720, B.4)', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  });

  it('gives its records, and where it is cut those before that', () => {
    fc.assert(
      fc.property(records, fc.nat(), (records, number) => {
        const log = logOf(records);
        const { records: whole, ...ends } = readLog(log);
        expect(ends).toEqual({ isBroken: false, isCut: false, isResumed: false });
        expect([whole.length, areFirstOf(whole, records)]).toEqual([records.length, true]);
        const cut = readLog(log.subarray(0, number % log.length));
        expect(cut.isBroken).toBe(false);
        expect(areFirstOf(cut.records, records)).toBe(true);
        expect(cut.records.length).toBeLessThan(records.length);
        expect(cut.isResumed).toBe(false);
      }),
      { numRuns: runs(50) },
    );
  });

  it.each([
    ['zeros', () => 0],
    ['garbage', (i: number) => (Math.imul(i + 1, 0x9e3779b1) >>> 13) & 0xff],
  ])('is without its end where %s stand behind some of it, and no other record', (_, byte) => {
    fc.assert(
      fc.property(records, fc.nat(), fc.nat(100_000), (records, number, more) => {
        const log = logOf(records);
        const at = number % log.length;
        const torn = new Uint8Array(log.length + more).map((_, i) => (i < at ? (log[i] ?? 0) : byte(i)));
        const { records: left, isCut, isResumed } = readLog(torn);
        expect(areFirstOf(left, records)).toBe(true);
        expect([left.length < records.length, isCut, isResumed]).toEqual([true, true, false]);
      }),
      { numRuns: runs(50) },
    );
  });

  it('gives the records before some place where it does not say that others follow', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.nat(10_000), fc.nat(255), (records, number, length, byte) => {
        const log = logOf(records);
        const at = number % log.length;
        log.fill(byte, at, at + length);
        const { records: left, isResumed } = readLog(log);
        if (!isResumed) expect(areFirstOf(left, records)).toBe(true);
      }),
      { numRuns: runs(200) },
    );
  });

  it('goes on behind what is broken, or empty, where a record begins: in the same block or another', () => {
    const [small, long] = [new Uint8Array(100).fill(1), new Uint8Array(100_000).fill(2)];
    const start = 7 + small.length;
    for (const rest of [[small], [long], [long, small]]) {
      const log = logOf([small, long, ...rest]);
      const resumedWithout = (from: number, to: number, byte: number) =>
        readLog(log.slice().fill(byte, from, to)).isResumed;
      // Of the long record some of its bytes, its checksum and its length, all of its first block.
      for (const [from, to] of [
        [start + 7, start + 50],
        [start, start + 7],
        [start, BLOCK],
      ] as const) {
        expect(resumedWithout(from, to, 0)).toBe(true);
        expect(resumedWithout(from, to, 200)).toBe(true);
      }
    }
    // The length leads nowhere, and the next record stands in the same block.
    const log = logOf([small, small, long]);
    log[start + 5] = 0x7f;
    expect(readLog(log).isResumed).toBe(true);
  });

  it('shows where a byte is another, and gives no record that is not of it', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (records, number, change) => {
        const log = logOf(records);
        const at = number % log.length;
        log[at] = (log[at] ?? 0) ^ change;
        const contents = readLog(log);
        const texts = records.map((bytes) => Buffer.from(bytes).toString('hex'));
        for (const bytes of contents.records) expect(texts).toContain(Buffer.from(bytes).toString('hex'));
        const rest = readLog(logOf(contents.records));
        expect([rest.isBroken, rest.records.length]).toEqual([false, contents.records.length]);
        expect(areFirstOf(contents.records, rest.records)).toBe(true);
      }),
      { numRuns: runs(50) },
    );
  });

  it('may be anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        expect(readLog(bytes).records.length).toBeLessThan(100);
      }),
      { numRuns: runs(300) },
    );
  });
});
