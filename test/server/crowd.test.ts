/** Many honest peers at once, with more to say than there is memory for: everybody waits, and nobody is lost. */
import { describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { backend } from '../../src/crypto/index.ts';
import type { Protocol, ProtocolChannel } from '../../src/p2p/index.ts';
import { isKind, manual, startedServer, type TestServer } from '../support/servers.ts';

const MiB = 1024 * 1024;
/** With half of them there is still more to say than there is memory; JavaScript takes six times as long for it. */
const few = (count: number): number => (backend.name === 'native' ? count : count / 2);

/** A server and `count` peers of it, with the channel of each at their end. */
async function crowd(
  count: number,
  protocol: Protocol,
): Promise<{ server: TestServer; channels: ProtocolChannel[] }> {
  const server = await startedServer({ protocols: [protocol] });
  const channels: ProtocolChannel[] = [];
  for (let i = 0; i < count; i++) {
    const { protocol, next } = manual();
    const peer = await startedServer({ listen: undefined, protocols: [protocol] });
    await peer.dial(server.enode);
    channels.push(await next());
  }
  await server.until(() => server.peers.length === count);
  return { server, channels };
}

/** Answers every message with so many bytes. */
function answering(length: number): Protocol {
  const answer = systemEnv.randomBytes(length);
  return {
    name: 'echo',
    version: 1,
    length: 16,
    async handler(channel) {
      for await (const { code } of channel) await channel.send(code, answer);
    },
  };
}

async function received(channel: ProtocolChannel, count: number): Promise<number> {
  let bytes = 0;
  let left = count;
  for await (const { payload } of channel) {
    bytes += payload.length;
    if (--left === 0) break;
  }
  return bytes;
}

describe('a crowd of honest peers', () => {
  it.each([
    [few(50), 3, 350_000],
    [few(20), 2, 2_000_000],
    [few(12), 1, 9_000_000],
  ])('%i peers ask %i times for %i bytes, and have them', async (count, times, length) => {
    const { server, channels } = await crowd(count, answering(length));
    const answers = await Promise.all(
      channels.map(async (channel) => {
        for (let i = 0; i < times; i++) void channel.send(0, Uint8Array.of(i));
        return received(channel, times);
      }),
    );
    expect(answers).toEqual(new Array(count).fill(times * length));
    expect(server.seen.filter(isKind('peer-disconnected'))).toEqual([]);
  });

  it('sends large messages to the server, all at once', async () => {
    const arrived: number[] = [];
    const { server, channels } = await crowd(few(20), {
      name: 'echo',
      version: 1,
      length: 16,
      async handler(channel) {
        for await (const { payload } of channel) {
          arrived.push(payload.length);
          await channel.send(0, Uint8Array.of(1));
        }
      },
    });
    const payload = systemEnv.randomBytes(3_000_000);
    await Promise.all(
      channels.map(async (channel) => {
        for (let i = 0; i < 2; i++) await channel.send(1, payload);
        expect(await received(channel, 2)).toBe(2);
      }),
    );
    expect(arrived).toEqual(new Array(2 * few(20)).fill(payload.length));
    expect(server.seen.filter(isKind('peer-disconnected'))).toEqual([]);
  });

  it('has a large broadcast when the server says that it was sent', async () => {
    const { server, channels } = await crowd(few(20), manual().protocol);
    const payload = systemEnv.randomBytes(2_000_000);
    const reading = channels.map((channel) => received(channel, 1));
    let peers = server.peers;
    while (peers.length > 0) {
      const { sent, skipped } = await server.broadcast({ protocol: 'echo', code: 3, payload }, peers);
      expect(sent.length + skipped.length).toBe(peers.length);
      peers = skipped;
    }
    expect(await Promise.all(reading)).toEqual(new Array(few(20)).fill(payload.length));
    expect(server.seen.filter(isKind('peer-disconnected'))).toEqual([]);
  });

  it('keeps the order of what a handler sends, large and small, with and without waiting', async () => {
    const large = systemEnv.randomBytes(6 * MiB);
    const { server, channels } = await crowd(few(4), {
      name: 'echo',
      version: 1,
      length: 16,
      async handler(channel) {
        for (let code = 0; code < 12; code++) {
          const sent = channel.send(code, code % 3 === 0 ? large : large.subarray(0, code));
          if (code % 4 === 0) await sent;
        }
        for await (const _ of channel);
      },
    });
    const codes = await Promise.all(
      channels.map(async (channel) => {
        const seen: number[] = [];
        for await (const { code } of channel) {
          seen.push(code);
          if (seen.length === 12) break;
        }
        return seen;
      }),
    );
    expect(codes).toEqual(channels.map(() => Array.from({ length: 12 }, (_, i) => i)));
    expect(server.seen.filter(isKind('peer-disconnected'))).toEqual([]);
  });
});

describe('a handler that sends without ever waiting', () => {
  it('loses its own peer at some point, and no other', async () => {
    const large = systemEnv.randomBytes(MiB);
    const { server, channels } = await crowd(2, {
      name: 'echo',
      version: 1,
      length: 16,
      async handler(channel) {
        for await (const { code } of channel) {
          for (let i = 0; i < code * 100; i++) channel.send(0, large).catch(() => undefined);
          await channel.send(0, Uint8Array.of(1));
        }
      },
    });
    const [greedy, modest] = channels;
    await greedy?.send(1, Uint8Array.of());
    const { error } = await server.until(isKind('peer-disconnected'));
    expect(error.code).toBe('memory-budget');
    await modest?.send(0, Uint8Array.of());
    expect(modest === undefined ? 0 : await received(modest, 1)).toBe(1);
    expect(server.peers).toHaveLength(1);
  });
});
