import { afterEach, describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import type { Peer } from '../../src/server/index.ts';
import { rejectionOf } from '../support/errors.ts';
import { isKind, TestServer } from '../support/servers.ts';

const open: TestServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** Two servers that have each other as peer. */
async function connected(): Promise<{ dialer: TestServer; listener: TestServer; peers: [Peer, Peer] }> {
  const [dialer, listener] = [new TestServer(), new TestServer()];
  open.push(dialer, listener);
  await Promise.all([dialer.start(), listener.start()]);
  const dialed = await dialer.dial(listener.enode);
  await listener.until(isKind('peer-connected'));
  const [accepted] = listener.peers;
  if (accepted === undefined) throw new Error('the listener has no peer');
  return { dialer, listener, peers: [dialed, accepted] };
}

describe('a peer that is connected and idle', () => {
  it('has an id of its own memory, not a piece of a packet or of a larger buffer', async () => {
    const { dialer, listener, peers } = await connected();
    expect(peers.map(({ info }) => info.id)).toEqual([listener.id, dialer.id]);
    for (const { info } of peers) {
      expect([info.id.byteOffset, info.id.buffer.byteLength]).toEqual([0, 64]);
      expect(info.id.constructor).toBe(Uint8Array);
    }
  });

  it('has a signal that tells of its end, to who asked for it before and to who asks afterwards', async () => {
    const { listener, peers } = await connected();
    const [early, late] = peers;
    const told = new Promise((resolve) => early.signal.addEventListener('abort', resolve, { once: true }));
    expect(early.signal.aborted).toBe(false);
    early.disconnect();
    await told;
    expect(early.signal.reason).toMatchObject({ code: 'disconnect-requested' });
    await listener.until(isKind('peer-disconnected'));
    expect(late.signal.aborted).toBe(true);
    expect(late.signal.reason).toBeInstanceOf(PeerlaneError);
    expect(late.signal.reason).toMatchObject({ code: 'remote-disconnect' });
  });

  it('ends the loop and the sends of a handler that never asked for the signal', async () => {
    const messages: unknown[] = [];
    const refused: unknown[] = [];
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const listener = new TestServer({
      protocols: [
        {
          name: 'echo',
          version: 1,
          length: 16,
          async handler(channel) {
            for await (const message of channel) messages.push(message);
            refused.push(await rejectionOf(channel.send(0, new Uint8Array())));
            refused.push(await rejectionOf(channel.writable(1)));
            refused.push(await channel.offer(0, new Uint8Array()), channel.room);
            end();
          },
        },
      ],
    });
    const dialer = new TestServer();
    open.push(listener, dialer);
    await Promise.all([dialer.start(), listener.start()]);
    (await dialer.dial(listener.enode)).disconnect();
    await ended;
    expect(messages).toEqual([]);
    expect(refused).toEqual(['closed', 'closed', false, 0]);
  });
});
