/** What a download tells of its sources, so that it counts for the peers behind them. */
import { describe, expect, it } from 'vitest';
import { eventOf, type ReputationEventKind } from '../../src/base/reputation-events.ts';
import { BodiesStage, HeadersStage } from '../../src/sync/index.ts';
import { MAX_TIMEOUT_MS, MAX_TIMEOUTS } from '../../src/sync/scheduler.ts';
import { blockAt, forkOf, smallChain } from './chains.ts';
import { later, TestDownload } from './download.ts';
import type { SimOptions, SimSource } from './sim-source.ts';

const chain = smallChain();
const HEAD = 600;
const target = { kind: 'hash', hash: blockAt(chain, HEAD).hash } as const;
const fork = forkOf(chain, 1);

/** What counts for the peer behind a source: what was told of it, and the error that ended it. */
function heard({ reported, failure }: SimSource): readonly (ReputationEventKind | undefined)[] {
  return failure === undefined ? reported : [...reported, eventOf(failure)];
}

type Case = readonly [name: string, options: SimOptions, heard: readonly ReputationEventKind[]];

describe('of a source of bodies', () => {
  it.each<Case>([
    ['that answers', {}, []],
    ['that has nothing', { tamperBodies: () => [] }, []],
    [
      'that never answers',
      { tamperBodies: () => undefined },
      [...Array(MAX_TIMEOUTS).fill('timeout'), 'minor'] as ReputationEventKind[],
    ],
    ['that we ourselves hardly read', { latencyMs: 3 * MAX_TIMEOUT_MS, heldPart: 0.9 }, []],
    [
      'that gives others',
      { tamperBodies: (items) => items.map(() => blockAt(chain, 1).body) },
      ['bad-block'],
    ],
    ['that gives more', { tamperBodies: (items) => [...items, ...items] }, ['bad-block']],
  ])('%s', async (_name, options, expected) => {
    const download = await TestDownload.withHeaders(chain);
    const source = download.add('a', chain, { latencyMs: 1, ...options });
    later(download.env, 60_000, () => download.add('good', chain));
    await download.run(new BodiesStage(), { kind: 'best' });
    expect(heard(source)).toEqual(expected);
  });
});

describe('of a source of headers', () => {
  it.each<Case>([
    ['that answers', {}, []],
    ['that does not have the target', { tamperHeaders: () => [] }, []],
    [
      'that gives those of another chain',
      {
        tamperHeaders: (items, { limit }) =>
          limit === 1 ? items : items.map((_, i) => blockAt(fork, HEAD - i).header),
      },
      ['bad-block'],
    ],
    ['that shows another one', { tamperHeaders: () => [blockAt(chain, 5).header] }, ['bad-block']],
    [
      'that gives more',
      { tamperHeaders: (items, { limit }) => (limit === 1 ? items : [...items, blockAt(chain, 1).header]) },
      ['breach'],
    ],
  ])('%s', async (_name, options, expected) => {
    const download = await TestDownload.create();
    const source = download.add('a', chain, options);
    later(download.env, 60_000, () => download.add('good', chain));
    await download.run(new HeadersStage(), target);
    expect(heard(source)).toEqual(expected);
  });

  it('that does not say whether it has the target', async () => {
    const download = await TestDownload.create();
    const silent = download.add('silent', chain, { tamperHeaders: () => undefined });
    later(download.env, 9_000, () => download.add('good', chain));
    await download.run(new HeadersStage(), target);
    expect(silent.reported[0]).toBe('timeout');
    expect(silent.failure).toBeUndefined();
  });

  it('that is slow to say so because we ourselves hardly read it', async () => {
    const download = await TestDownload.create();
    const source = download.add('a', chain, { latencyMs: 3 * MAX_TIMEOUT_MS, heldPart: 0.9 });
    await download.run(new HeadersStage(), target);
    expect(heard(source)).toEqual([]);
  });

  it('whose answer is no longer waited for, or that has left', async () => {
    const download = await TestDownload.create();
    const slow = download.add('slow', chain, { latencyMs: 5_000 });
    const leaving = download.add('leaving', chain, { tamperHeaders: () => undefined });
    later(download.env, 1_000, () => leaving.leave());
    download.add('good', chain, { latencyMs: 20 });
    await download.run(new HeadersStage(), target);
    expect([slow, leaving].map(heard)).toEqual([[], []]);
  });
});
