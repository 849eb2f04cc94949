import { expect, it } from 'vitest';
import { CounterTable, OTHER } from '../../src/observe/index.ts';

it('counts by name', () => {
  const table = new CounterTable(8);
  table.add('a');
  table.add('b', 3);
  table.add('a');
  expect(table.snapshot()).toEqual({ a: 2, b: 3 });
  expect([table.get('a'), table.get('c')]).toEqual([2, 0]);
});

it('has no more names than it may, whatever others make up', () => {
  const table = new CounterTable(2);
  for (let i = 0; i < 10_000; i++) table.add(`name ${i}`);
  table.add('name 1', 5);
  expect(table.snapshot()).toEqual({ 'name 0': 1, 'name 1': 6, [OTHER]: 9_998 });
});
