import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { Table, TableView } from '../../src/kad/index.ts';
import { codeOf } from '../support/errors.ts';
import { nodeAt } from '../support/kad-nodes.ts';

const env = new VirtualEnv({ seed: 9 });
const localId = env.randomBytes(32);
const [near, far, silent] = [nodeAt(localId, 250, 0), nodeAt(localId, 256, 0), nodeAt(localId, 251, 0)];

let table: Table;
let view: TableView;
beforeEach(() => {
  table = new Table({ localId, randomBytes: (length) => env.randomBytes(length) });
  for (const node of [near, far, silent]) table.addFound(node, 0);
  for (const node of [near, far]) table.checked(node.id, node, 0);
  view = new TableView(table);
});

describe('the view of a table', () => {
  it('shows the table as it is at the time', () => {
    expect([view.size, view.isEmpty, view.stats()]).toEqual([3, false, table.stats()]);
    expect([view.entries(), view.replacements()]).toEqual([table.entries(), table.replacements()]);
    const another = nodeAt(localId, 249, 0);
    expect(view.has(another.id)).toBe(false);
    table.addFound(another, 1);
    expect([view.get(another.id), view.has(another.id), view.isLive(another.id)]).toEqual([
      another,
      true,
      false,
    ]);
    expect([view.size, view.isLive(near.id)]).toEqual([4, true]);
  });

  it('has nothing by which the table would change', () => {
    const names = Object.getOwnPropertyNames(TableView.prototype).filter((name) => name !== 'constructor');
    expect(names.sort()).toEqual([
      'closest',
      'entries',
      'get',
      'has',
      'isEmpty',
      'isLive',
      'replacements',
      'size',
      'stats',
    ]);
    expect(Object.values(view)).toEqual([]);
    // What it gives is the caller's.
    view.entries().length = 0;
    expect(view.entries().length).toBe(3);
  });

  it('gives the closest that are live, and others where they are wanted', () => {
    expect(view.closest(localId)).toEqual([near, far]);
    expect(view.closest(localId, 1)).toEqual([near]);
    expect(view.closest(localId, 0)).toEqual([]);
    expect(view.closest(localId, 16, { onlyLive: false })).toEqual([near, silent, far]);
    expect(view.closest(localId, 16, { accepts: (node) => node === far })).toEqual([far]);
  });

  it.each([undefined, null, 'x', new Uint8Array(31), new Uint8Array(33)])(
    'knows no node with the id %s',
    (id) => {
      for (const ask of [view.get, view.has, view.isLive, view.closest]) {
        expect(codeOf(() => Reflect.apply(ask, view, [id]))).toBe('invalid-argument');
      }
    },
  );

  it.each([Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, '16', null])('gives no closest %s', (n) => {
    expect(codeOf(() => Reflect.apply(view.closest, view, [localId, n]))).toBe('invalid-argument');
  });

  it.each([
    null,
    [],
    { onlyLive: 'yes' },
    { accepts: true },
    {
      accepts: () => {
        throw new TypeError('a bug of the caller');
      },
    },
    { accepts: () => Promise.reject(new TypeError('a bug of the caller')) },
  ])('takes no options such as %j', (options: unknown) => {
    expect(codeOf(() => Reflect.apply(view.closest, view, [localId, 16, options]))).toBe('invalid-argument');
  });
});
