/** Nodes that have proved their endpoints, and send more than their share. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { DEFAULT_LIMITS, packetHash } from '../../src/discv4/index.ts';
import { Intake } from '../../src/discv4/intake.ts';
import type { KadNode } from '../../src/kad/index.ts';
import { originOf } from '../../src/kad/origin.ts';
import { Network } from '../support/packet-network.ts';
import { Puppet, SimNode } from './network.ts';

/** As fast as signatures are without the addon: so many each time, of about a millisecond each. */
const OPENED_AT_ONCE = 8;
const TICK_MS = 9;
const HOSTS = 64;

const at = { ip: '1.2.3.4', udpPort: 1, tcpPort: 1 };

function pingOf(puppet: Puppet, serial: number): Uint8Array {
  return puppet.seal({
    ...{ kind: 'ping', from: at, to: at, expiration: puppet.expiration },
    enrSeq: BigInt(serial),
  });
}

/** A node, another that it knows, and some that it knows at addresses of the flood. */
function withProofs(ipOf: (i: number) => string) {
  const network = new Network();
  const node = new SimNode(network, { openedAtOnce: OPENED_AT_ONCE, isCheap: true });
  const bonded = (endpoint?: { ip: string; port: number }) => {
    const puppet = new Puppet(network, endpoint, 'cheap');
    puppet.answerPings(node);
    puppet.ping(node);
    network.env.advance(150);
    puppet.onMessage = () => undefined;
    return puppet;
  };
  const known = bonded();
  const hostile = Array.from({ length: HOSTS }, (_, i) => bonded({ ip: ipOf(i), port: 30303 + i }));
  expect(node.engine.stats().proofs).toBe(1 + HOSTS);
  network.env.advance(2_000);
  return { network, node, known, hostile };
}

/** A copy, since packets belong to whom they are given to. */
const puppetPing = (pings: readonly Uint8Array[], i: number): Uint8Array =>
  pings[i]?.slice() ?? new Uint8Array(0);

/** A second in which each hostile node sends a hundred Pings, and one that sends 20 awaits its Pongs. */
function underFlood(ipOf: (i: number) => string) {
  const { network, node, known, hostile } = withProofs(ipOf);
  const floods = hostile.map((puppet) => pingOf(puppet, 0));
  const before = node.engine.stats().received;
  const sentAt = new Map<string, number>();
  const times: number[] = [];
  known.onMessage = (message) => {
    if (message.kind !== 'pong') return;
    const sent = sentAt.get(toBareHex(message.pingHash));
    if (sent !== undefined) times.push(node.now - sent);
  };
  for (let ms = 0; ms < 1_000; ms++) {
    network.env.advance(1);
    for (const [i, puppet] of hostile.entries()) {
      if ((ms + i) % 10 === 0) node.engine.receive(puppetPing(floods, i), puppet.endpoint, node.now);
    }
    if (ms % 50 === 25) {
      const ping = pingOf(known, ms);
      sentAt.set(toBareHex(packetHash(ping)), node.now);
      node.engine.receive(ping, known.endpoint, node.now);
    }
    if (ms % TICK_MS === 0) node.engine.tick(node.now);
  }
  node.engine.tick(node.now);
  network.env.advance(100);
  const signatures = node.engine.stats().received - before;
  return { sent: sentAt.size, times, signatures };
}

describe('a flood of those who have proved their endpoints', () => {
  it('from one network keeps nobody else waiting', () => {
    const { sent, times, signatures } = underFlood((i) => `66.6.6.${i}`);
    expect(times).toHaveLength(sent);
    // There and back takes nothing here but the last tick's delay.
    expect(Math.max(...times)).toBeLessThan(100);
    const { burst, perSecond } = DEFAULT_LIMITS.knownSubnet;
    expect(signatures - sent).toBeLessThanOrEqual(burst + perSecond);
  });

  it('from sixteen networks keeps nobody waiting for long', () => {
    const { sent, times } = underFlood((i) => `66.6.${i & 15}.${i}`);
    expect(times).toHaveLength(sent);
    expect(Math.max(...times)).toBeLessThan(100);
  });
});

describe('those who are known', () => {
  const COUNT = 200;

  it('and share one address of this machine have no limit for their network', () => {
    const intake = new Intake(DEFAULT_LIMITS);
    let admitted = 0;
    for (let i = 0; i < COUNT * 5; i++) {
      const from = originOf({ ip: '127.0.0.1', port: 30303 + (i % COUNT) });
      if (from === undefined || !intake.admitsKnownDatagram(from, 0) || !intake.admitsKnown(from, 0))
        continue;
      intake.push(
        { packet: new Uint8Array(0), from, message: { kind: 'enrRequest', expiration: 0 }, at: 0 },
        true,
      );
      admitted++;
      if (intake.size === 64) intake.take(64);
    }
    expect(admitted).toBe(COUNT * 5);
  });

  it('and answer with Neighbors in many packets at once are all heard, of one network too', () => {
    const network = new Network();
    const node = new SimNode(network, { isCheap: true });
    const hosts = Array.from(
      { length: 20 },
      (_, i) => new Puppet(network, { ip: `66.6.6.${i}`, port: 30303 }, 'cheap'),
    );
    for (const host of hosts) {
      host.onMessage = (message, packet) => {
        if (message.kind === 'ping') host.pong(node, packetHash(packet));
        if (message.kind !== 'findNode') return;
        for (let part = 0; part < 5; part++) {
          const nodes = Array.from({ length: 3 }, (_, i) => {
            const publicKey = network.env.randomBytes(64);
            return { ip: `8.8.${part}.${i}`, udpPort: 30303, tcpPort: 30303, publicKey };
          });
          host.send(node, { kind: 'neighbors', nodes, expiration: host.expiration });
        }
      };
      host.ping(node);
    }
    network.env.advance(1_000);
    const asked = hosts.map((host) =>
      node.ask<KadNode[]>((done) => node.engine.findNode(host.node, node.publicKey, node.now, done)),
    );
    network.env.advance(2_000);
    expect(asked.map(({ result }) => result?.length)).toEqual(hosts.map(() => 15));
    expect(node.engine.stats().dropped.shed).toBe(0);
  });
});
