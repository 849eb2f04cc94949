import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { signRecord } from '../../src/enr/index.ts';
import { parseNode } from '../../src/server/bootnodes.ts';
import { Trusted } from '../../src/server/trusted.ts';

describe('a trusted node', () => {
  it('is at all addresses that its record names, until it is trusted no more', () => {
    const entries = { ip: '45.33.7.2', tcp: 30_303, ip6: '2a00:2::6' };
    const record = signRecord(new Uint8Array(32).fill(7), { seq: 1n, entries });
    const trusted = new Trusted();
    trusted.add(parseNode(record.toString()));
    const names = ['45.33.7.2', '2a00:2::/64', '45.33.7.3'];
    expect(names.map((name) => trusted.hasAt(name))).toEqual([true, true, false]);
    const key = toBareHex(record.publicKey);
    expect(trusted.has(key)).toBe(true);
    trusted.delete(key);
    expect([trusted.has(key), ...names.map((name) => trusted.hasAt(name))]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
