import { describe, expect, it } from 'vitest';
import { NetworkMemory } from '../../src/server/network-memory.ts';

const LIMITS = { all: 20, network: 3, block: 6 };

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

function remembering(isKept?: (key: string) => boolean) {
  const memory = new NetworkMemory<number>(LIMITS, isKept);
  return { memory, set: (i: number, host?: string) => memory.set(`${i}`, i, host) };
}

describe('what is remembered of those who come from somewhere', () => {
  it.each([
    ['a /24', 3, (i: number) => `9.9.9.${i}`],
    ['a /48', 3, (i: number) => `2a01:1:2:${i}::1`],
    ['a /16', 6, (i: number) => `9.9.${i}.9`],
    ['a /32', 6, (i: number) => `2a01:1:${i}::1`],
    ['networks of many blocks', 20, (i: number) => `9.${i}.9.9`],
    ['one LAN', 20, () => '192.168.1.1'],
    ['nowhere', 20, () => undefined],
  ])('is of %s no more than %i, the latest', (_, max, ip) => {
    const { memory, set } = remembering();
    set(1000, '8.8.8.8');
    for (const i of range(0, 100)) {
      set(i, ip(i));
      // What was set again is the latest.
      set(1000);
    }
    expect([...memory.values()].toSorted((a, b) => a - b)).toEqual([
      ...range(100 - Math.min(max, LIMITS.all - 1), 100),
      1000,
    ]);
  });

  it('stays where it was until it comes from elsewhere, and leaves nothing behind', () => {
    const { memory, set } = remembering();
    for (const i of range(0, 3)) set(i, '9.9.9.9');
    set(0);
    set(1, '8.8.8.8');
    set(3, '9.9.9.9');
    expect(memory.size).toBe(4);
    set(4, '9.9.9.9');
    expect([...memory.values()]).toEqual([0, 1, 3, 4]);
    memory.delete('0');
    memory.delete('none');
    set(5, '9.9.9.9');
    expect([...memory.values()]).toEqual([1, 3, 4, 5]);
    // One that comes from there now makes room, too.
    set(1, '9.9.9.9');
    expect([...memory.values()]).toEqual([4, 5, 1]);
    expect([memory.get('1'), memory.get('3')]).toEqual([1, undefined]);
  });

  it('is not forgotten where it is to be kept, but others are for it', () => {
    const kept = new Set(range(0, 30).map(String));
    const { memory, set } = remembering((key) => kept.has(key));
    for (const i of range(0, 30)) set(i, i < 5 ? '9.9.9.9' : `9.${i}.9.9`);
    expect(memory.size).toBe(30);
    set(100, '9.9.9.9');
    expect([memory.size, memory.get('100')]).toEqual([30, undefined]);
    kept.clear();
    set(100, '9.9.9.9');
    // The network has its three then, and all their twenty.
    expect([...memory.values()]).toEqual([...range(11, 30), 100]);
  });
});
