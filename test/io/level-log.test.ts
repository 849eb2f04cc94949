import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blankBroken, crc32c, readLog } from '../../src/io/level-log.ts';
import { runs } from '../support/runs.ts';

const BLOCK = 32_768;

/** A log of these records, as its format says. */
function logOf(records: readonly Uint8Array[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const push = (bytes: Uint8Array): void => {
    chunks.push(bytes);
    length += bytes.length;
  };
  for (const record of records) {
    let at = 0;
    do {
      const rest = BLOCK - (length % BLOCK);
      if (rest < 7) push(new Uint8Array(rest));
      const room = BLOCK - (length % BLOCK) - 7;
      const part = record.subarray(at, at + room);
      const isLast = at + part.length === record.length;
      const type = at === 0 ? (isLast ? 1 : 2) : isLast ? 4 : 3;
      const chunk = new Uint8Array([0, 0, 0, 0, part.length & 0xff, part.length >> 8, type, ...part]);
      const crc = crc32c(chunk.subarray(6));
      new DataView(chunk.buffer).setUint32(0, ((crc >>> 15) | (crc << 17)) + 0xa282ead8, true);
      push(chunk);
      at += part.length;
    } while (at < record.length);
  }
  return new Uint8Array(Buffer.concat(chunks));
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
        expect(readLog(log)).toEqual({ records, broken: [], isCut: false });
        const cut = readLog(log.subarray(0, number % log.length));
        expect(cut.broken).toEqual([]);
        expect(cut.records).toEqual(records.slice(0, cut.records.length));
        expect(cut.records.length).toBeLessThan(records.length);
      }),
      { numRuns: runs(50) },
    );
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
        blankBroken(log, contents);
        expect(readLog(log).broken).toEqual([]);
        expect(readLog(log).records).toEqual(contents.records);
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
