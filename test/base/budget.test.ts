import { describe, expect, it } from 'vitest';
import { Budget, type BudgetShare } from '../../src/base/budget.ts';

describe('a budget', () => {
  it('makes those give up who have held for the longest time, and no more than needed', () => {
    const budget = new Budget(100);
    const gone: string[] = [];
    const open = (name: string) => {
      const share: BudgetShare = budget.share(() => {
        gone.push(name);
        share.set(0);
      });
      return share;
    };
    const [a, b, c] = [open('a'), open('b'), open('c')];
    a.set(30);
    b.set(40);
    c.set(30);
    expect(gone).toEqual([]);
    c.set(50);
    expect(gone).toEqual(['a']);
    expect(budget.used).toBe(90);
  });

  it('forgets how long a holder has held once it holds nothing', () => {
    const budget = new Budget(100);
    const gone: string[] = [];
    const open = (name: string) => {
      const share: BudgetShare = budget.share(() => {
        gone.push(name);
        share.set(0);
      });
      return share;
    };
    const [a, b] = [open('a'), open('b')];
    a.set(60);
    b.set(30);
    a.set(0);
    a.set(60);
    b.set(50);
    expect(gone).toEqual(['b']);
  });

  it('lets a single holder use all of it, and not more', () => {
    const budget = new Budget(100);
    let told = 0;
    const share: BudgetShare = budget.share(() => {
      told++;
      share.set(0);
    });
    share.set(100);
    expect(told).toBe(0);
    share.set(101);
    expect(told).toBe(1);
    expect(budget.used).toBe(0);
  });
});
