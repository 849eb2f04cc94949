import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BodiesStage, HeadersStage, type Target, verifyChain } from '../../src/sync/index.ts';
import { runs } from '../support/runs.ts';
import { blockAt, smallChain, upTo } from './chains.ts';
import { TestDownload } from './download.ts';

const chain = upTo(smallChain(), 240);
const target: Target = { kind: 'hash', hash: blockAt(chain, 240).hash };

/** What a liar does to the items of an answer. */
interface Lie {
  readonly kind: 'flip' | 'drop' | 'repeat' | 'swap' | 'cut' | 'empty' | 'silence' | 'truth';
  readonly at: number;
  readonly value: number;
}

const lie: fc.Arbitrary<Lie> = fc.record({
  kind: fc.constantFrom('flip', 'drop', 'repeat', 'swap', 'cut', 'empty', 'silence', 'truth'),
  at: fc.nat(),
  value: fc.integer({ min: 1, max: 255 }),
});
const lies = fc.array(fc.array(lie, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 });

function tell({ kind, at, value }: Lie, items: Uint8Array[]): Uint8Array[] | undefined {
  const index = at % Math.max(1, items.length);
  const item = items[index];
  if (item === undefined || kind === 'truth') return items;
  if (kind === 'silence') return undefined;
  if (kind === 'empty') return [];
  if (kind === 'drop') return items.toSpliced(index, 1);
  if (kind === 'repeat') return items.toSpliced(index, 0, item);
  if (kind === 'cut') return items.slice(0, index);
  if (kind === 'swap') return items.with(index, items[0] ?? item).with(0, item);
  const flipped = item.slice();
  const place = value % flipped.length;
  // The item stays one item, or the answer would not have got through the decoder of messages.
  if (place < 3) return items;
  flipped[place] = (flipped[place] ?? 0) ^ value;
  return items.with(index, flipped);
}

function teller(script: readonly Lie[]): (items: Uint8Array[]) => Uint8Array[] | undefined {
  let turn = 0;
  return (items) => {
    const next = script[turn++ % script.length];
    return next === undefined ? items : tell(next, items);
  };
}

it('one honest source suffices for headers, whatever the others answer', async () => {
  await fc.assert(
    fc.asyncProperty(lies, async (scripts) => {
      const download = await TestDownload.create();
      for (const [i, script] of scripts.entries()) {
        download.add(`liar ${i}`, chain, { latencyMs: 5, tamperHeaders: teller(script) });
      }
      const honest = download.add('honest', chain, { latencyMs: 30 });
      await download.run(new HeadersStage({ writeHeaders: 50 }), target);
      expect(download.store.headerHead().number).toBe(240);
      await verifyChain(download.store);
      expect(honest.failure).toBeUndefined();
    }),
    { numRuns: runs(25) },
  );
});

it('one honest source suffices for bodies, whatever the others answer', async () => {
  await fc.assert(
    fc.asyncProperty(lies, async (scripts) => {
      const download = await TestDownload.withHeaders(chain);
      for (const [i, script] of scripts.entries()) {
        download.add(`liar ${i}`, chain, { latencyMs: 5, tamperBodies: teller(script) });
      }
      const honest = download.add('honest', chain, { latencyMs: 30 });
      await download.run(new BodiesStage(), target);
      expect(download.store.head().number).toBe(240);
      await verifyChain(download.store);
      expect(honest.failure).toBeUndefined();
    }),
    { numRuns: runs(20) },
  );
});
