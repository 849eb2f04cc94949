import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../../src/base/ip.ts';
import { IpTree } from '../../../src/discv5/topics/ip-tree.ts';
import { runs } from '../../support/runs.ts';

const ip = (text: string): Uint8Array => parseIpv4(text) ?? new Uint8Array(4);
/** Few prefixes, so that they meet. */
const address = fc
  .tuple(fc.constantFrom(0, 1, 128, 200), fc.nat(3), fc.nat(3), fc.nat(3))
  .map((a) => Uint8Array.from(a));

/** What the text says, with a list in place of a tree. */
function naiveScore(all: readonly Uint8Array[], of: Uint8Array, levels: number): number {
  const bits = (a: Uint8Array): string => [...a].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  let over = 0;
  for (let level = 1; level <= levels; level++) {
    const prefix = bits(of).slice(0, level);
    const observed = all.filter((other) => bits(other).startsWith(prefix)).length;
    if (observed > all.length / 2 ** level) over++;
  }
  return over / levels;
}

describe('the score of an address', () => {
  it('is the part of its prefixes that are more than in a balanced tree', () => {
    fc.assert(
      fc.property(
        fc.array(address, { maxLength: 40 }),
        address,
        fc.constantFrom(1, 8, 32),
        (all, of, levels) => {
          const tree = new IpTree(levels);
          for (const each of all) tree.add(each);
          expect(tree.score(of)).toBe(naiveScore(all, of, levels));
          expect(tree.score(of)).toBeGreaterThanOrEqual(0);
          expect(tree.score(of)).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: runs(300) },
    );
  });

  it('is as if an address were not there that is not to count', () => {
    fc.assert(
      fc.property(fc.array(address, { maxLength: 40 }), address, address, (all, except, of) => {
        const [without, tree] = [new IpTree(32), new IpTree(32)];
        for (const each of all) without.add(each);
        for (const each of [except, ...all]) tree.add(each);
        expect(tree.score(of, except)).toBe(without.score(of));
        expect(tree.score(except, except)).toBe(without.score(except));
      }),
      { numRuns: runs(300) },
    );
  });

  it('is 1 for an address that is there, and high for one of its network', () => {
    const tree = new IpTree(32);
    expect(tree.score(ip('9.9.9.9'))).toBe(0);
    tree.add(ip('9.9.9.9'));
    expect(tree.score(ip('9.9.9.9'))).toBe(1);
    expect(tree.score(ip('9.9.9.200'))).toBe(24 / 32);
    expect(tree.score(ip('9.9.200.9'))).toBe(16 / 32);
    expect(tree.score(ip('200.9.9.9'))).toBe(0);
  });

  it('counts for nothing in a tree without levels', () => {
    const tree = new IpTree(0);
    tree.add(ip('1.2.3.4'));
    expect(tree.score(ip('1.2.3.4'))).toBe(0);
    expect(tree.remove(ip('9.2.3.4'))).toBe(true);
    expect(tree.size).toBe(0);
  });
});

describe('the tree', () => {
  it('is empty when all that was added has been removed, in any order', () => {
    fc.assert(
      fc.property(
        fc
          .array(address, { maxLength: 40 })
          .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, order]) => {
          const tree = new IpTree(32);
          for (const each of all) tree.add(each);
          expect(tree.size).toBe(all.length);
          expect(tree.vertices).toBeLessThanOrEqual(32 * all.length);
          for (const each of order) expect(tree.remove(each)).toBe(true);
          expect([tree.size, tree.vertices]).toEqual([0, 0]);
        },
      ),
    );
  });

  it('does not give what was not added', () => {
    const tree = new IpTree(32);
    expect(tree.remove(ip('1.2.3.4'))).toBe(false);
    tree.add(ip('1.2.3.4'));
    expect(tree.remove(ip('1.2.3.5'))).toBe(false);
    expect([tree.size, tree.vertices]).toEqual([1, 32]);
  });
});

describe('the lower bound', () => {
  it('is of all addresses with the same longest prefix, the largest of theirs, and of no others', () => {
    const tree = new IpTree(32);
    tree.add(ip('9.9.9.9'));
    tree.raise(ip('9.9.128.1'), 1_000, 0);
    tree.raise(ip('9.9.129.1'), 400, 0);
    expect(tree.boundFor(ip('9.9.200.7'), 0)).toBe(1_000);
    expect(tree.boundFor(ip('9.9.200.7'), 400)).toBe(800);
    expect(tree.boundFor(ip('9.9.9.9'), 0)).toBe(0);
    expect(tree.boundFor(ip('9.10.1.1'), 0)).toBe(0);
  });

  it('never falls faster than by half of the time, whatever comes and goes', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('add' as const, 'remove' as const), address, ms: fc.constant(0) }),
      fc.record({ kind: fc.constant('raise' as const), address, ms: fc.nat(5_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), address, fc.nat(2_000), (steps, of, wait) => {
        const tree = new IpTree(32);
        tree.raise(of, 3_000, 0);
        for (const each of steps) {
          if (each.kind === 'add') tree.add(each.address);
          else if (each.kind === 'remove') tree.remove(each.address);
          else tree.raise(each.address, each.ms, 0);
        }
        expect(tree.boundFor(of, wait)).toBeGreaterThanOrEqual(3_000 - wait / 2);
      }),
      { numRuns: runs(300) },
    );
  });

  it('is left behind by a prefix that goes', () => {
    const tree = new IpTree(32);
    tree.add(ip('9.9.9.9'));
    tree.add(ip('9.9.128.1'));
    tree.raise(ip('9.9.9.8'), 1_000, 0);
    tree.remove(ip('9.9.9.9'));
    expect(tree.boundFor(ip('9.9.9.8'), 0)).toBe(1_000);
    expect(tree.boundFor(ip('9.9.128.1'), 0)).toBe(0);
    tree.remove(ip('9.9.128.1'));
    expect(tree.boundFor(ip('9.9.9.8'), 0)).toBe(1_000);
  });

  it('passes over what is pending: no vertex comes of it', () => {
    const tree = new IpTree(32);
    for (let i = 0; i < 100; i++) tree.raise(Uint8Array.of(i, 1, 1, 1), 1_000, 0);
    expect(tree.vertices).toBe(0);
  });
});
