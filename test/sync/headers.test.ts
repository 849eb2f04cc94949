import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { type HeadersRequest, HeadersStage, type Target, verifyChain } from '../../src/sync/index.ts';
import { rejectionOf } from '../support/errors.ts';
import { blockAt, forkOf, smallChain, type TestChain, upTo, withHeader } from './chains.ts';
import { idsOf, later, TestDownload } from './download.ts';
import { entries } from './entries.ts';
import type { SimSource } from './sim-source.ts';

const chain = smallChain();
const HEAD = 600;
const { hash } = blockAt(chain, HEAD);
const target: Target = { kind: 'hash', hash };
const stage = new HeadersStage();

async function expectHeaders({ store }: TestDownload, of: TestChain, number = of.blocks.length - 1) {
  expect(store.headerHead()).toMatchObject({ number, hash: blockAt(of, number).hash });
  expect(store.pending()).toBeUndefined();
  await verifyChain(store);
}

/** Headers of a fork instead of the true ones in every answer but those for one header. */
function forkedRanges(fork: TestChain) {
  return (items: Uint8Array[], { start, limit }: { start: number | Uint8Array; limit: number }) => {
    if (limit === 1) return items;
    const first =
      typeof start === 'number' ? start : chain.blocks.findLastIndex(({ hash }) => hash === start);
    return first < 0 ? items : items.map((_, i) => blockAt(fork, first - i).header);
  };
}

describe('the download of headers', () => {
  it('goes from the target down to what is stored, from all sources at once', async () => {
    const download = await TestDownload.above(chain, 20);
    const sources = [5, 20, 60].map((latencyMs) => download.add(String(latencyMs), chain, { latencyMs }));
    await download.run(stage, target);
    await expectHeaders(download, chain);
    for (const { served } of sources) expect(served.headers).toBeGreaterThan(1);
    const served = sources.reduce((sum, source) => sum + source.served.headers, 0);
    expect(served).toBeLessThan(HEAD + 20);
    expect(download.reports.at(-1)).toMatchObject({ stage: 'headers', from: 20, to: HEAD, at: HEAD });
  });

  it('has nothing to do when the target is stored, and needs no source for that', async () => {
    const download = await TestDownload.above(chain, 50);
    await download.run(stage, { kind: 'hash', hash: blockAt(chain, 30).hash });
    await expectHeaders(download, chain, 50);
  });

  it('waits for sources that come later, and uses those that come while it runs', async () => {
    const download = await TestDownload.create();
    later(download.env, 60_000, () => download.add('a', chain, { itemMs: 20 }));
    later(download.env, 61_000, () => download.add('b', chain));
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(download.env.now()).toBeGreaterThan(60_000);
    expect([...download.sources].every((source) => 'served' in source)).toBe(true);
  });

  it('asks for what a source cannot give at other sources, and does not blame it', async () => {
    const download = await TestDownload.create();
    const pruned = download.add('pruned', chain, {
      latencyMs: 1,
      tamperHeaders: (items, { start }) => (typeof start === 'number' && start < 400 ? [] : items),
    });
    download.add('full', chain, { latencyMs: 50 });
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(pruned.failure).toBeUndefined();
  });

  it('does not mind sources that are on another chain: they are not asked', async () => {
    const download = await TestDownload.create();
    const other = download.add('other', forkOf(chain, 300), { latencyMs: 1 });
    const behind = download.add('behind', upTo(chain, 100), { latencyMs: 1 });
    download.add('honest', chain);
    await download.run(stage, target);
    await expectHeaders(download, chain);
    for (const { failure, served } of [other, behind]) {
      expect(failure).toBeUndefined();
      expect(served.headers).toBe(0);
    }
  });

  it('begins to use a source that gets to the target later', async () => {
    const download = await TestDownload.create();
    let isThere = false;
    const late = download.add('late', chain, { tamperHeaders: (items) => (isThere ? items : []) });
    later(download.env, 20_000, () => {
      isThere = true;
    });
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(late.failure).toBeUndefined();
  });
});

describe('a source that lies about headers is found out, and the others finish', () => {
  const fork = forkOf(chain, 100);
  const odd = withHeader(blockAt(chain, 310), (header) => ({ ...header, gasUsed: 1n })).header;
  const reversed = (items: Uint8Array[]) => (items.length > 1 ? items.toReversed() : items);
  it.each<
    [string, (items: Uint8Array[], request: Parameters<ReturnType<typeof forkedRanges>>[1]) => Uint8Array[]]
  >([
    [
      'another header in the middle',
      (items) => (items.length > 1 ? items.with(items.length >> 1, odd) : items),
    ],
    ['another header at the end', (items) => (items.length > 1 ? items.with(-1, odd) : items)],
    ['headers of another chain that link', forkedRanges(fork)],
    ['headers of another chain that never was', forkedRanges(forkOf(chain, 1, 'other'))],
    ['rising numbers', reversed],
    ['a header left out', (items) => (items.length > 2 ? items.toSpliced(1, 1) : items)],
    ['more headers than asked', (items) => (items.length > 1 ? [...items, ...items] : items)],
    ['something that is no header', (items) => (items.length > 1 ? [Uint8Array.of(0xc1, 0x80)] : items)],
  ])('with %s', async (_what, tamperHeaders) => {
    const download = await TestDownload.create();
    const liar = download.add('liar', chain, { latencyMs: 1, tamperHeaders });
    const honest = download.add('honest', chain, { latencyMs: 40 });
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(liar.failure?.code).toMatch(/^(header-invalid|response-too-long|rlp-.*)$/);
    expect(honest.failure).toBeUndefined();
    expect(download.env.now()).toBeLessThan(5_000);
  });

  it('even when nine of ten lie', async () => {
    const download = await TestDownload.create();
    const liars = Array.from({ length: 9 }, (_, i) => {
      return download.add(`liar ${i}`, chain, { latencyMs: 1 + i, tamperHeaders: forkedRanges(fork) });
    });
    download.add('honest', chain, { latencyMs: 100 });
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(idsOf(download.sources)).toContain('honest');
    const codes = liars.flatMap(({ failure }) => failure?.code ?? []);
    expect(codes.length).toBeGreaterThanOrEqual(2);
    expect(new Set(codes)).toEqual(new Set(['header-invalid']));
  });

  it('with the wrong block for the target itself', async () => {
    const download = await TestDownload.create();
    const liar = download.add('liar', chain, { tamperHeaders: () => [blockAt(fork, HEAD).header] });
    download.add('honest', chain, { latencyMs: 100 });
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(liar.failure?.code).toBe('header-invalid');
  });
});

describe('a source that is of no use does not hold the others up', () => {
  it('when it is silent: it is given up after three requests', async () => {
    const download = await TestDownload.create();
    const silent = download.add('silent', chain, {
      tamperHeaders: (items, { limit }) => (limit === 1 ? items : undefined),
    });
    download.add('honest', chain, { itemMs: 30 });
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(download.env.now()).toBeLessThan(40_000);
    expect(silent.served.requests).toBeLessThan(6);
  });

  it('when it is alone and silent: it is failed as slow', async () => {
    const download = await TestDownload.create();
    const silent = download.add('silent', chain, {
      tamperHeaders: (items, { limit }) => (limit === 1 ? items : undefined),
    });
    later(download.env, 100_000, () => download.add('honest', chain));
    await download.run(stage, target);
    expect(silent.failure?.code).toBe('slow-peer');
  });

  it('when it vanishes with requests under way', async () => {
    const download = await TestDownload.create();
    const brief = download.add('brief', chain, { latencyMs: 1, itemMs: 1 });
    download.add('honest', chain, { itemMs: 5 });
    later(download.env, 150, () => brief.leave());
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(brief.failure).toBeUndefined();
    expect(download.env.now()).toBeLessThan(10_000);
  });

  it('when it is very slow: what it owes is asked from another', async () => {
    const download = await TestDownload.create();
    download.add('slow', chain, {
      latencyMs: 1,
      // Its first answer is fast, so it is trusted with the most urgent range.
      itemMs: 9,
    });
    download.add('fast', chain, { latencyMs: 30 });
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(download.env.now()).toBeLessThan(1_500);
  });
});

describe('a download of headers that was interrupted', () => {
  it('goes on from where it was', async () => {
    const download = await TestDownload.create();
    const source = download.add('a', chain, { itemMs: 5 });
    const stop = new AbortController();
    later(download.env, 1_500, () => stop.abort());
    expect(
      await rejectionOf(
        download.run(new HeadersStage({ writeHeaders: 100 }), target, { signal: stop.signal }),
      ),
    ).toBe('aborted');
    const { bottomNumber = 0 } = download.store.pending() ?? {};
    expect(bottomNumber).toBeGreaterThan(1);
    expect(bottomNumber).toBeLessThan(HEAD);
    source.served.headers = 0;
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(source.served.headers).toBeLessThan(bottomNumber + 2);
    expect(download.reports.at(-1)).toMatchObject({ from: 0, to: HEAD, at: HEAD });
  });

  it('has stored every header that was linked, however few they are', async () => {
    const download = await TestDownload.create();
    const source = download.add('a', chain, { itemMs: 5 });
    const stop = new AbortController();
    later(download.env, 1_500, () => stop.abort());
    expect(await rejectionOf(download.run(stage, target, { signal: stop.signal }))).toBe('aborted');
    expect(download.store.pending()).toMatchObject({ topNumber: HEAD, bottomNumber: HEAD - 191 });
    expect(source.failure).toBeUndefined();
  });

  it('completes what it has first when the target has moved on along the chain', async () => {
    const download = await TestDownload.above(chain, 10);
    await download.store.addPending(entries(chain, 500, 200));
    const source = download.add('a', chain);
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(source.served.headers).toBeLessThan(HEAD - 301 - 10 + 5);
  });

  it.each<[string, TestChain]>([
    ['of another chain', forkOf(chain, 5)],
    ['of a chain with another genesis block', forkOf(chain, 1, 'x', { parentHash: new Uint8Array(32) })],
  ])('drops headers %s', async (_what, other) => {
    const download = await TestDownload.above(chain, 10);
    await download.store.addPending(entries(other, 500, 200));
    download.add('a', chain);
    await download.run(stage, target);
    await expectHeaders(download, chain);
  });

  it('drops headers above a target that is lower', async () => {
    const download = await TestDownload.above(chain, 10);
    await download.store.addPending(entries(chain, 500, 200));
    download.add('a', chain);
    await download.run(stage, { kind: 'hash', hash: blockAt(chain, 400).hash });
    await expectHeaders(download, chain, 400);
  });
});

describe('a target on another branch than the stored chain', () => {
  const branch = forkOf(chain, 250);

  it.each([
    ['above the stored head', 300],
    ['as high as the stored head', HEAD],
  ])('%s replaces what departs from it', async (_what, stored) => {
    const download = await TestDownload.above(branch, stored);
    download.add('a', chain);
    download.add('b', chain, { latencyMs: 50 });
    await download.run(stage, target);
    await expectHeaders(download, chain);
    expect(download.store.head()).toMatchObject({ number: 249, hash: blockAt(chain, 249).hash });
  });

  it('below the stored head does so too', async () => {
    const download = await TestDownload.above(branch, 400);
    download.add('a', chain);
    await download.run(stage, { kind: 'hash', hash: blockAt(chain, 260).hash });
    await expectHeaders(download, chain, 260);
    expect(download.store.head().number).toBe(249);
  });

  it('leaves the stored chain as it was until the place where they part is known', async () => {
    const download = await TestDownload.above(branch, 400);
    download.add('a', chain, { itemMs: 10 });
    const stop = new AbortController();
    later(download.env, 3_000, () => stop.abort());
    expect(await rejectionOf(download.run(stage, target, { signal: stop.signal }))).toBe('aborted');
    expect(download.store.head()).toMatchObject({ number: 400, hash: blockAt(branch, 400).hash });
    await download.run(stage, target);
    await expectHeaders(download, chain);
  });

  it('departing further below than is allowed is refused, unless the store has no bodies there', async () => {
    const short = new HeadersStage({ maxReorg: 50 });
    const whole = await TestDownload.above(branch, 400);
    whole.add('a', chain);
    expect(await rejectionOf(whole.run(short, target))).toBe('store-mismatch');
    expect(whole.store.head()).toMatchObject({ number: 400, hash: blockAt(branch, 400).hash });
    const bare = await TestDownload.withHeaders(upTo(branch, 400));
    bare.add('a', chain);
    await bare.run(short, target);
    await expectHeaders(bare, chain);
  });

  it('that has another genesis block is refused, and nothing stored is lost', async () => {
    const alien = forkOf(chain, 1, 'alien', { parentHash: new Uint8Array(32) });
    const download = await TestDownload.above(chain, 40);
    download.add('a', alien);
    const wanted: Target = { kind: 'hash', hash: blockAt(alien, HEAD).hash };
    expect(await rejectionOf(download.run(stage, wanted))).toBe('genesis-mismatch');
    expect(download.store.head().number).toBe(40);
  });
});

describe('a target that is a number', () => {
  const number: Target = { kind: 'number', number: 500 };

  it('is the block that most sources name', async () => {
    const download = await TestDownload.create();
    const fork = forkOf(chain, 300);
    download.add('a', fork, { latencyMs: 1 });
    download.add('b', chain, { latencyMs: 30 });
    download.add('c', chain, { latencyMs: 60 });
    await download.run(stage, number);
    await expectHeaders(download, chain, 500);
  });

  it('is not that of a fast source when several slow ones name another', async () => {
    const download = await TestDownload.create();
    download.add('fast', forkOf(chain, 300), { latencyMs: 1 });
    download.add('b', chain, { latencyMs: 2_500 });
    download.add('c', chain, { latencyMs: 4_000 });
    await download.run(stage, number);
    await expectHeaders(download, chain, 500);
  });

  it('is not that of the first source when those that come on the way name another', async () => {
    const download = await TestDownload.create();
    const first = download.add('first', forkOf(chain, 300), { itemMs: 5 });
    later(download.env, 500, () => {
      expect(first.served.headers).toBeGreaterThan(1);
      for (const id of ['b', 'c']) download.add(id, chain, { latencyMs: 1_000 });
    });
    await download.run(stage, number);
    await expectHeaders(download, chain, 500);
  });

  it('stays what it was when as many that come on the way name another', async () => {
    const download = await TestDownload.create();
    const first = download.add('first', chain, { itemMs: 5 });
    const late = forkOf(chain, 300);
    later(download.env, 500, () => download.add('late', late, { latencyMs: 1 }));
    await download.run(stage, number);
    await expectHeaders(download, chain, 500);
    expect(first.served.headers).toBeLessThan(500 + 10);
  });

  it.each([
    ['lags behind', (_: SimSource) => undefined],
    ['leaves too', (other: SimSource) => other.leave()],
  ])('stays what it was when its source leaves, and one of another chain comes that %s', async (_, then) => {
    const download = await TestDownload.create();
    const first = download.add('first', chain);
    download.onProgress = ({ at }) => {
      if (at < 500) return;
      download.onProgress = undefined;
      first.leave();
      const other = download.add('other', upTo(forkOf(chain, 2), 100), { latencyMs: 1_000 });
      later(download.env, 500, () => then(other));
    };
    await download.run(stage, number);
    await expectHeaders(download, chain, 500);
    expect(download.env.now()).toBeLessThan(20_000);
  });

  it('is known at once from the only source, and from most of them while others are silent', async () => {
    for (const silent of [0, 1]) {
      const download = await TestDownload.create();
      for (let i = 0; i < silent; i++) download.add(`silent ${i}`, chain, { tamperHeaders: () => undefined });
      for (let i = 0; i <= silent; i++) download.add(`${i}`, chain);
      await download.run(stage, number);
      await expectHeaders(download, chain, 500);
      expect(download.env.now()).toBeLessThan(500);
    }
  });

  it('is the stored block when as many name another one', async () => {
    const download = await TestDownload.above(chain, 550);
    download.add('a', forkOf(chain, 300), { latencyMs: 1 });
    download.add('b', chain);
    await download.run(stage, number);
    await expectHeaders(download, chain, 550);
  });

  it('is not preferred for headers in the store that have no bodies', async () => {
    const fork = forkOf(chain, 300);
    const download = await TestDownload.withHeaders(upTo(fork, 550));
    download.add('a', chain, { latencyMs: 1 });
    download.add('b', fork);
    await download.run(stage, number);
    await expectHeaders(download, chain, 500);
  });

  it('does not wait long for sources that do not answer, even if they are most', async () => {
    const download = await TestDownload.create();
    for (const id of ['a', 'b', 'c']) download.add(id, chain, { tamperHeaders: () => undefined });
    download.add('d', chain);
    await download.run(stage, number);
    await expectHeaders(download, chain, 500);
    expect(download.env.now()).toBeLessThan(10_000);
  });

  it('is waited for while no source has it', async () => {
    const download = await TestDownload.create();
    download.add('behind', upTo(chain, 400));
    later(download.env, 30_000, () => download.add('b', chain));
    await download.run(stage, number);
    await expectHeaders(download, chain, 500);
  });

  it('is chosen again when the sources that named it cannot lead there', async () => {
    const download = await TestDownload.create();
    const alien = forkOf(chain, 1, 'alien', { parentHash: new Uint8Array(32) });
    const liars = ['a', 'b'].map((id) => download.add(id, alien, { latencyMs: 1 }));
    const mute = download.add('c', forkOf(chain, 2), {
      tamperHeaders: (items) => items.slice(0, items.length === 1 ? 1 : 0),
    });
    download.add('honest', chain, { latencyMs: 50 });
    await download.run(stage, number);
    expect(liars.map(({ failure }) => failure?.code)).toEqual(['genesis-mismatch', 'genesis-mismatch']);
    expect([undefined, 'chain-not-found']).toContain(mute.failure?.code);
    await expectHeaders(download, chain, 500);
  });
});

describe('the best head', () => {
  const best: Target = { kind: 'best' };

  it('is one of the chain that most sources have', async () => {
    const download = await TestDownload.create();
    download.add('a', upTo(chain, 597));
    download.add('b', upTo(chain, 599));
    download.add('c', upTo(chain, 598));
    download.add('other', forkOf(chain, 300));
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain, 599);
  });

  it.each([0, 300])('is not that of sources which lag at %i, however many they are', async (lag) => {
    const download = await TestDownload.create();
    for (const id of ['a', 'b', 'c']) download.add(id, upTo(chain, lag), { latencyMs: 1 });
    download.add('d', chain, { latencyMs: 50 });
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain);
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain);
  });

  it('is on the chain of most sources, whatever is longer, and however few lag behind where the chains part', async () => {
    const download = await TestDownload.create();
    download.add('behind', upTo(chain, 100));
    download.add('a', upTo(chain, 590));
    download.add('b', upTo(chain, 580));
    download.add('fork', forkOf(chain, 300));
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain, 590);
  });

  it('is followed from a branch that was left, though a source lags below it', async () => {
    const download = await TestDownload.above(forkOf(upTo(chain, 500), 499), 500);
    download.add('behind', upTo(chain, 200));
    download.add('a', chain);
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain);
  });

  it('is followed from a branch of the same height, and no peer is blamed for our own', async () => {
    const download = await TestDownload.above(forkOf(chain, 599), HEAD);
    const sources = [598, 599, 600].map((number) => download.add(`${number}`, upTo(chain, number)));
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain);
    expect(sources.map(({ failure }) => failure)).toEqual([undefined, undefined, undefined]);
  });

  it('is found among many that nobody has', async () => {
    const download = await TestDownload.create();
    for (let i = 1; i <= 20; i++) {
      download.add(`liar ${i}`, upTo(chain, 0), {
        head: { number: 10_000 + i, hash: new Uint8Array(32).fill(i) },
      });
    }
    download.add('a', upTo(chain, 300));
    download.add('b', chain);
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain);
  });

  it('that was made up on top of the chain of others costs little time, and no download', async () => {
    const download = await TestDownload.create();
    for (const id of ['a', 'b', 'c']) download.add(id, chain, { latencyMs: 20 });
    // Each shows one header of its own, far above, and nothing between that and the chain.
    const liars = [1, 2, 3, 4].map((i) => {
      const far = withHeader(blockAt(chain, HEAD), (header) => ({ ...header, number: 2 ** 40 + i }));
      return download.add(`liar ${i}`, chain, {
        latencyMs: 1,
        head: { number: 2 ** 40 + i, hash: far.hash },
        tamperHeaders: (items, { start }) => {
          if (typeof start !== 'number') return equalBytes(start, far.hash) ? [far.header] : items;
          return start > HEAD ? [] : items;
        },
      });
    });
    await download.run(new HeadersStage(), best, { noPeersTimeoutMs: 15_000 });
    await expectHeaders(download, chain);
    expect(liars.map(({ failure }) => failure?.code)).toEqual(new Array(4).fill('chain-not-found'));
    expect(download.env.now()).toBeLessThan(4 * 20_000);
  });

  it('of a source that answers late is waited for', async () => {
    const download = await TestDownload.create();
    download.add('behind', upTo(chain, 0), { latencyMs: 1 });
    download.add('slow', chain, { latencyMs: 5_500 });
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain);
  });

  it('of a source that only claims to continue the chain is not followed', async () => {
    const download = await TestDownload.create();
    const fork = forkOf(chain, 300);
    const claims = (items: Uint8Array[], { start, limit }: HeadersRequest) =>
      limit === 1 && start === 400 ? [blockAt(chain, 400).header] : items;
    for (const id of ['a', 'b']) download.add(id, upTo(chain, 400));
    const liar = download.add('liar', fork, { tamperHeaders: claims });
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain, 400);
    expect(liar.failure?.code).toBe('chain-not-found');
  });

  it('may be announced without its number, as before eth/69', async () => {
    const download = await TestDownload.create();
    download.add('a', chain, { head: { hash } });
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain);
  });

  it('is not worth leaving a higher stored chain for', async () => {
    const download = await TestDownload.above(chain, 300);
    download.add('a', upTo(forkOf(chain, 200), 250));
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain, 300);
  });

  it('whose announcer never has more than its header is not waited for', async () => {
    const download = await TestDownload.create();
    const liar = download.add('liar', forkOf(chain, 300), {
      tamperHeaders: (items, { limit }) => (limit === 1 ? items : []),
    });
    download.add('honest', upTo(chain, 599), { latencyMs: 200 });
    await download.run(new HeadersStage(), best);
    await expectHeaders(download, chain, 599);
    expect(liar.failure?.code).toBe('chain-not-found');
  });
});

describe('a download of headers that gets nowhere', () => {
  it('ends after the time it was given: with no-peers, or with chain-not-found', async () => {
    for (const kind of ['hash', 'number', 'best'] as const) {
      const wanted: Target = kind === 'hash' ? target : kind === 'number' ? { kind, number: 600 } : { kind };
      const download = await TestDownload.create();
      expect(await rejectionOf(download.run(stage, wanted, { noPeersTimeoutMs: 50_000 }))).toBe('no-peers');
      expect(download.env.now()).toBeGreaterThanOrEqual(50_000);
      expect(download.env.now()).toBeLessThan(60_000);
      if (kind === 'best') continue;
      download.add('behind', upTo(chain, 100));
      expect(await rejectionOf(download.run(stage, wanted, { noPeersTimeoutMs: 50_000 }))).toBe(
        'chain-not-found',
      );
    }
  });

  it('ends when the sources go for good on the way', async () => {
    const download = await TestDownload.create();
    const source = download.add('a', chain, { itemMs: 10 });
    later(download.env, 1_000, () => source.leave());
    expect(await rejectionOf(download.run(stage, target, { noPeersTimeoutMs: 20_000 }))).toBe('no-peers');
    download.add('b', chain);
    await download.run(stage, target);
    await expectHeaders(download, chain);
  });

  it('leaves no timer behind', async () => {
    const download = await TestDownload.create();
    download.add('a', chain);
    download.add('b', chain, { latencyMs: 700 });
    await download.run(stage, target);
    download.env.advance(5_000);
    expect(download.env.timers).toBe(0);
  });
});
