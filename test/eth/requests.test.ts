import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { MAX_PENDING_REQUESTS, MAX_REMEMBERED_IDS, RequestTracker } from '../../src/eth/requests.ts';
import { runs } from '../support/runs.ts';

function tracker(firstId = 100n): RequestTracker<string> {
  return new RequestTracker<string>({ firstId });
}

const headers = { answer: 'BlockHeaders', maxItems: 3, deadline: 1000 };

describe('an answer', () => {
  it('gives the context of its request back, once', () => {
    const requests = tracker();
    const id = requests.track({ ...headers, context: 'first' });
    expect(requests.answer('BlockHeaders', id, 3)).toBe('first');
    expect(requests.pending).toBe(0);
    expect(() => requests.answer('BlockHeaders', id, 3)).toThrow(
      expect.objectContaining({ code: 'request-unknown' }),
    );
  });

  it('may come in any order, and may be empty or short', () => {
    const requests = tracker();
    const ids = ['a', 'b', 'c'].map((context) => requests.track({ ...headers, context }));
    expect(requests.answer('BlockHeaders', ids[2] ?? 0n, 0)).toBe('c');
    expect(requests.answer('BlockHeaders', ids[0] ?? 0n, 1)).toBe('a');
    expect(requests.answer('BlockHeaders', ids[1] ?? 0n, 3)).toBe('b');
  });

  it.each([
    ['to an id never asked', 'BlockHeaders', 7n, 0, 'request-unknown'],
    ['to the next id', 'BlockHeaders', 101n, 0, 'request-unknown'],
    ['of another kind', 'BlockBodies', 100n, 1, 'request-unknown'],
    ['with one item too many', 'BlockHeaders', 100n, 4, 'response-too-long'],
  ] as const)('%s is a breach', (_case, name, id, count, code) => {
    const requests = tracker();
    requests.track({ ...headers, context: 'x' });
    expect(() => requests.answer(name, id, count)).toThrow(expect.objectContaining({ code }));
    expect(requests.pending).toBe(1);
  });
});

describe('ids', () => {
  it('are 64 bits wide and wrap', () => {
    const requests = tracker(2n ** 64n - 1n);
    expect(requests.track({ ...headers, context: 'a' })).toBe(2n ** 64n - 1n);
    expect(requests.track({ ...headers, context: 'b' })).toBe(0n);
  });

  it('are never given out twice while one is pending or remembered', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.array(fc.nat(3)), (firstId, steps) => {
        const requests = tracker(firstId);
        const used = new Set<bigint>();
        for (const step of steps) {
          if (requests.pending === MAX_PENDING_REQUESTS) break;
          const id = requests.track({ ...headers, context: '' });
          expect(used.has(id)).toBe(false);
          expect(id >= 0n && id < 2n ** 64n).toBe(true);
          used.add(id);
          if (step === 0) requests.giveUp(id);
          if (step === 1) requests.answer('BlockHeaders', id, 0);
        }
      }),
      { numRuns: runs(50) },
    );
  });
});

describe('a request past its deadline', () => {
  it('expires exactly at the deadline, and the next deadline is the earliest', () => {
    const env = new VirtualEnv();
    const requests = tracker();
    requests.track({ ...headers, deadline: env.now() + 500, context: 'late' });
    requests.track({ ...headers, deadline: env.now() + 200, context: 'early' });
    expect(requests.nextDeadline()).toBe(200);
    env.advance(199);
    expect(requests.expire(env.now())).toEqual([]);
    env.advance(1);
    expect(requests.expire(env.now())).toEqual(['early']);
    expect(requests.nextDeadline()).toBe(500);
    env.advance(1000);
    expect(requests.expire(env.now())).toEqual(['late']);
    expect(requests.nextDeadline()).toBeUndefined();
  });

  it('leaves its id behind: the late answer is dropped, whatever it holds; a second one is a breach', () => {
    const requests = tracker();
    const id = requests.track({ ...headers, context: 'x' });
    requests.expire(1000);
    expect(requests.answer('BlockBodies', id, 10_000)).toBeUndefined();
    expect(() => requests.answer('BlockHeaders', id, 0)).toThrow(
      expect.objectContaining({ code: 'request-unknown' }),
    );
  });

  it('frees its place, as one that the caller gave up does', () => {
    const requests = tracker();
    const ids = Array.from({ length: MAX_PENDING_REQUESTS }, (_, i) =>
      requests.track({ ...headers, context: `${i}` }),
    );
    expect(() => requests.track({ ...headers, context: 'more' })).toThrow(
      expect.objectContaining({ code: 'request-overload' }),
    );
    expect(requests.giveUp(ids[5] ?? 0n)).toBe('5');
    expect(requests.giveUp(ids[5] ?? 0n)).toBeUndefined();
    requests.track({ ...headers, context: 'more' });
    expect(requests.answer('BlockHeaders', ids[5] ?? 0n, 1)).toBeUndefined();
  });

  it('is remembered among the last 1,024 only', () => {
    const requests = tracker(0n);
    for (let i = 0; i < MAX_REMEMBERED_IDS + 1; i++) {
      requests.giveUp(requests.track({ ...headers, context: '' }));
    }
    expect(() => requests.answer('BlockHeaders', 0n, 0)).toThrow(
      expect.objectContaining({ code: 'request-unknown' }),
    );
    expect(requests.answer('BlockHeaders', 1n, 0)).toBeUndefined();
    expect(requests.answer('BlockHeaders', BigInt(MAX_REMEMBERED_IDS), 0)).toBeUndefined();
  });
});

it('a closed connection gives back what was pending', () => {
  const requests = tracker();
  requests.track({ ...headers, context: 'a' });
  requests.track({ ...headers, context: 'b' });
  expect(requests.clear()).toEqual(['a', 'b']);
  expect(requests.nextDeadline()).toBeUndefined();
});
