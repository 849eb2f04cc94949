import { describe, expect, it } from 'vitest';
import {
  Deadlines,
  FRAME_READ_TIMEOUT_MS,
  HANDSHAKE_TIMEOUT_MS,
  PING_INTERVAL_MS,
} from '../../src/p2p/deadlines.ts';

/** What is due at `now`: a Ping, or the code of the error. */
function due(deadlines: Deadlines, now: number, midFrame = false): string | undefined {
  const it = deadlines.due(now, 'Hello', midFrame);
  return typeof it === 'object' ? it.code : it;
}

function opened(): Deadlines {
  const deadlines = new Deadlines();
  deadlines.progress(0);
  deadlines.open(0);
  return deadlines;
}

describe('a connection', () => {
  it('has five seconds for each phase of its handshake', () => {
    const deadlines = new Deadlines();
    deadlines.progress(1_000);
    expect(deadlines.next).toBe(1_000 + HANDSHAKE_TIMEOUT_MS);
    deadlines.progress(3_000);
    expect(due(deadlines, 2_999 + HANDSHAKE_TIMEOUT_MS)).toBeUndefined();
    expect(due(deadlines, 3_000 + HANDSHAKE_TIMEOUT_MS)).toBe('handshake-timeout');
  });

  it('is pinged every 15 s, whatever else it says', () => {
    const deadlines = opened();
    for (let at = PING_INTERVAL_MS; at < 10 * PING_INTERVAL_MS; at += PING_INTERVAL_MS) {
      expect([due(deadlines, at - 1), deadlines.next]).toEqual([undefined, at]);
      deadlines.progress(at);
      expect(due(deadlines, at)).toBe('ping');
    }
  });

  it.each([
    ['that answers no Ping', false, false, 'ping-timeout'],
    ['that answers in the middle of a frame only', false, true, 'read-timeout'],
    ['that has answered', true, false, 'read-timeout'],
  ])('%s is over after 30 s without a whole frame', (_, isAnswered, midFrame, code) => {
    const deadlines = opened();
    expect(due(deadlines, PING_INTERVAL_MS)).toBe('ping');
    if (isAnswered) deadlines.pong();
    expect(due(deadlines, FRAME_READ_TIMEOUT_MS, midFrame)).toBe(code);
  });

  it('is not late while it is not read', () => {
    const deadlines = opened();
    deadlines.pause();
    expect(due(deadlines, FRAME_READ_TIMEOUT_MS)).toBe('ping');
    expect([deadlines.isPaused, deadlines.next]).toEqual([true, FRAME_READ_TIMEOUT_MS + PING_INTERVAL_MS]);
    deadlines.resume(100_000);
    expect(due(deadlines, 100_000)).toBe('ping');
    expect(deadlines.next).toBe(100_000 + PING_INTERVAL_MS);
  });

  it('has for a frame the time in which it is read, however often it is not', () => {
    const deadlines = opened();
    const [read, held] = [100, 900];
    const isDue = (now: number): boolean => due(deadlines, now, true) === 'read-timeout';
    for (let now = 0; now < 10 * FRAME_READ_TIMEOUT_MS - 1_000; now += read + held) {
      deadlines.hold(true, now + read);
      expect(isDue(now + read + held)).toBe(false);
      deadlines.hold(false, now + read + held);
    }
    const end = 10 * FRAME_READ_TIMEOUT_MS;
    expect([isDue(end - 1_000 + read - 1), isDue(end + read)]).toEqual([false, true]);
    // A whole frame that is decoded meanwhile counts from then on.
    deadlines.hold(true, end);
    deadlines.progress(end + 5_000);
    deadlines.hold(false, end + 6_000);
    expect([
      isDue(end + 6_000 + FRAME_READ_TIMEOUT_MS - 1),
      isDue(end + 6_000 + FRAME_READ_TIMEOUT_MS),
    ]).toEqual([false, true]);
  });
});
