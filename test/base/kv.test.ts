import { describe, expect, it } from 'vitest';
import { MemoryKv } from '../../src/base/kv.ts';

describe('records in memory', () => {
  it('are gone through in the order of their keys', async () => {
    const kv = new MemoryKv();
    const keys = [[255], [1, 2], [0], [1], [128, 7]].map((bytes) => Uint8Array.from(bytes));
    await kv.batch(keys.map((key) => ({ key, value: key })));
    const found: number[][] = [];
    for await (const entries of kv.scan(2)) {
      expect(entries.length).toBeLessThanOrEqual(2);
      for (const { key, value } of entries) {
        expect(value).toEqual(key);
        found.push([...key]);
      }
    }
    expect(found).toEqual([[0], [1], [1, 2], [128, 7], [255]]);
  });
});
