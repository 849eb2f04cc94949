import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { Connection } from '../../src/server/connection.ts';
import { Dialer } from '../../src/server/dialer.ts';
import { OUTAGE_DIALS, Outage } from '../../src/server/outage.ts';
import type { Peer } from '../../src/server/peer.ts';
import { PeerSet } from '../../src/server/peers.ts';

describe('whether there is a way out', () => {
  const gone = (outage: Outage, times: number, host = '9.9.9.9') => {
    for (let i = 0; i < times; i++) outage.dialed(host, 'unreachable');
  };

  it('is told by many dials in a row that reach nobody', () => {
    const outage = new Outage();
    gone(outage, OUTAGE_DIALS - 1);
    outage.dialed('9.9.9.9', 'own');
    expect(outage.hides('8.8.4.4')).toBe(false);
    gone(outage, 1);
    expect(outage.hides('8.8.4.4')).toBe(true);
    outage.dialed('9.9.9.9', 'full');
    expect(outage.hides('8.8.4.4')).toBe(false);
  });

  it('says nothing of the own network, nor is it told by what is in there', () => {
    const outage = new Outage();
    gone(outage, 2 * OUTAGE_DIALS, '192.168.1.1');
    expect(outage.hides('9.9.9.9')).toBe(false);
    gone(outage, OUTAGE_DIALS, 'node.example');
    for (const host of ['192.168.1.1', '127.0.0.1', '::1', 'fe80::1%eth0']) {
      outage.dialed(host, 'stayed');
      expect(outage.hides(host)).toBe(false);
    }
    expect(outage.hides('9.9.9.9')).toBe(true);
  });
});

/** A network that can be cut, with a dialer whose peers do nothing but stay. */
function network(seed: number) {
  const env = new VirtualEnv({ seed });
  const peers = new PeerSet({ maxPeers: 50, maxDialedPeers: 16, maxInboundPeers: 50 });
  const connections = new Map<string, Connection>();
  let isUp = true;
  const join = (key: string, remoteAddress: string, isStatic: boolean) => {
    const connection = { inbound: false, remoteAddress } as Connection;
    const peer = { connectedAt: env.now() } as Peer;
    connections.set(key, connection);
    peers.add(key, peer, connection, isStatic);
    return peer;
  };
  const dialer: Dialer = new Dialer({
    ...{ env, maxPending: 50, peers, failed: () => undefined },
    connect: async ({ publicKey, host }) => {
      const key = toBareHex(publicKey);
      if (!isUp) throw new PeerlaneError('dial-failed', 'no network');
      return join(key, host, dialer.keeps(key));
    },
  });
  /** Second by second, so that all hear of all. */
  const run = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      env.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const cut = () => {
    isUp = false;
    for (const [key, connection] of connections) {
      const error = new PeerlaneError('ping-timeout', 'no network');
      if (peers.remove(key, connection)) dialer.left(key, 120_000, error);
    }
    connections.clear();
    dialer.plan();
  };
  const restore = () => {
    isUp = true;
  };
  return { env, peers, dialer, join, run, cut, restore };
}

describe('after an hour without a network', () => {
  it.each([
    ['nobody', false],
    ['a node in the own network', true],
  ])('all are back within a minute or so, where %s was left', async (_, hasLan) => {
    const [seed = 1] = systemEnv.randomBytes(1);
    const { peers, dialer, join, run, cut, restore } = network(seed);
    const size = hasLan ? 6 : 5;
    for (let i = 1; i <= 5; i++) {
      const publicKey = new Uint8Array(64).fill(i);
      dialer.add({ publicKey, host: `9.9.9.${i}`, tcpPort: 30_303, udpPort: 0 }, i === 5);
    }
    dialer.start();
    await run(120);
    cut();
    if (hasLan) join('lan', '192.168.1.7', true);
    await run(3600);
    expect(peers.size).toBe(size - 5);
    restore();
    // Within the longest wait while nobody can be reached.
    await run(61);
    expect(peers.size, `seed ${seed}`).toBe(size);
  });
});
