import { afterEach, describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import type { Message, ProtocolChannel } from '../../src/p2p/index.ts';
import type { BroadcastResult } from '../../src/server/index.ts';
import { OUTPUT_HIGH_WATER } from '../../src/server/output.ts';
import { rejectionOf } from '../support/errors.ts';
import { manual, TestServer } from '../support/servers.ts';

const open: TestServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function started(options: ConstructorParameters<typeof TestServer>[0]): Promise<TestServer> {
  const server = new TestServer(options);
  open.push(server);
  await server.start();
  return server;
}

/** A server with peers that share its protocol, and what each of them receives. */
async function connected(count: number): Promise<{ server: TestServer; channels: ProtocolChannel[] }> {
  const server = await started({ protocols: [manual().protocol] });
  const channels: ProtocolChannel[] = [];
  for (let i = 0; i < count; i++) {
    const { protocol, next } = manual();
    const peer = await started({ protocols: [protocol] });
    await peer.dial(server.enode);
    channels.push(await next());
  }
  await server.until(() => server.peers.length === count);
  return { server, channels };
}

async function first(channel: ProtocolChannel): Promise<Message | undefined> {
  for await (const message of channel) return message;
  return undefined;
}

describe('a broadcast', () => {
  const payload = new Uint8Array(5000).map((_, i) => (i * i) >> 3);

  it('reaches every peer once', async () => {
    const { server, channels } = await connected(10);
    const [one] = server.peers;
    if (one === undefined) throw new Error('there is no peer');
    const { sent, skipped } = await server.broadcast({ protocol: 'echo', code: 3, payload });
    expect([sent.length, skipped]).toEqual([10, []]);
    for (const channel of channels) expect(await first(channel)).toEqual({ code: 3, payload });
    expect((await server.broadcast({ protocol: 'echo', code: 4, payload }, [one, one])).sent).toEqual([one]);
  });

  it.each(['inbound', 'dialed'])(
    'reaches a peer, %s, from within the event that tells of it',
    async (kind) => {
      const { protocol, next } = manual();
      const other = await started({ protocols: [protocol] });
      const results: Promise<BroadcastResult>[] = [];
      const server = await started({ protocols: [manual().protocol] });
      const told = server.until((event) => {
        if (event.kind !== 'peer-connected') return false;
        results.push(server.broadcast({ protocol: 'echo', code: 3, payload }));
        return true;
      });
      await (kind === 'dialed' ? server.dial(other.enode) : other.dial(server.enode));
      expect(await first(await next())).toEqual({ code: 3, payload });
      await told;
      expect(await Promise.all(results)).toEqual([{ sent: [...server.peers], skipped: [] }]);
    },
  );

  it('runs no handler for a peer that is ended from within the event that tells of it', async () => {
    const other = await started({});
    let ran = 0;
    const counting = { ...manual().protocol, handler: async () => void ran++ };
    const server = await started({ protocols: [counting] });
    const told = server.until(({ kind }) => {
      if (kind === 'peer-connected') server.peers[0]?.disconnect();
      return kind === 'peer-connected';
    });
    await server.dial(other.enode);
    await told;
    await server.until(({ kind }) => kind === 'peer-disconnected');
    expect([ran, server.peers.length]).toEqual([0, 0]);
  });

  it('skips who does not share the protocol, or is gone', async () => {
    const { server } = await connected(2);
    expect(await server.broadcast({ protocol: 'other', code: 0, payload })).toEqual({
      sent: [],
      skipped: server.peers,
    });
    const peers = server.peers;
    peers[0]?.disconnect();
    expect(await server.broadcast({ protocol: 'echo', code: 0, payload }, peers)).toEqual({
      sent: [peers[1]],
      skipped: [peers[0]],
    });
  });

  it('skips a peer that takes nothing, and goes on to the others', async () => {
    const { server, channels } = await connected(2);
    const [slow, quick] = channels;
    if (slow === undefined || quick === undefined) throw new Error('a peer is missing');
    const large = new Uint8Array(64 * 1024);
    crypto.getRandomValues(large);
    let received = 0;
    const reading = (async () => {
      for await (const message of quick) received += message.payload.length;
    })();
    // The slow one's queue, the sockets between, and then no more.
    let [skipped, sent] = [0, 0];
    for (let i = 0; skipped < 20 && i < 2000; i++) {
      const result = await server.broadcast({ protocol: 'echo', code: 0, payload: large });
      skipped += result.skipped.length;
      sent += result.sent.length;
    }
    expect(skipped).toBeGreaterThanOrEqual(20);
    expect(sent * large.length).toBeGreaterThan(OUTPUT_HIGH_WATER);
    expect(slow.signal.aborted).toBe(false);
    await server.close();
    await reading;
    expect(received).toBeGreaterThan(OUTPUT_HIGH_WATER);
  });

  it('that cannot be sent is sent to nobody', async () => {
    const { server, channels } = await connected(2);
    const send = (message: object) => rejectionOf(server.broadcast(message as never));
    expect(await send({ protocol: 'echo', code: 16, payload })).toBe('message-code-out-of-range');
    expect(await send({ protocol: 'echo', code: 0, payload: new Uint8Array(0x1000000) })).toBe(
      'message-too-large',
    );
    expect(await send({ protocol: 'echo', code: 0, payload: 'text' })).toBe('invalid-argument');
    expect(await send({ protocol: 7, code: 0, payload })).toBe('invalid-argument');
    expect(await send(null as never)).toBe('invalid-argument');
    for (const peers of [null, 5, [undefined], [{}]]) {
      expect(
        await rejectionOf(server.broadcast({ protocol: 'echo', code: 0, payload }, peers as never)),
      ).toBe('invalid-argument');
    }
    await server.broadcast({ protocol: 'echo', code: 1, payload });
    for (const channel of channels) expect((await first(channel))?.code).toBe(1);
    await server.close();
    expect(await send({ protocol: 'echo', code: 0, payload })).toBe('closed');
  });
});

describe('a message that a handler offers', () => {
  const payload = Uint8Array.of(1, 2, 3);

  it('is sent if the peer takes it at once, and else not', async () => {
    const { channels } = await connected(1);
    const [channel] = channels;
    if (channel === undefined) throw new Error('the peer is missing');
    expect(await channel.offer(3, payload)).toBe(true);
    const large = new Uint8Array(OUTPUT_HIGH_WATER);
    crypto.getRandomValues(large.subarray(0, 65536));
    // Both in one turn: the first fills what may wait for the peer.
    const full = [channel.offer(4, large), channel.offer(5, payload), channel.offer(6, payload)];
    expect(await Promise.all(full)).toEqual([true, true, false]);
    const last = channel.offer(3, payload);
    channel.disconnect(new PeerlaneError('disconnect-requested', 'enough'));
    expect(await last).toBe(false);
    expect(await channel.offer(3, payload)).toBe(false);
  });

  it('must be one of the protocol', async () => {
    const { channels } = await connected(1);
    const [channel] = channels;
    if (channel === undefined) throw new Error('the peer is missing');
    expect(await rejectionOf(channel.offer(16, payload))).toBe('message-code-out-of-range');
    expect(await rejectionOf(channel.offer(0, new Uint8Array(0x1000000)))).toBe('message-too-large');
    expect(await rejectionOf(channel.offer(0, 'text' as never))).toBe('invalid-argument');
  });
});
