import { expect, it } from 'vitest';
import { MAX_COUNTED_CODES, MessageCounts } from '../../src/observe/index.ts';

const named = { name: 'test', version: 7, length: 3, messageNames: ['Hello', undefined, 'Ask'] };

it('counts messages and bytes by direction, under the name of the message or its code', () => {
  const counts = new MessageCounts(named);
  counts.received(0, 10);
  counts.received(0, 5);
  counts.sent(1, 7);
  const base = { protocol: 'test', version: 7 };
  expect(counts.messages()).toEqual([
    { ...base, direction: 'in', message: 'Hello', count: 2, bytes: 15 },
    { ...base, direction: 'out', message: '0x01', count: 1, bytes: 7 },
  ]);
});

it('holds no more codes than it may, however many the protocol has', () => {
  const counts = new MessageCounts({ name: 'wide', version: 1, length: 0xffffffff });
  for (const code of [MAX_COUNTED_CODES - 1, MAX_COUNTED_CODES, 1_000_000, 0xfffffffe])
    counts.received(code, 1);
  expect(counts.messages().map(({ message, count }) => [message, count])).toEqual([
    ['0x3f', 1],
    ['other', 3],
  ]);
});

it('tells how long requests took that were answered, and why others were not', () => {
  const counts = new MessageCounts(named);
  const ends = ['Ask', 'Ask', 'Ask', 'Never'].map((request) => counts.requested(request));
  ends[0]?.(20);
  ends[0]?.(20);
  ends[1]?.(10_000, 'request-timeout');
  const [ask, other] = counts.requests();
  expect(ask).toMatchObject({ request: 'Ask', pending: 1, failures: { 'request-timeout': 1 } });
  expect(ask?.seconds).toMatchObject({ count: 1, sum: 0.02 });
  expect(other).toMatchObject({ request: 'other', pending: 1 });
});
