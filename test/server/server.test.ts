import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { parseEnode } from '../../src/enr/index.ts';
import type { Message, ProtocolChannel } from '../../src/p2p/index.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { echo, endOf, isKind, LOOPBACK, manual, TestServer } from '../support/servers.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function started(options: ConstructorParameters<typeof TestServer>[0] = {}): Promise<TestServer> {
  const server = new TestServer(options);
  open.push(server);
  await server.start();
  return server;
}

const reason = (error: unknown) => (error instanceof PeerlaneError ? error.details.reason : undefined);

async function take(channel: ProtocolChannel, count: number): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const message of channel) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}

/** TCP connections that never say a word. */
async function silent(enode: string, count: number): Promise<Socket[]> {
  const { host, tcpPort } = parseEnode(enode);
  const sockets = Array.from({ length: count }, () => connect(tcpPort, host).on('error', () => undefined));
  await Promise.all(
    sockets.map((socket) => new Promise<void>((resolve) => void socket.once('connect', () => resolve()))),
  );
  return sockets;
}

describe('a server', () => {
  it('carries messages of all sizes to a peer and back', async () => {
    const { protocol, next } = manual();
    const listener = await started();
    const dialer = await started({ listen: undefined, protocols: [protocol] });
    const peer = await dialer.dial(listener.enode);
    expect(peer.info).toMatchObject({ clientId: 'peerlane', inbound: false });
    const channel = await next();
    const sizes = [0, 1, 100, 65_536, 1_000_000, 15_000_000];
    const received = take(channel, sizes.length);
    for (const [code, size] of sizes.entries()) {
      await channel.send(
        code,
        new Uint8Array(size).map((_, i) => (i * 7 + size) >> 2),
      );
    }
    const messages = await received;
    expect(messages.map(({ code, payload }) => [code, payload.length])).toEqual([...sizes.entries()]);
    expect(messages[4]?.payload).toEqual(new Uint8Array(1_000_000).map((_, i) => (i * 7 + 1_000_000) >> 2));
  });

  it('runs several protocols on one connection, each in its own range', async () => {
    const [a, b] = [manual('alpha', 1, 3), manual('beta', 2, 5)];
    const [c, d] = [manual('beta', 2, 5), manual('alpha', 1, 3)];
    const listener = await started({ protocols: [a.protocol, b.protocol] });
    const dialer = await started({ protocols: [c.protocol, d.protocol] });
    await dialer.dial(listener.enode);
    const [alpha, beta] = await Promise.all([d.next(), c.next()]);
    await alpha.send(2, Uint8Array.of(1));
    await beta.send(0, Uint8Array.of(2));
    expect((await take(await a.next(), 1))[0]).toEqual({ code: 2, payload: Uint8Array.of(1) });
    expect((await take(await b.next(), 1))[0]).toEqual({ code: 0, payload: Uint8Array.of(2) });
    expect(await rejectionOf(alpha.send(3, new Uint8Array()))).toBe('message-code-out-of-range');
    expect(await rejectionOf(alpha.send(2, new Uint8Array(), 'gosip' as 'gossip'))).toBe('invalid-argument');
    expect(await rejectionOf(alpha.send(0, new Uint8Array(0x1000000)))).toBe('message-too-large');
  });

  it('says goodbye to its peers when it closes, and lets go of its port', async () => {
    const { protocol, next } = manual();
    const listener = await started();
    const dialer = await started({ protocols: [protocol] });
    await dialer.dial(listener.enode);
    const channel = await next();
    await listener.close();
    await listener.close();
    expect(reason(await endOf(channel))).toBe('client-quitting');
    expect(await rejectionOf(channel.send(0, new Uint8Array()))).toBe('closed');
    const { tcpPort } = parseEnode(listener.enode);
    const again = await started({ listen: { host: '127.0.0.1', port: tcpPort } });
    expect(parseEnode(again.enode).tcpPort).toBe(tcpPort);
  });

  it.each([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
  ])('that listens on %s is named with %s, where its own machine reaches it', async (host, reached) => {
    const listener = await started({ listen: { host, port: 0 } });
    expect(parseEnode(listener.enode).host).toBe(reached);
    const dialer = await started();
    expect((await dialer.dial(listener.enode)).info.id).toEqual(listener.id);
  });

  it('keeps its key, whatever the caller does with the buffer', async () => {
    const key = generateSecretKey(systemEnv);
    const server = new TestServer({ key });
    open.push(server);
    key.fill(0);
    await server.start();
    const other = await started();
    expect((await other.dial(server.enode)).info.id).toEqual(server.id);
  });

  it('can be left to `await using`, as an AsyncDisposable', async () => {
    const server = new TestServer();
    await server.start();
    await server[Symbol.asyncDispose]();
    expect(await rejectionOf(server.dial(echoUrl(server)))).toBe('closed');
  });

  it('sends the reason that follows from what a handler throws', async () => {
    const failing = (error: unknown) => ({ ...echo, handler: () => Promise.reject(error) });
    const cases = [
      [new PeerlaneError('request-unknown', 'x'), 'breach-of-protocol'],
      [new TypeError('a bug'), 'subprotocol-error'],
      [new PeerlaneError('genesis-mismatch', 'x'), 'useless-peer'],
    ] as const;
    for (const [error, expected] of cases) {
      const { protocol, next } = manual();
      const listener = await started({ protocols: [failing(error)] });
      const dialer = await started({ protocols: [protocol] });
      await dialer.dial(listener.enode);
      expect(reason(await endOf(await next()))).toBe(expected);
      if (error instanceof TypeError)
        expect(listener.seen).toContainEqual(expect.objectContaining({ kind: 'handler-failed', error }));
    }
  });

  it('ends the connection when a handler returns', async () => {
    const { protocol, next } = manual();
    const listener = await started({ protocols: [{ ...echo, handler: () => Promise.resolve() }] });
    const dialer = await started({ protocols: [protocol] });
    await dialer.dial(listener.enode);
    expect(reason(await endOf(await next()))).toBe('requested');
  });

  it('keeps the nodes that it is given dialed', async () => {
    const { protocol, next } = manual();
    const listener = await started({ protocols: [protocol] });
    const dialer = await started({ staticNodes: [listener.enode] });
    await dialer.until(isKind('peer-connected'));
    const channel = await next();
    expect(channel.peer.inbound).toBe(true);
    dialer.removePeer(listener.enode);
    expect(reason(await endOf(channel))).toBe('requested');
  });

  it('says when it will dial a node again that it keeps, and does so then', async () => {
    const env = new ManualEnv();
    const listener = await started();
    const dialer = await started({ listen: undefined, staticNodes: [listener.enode], env });
    await dialer.until(isKind('peer-connected'));
    env.advance(10_000);
    await listener.close();
    const { redialInMs: leftMs = 0 } = await dialer.until(isKind('peer-disconnected'));
    // 35 s after the last dial, and up to a quarter more.
    expect(leftMs).toBeGreaterThanOrEqual(25_000);
    expect(leftMs).toBeLessThan(25_000 + 35_000 / 4);
    env.advance(leftMs);
    // Nobody listens there any more.
    const { redialInMs = 0 } = await dialer.until(isKind('dial-failed'));
    expect(redialInMs).toBeGreaterThanOrEqual(35_000);
    expect(redialInMs).toBeLessThanOrEqual(70_000 * 1.25);
    expect(dialer.seen.filter(isKind('dial-failed'))).toHaveLength(1);
  });

  it('reports a dial that fails, and says why', async () => {
    const server = await started();
    const gone = await started();
    await gone.close();
    expect(await rejectionOf(server.dial(gone.enode))).toBe('dial-failed');
    expect(await rejectionOf(server.dial(server.enode))).toBe('connected-to-self');
    expect(await rejectionOf(server.dial('enode://12@127.0.0.1:1'))).toBe('invalid-enode');
    expect(await rejectionOf(server.dial(gone.enode, { signal: AbortSignal.abort() }))).toBe('aborted');
  });

  it('does not talk to a node that has another key than the one dialed', async () => {
    const [server, a, b] = await Promise.all([started(), started(), started()]);
    const { host, tcpPort } = parseEnode(a.enode);
    const wrong = b.enode.replace(/@.*/, `@${host}:${tcpPort}`);
    const dial = server.dial(wrong);
    await expect(dial).rejects.toThrow('it may have another key');
    expect(await rejectionOf(dial)).toBe('network-error');
    expect((await a.until(isKind('connection-failed'))).error.code).toBe('handshake-decrypt');
  });

  it('goes on with a dial that another caller waits for when one gives up', async () => {
    const [server, other] = await Promise.all([started(), started()]);
    const abort = new AbortController();
    const given = rejectionOf(server.dial(other.enode, { signal: abort.signal }));
    const wanted = server.dial(other.enode);
    abort.abort();
    expect(await given).toBe('aborted');
    expect((await wanted).info.inbound).toBe(false);
  });

  it('gives up a dial when asked to', async () => {
    const { host } = LOOPBACK;
    const server = await started();
    const mute = await started();
    const abort = new AbortController();
    const dialing = rejectionOf(
      server.dial(mute.enode.replace(/@.*/, `@${host}:9`), { signal: abort.signal }),
    );
    abort.abort();
    expect(['aborted', 'dial-failed']).toContain(await dialing);
  });
});

describe('limits', () => {
  it('refuse a peer when all slots are taken, and take one when a slot is free again', async () => {
    const listener = await started({ maxPeers: 1 });
    const [a, b] = await Promise.all([started(), started()]);
    const first = await a.dial(listener.enode);
    const error = await b.dial(listener.enode).catch((error: unknown) => error);
    expect(reason(error)).toBe('too-many-peers');
    first.disconnect();
    await listener.until(isKind('peer-disconnected'));
    await b.dial(listener.enode);
  });

  it('refuse a node that is connected already', async () => {
    const key = new Uint8Array(32).fill(5);
    const listener = await started();
    const [a, b] = await Promise.all([started({ key }), started({ key })]);
    await a.dial(listener.enode);
    const outcome = await b.dial(listener.enode).catch((error: unknown) => error);
    expect(reason(outcome)).toBe('already-connected');
  });

  it('do not hold for nodes that the user has given', async () => {
    const listener = await started();
    const dialer = await started({ maxPeers: 1 });
    const other = await started();
    await other.dial(dialer.enode);
    await dialer.dial(listener.enode);
    expect(dialer.peers).toHaveLength(2);
  });

  it('do not hold for trusted nodes, which are not dialed for that', async () => {
    const [trusted, later, other] = await Promise.all([started(), started(), started()]);
    const listener = await started({ maxPeers: 1, trustedNodes: [trusted.enode] });
    await other.dial(listener.enode);
    await trusted.dial(listener.enode);
    await listener.until(() => listener.peers.length === 2);
    expect(reason(await later.dial(listener.enode).catch((error: unknown) => error))).toBe('too-many-peers');
    listener.addTrustedPeer(later.enode);
    await later.dial(listener.enode);
    listener.removeTrustedPeer(trusted.enode);
    await listener.until(() => listener.peers.length === 3);
    expect(listener.peers.every(({ info }) => info.inbound)).toBe(true);
    expect(codeOf(() => listener.addTrustedPeer('enode://'))).toBe('invalid-enode');
  });

  it('are not filled by two hundred connections that keep silent', async () => {
    const listener = await started();
    const sockets = await silent(listener.enode, 200);
    const dialer = await started();
    const peer = await dialer.dial(listener.enode);
    expect(peer.signal.aborted).toBe(false);
    for (const socket of sockets) socket.destroy();
  });

  it('are not filled by peers that no protocol confirms', async () => {
    const { protocol, next } = manual('echo', 1, 16, { confirms: true });
    const listener = await started({ protocols: [protocol], maxPeers: 2 });
    const [a, b, c, d] = await Promise.all([started(), started(), started(), started()]);
    await a.dial(listener.enode);
    const channelA = await next();
    channelA.confirm();
    const provisional = await b.dial(listener.enode);
    await next();
    await c.dial(listener.enode);
    expect(reason(await endOf(provisional))).toBe('too-many-peers');
    (await next()).confirm();
    const error = await d.dial(listener.enode).catch((error: unknown) => error);
    expect(reason(error)).toBe('too-many-peers');
    expect(channelA.signal.aborted).toBe(false);
  });

  it('leave no moment in which a slot that changes hands looks free to dial for', async () => {
    const env = new ManualEnv();
    const gone = await started();
    await gone.close();
    const { protocol } = manual('echo', 1, 16, { confirms: true });
    const listener = await started({ protocols: [protocol], maxPeers: 1, bootnodes: [gone.enode], env });
    await listener.until(isKind('dial-failed'));
    env.advance(34_999);
    const [a, b] = await Promise.all([started(), started()]);
    await a.dial(listener.enode);
    await listener.until(isKind('peer-connected'));
    // From here on the bootnode is due, were there a slot.
    env.advance(1);
    await b.dial(listener.enode);
    await listener.until(isKind('peer-disconnected'));
    await listener.close();
    expect(listener.seen.filter(isKind('dial-failed'))).toHaveLength(1);
  });
});

describe('back-pressure', () => {
  it('holds a peer that sends as fast as it can within a small budget', async () => {
    const [a, b] = [manual(), manual()];
    const listener = await started({ protocols: [a.protocol], memoryBudget: 2 * 1024 * 1024 });
    const dialer = await started({ protocols: [b.protocol] });
    await dialer.dial(listener.enode);
    const [reader, writer] = await Promise.all([a.next(), b.next()]);
    const random = new VirtualEnv({ seed: 100 }).randomBytes(100_000);
    const sending = (async () => {
      for (let sent = 0; sent < 1500; sent++) await writer.send(0, random);
    })();
    const messages = await take(reader, 1500);
    await sending;
    expect(messages).toHaveLength(1500);
  });

  it('stops reading from a peer whose messages nobody takes, and goes on when somebody does', async () => {
    const [a, b] = [manual(), manual()];
    const listener = await started({ protocols: [a.protocol] });
    const dialer = await started({ protocols: [b.protocol] });
    await dialer.dial(listener.enode);
    const [reader, writer] = await Promise.all([a.next(), b.next()]);
    const random = new Uint8Array(512 * 1024).map((_, i) => Math.imul(i + 1, 2654435761) >>> 13);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 60; sent++) await writer.send(0, random);
    })();
    // A message on another way round shows that time has passed while the queue stood still.
    await reader.send(1, Uint8Array.of(1));
    await take(writer, 1);
    expect(sent).toBeLessThan(60);
    const messages = await take(reader, 60);
    await sending;
    expect(messages.every(({ payload }) => payload.length === random.length)).toBe(true);
  });
});

describe('options', () => {
  const base = { key: new Uint8Array(32).fill(1), protocols: [echo] };
  it.each([
    [{ key: new Uint8Array(32) }, 'invalid-secret-key'],
    [{ key: new Uint8Array(31).fill(1) }, 'invalid-secret-key'],
    [{ protocols: [] }, 'invalid-argument'],
    [{ protocols: [echo, echo] }, 'invalid-argument'],
    [{ protocols: [{ ...echo, name: 'much-too-long' }] }, 'invalid-argument'],
    [{ protocols: [{ ...echo, name: 'p2p' }] }, 'invalid-argument'],
    [{ protocols: [{ ...echo, length: 0 }] }, 'invalid-argument'],
    [{ maxPeers: 0 }, 'invalid-argument'],
    [{ maxPeers: 1.5 }, 'invalid-argument'],
    [{ dialRatio: -1 }, 'invalid-argument'],
    [{ maxPendingPeers: Number.NaN }, 'invalid-argument'],
    [{ name: '' }, 'invalid-argument'],
    [{ protocols: Array.from({ length: 400 }, (_, version) => ({ ...echo, version })) }, 'invalid-argument'],
    [{ listen: { host: '127.0.0.1', port: 65_536 } }, 'invalid-argument'],
    [{ bootnodes: ['enode://'] }, 'invalid-enode'],
    // What only JavaScript can give:
    [{ listen: null as never }, 'invalid-argument'],
    [{ env: {} as never }, 'invalid-argument'],
    [{ protocols: [null as never] }, 'invalid-argument'],
    [{ staticNodes: 'enode://' as never }, 'invalid-argument'],
    [{ staticNodes: [undefined as never] }, 'invalid-enode'],
  ])('%o are refused before anything starts', (options, code) => {
    expect(codeOf(() => new TestServer({ ...base, ...options }))).toBe(code);
  });

  it.each(['bootnodes', 'staticNodes', 'trustedNodes'])('names %s where these are no array', (name) => {
    expect(() => new TestServer({ ...base, [name]: null })).toThrow(`${name} is not an array`);
  });

  it('name a port that is in use', async () => {
    const first = await started();
    const { tcpPort } = parseEnode(first.enode);
    const second = new TestServer({ listen: { host: '127.0.0.1', port: tcpPort } });
    expect(await rejectionOf(second.start())).toBe('port-in-use');
    await second.close();
  });
});

function echoUrl(server: TestServer): string {
  return server.enode;
}
