/** go-ethereum's p2p packages at the other end of a real connection. */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { type DisconnectReasonName, PeerlaneError } from '../../src/base/errors.ts';
import { DISCONNECT_REASONS, type ProtocolChannel } from '../../src/p2p/index.ts';
import { echo, endOf, isKind, manual, TestServer } from '../support/servers.ts';
import { DevP2pPeer, patternBytes } from './devp2p-peer.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((resource) => resource[Symbol.asyncDispose]()));
});

async function goPeer(...options: Parameters<typeof DevP2pPeer.listen>): Promise<DevP2pPeer> {
  const peer = await DevP2pPeer.listen(...options);
  open.push(peer);
  return peer;
}

async function ours(options: ConstructorParameters<typeof TestServer>[0] = {}): Promise<TestServer> {
  const server = new TestServer(options);
  open.push(server);
  await server.start();
  return server;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const reasonOf = (error: unknown) => (error instanceof PeerlaneError ? error.details.reason : undefined);

/** The next message; of a large one the payload is lent, so its digest is taken at once. */
async function one(channel: ProtocolChannel) {
  for await (const { code, payload } of channel) {
    return { code, payload: payload.slice(0, 64), sha256: sha256(payload) };
  }
  return undefined;
}

/** From nothing to 15 MB; the length of an RLP string or of a snappy block changes at the odd ones. */
const SIZES = [0, 1, 15, 16, 17, 55, 56, 255, 256, 1_000, 65_535, 65_536, 100_000, 1_000_000, 15_000_000];

describe('a session with go-ethereum', () => {
  it.each(['we dial', 'go-ethereum dials'] as const)(
    'echoes messages from 0 bytes to 15 MB when %s',
    async (who) => {
      const { protocol, next } = manual();
      const server = await ours({ protocols: [protocol] });
      const peer = await goPeer();
      if (who === 'we dial') await server.dial(peer.enode);
      else await peer.dial(server.enode);
      const channel = await next();
      expect(channel.peer.inbound).toBe(who !== 'we dial');
      for (const [code, size] of SIZES.entries()) {
        for (const payload of [patternBytes(size + 1, size), new Uint8Array(size)]) {
          const back = one(channel);
          await channel.send(code, payload);
          const seen = await peer.next('message');
          expect(seen).toMatchObject({ code, size, sha256: sha256(payload) });
          const message = await back;
          expect(message?.code).toBe(code);
          expect(message?.sha256).toBe(seen.sha256);
        }
      }
    },
  );

  it('carries what go-ethereum says first, and our echo of it', async () => {
    const server = await ours();
    const peer = await goPeer({ echo: false });
    await peer.dial(server.enode);
    await peer.next('connected');
    for (const [code, size] of SIZES.entries()) {
      for (const kind of ['random', 'zero'] as const) {
        const sent = await peer.send({ code, size, seed: size + 5, kind });
        const back = await peer.next('message');
        expect({ code: back.code, size: back.size, sha256: back.sha256 }).toEqual({
          code,
          size,
          sha256: sent.sha256,
        });
      }
    }
  });

  it('finds the same ranges of codes for several protocols and versions', async () => {
    const [alpha, echo1, echo2] = [manual('alpha', 1, 3), manual('echo', 1, 16), manual('echo', 2, 20)];
    const server = await ours({ protocols: [echo2, alpha, echo1].map(({ protocol }) => protocol) });
    const peer = await goPeer({ protocols: ['echo/1:16', 'echo/2:20', 'alpha/1:3', 'zeta/1:4'] });
    await server.dial(peer.enode);
    const [a, e] = await Promise.all([alpha.next(), echo2.next()]);
    await a.send(2, Uint8Array.of(1));
    await e.send(19, Uint8Array.of(2));
    expect(await peer.next('message', ({ protocol }) => protocol.startsWith('alpha'))).toMatchObject({
      code: 2,
    });
    expect(await peer.next('message', ({ protocol }) => protocol.startsWith('echo'))).toMatchObject({
      code: 19,
    });
    expect([await one(a), await one(e)]).toMatchObject([
      { code: 2, payload: Uint8Array.of(1) },
      { code: 19, payload: Uint8Array.of(2) },
    ]);
  });

  it('shows each side who the other is', async () => {
    const server = await ours({ name: 'peerlane/test' });
    const peer = await goPeer({ name: 'the-go-side' });
    const { info } = await server.dial(peer.enode);
    expect(info).toMatchObject({ clientId: 'the-go-side', capabilities: [{ name: 'echo', version: 1 }] });
    const connected = await peer.next('connected');
    expect(connected).toMatchObject({ name: 'peerlane/test', inbound: true, caps: ['echo/1'] });
    expect(connected.peer).toBe(Buffer.from(server.id).toString('hex'));
  });
});

describe('Disconnect', () => {
  // go-ethereum writes no reason "network error": it only closes.
  const reasons = Object.entries(DISCONNECT_REASONS).filter(([name]) => name !== 'network-error');

  it.each(reasons)('%s (%i) of go-ethereum is understood', async (name, code) => {
    const { protocol, next } = manual();
    const server = await ours({ protocols: [protocol] });
    const peer = await goPeer();
    await server.dial(peer.enode);
    const channel = await next();
    await peer.next('connected');
    await peer.disconnect(code);
    expect(reasonOf(await endOf(channel))).toBe(name);
  });

  const codes = {
    requested: 'disconnect-requested',
    'breach-of-protocol': 'request-unknown',
    'useless-peer': 'genesis-mismatch',
    'too-many-peers': 'too-many-peers',
    'already-connected': 'already-connected',
    'client-quitting': 'server-closing',
    'ping-timeout': 'ping-timeout',
    'subprotocol-error': 'status-timeout',
    'incompatible-version': 'incompatible-version',
    'null-identity': 'null-identity',
    'unexpected-identity': 'unexpected-identity',
    'connected-to-self': 'connected-to-self',
    'network-error': 'network-error',
  } as const satisfies Partial<Record<DisconnectReasonName, string>>;

  it.each(Object.entries(codes))('%s of ours is understood', async (name, code) => {
    const { protocol, next } = manual();
    const server = await ours({ protocols: [protocol] });
    const peer = await goPeer();
    await peer.dial(server.enode);
    (await next()).disconnect(new PeerlaneError(code, 'for the test'));
    const gone = await peer.next('disconnected');
    expect(gone.reason).toBe(DISCONNECT_REASONS[name as DisconnectReasonName]);
    expect(gone.local).toBe(false);
  });

  it('useless: go-ethereum, and we, refuse a node that shares no protocol', async () => {
    const server = await ours({ protocols: [{ ...echo, name: 'other' }] });
    const peer = await goPeer();
    const error = await server.dial(peer.enode).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(PeerlaneError);
    expect([reasonOf(error), (error as PeerlaneError).code]).toContainEqual(
      expect.stringMatching(/useless-peer|no-shared-capability/),
    );
    await expect(peer.dial(server.enode)).rejects.toThrow(/useless/);
  });

  it('too many peers, by either side', async () => {
    const peer = await goPeer({ maxPeers: 1 });
    const [first, second] = [await ours(), await ours({ maxPeers: 1 })];
    await first.dial(peer.enode);
    await peer.next('connected');
    const error = await second.dial(peer.enode).catch((error: unknown) => error);
    expect(reasonOf(error)).toBe('too-many-peers');
    const [a, b] = [await goPeer(), await goPeer()];
    await a.dial(second.enode);
    await second.until(isKind('peer-connected'));
    await expect(b.dial(second.enode)).rejects.toThrow(/too many peers/);
  });
});

describe('bare RLPx of go-ethereum', () => {
  it('as initiator and as recipient completes our handshake', async () => {
    const server = await ours();
    const dialer = DevP2pPeer.rlpxDial(server.enode, { hello: true });
    open.push(dialer);
    expect((await dialer.next('hello')).caps).toEqual(['echo/1']);
    const listener = await DevP2pPeer.rlpxListen({ hello: true });
    open.push(listener);
    const dialing = server.dial(listener.enode).catch((error: unknown) => error);
    expect((await listener.next('hello')).version).toBe(5);
    await server.close();
    await dialing;
  });
});
