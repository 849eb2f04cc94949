import { describe, expect, it, onTestFinished } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { backend, generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { encodeDisconnect } from '../../src/p2p/index.ts';
import { AWAIT_DECISION_MS, DECIDE_MS, SIMULTANEOUS_MS } from '../../src/server/duplicates.ts';
import { Attacker, AttackerListener, DISCONNECT } from '../support/attacker.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { endOf, isKind, startedServer, type TestServer } from '../support/servers.ts';

/** Lets I/O happen until `is` holds. */
async function turnsUntil(is: () => boolean): Promise<void> {
  for (let turns = 0; !is(); turns++) {
    if (turns > 1_000_000) throw new Error('it does not come to that');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const isJoined = (a: TestServer, b: TestServer): boolean => {
  const [[peerA, ...moreA], [peerB, ...moreB]] = [a.peers, b.peers];
  if (peerA === undefined || peerB === undefined || moreA.length + moreB.length > 0) return false;
  // Each has dialed the other once: it is the same connection when one has dialed it and the other not.
  return peerA.info.inbound !== peerB.info.inbound;
};

/** Handshakes of JavaScript take ten times as long. */
const ROUNDS = backend.name === 'native' ? 200 : 50;

describe('two servers that dial each other at the same moment', () => {
  it('always keep one connection, and the same', async () => {
    const env = new ManualEnv();
    const [a, b] = await Promise.all([startedServer({ env }), startedServer({ env })]);
    let crossed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const count = a.seen.length + b.seen.length;
      await Promise.allSettled([a.dial(b.enode), b.dial(a.enode)]);
      await turnsUntil(() => a.peers.length + b.peers.length === 2);
      env.advance(DECIDE_MS);
      await turnsUntil(() => isJoined(a, b));
      // The second connection was seen to end.
      await turnsUntil(() => a.seen.length + b.seen.length >= count + 4);
      if (a.seen.length + b.seen.length > count + 4) crossed++;
      env.advance(AWAIT_DECISION_MS);
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      expect([round, isJoined(a, b)]).toEqual([round, true]);
      const [peer] = a.peers;
      peer?.disconnect();
      await turnsUntil(() => a.peers.length + b.peers.length === 0);
    }
    // Else it was never needed.
    expect(crossed).toBeGreaterThan(0);
  });
});

describe.each([
  ['larger', 1, DECIDE_MS],
  ['smaller', -1, AWAIT_DECISION_MS],
])('a server with the %s key, dialed by whom it dials', (_, sign, patience) => {
  /** A server with a peer that it has dialed, and a second connection that has come of that. */
  async function setUp() {
    const env = new ManualEnv();
    const listener = await AttackerListener.listen();
    onTestFinished(() => listener.close());
    let key = generateSecretKey(systemEnv);
    const other = publicKeyOf(listener.key);
    while (compareBytes(publicKeyOf(key), other) !== sign) key = generateSecretKey(systemEnv);
    const server = await startedServer({ key, env });
    const arriving = listener.attacker();
    const dialing = server.dial(listener.enode);
    const first = await (await arriving).open();
    const peer = await dialing;
    const second = await (await Attacker.connect(server.enode, listener.key)).open();
    onTestFinished(() => second.destroy());
    return { env, server, first, second, peer };
  }

  const refuse = (connection: Attacker) => connection.send(DISCONNECT, encodeDisconnect('already-connected'));

  it('takes the second connection when the other side refuses the first', async () => {
    const { server, first, second, peer } = await setUp();
    // Kept until there is somebody who reads it.
    await second.send(0x10, Uint8Array.of(7));
    await refuse(first);
    await endOf(peer);
    const [left] = server.peers;
    expect(left?.info).toMatchObject({ inbound: true, remotePort: second.port });
    expect(await second.until(0x10)).toMatchObject({ payload: Uint8Array.of(7) });
  });

  it('keeps the first one when the other side refuses the second', async () => {
    const { env, server, second, peer } = await setUp();
    await refuse(second);
    await server.until(isKind('connection-failed'));
    env.advance(patience);
    expect(server.peers).toEqual([peer]);
    expect(peer.signal.aborted).toBe(false);
  });

  it('refuses the second itself when nobody decides', async () => {
    const { env, server, second, peer } = await setUp();
    // Hello may still be on its way.
    await second.send(2, Uint8Array.of(0xc0));
    await second.until(3);
    env.advance(patience - 1);
    expect(server.seen.filter(isKind('connection-failed'))).toEqual([]);
    env.advance(1);
    expect(await second.ending()).toBe('already-connected');
    expect(server.peers).toEqual([peer]);
  });

  it.each([
    ['bans', (server: TestServer, enode: string) => server.ban(enode)],
    ['removes', (server: TestServer, enode: string) => server.removePeer(enode)],
    [
      'drops for how it behaved',
      (server: TestServer) => server.peers[0]?.disconnect(new PeerlaneError('bad-reputation', 'enough')),
    ],
  ])('takes no connection of a node that the user %s', async (_, leave) => {
    const { server, second, peer } = await setUp();
    // It is held by now.
    await second.send(2, Uint8Array.of(0xc0));
    await second.until(3);
    leave(server, peer.info.enode);
    expect(['requested', 'useless-peer']).toContain(await second.ending());
    expect(server.peers).toEqual([]);
  });

  it('holds no third one', async () => {
    const { server, second } = await setUp();
    await second.send(2, Uint8Array.of(0xc0));
    await second.until(3);
    const third = await (await Attacker.connect(server.enode, second.key)).handshake();
    expect(await third.ending()).toBe('already-connected');
  });
});

describe('a server with one slot for nodes that it dials, which the one that it dials has dialed first', () => {
  /** With another node that could have the slot, and the two connections, of which the dialed one is held. */
  async function setUp() {
    const env = new ManualEnv();
    const listener = await AttackerListener.listen();
    onTestFinished(() => listener.close());
    const other = await startedServer({ env });
    const arriving = listener.attacker();
    const server = await startedServer({ env, maxPeers: 3, bootnodes: [listener.enode, other.enode] });
    const dialed = await arriving;
    const inbound = await (await Attacker.connect(server.enode, listener.key)).open();
    onTestFinished(() => inbound.destroy());
    await server.until(isKind('peer-connected'));
    await dialed.open();
    await dialed.send(2, Uint8Array.of(0xc0));
    await dialed.until(3);
    return { server, other, dialed, inbound };
  }

  const refuse = (connection: Attacker) => connection.send(DISCONNECT, encodeDisconnect('already-connected'));

  async function expectNoMore(server: TestServer) {
    for (let turns = 0; turns < 1_000; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect(server.diagnose().peers).toMatchObject({ dialed: 1, inbound: 0 });
  }

  it('dials nobody else for the slot until that peer is gone', async () => {
    const { server, other, dialed, inbound } = await setUp();
    await refuse(inbound);
    await server.until(isKind('peer-disconnected'));
    await expectNoMore(server);
    dialed.destroy();
    await other.until(isKind('peer-connected'));
    await expectNoMore(server);
  });

  it('dials another when the other side refuses the dialed one', async () => {
    const { server, other, dialed } = await setUp();
    await refuse(dialed);
    await other.until(isKind('peer-connected'));
    expect(server.diagnose().peers).toMatchObject({ dialed: 1, inbound: 1 });
  });
});

it('a connection that came later has not crossed the first', async () => {
  const env = new ManualEnv();
  const listener = await AttackerListener.listen();
  onTestFinished(() => listener.close());
  const server = await startedServer({ env });
  const arriving = listener.attacker();
  const dialing = server.dial(listener.enode);
  await (await arriving).open();
  await dialing;
  env.advance(SIMULTANEOUS_MS + 1);
  const second = await (await Attacker.connect(server.enode, listener.key)).handshake();
  expect(await second.ending()).toBe('already-connected');
});
