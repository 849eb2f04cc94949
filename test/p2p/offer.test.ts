import { describe, expect, it } from 'vitest';
import { offerToAll } from '../../src/p2p/index.ts';

/** Offers with so many places a turn, and what each turn was asked. */
function places(perTurn: readonly number[]): {
  readonly offer: (name: string) => Promise<boolean>;
  readonly turns: string[];
} {
  const turns: string[] = [];
  let left = 0;
  let isOpen = false;
  return {
    turns,
    async offer(name) {
      if (!isOpen) {
        isOpen = true;
        left = perTurn[turns.length] ?? 0;
        turns.push('');
        setImmediate(() => {
          isOpen = false;
        });
      }
      turns[turns.length - 1] += name;
      const isTaken = left-- > 0;
      await new Promise((resolve) => setImmediate(resolve));
      return isTaken;
    },
  };
}

describe('what is offered to all', () => {
  it('is offered in one turn if all take it', async () => {
    const { offer, turns } = places([3]);
    expect(await offerToAll(['a', 'b', 'c'], offer, 0)).toEqual({ sent: ['a', 'b', 'c'], skipped: [] });
    expect(turns).toEqual(['abc']);
  });

  it('is offered again to who refused, as long as somebody takes it', async () => {
    const { offer, turns } = places([2, 1, 2]);
    expect(await offerToAll(['a', 'b', 'c', 'd', 'e'], offer, 0)).toEqual({
      sent: ['a', 'b', 'c', 'd', 'e'],
      skipped: [],
    });
    expect(turns).toEqual(['abcde', 'cde', 'de']);
  });

  it('passes over those that refuse in a turn in which nobody takes it', async () => {
    const { offer, turns } = places([1, 0, 5]);
    expect(await offerToAll(['a', 'b', 'c'], offer, 0)).toEqual({ sent: ['a'], skipped: ['b', 'c'] });
    expect(turns).toEqual(['abc', 'bc']);
  });

  it('is sent to nobody if there is nobody', async () => {
    const { offer, turns } = places([1]);
    expect(await offerToAll([], offer)).toEqual({ sent: [], skipped: [] });
    expect(turns).toEqual([]);
  });

  it('has another one first each time, and is told of in their order', async () => {
    const { offer, turns } = places([1, 0]);
    expect(await offerToAll(['a', 'b', 'c'], offer, 2)).toEqual({ sent: ['c'], skipped: ['a', 'b'] });
    expect(turns).toEqual(['cab', 'ab']);
    const firsts = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const each = places([1, 0]);
      const { sent } = await offerToAll(['a', 'b', 'c'], each.offer);
      for (const one of sent) firsts.add(one);
    }
    expect(firsts.size).toBe(3);
  });
});
