/** Many more nodes come at once than there are slots, some of which say nothing or stop half-way. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { backend } from '../../src/crypto/index.ts';
import { disconnectReasonName, type ProtocolChannel } from '../../src/p2p/index.ts';
import { decode, list, uint } from '../../src/rlp/index.ts';
import { freshRandomness, identityOf, initiate } from '../../src/rlpx/index.ts';
import { PENDING_TURN_MS } from '../../src/server/pending-inbound.ts';
import { Attacker, HELLO } from '../support/attacker.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { echo, isKind, manual, startedServer, type TestServer } from '../support/servers.ts';

// Six times as many as may be pending. A handshake takes JavaScript forty times as long.
const [RUSH, MAX_PENDING] = backend.name === 'native' ? [300, 50] : [120, 20];
const MAX_PEERS = 20;
/** Number of the reason in a Disconnect. */
const TOO_MANY_PEERS = 0x04;
/** Echo's first code on a connection that shares nothing else. */
const ECHO = 0x10;

/** So many sockets, one after another, all of which the server has taken before one of them says anything. */
async function crowd(server: TestServer, count: number, lastKey?: Uint8Array): Promise<Attacker[]> {
  const all: Attacker[] = [];
  onTestFinished(() => {
    for (const each of all) each.destroy();
  });
  while (all.length < count) {
    all.push(await Attacker.connect(server.enode, all.length === count - 1 ? lastKey : undefined));
    // The system says that it has connected before the server takes the socket.
    await turn();
  }
  await turn();
  return all;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Says what a good peer says: `peer` when it is served, else the number of the reason why not. */
async function fate(node: Attacker): Promise<'peer' | number | 'silence'> {
  try {
    await node.handshake();
  } catch {
    return 'silence';
  }
  await node.sendHello();
  const first = await node.next();
  if (first === undefined) return 'silence';
  if (first.code !== HELLO) return decode(list(uint(8)), first.payload).at(0);
  void node.send(ECHO, Uint8Array.of(1));
  const second = await node.next();
  if (second === undefined) return 'silence';
  return second.code === ECHO ? 'peer' : decode(list(uint(8)), second.payload).at(0);
}

/** Stops in the middle of what it has to say. */
const HALF_WAYS: readonly ((node: Attacker, server: TestServer) => Promise<unknown>)[] = [
  async () => undefined,
  async (node, { id: remoteId }) => {
    const { opening } = initiate({
      identity: identityOf(node.key),
      remoteId,
      randomness: freshRandomness(systemEnv),
    });
    await node.write(opening.subarray(0, opening.length - 1));
  },
  async (node) => (await node.handshake()).write(node.frames.header(100)),
];

/** A node that the server keeps connected, and its end of the channel. */
async function staticPeer(server: TestServer): Promise<ProtocolChannel> {
  const { protocol, next } = manual();
  const node = await startedServer({ protocols: [protocol] });
  server.addPeer(node.enode);
  return next();
}

async function isServed(channel: ProtocolChannel): Promise<boolean> {
  await channel.send(3, Uint8Array.of(7));
  const { done, value } = await channel[Symbol.asyncIterator]().next();
  return done !== true && value.payload[0] === 7;
}

describe(`${RUSH} nodes that come at once`, () => {
  it('fill the slots that there are; all others are told that there are too many peers', async () => {
    expect(disconnectReasonName(TOO_MANY_PEERS)).toBe('too-many-peers');
    // No time passes: nobody is hurried because this machine is busy.
    const env = new ManualEnv();
    const trusted = systemEnv.randomBytes(32);
    const server = await startedServer({ env, maxPeers: MAX_PEERS, maxPendingPeers: MAX_PENDING });
    const friends = [await staticPeer(server), await staticPeer(server), await staticPeer(server)];
    await server.until(() => server.peers.length === friends.length);

    const nodes = await crowd(server, RUSH, trusted);
    const last = nodes.at(-1);
    if (last === undefined) throw new Error('nobody came');
    server.addTrustedPeer(`enode://${Buffer.from(last.id).toString('hex')}@127.0.0.1:1`);
    // One in ten of them, which is fewer than may be pending.
    const hostile = nodes.filter((_, i) => i % 10 === 0);
    const honest = nodes.filter((_, i) => i % 10 !== 0);
    for (const [i, node] of hostile.entries()) {
      // Some of them are turned away before they are half-way.
      void HALF_WAYS[i % HALF_WAYS.length]?.(node, server).catch(() => undefined);
    }
    const fates = await Promise.all(honest.map(fate));

    expect(fates.filter((one) => one === 'peer')).toHaveLength(MAX_PEERS + 1);
    expect(fates.at(-1)).toBe('peer');
    expect(fates.filter((one) => one !== 'peer')).toEqual(
      new Array(honest.length - MAX_PEERS - 1).fill(TOO_MANY_PEERS),
    );
    expect(server.peers).toHaveLength(MAX_PEERS + 1 + friends.length);
    expect(server.seen.filter(isKind('peer-disconnected'))).toEqual([]);
    expect(await Promise.all(friends.map(isServed))).toEqual([true, true, true]);
  });

  it('and say nothing make room, in a moment, for those that do', async () => {
    const env = new ManualEnv();
    const server = await startedServer({
      env,
      protocols: [echo],
      maxPeers: MAX_PEERS,
      maxPendingPeers: MAX_PENDING,
    });
    const friend = await staticPeer(server);
    const silent = await crowd(server, 2 * MAX_PENDING);
    const honest = await crowd(server, RUSH - silent.length);
    const fates = Promise.all(honest.map(fate));
    // The silent ones that came in first, and then those that had waited for their places.
    for (let round = 0; round < silent.length / MAX_PENDING; round++) {
      expect(await isServed(friend)).toBe(true);
      env.advance(PENDING_TURN_MS);
      await turn();
    }
    const told = await fates;
    expect(told.filter((one) => one === 'peer')).toHaveLength(MAX_PEERS);
    expect(told.filter((one) => one === TOO_MANY_PEERS)).toHaveLength(honest.length - MAX_PEERS);
    expect(server.seen.filter(isKind('peer-disconnected'))).toEqual([]);
    expect(await isServed(friend)).toBe(true);
  });
});

it('an auth that is sent again keeps a place no better than silence', async () => {
  const env = new ManualEnv();
  const server = await startedServer({ env, maxPendingPeers: 3 });
  const [first, replayer, honest] = await crowd(server, 3);
  if (first === undefined || replayer === undefined || honest === undefined) throw new Error('nobody came');
  const { opening } = initiate({
    identity: identityOf(first.key),
    remoteId: server.id,
    randomness: freshRandomness(systemEnv),
  });
  for (const attacker of [first, replayer]) {
    await attacker.write(opening);
    // An ack.
    await attacker.bytes(1);
  }
  await honest.handshake();
  await crowd(server, 1);
  env.advance(PENDING_TURN_MS);
  const { error, remotePort } = await server.until(isKind('connection-failed'));
  expect([error.code, remotePort]).toEqual(['pending-replaced', replayer.port]);
});
