import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { compress, generateSecretKey } from '../../src/crypto/index.ts';
import type { Protocol } from '../../src/p2p/index.ts';
import { alternating, detachedBytes, sharedBytes } from '../crypto/memory.ts';
import { Attacker } from '../support/attacker.ts';
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

describe('a peer that leaves while its large messages wait for room', () => {
  it.each(['says so', 'closes'])('is heard to its last word when it %s', async (how) => {
    const size = 2 * 1024 * 1024;
    const most = 15 * 1024 * 1024;
    const held: (() => void)[] = [];
    const got: string[] = [];
    const protocol: Protocol = {
      name: 'echo',
      version: 1,
      length: 16,
      async handler(channel) {
        for await (const { code, payload } of channel) {
          got.push(`${code} ${payload.length}`);
          // The first one keeps its payload, and so what there is of room.
          if (code === 1) await new Promise<void>((resolve) => held.push(resolve));
        }
      },
    };
    await using server = new TestServer({ protocols: [protocol] });
    await server.start();
    const [first, second] = [manual(), manual()];
    await using holder = new TestServer({ listen: undefined, protocols: [first.protocol] });
    await using leaver = new TestServer({ listen: undefined, protocols: [second.protocol] });
    await holder.start();
    await leaver.start();
    await holder.dial(server.enode);
    await (await first.next()).send(1, new Uint8Array(most));
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const peer = await leaver.dial(server.enode);
    const channel = await second.next();
    for (const code of [2, 3]) await channel.send(code, new Uint8Array(size));
    // Resolves when the socket has it.
    await channel.offer(4, new Uint8Array(9));
    peer.disconnect(how === 'says so' ? undefined : new PeerlaneError('pending-replaced', 'in silence'));
    await server.until(isKind('peer-disconnected'));
    expect(got).toEqual([`1 ${most}`]);
    for (const release of held) release();
    while (got.length < 4) await new Promise((resolve) => setImmediate(resolve));
    expect(got).toEqual([`1 ${most}`, `2 ${size}`, `3 ${size}`, '4 9']);
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

describe('a peer that goes away while the handler lags', () => {
  it.each([
    [600, 300, 'closes its side'],
    [300, 1000, 'closes its side'],
    [300, 100, 'resets the connection'],
  ])(
    'after %i messages of %i bytes is gone at once, and heard to its last word, when it %s',
    async (count, size, how) => {
      const { protocol, next } = manual();
      await using server = new TestServer({ protocols: [protocol] });
      await server.start();
      const attacker = await (await Attacker.connect(server.enode)).open();
      const channel = await next();
      // In one piece, so that a reset finds nothing left that is on its way.
      const frame = () =>
        attacker.frames.frame(concatBytes(Uint8Array.of(0x11), compress(randomBytes(size))));
      await attacker.write(concatBytes(...Array.from({ length: count }, frame)));
      if (how === 'resets the connection') attacker.reset();
      else attacker.finish();
      const { error } = await server.until(isKind('peer-disconnected'));
      expect(error.code).toBe('network-error');
      let received = 0;
      for await (const { payload } of channel) received += payload.length;
      expect(received).toBe(count * size);
      attacker.destroy();
    },
  );
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
