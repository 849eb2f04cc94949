import { describe, expect, it } from 'vitest';
import { MAX_TIMER_MS, systemEnv } from '../../src/base/env.ts';

describe('random bytes of the system', () => {
  it.each([-1, -512, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 53])(
    'are never %s',
    (length) => {
      expect(() => systemEnv.randomBytes(length)).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }),
      );
    },
  );

  it('are never the same, and never zeros, in whatever portions they are drawn', () => {
    const drawn = new Set<string>();
    const lengths = Array.from({ length: 3000 }, (_, i) => 16 + ((i * 37) % 300));
    for (const length of [...lengths, 1024, 1025, 70_000]) {
      const bytes = systemEnv.randomBytes(length);
      expect(bytes.length).toBe(length);
      expect(bytes.buffer.byteLength).toBe(length);
      expect(bytes.subarray(-8).some((byte) => byte !== 0)).toBe(true);
      drawn.add(Buffer.from(bytes.subarray(0, 16)).toString('hex'));
    }
    expect(drawn.size).toBe(lengths.length + 3);
    expect(systemEnv.randomBytes(0)).toEqual(new Uint8Array(0));
  });
});

describe('a timer of the system', () => {
  it.each([MAX_TIMER_MS + 1, 1e12, Number.POSITIVE_INFINITY])('of %d ms is not over at once', async (ms) => {
    let isOver = false;
    const timer = systemEnv.setTimer(ms, () => {
      isOver = true;
    });
    await new Promise<void>((resolve) => void systemEnv.setTimer(20, resolve));
    timer.cancel();
    expect(isOver).toBe(false);
  });
});
