/** Whose turn it is, and what becomes of a place when its caller leaves. */
import { describe, expect, it } from 'vitest';
import { Closing } from '../../src/base/closing.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { MAX_REQUESTS } from '../../src/kad/index.ts';
import { DiscoveryCalls, MAX_CALLS, MAX_LEFT_CALLS } from '../../src/server/discovery-calls.ts';
import { rejectionOf } from '../support/errors.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Calls whose requests are answered when the test has them be. */
function setUp() {
  const closing = new Closing();
  const calls = new DiscoveryCalls({
    ...{ env: new VirtualEnv(), closing, isRunning: () => true, begun: () => undefined },
  });
  /** Those under way, by number. */
  const underWay = new Map<number, () => void>();
  let begun = 0;
  const ask = (signal?: AbortSignal): Promise<number> =>
    calls.request<number>('FindNode', { signal }, (done) => {
      const n = ++begun;
      underWay.set(n, () => {
        underWay.delete(n);
        done(n);
      });
    });
  /** So many, and how each of them ends. */
  const askMany = (count: number, signal?: AbortSignal) =>
    Array.from({ length: count }, () => rejectionOf(ask(signal)));
  const answer = (n: number): void => underWay.get(n)?.();
  return { closing, calls, underWay, ask, askMany, answer, begun: () => begun };
}

describe('a call that is aborted', () => {
  it('gives its place to the next, and gives it once, whenever its request ends', async () => {
    const { underWay, ask, askMany, answer, begun } = setUp();
    const abort = new AbortController();
    const left = askMany(MAX_CALLS, abort.signal);
    await settled();
    const next = ask();
    await settled();
    expect(begun()).toBe(MAX_CALLS);
    abort.abort();
    expect(new Set(await Promise.all(left))).toEqual(new Set(['aborted']));
    await settled();
    // Its request is under way still.
    expect([begun(), underWay.size]).toEqual([MAX_CALLS + 1, MAX_CALLS + 1]);
    answer(MAX_CALLS + 1);
    expect(await next).toBe(MAX_CALLS + 1);
    // All places are free, and no more of them than there are, also when those requests have ended.
    askMany(MAX_CALLS + 1);
    await settled();
    expect(begun()).toBe(2 * MAX_CALLS + 1);
    for (let n = 1; n <= MAX_CALLS; n++) answer(n);
    await settled();
    expect([begun(), underWay.size]).toEqual([2 * MAX_CALLS + 1, MAX_CALLS]);
    answer(2 * MAX_CALLS);
    await settled();
    expect(begun()).toBe(2 * MAX_CALLS + 2);
  });

  it('keeps its place while the requests of too many others who have left are under way', async () => {
    const { underWay, askMany, answer, begun } = setUp();
    const comeAndLeave = async (): Promise<void> => {
      for (let i = 0; i < MAX_REQUESTS / MAX_CALLS; i++) {
        const abort = new AbortController();
        askMany(MAX_CALLS, abort.signal);
        await settled();
        abort.abort();
      }
    };
    await comeAndLeave();
    askMany(1);
    await settled();
    const most = MAX_LEFT_CALLS + MAX_CALLS;
    expect(most).toBeLessThan(MAX_REQUESTS);
    expect([begun(), underWay.size]).toEqual([most, most]);
    // One that has left before, or one that holds its place.
    answer(1);
    await settled();
    expect([begun(), underWay.size]).toEqual([most + 1, most]);
    askMany(1);
    answer(most);
    await settled();
    expect([begun(), underWay.size]).toEqual([most + 2, most]);
    // Those that have kept their places until the end first.
    for (const end of [...underWay.values()].reverse()) end();
    await settled();
    expect(underWay.size).toBe(0);
    await comeAndLeave();
    askMany(1);
    await settled();
    expect(underWay.size).toBe(most);
  });

  it('before its turn, and one whose signal ends when it has it, asks nothing', async () => {
    const { underWay, ask, askMany, answer, begun } = setUp();
    askMany(MAX_CALLS);
    await settled();
    const [early, late] = [new AbortController(), new AbortController()];
    const waiting = [rejectionOf(ask(early.signal)), rejectionOf(ask(late.signal)), ask()];
    await settled();
    early.abort();
    answer(1);
    late.abort();
    await settled();
    expect(await Promise.all(waiting.slice(0, 2))).toEqual(['aborted', 'aborted']);
    expect([begun(), underWay.size]).toEqual([MAX_CALLS + 1, MAX_CALLS]);
    answer(MAX_CALLS + 1);
    expect(await waiting[2]).toBe(MAX_CALLS + 1);
  });
});

it('all that wait end with the service, and nothing is asked of it then', async () => {
  const { closing, ask, askMany, answer, begun } = setUp();
  const abort = new AbortController();
  askMany(MAX_CALLS, abort.signal);
  await settled();
  const [next, ...others] = askMany(MAX_CALLS + 1);
  abort.abort();
  closing.close();
  expect(new Set(await Promise.all([next, ...others]))).toEqual(new Set(['closed']));
  expect(await rejectionOf(ask())).toBe('closed');
  for (let n = 1; n <= begun(); n++) answer(n);
  await settled();
  expect(begun()).toBe(MAX_CALLS);
});
