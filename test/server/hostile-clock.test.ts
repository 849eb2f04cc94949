import { describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { encodeMessage, localStatus } from '../../src/eth/index.ts';
import { freshRandomness, identityOf, initiate } from '../../src/rlpx/index.ts';
import { chain, network } from '../eth/sessions.ts';
import { type Attacker, AttackerListener, HELLO, PING } from '../support/attacker.ts';
import { rejectionOf } from '../support/errors.ts';
import { DIRECTIONS, Target } from '../support/hostile.ts';
import { ManualEnv } from '../support/manual-env.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);

/** A target whose clock stands still. */
async function timed(): Promise<{ target: Target; env: ManualEnv } & AsyncDisposable> {
  const env = new ManualEnv();
  const target = await Target.start({ env });
  return { target, env, [Symbol.asyncDispose]: () => target[Symbol.asyncDispose]() };
}

/** Lets `ms` pass in steps of a second, in each of which the honest peer is served. */
async function pass(target: Target, env: ManualEnv, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    env.advance(Math.min(1000, left));
    expect(await target.serves()).toBe(true);
  }
}

describe('time runs out, over a real socket, for', () => {
  it('a connection that says nothing', async () => {
    await using use = await timed();
    const { target, env } = use;
    const attacker = await target.attacker();
    expect(await target.serves()).toBe(true);
    await pass(target, env, 4999);
    expect(attacker.over).toBe(false);
    env.advance(1);
    expect(await attacker.ending()).toBe('silence');
    expect(await target.verdict(attacker)).toBe('handshake-timeout');
  });

  it('an auth that comes a byte a second', async () => {
    await using use = await timed();
    const { target, env } = use;
    const attacker = await target.attacker();
    const auth = initiate({
      identity: identityOf(attacker.key),
      remoteId: target.server.id,
      randomness: freshRandomness(systemEnv),
    }).opening;
    expect(await target.serves()).toBe(true);
    for (let at = 0; at < 5; at++) {
      await attacker.write(auth.subarray(at, at + 1));
      await pass(target, env, 1000);
    }
    expect(await attacker.ending()).toBe('silence');
    expect(await target.verdict(attacker)).toBe('handshake-timeout');
  });

  it('a node that was dialed and sends no ack', async () => {
    await using use = await timed();
    const { target, env } = use;
    const listener = await AttackerListener.listen();
    const dialing = rejectionOf(target.server.dial(listener.enode));
    await listener.next();
    await pass(target, env, 5000);
    expect(await dialing).toBe('handshake-timeout');
    await listener.close();
  });
});

describe.each(DIRECTIONS)('on a connection that %s, time runs out for', (direction) => {
  it.each<[string, (attacker: Attacker) => unknown]>([
    ['nothing', () => undefined],
    ['half a Hello', (attacker) => attacker.write(attacker.frames.frame(new Uint8Array(90)).subarray(0, 60))],
  ])('who says %s after the handshake', async (_, say) => {
    await using use = await timed();
    const { target, env } = use;
    const attacker = await (await target.by(direction)).handshake();
    // Only now both sides have done with it.
    expect((await attacker.next())?.code).toBe(HELLO);
    say(attacker);
    await pass(target, env, 5000);
    expect(await attacker.ending()).toBe('silence');
    expect(await target.verdict(attacker)).toBe('handshake-timeout');
  });

  it('who keeps silent on eth', async () => {
    await using use = await timed();
    const { target, env } = use;
    const attacker = await target.openedEth(direction);
    await attacker.until(0x10);
    await pass(target, env, 5000);
    expect(await attacker.ending()).toBe('subprotocol-error');
    expect(await target.verdict(attacker)).toBe('status-timeout');
  });

  it('who keeps silent from its Status on', async () => {
    await using use = await timed();
    const { target, env } = use;
    const attacker = await target.openedEth(direction);
    await attacker.until(0x10);
    const { payload } = encodeMessage(69, 'Status', localStatus(69, network, chain));
    await attacker.send(0x10, payload);
    expect(await target.serves()).toBe(true);
    await pass(target, env, 15_000);
    expect((await attacker.next())?.code).toBe(PING);
    await pass(target, env, 15_000);
    expect(await attacker.ending()).toBe('ping-timeout');
    expect(await target.verdict(attacker)).toBe('ping-timeout');
  });

  it('who answers no Ping', async () => {
    await using use = await timed();
    const { target, env } = use;
    const attacker = await target.opened(direction);
    await pass(target, env, 15_000);
    expect((await attacker.next())?.code).toBe(PING);
    await pass(target, env, 15_000);
    expect(await attacker.ending()).toBe('ping-timeout');
    expect(await target.verdict(attacker)).toBe('ping-timeout');
  });

  it('a frame that comes a byte a second', async () => {
    await using use = await timed();
    const { target, env } = use;
    const attacker = await target.opened(direction);
    await attacker.write(attacker.frames.header(1000));
    for (let second = 0; second < 30; second++) {
      await attacker.write(bytes(0));
      await pass(target, env, 1000);
    }
    expect(await attacker.ending()).toBe('network-error');
    expect(await target.verdict(attacker)).toBe('read-timeout');
  });

  it('who takes nothing of what it asked for', async () => {
    await using use = await timed();
    const { target, env } = use;
    const attacker = await target.opened(direction);
    attacker.stopReading();
    const noise = systemEnv.randomBytes(1_000_000);
    for (let sent = 0; sent < 16; sent++) void attacker.send(0x11, noise);
    expect(await target.serves()).toBe(true);
    for (let waited = 0; waited < 45_000 && !target.server.seen.some(isEndOf(attacker)); waited += 1000) {
      await pass(target, env, 1000);
    }
    expect(await target.verdict(attacker)).toBe('write-timeout');
  });
});

function isEndOf({ port }: Attacker) {
  return (event: { readonly kind: string; readonly peer?: { readonly remotePort: number } | undefined }) =>
    event.kind === 'peer-disconnected' && event.peer?.remotePort === port;
}
