/** Whose slots are whose: of nodes that come in, of those that are dialed, and of those that the user has named. */
import { describe, expect, it } from 'vitest';
import { EVICTION_INTERVAL_MS, IDLE_MS } from '../../src/server/eviction.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { manual, startedServer, type TestServer } from '../support/servers.ts';

/** Nodes that never say a word of a protocol, and whose clocks stand. */
const silent = () => startedServer({ env: new ManualEnv(), protocols: [manual().protocol] });

const counts = (server: TestServer) => server.diagnose().peers;

describe('a server that has nodes to choose from', () => {
  it('keeps slots for those, whoever comes in', async () => {
    const gone = await silent();
    await gone.close();
    const server = await startedServer({ maxPeers: 3, bootnodes: [gone.enode] });
    const comers = [await silent(), await silent(), await silent()];
    const codes: unknown[] = [];
    for (const comer of comers) {
      codes.push(
        await comer.dial(server.enode).then(
          () => 'taken',
          ({ code }) => code,
        ),
      );
    }
    expect(codes).toEqual(['taken', 'taken', 'remote-disconnect']);
    expect(counts(server)).toMatchObject({ inbound: 2, max: 3 });
  });

  it('gives the slot of an idle one that it dialed to another', async () => {
    const env = new ManualEnv();
    const nodes = [await silent(), await silent()];
    const server = await startedServer({ env, maxPeers: 3, bootnodes: nodes.map(({ enode }) => enode) });
    await server.until(({ kind }) => kind === 'peer-connected');
    const [first] = server.peers;
    await (await silent()).dial(server.enode);
    await server.until(() => server.peers.length === 2);
    await env.pass(IDLE_MS + EVICTION_INTERVAL_MS);
    const evicted = await server.until((event) => event.kind === 'peer-disconnected');
    expect(evicted.kind === 'peer-disconnected' && evicted.error.code).toBe('too-many-peers');
    await server.until(() => server.peers.length === 2);
    const dialed = server.peers.filter(({ info }) => !info.inbound);
    expect(dialed.map(({ info }) => info.enode)).not.toEqual([first?.info.enode]);
  });
});

describe('a server that has idle peers', () => {
  it('keeps them where nobody else is there to be dialed', async () => {
    const env = new ManualEnv();
    const nodes = [await silent(), await silent()];
    const server = await startedServer({ env, maxPeers: 6, bootnodes: nodes.map(({ enode }) => enode) });
    await server.until(() => server.peers.length === 2);
    expect(server.diagnose().peers).toMatchObject({ dialed: 2 });
    await env.pass(IDLE_MS);
    await env.pass(5 * EVICTION_INTERVAL_MS);
    expect(server.seen.filter(({ kind }) => kind === 'peer-disconnected')).toEqual([]);
  });

  it('keeps them where all others could not be reached when they were last dialed', async () => {
    const env = new ManualEnv();
    const nodes = [await silent(), await silent(), await silent(), await silent()];
    const [, , ...gone] = nodes;
    for (const node of gone) await node.close();
    const bootnodes = [...gone.slice(0, 1), ...nodes.slice(0, 2), ...gone.slice(1)].map(({ enode }) => enode);
    const server = await startedServer({ env, maxPeers: 6, bootnodes });
    await server.until(() => server.peers.length === 2);
    await env.pass(IDLE_MS);
    await env.pass(60 * EVICTION_INTERVAL_MS);
    // One of them was never dialed, and gets its try.
    expect(server.seen.filter(({ kind }) => kind === 'peer-disconnected')).toHaveLength(1);
    expect(server.seen.filter(({ kind }) => kind === 'dial-failed').length).toBeGreaterThan(1);
    expect(server.peers).toHaveLength(2);
  });
});

describe('a server that has one peer, and another node that is gone', () => {
  it('keeps the peer', async () => {
    const env = new ManualEnv();
    const [good, gone] = [await silent(), await silent()];
    await gone.close();
    const server = await startedServer({ env, maxPeers: 3, bootnodes: [gone.enode, good.enode] });
    await server.until(({ kind }) => kind === 'dial-failed');
    await server.until(({ kind }) => kind === 'peer-connected');
    await env.pass(IDLE_MS);
    await env.pass(2 * EVICTION_INTERVAL_MS);
    expect(server.seen.filter(({ kind }) => kind === 'peer-disconnected')).toEqual([]);
  });
});

describe('a peer that the user names', () => {
  it.each([
    ['addPeer', (server: TestServer, enode: string) => server.addPeer(enode)],
    ['addTrustedPeer', (server: TestServer, enode: string) => server.addTrustedPeer(enode)],
  ])('by %s leaves its slot to another that is dialed at once', async (_, name) => {
    const nodes = [await silent(), await silent()];
    const server = await startedServer({ maxPeers: 3, bootnodes: nodes.map(({ enode }) => enode) });
    await server.until(({ kind }) => kind === 'peer-connected');
    const [first] = server.peers;
    // What follows by itself when the dial has led to a peer is over: nothing but the name frees the slot.
    await new Promise((resolve) => setImmediate(resolve));
    name(server, first?.info.enode ?? '');
    await server.until(() => server.peers.length === 2);
  });

  it.each([
    ['addPeer', (server: TestServer, enode: string) => server.addPeer(enode)],
    ['addTrustedPeer', (server: TestServer, enode: string) => server.addTrustedPeer(enode)],
  ])('by %s takes no slot from then on', async (_, name) => {
    const server = await startedServer({ maxPeers: 1 });
    const [first, second] = [await silent(), await silent()];
    await first.dial(server.enode);
    await server.until(({ kind }) => kind === 'peer-connected');
    name(server, first.enode);
    expect(counts(server)).toMatchObject({ inbound: 1, kept: 1 });
    await second.dial(server.enode);
    await server.until(({ kind }) => kind === 'peer-connected' && server.peers.length === 2);
  });

  it('by addTrustedPeer takes a slot again when it is taken off', async () => {
    const server = await startedServer({ maxPeers: 1 });
    const [first, second] = [await silent(), await silent()];
    await first.dial(server.enode);
    await server.until(({ kind }) => kind === 'peer-connected');
    server.addTrustedPeer(first.enode);
    server.removeTrustedPeer(first.enode);
    expect(counts(server)).toMatchObject({ inbound: 1, kept: 0 });
    await second.dial(server.enode).catch(() => undefined);
    await server.until(({ kind }) => kind === 'connection-failed');
    expect(server.peers).toHaveLength(1);
  });
});
