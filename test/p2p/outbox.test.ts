import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Outbox } from '../../src/p2p/outbox.ts';

const bytes = (length: number) => new Uint8Array(length);

describe('an outbox', () => {
  it('gives messages in their order, as many as fit, and at least one', () => {
    const outbox = new Outbox();
    for (const [code, length] of [500, 400, 200, 0, 2000, 1].entries()) outbox.push(code, bytes(length));
    expect(outbox.length).toBe(3101);
    const codes = () => outbox.take(1000).map(({ code }) => code);
    expect([codes(), codes(), codes(), codes(), codes()]).toEqual([[0, 1], [2, 3], [4], [5], []]);
    expect([outbox.length, outbox.isEmpty]).toEqual([0, true]);
  });

  it('lets the base protocol overtake, and says what is most urgent in it', () => {
    const outbox = new Outbox();
    outbox.push(0x10, bytes(10), 'gossip');
    expect([outbox.rank, outbox.hasControl]).toEqual([1, false]);
    outbox.push(0x11, bytes(10));
    expect([outbox.rank, outbox.hasControl]).toEqual([0, false]);
    outbox.pushControl(2, bytes(1));
    expect([outbox.rank, outbox.hasControl]).toEqual([0, true]);
    expect(outbox.take(1).map(({ code }) => code)).toEqual([2, 0x10]);
    expect([outbox.rank, outbox.hasControl]).toEqual([0, false]);
    outbox.take(1);
    expect([outbox.rank, outbox.hasControl]).toEqual([1, false]);
  });

  it('calls back when what was there has left, and at once when nothing was or will be', () => {
    const outbox = new Outbox();
    const called: string[] = [];
    outbox.afterOutput(() => called.push('empty'));
    outbox.push(1, bytes(1));
    outbox.afterOutput(() => called.push('one'));
    outbox.push(2, bytes(1));
    outbox.afterOutput(() => called.push('two'));
    outbox.take(1);
    expect(called).toEqual(['empty']);
    outbox.encoded();
    expect(called).toEqual(['empty', 'one']);
    outbox.clear();
    expect(called).toEqual(['empty', 'one', 'two']);
    expect([outbox.length, outbox.isEmpty]).toEqual([0, true]);
  });

  it('loses and repeats nothing, however it is filled and emptied', () => {
    const steps = fc.array(fc.oneof(fc.record({ push: fc.nat(50) }), fc.record({ take: fc.nat(100) })));
    fc.assert(
      fc.property(steps, (list) => {
        const outbox = new Outbox();
        const taken: number[] = [];
        let [pushed, length] = [0, 0];
        const take = (max: number) => {
          for (const { code, payload } of outbox.take(max)) {
            taken.push(code);
            length -= payload.length;
          }
        };
        for (const step of list) {
          if ('push' in step) {
            outbox.push(pushed++, bytes(step.push), pushed % 3 === 0 ? 'gossip' : 'answer');
            length += step.push;
          } else {
            take(step.take);
          }
          expect(outbox.length).toBe(length);
        }
        take(Number.POSITIVE_INFINITY);
        expect(taken).toEqual(Array.from({ length: pushed }, (_, i) => i));
      }),
    );
  });
});
