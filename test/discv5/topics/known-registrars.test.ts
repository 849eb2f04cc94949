import { expect, it } from 'vitest';
import { KnownRegistrars } from '../../../src/discv5/topics/known-registrars.ts';
import { KNOWN_MS, MAX_KNOWN } from '../../../src/discv5/topics/parameters.ts';
import { ipOf, nodeAt } from '../../support/kad-nodes.ts';
import { topicOf } from './nodes.ts';

const nodes = Array.from({ length: MAX_KNOWN + 3 }, (_, i) => nodeAt(topicOf(0), 256, i, { ip: ipOf(i) }));

it('registrars that have answered are remembered for an hour from their last answer, and so many of them', () => {
  const known = new KnownRegistrars();
  const [a, b, c] = nodes;
  if (a === undefined || b === undefined || c === undefined) throw new Error('there are three');
  known.answered(a, 0);
  known.answered(b, 1);
  known.answered(c, 2);
  known.answered(a, 10);
  known.remove(c.id);
  expect(known.recent(KNOWN_MS)).toEqual([b, a]);
  expect(known.recent(1 + KNOWN_MS)).toEqual([a]);
  expect(known.recent(10 + KNOWN_MS)).toEqual([]);
  expect(known.size).toBe(0);
  for (const node of nodes) known.answered(node, 0);
  expect(known.recent(0)).toEqual(nodes.slice(3));
});
