import { describe, expect, it } from 'vitest';
import { Deadline, MAX_HELD_MS, setDeadline } from '../../src/base/deadline.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';

describe('a deadline', () => {
  it('comes after its time, where nothing is said of how we read', () => {
    const deadline = new Deadline({}, 1_000, 500);
    expect([1_000, 1_499, 1_500, 9_000].map((now) => deadline.left(now))).toEqual([500, 1, 0, 0]);
  });

  it('does not come nearer while we do not read', () => {
    const heard = { heldMs: 7_000 };
    const deadline = new Deadline(heard, 0, 1_000);
    heard.heldMs += 600;
    expect([deadline.left(1_000), deadline.left(1_200)]).toEqual([600, 400]);
    // Not looked at for each of the last milliseconds.
    expect([deadline.left(1_599), deadline.left(1_600)]).toEqual([100, 0]);
  });

  it('comes all the same where we never read', () => {
    const heard = { heldMs: 0 };
    const deadline = new Deadline(heard, 0, 1_000);
    heard.heldMs = 10 * MAX_HELD_MS;
    expect(deadline.left(MAX_HELD_MS)).toBe(1_000);
    expect(deadline.left(MAX_HELD_MS + 1_000)).toBe(0);
  });
});

describe('what is to be done when one comes', () => {
  it('is done then, and looked at few times before', () => {
    const env = new VirtualEnv();
    let looks = 0;
    let [ranAt, began] = [0, 0];
    // Read for one millisecond in ten.
    const heard = {
      get heldMs() {
        looks++;
        return (env.now() - began) * 0.9;
      },
    };
    env.advance(123);
    began = env.now();
    setDeadline(env, heard, 1_000, () => {
      ranAt = env.now();
    });
    env.advance(60_000);
    expect(ranAt - began).toBeGreaterThanOrEqual(10_000);
    expect(ranAt - began).toBeLessThan(10_200);
    expect(looks).toBeLessThan(50);
    expect(env.timers).toBe(0);
  });

  it('is not done when it has been called off, however often the deadline was put off', () => {
    const env = new VirtualEnv();
    const heard = { heldMs: 0 };
    const timer = setDeadline(env, heard, 1_000, () => expect.unreachable());
    heard.heldMs = 500;
    env.advance(1_200);
    timer.cancel();
    expect(env.timers).toBe(0);
  });
});
