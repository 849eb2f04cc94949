import { describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import type { Protocol } from '../../src/p2p/index.ts';
import { alternating, detachedBytes, sharedBytes } from '../crypto/memory.ts';
import { isKind, manual, TestServer } from '../support/servers.ts';

/** Takes one message a turn of the event loop. */
function slowCounter(): { readonly protocol: Protocol; readonly count: () => number } {
  let count = 0;
  const protocol: Protocol = {
    name: 'echo',
    version: 1,
    length: 16,
    async handler(channel) {
      for await (const _ of channel) {
        count++;
        if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
  return { protocol, count: () => count };
}

describe('a peer that leaves', () => {
  it('is heard to its last word, which says why it leaves', async () => {
    const peers = 5;
    const messages = 800;
    const { protocol, count } = slowCounter();
    await using server = new TestServer({ protocols: [protocol] });
    await server.start();
    const leave = async (): Promise<void> => {
      const { protocol: own, next } = manual();
      await using client = new TestServer({ listen: undefined, protocols: [own] });
      await client.start();
      const peer = await client.dial(server.enode);
      const channel = await next();
      for (let i = 0; i < messages; i++) await channel.send(1, new Uint8Array(300).fill(i));
      peer.disconnect();
    };
    await Promise.all(Array.from({ length: peers }, leave));
    const gone = () => server.seen.filter(isKind('peer-disconnected'));
    await server.until(() => gone().length === peers);
    expect(gone().map(({ error }) => error.code)).toEqual(Array(peers).fill('remote-disconnect'));
    // What was decoded before the end is still the handler's.
    while (count() < peers * messages) await new Promise((resolve) => setImmediate(resolve));
    expect(count()).toBe(peers * messages);
  });
});

describe('a peer that leaves while the handler lags', () => {
  it('gives its slot free, and is taken again', async () => {
    const { protocol, next } = manual();
    await using server = new TestServer({ protocols: [protocol] });
    await server.start();
    const key = generateSecretKey(systemEnv);
    for (const round of [1, 2]) {
      const { protocol: own, next: nextOwn } = manual();
      await using client = new TestServer({ key, listen: undefined, protocols: [own] });
      await client.start();
      const peer = await client.dial(server.enode);
      // Nobody reads from the channel at the server.
      await next();
      const channel = await nextOwn();
      for (let i = 0; i < 600; i++) await channel.send(1, new Uint8Array(300));
      peer.disconnect();
      await client.close();
      await server.until(() => server.seen.filter(isKind('peer-disconnected')).length === round);
    }
    const ends = server.seen.filter(isKind('peer-disconnected')).map(({ error }) => error.code);
    expect(ends).toEqual(['remote-disconnect', 'remote-disconnect']);
  });
});

describe('a message that cannot be encoded', () => {
  it('ends its own connection, and leaves those in order that its end ends', async () => {
    const { protocol, next } = manual();
    await using server = new TestServer({ protocols: [protocol] });
    await server.start();
    const clients: TestServer[] = [];
    const received: string[] = [];
    const channels = [];
    for (const name of ['a', 'b']) {
      const client = new TestServer({
        listen: undefined,
        protocols: [
          {
            name: 'echo',
            version: 1,
            length: 16,
            async handler(channel) {
              for await (const { code, payload } of channel)
                received.push(`${name} ${code} ${payload.length}`);
            },
          },
        ],
      });
      clients.push(client);
      await client.start();
      await client.dial(server.enode);
      channels.push(await next());
    }
    const [a, b] = channels;
    if (a === undefined || b === undefined) throw new Error('there are two');
    const peerOfB = server.peers.find(({ info }) => info.id === b.peer.id);
    a.signal.addEventListener('abort', () => peerOfB?.disconnect());
    const spoilt = new Uint8Array(5000);
    const refused = a.send(1, spoilt).catch(() => undefined);
    const sent = b.send(2, new Uint8Array(5000)).catch(() => undefined);
    structuredClone(spoilt, { transfer: [spoilt.buffer] });
    const ends = await Promise.all(clients.map((client) => client.until(isKind('peer-disconnected'))));
    await Promise.all([refused, sent]);
    expect(received).toEqual(['b 2 5000']);
    expect(ends.map(({ error }) => error.code)).toEqual(['remote-disconnect', 'remote-disconnect']);
    for (const client of clients) await client.close();
  });

  it.each<[string, () => Uint8Array]>([
    ['is detached', () => detachedBytes(new Uint8Array(500))],
    ['is shared', () => sharedBytes(new Uint8Array(500))],
    ['has another length each time', () => alternating(500, 1e12)],
  ])('is refused before anybody was sent it when its memory %s', async (_, make) => {
    const { protocol, next } = manual();
    await using server = new TestServer({ protocols: [protocol] });
    await using client = new TestServer({ listen: undefined, protocols: [manual().protocol] });
    await server.start();
    await client.start();
    await client.dial(server.enode);
    const channel = await next();
    const payload = make();
    const invalid = expect.objectContaining({ code: 'invalid-argument' });
    await expect(server.broadcast({ protocol: 'echo', code: 1, payload })).rejects.toEqual(invalid);
    await expect(channel.send(1, payload)).rejects.toEqual(invalid);
    expect(server.peers.length).toBe(1);
  });
});

describe('broadcasts in a loop', () => {
  it('let others run when nobody is there', async () => {
    await using server = new TestServer({ protocols: [manual().protocol] });
    await server.start();
    let ran = false;
    setImmediate(() => {
      ran = true;
    });
    for (let i = 0; i < 100_000 && !ran; i++) {
      await server.broadcast({ protocol: 'echo', code: 1, payload: new Uint8Array(9) });
    }
    expect(ran).toBe(true);
  });
});
