/** What those who have sessions, and those who shake hands, may have a node do. */
import { describe, expect, it } from 'vitest';
import { discv5Crypto } from '../../src/discv5/crypto.ts';
import { DEFAULT_DISCV5_LIMITS, type Discv5Limits, encodeMessage } from '../../src/discv5/index.ts';
import { KnownLimit } from '../../src/discv5/known-limit.ts';
import { Limits } from '../../src/discv5/limits.ts';
import { TOPIC_REQUEST_RATES } from '../../src/discv5/topics/parameters.ts';
import { type Origin, originOf, type UdpEndpoint } from '../../src/kad/index.ts';
import { freshEndpoint, Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';
import { Puppet } from './puppet.ts';

const PING = encodeMessage({ kind: 'ping', requestId: Uint8Array.of(1), enrSeq: 1n });
const FIND_NODE = encodeMessage({ kind: 'findNode', requestId: Uint8Array.of(1), distances: [256, 255] });
const SECOND = 1_000;
/** What a record says that names no place. */
const NOWHERE = { ip: undefined, udp: undefined };

function originAt(ip: string, port = 30303): Origin {
  const origin = originOf({ ip, port });
  if (origin === undefined) throw new Error('no host');
  return origin;
}

/** Messages that are admitted in a second of those that come without end, from all of them in turn. */
function admitted(limits: Partial<Discv5Limits>, from: readonly Origin[], count = 1, ms = 0): number[] {
  const limit = new KnownLimit({ ...DEFAULT_DISCV5_LIMITS, ...limits });
  const counts = from.map(() => 0);
  const tries = Math.ceil(10 / from.length);
  // The first second, in which there is more, is left out.
  for (let now = 0; now < 2 * SECOND; now++) {
    for (let i = 0; i < tries; i++) {
      for (const [at, origin] of from.entries()) {
        if (!limit.admits(origin, now)) continue;
        limit.spend(origin, count, ms, now);
        if (now >= SECOND) counts[at] = (counts[at] ?? 0) + 1;
      }
    }
  }
  return counts;
}
const sum = (counts: readonly number[]) => counts.reduce((all, one) => all + one, 0);

describe('those who have sessions', () => {
  const { known, knownIp, knownLocalIp, knownSubnet, allKnown } = DEFAULT_DISCV5_LIMITS;
  const ports = (ip: string, count: number) => Array.from({ length: count }, (_, i) => originAt(ip, 1 + i));

  it('are bounded by endpoint, by address, by network, and in all', () => {
    const one = sum(admitted({}, [originAt('20.0.0.1')]));
    expect(one).toBeGreaterThan(300);
    expect(one).toBeLessThanOrEqual(known.perSecond);
    expect(sum(admitted({}, ports('20.0.0.1', 10)))).toBeLessThanOrEqual(knownIp.perSecond);
    expect(sum(admitted({}, ports('2001:db8::1', 10)))).toBeLessThanOrEqual(knownIp.perSecond);
    const subnet = Array.from({ length: 20 }, (_, i) => originAt(`20.0.0.${i}`));
    expect(sum(admitted({}, subnet))).toBeLessThanOrEqual(knownSubnet.perSecond);
    const everywhere = Array.from({ length: 20 }, (_, i) => originAt(`20.0.${i}.1`));
    const all = sum(admitted({}, everywhere));
    expect(all).toBeLessThanOrEqual(allKnown.perSecond);
    expect(all).toBeGreaterThan(0.8 * allKnown.perSecond);
  });

  it('have more at an address of a LAN, and share no network there, nor an address on this machine', () => {
    const lan = sum(admitted({}, ports('192.168.1.1', 20)));
    expect(lan).toBeGreaterThan(knownIp.perSecond);
    expect(lan).toBeLessThanOrEqual(knownLocalIp.perSecond);
    const subnet = Array.from({ length: 20 }, (_, i) => originAt(`192.168.1.${1 + i}`));
    expect(sum(admitted({}, subnet))).toBeGreaterThan(knownSubnet.perSecond);
    expect(sum(admitted({}, ports('127.0.0.1', 20)))).toBeGreaterThan(knownLocalIp.perSecond);
  });

  it('have as many fewer as a message counts for more, or takes longer', () => {
    const everywhere = Array.from({ length: 20 }, (_, i) => originAt(`20.0.${i}.1`));
    expect(sum(admitted({}, everywhere, 5))).toBeLessThanOrEqual(allKnown.perSecond / 5);
    const slow = sum(admitted({}, everywhere, 1, 0.2));
    expect(slow).toBeLessThanOrEqual(allKnown.perSecond / 4 + 50);
    expect(slow).toBeGreaterThan(allKnown.perSecond / 8);
    // What takes far longer was not their doing.
    expect(sum(admitted({}, everywhere, 1, 1_000))).toBeGreaterThan(allKnown.perSecond / 50);
  });

  it.each([
    ['messages', DEFAULT_DISCV5_LIMITS, 50],
    ['requests for topics', TOPIC_REQUEST_RATES, 1_000],
  ])(
    'take by %s nothing from others of the address, the network, or all, who send less',
    (_, rates, everyMs) => {
      const places = ports('20.0.0.1', 10);
      const limit = new KnownLimit(rates);
      const friends = [originAt('20.0.0.1', 9_999), originAt('20.0.0.3'), originAt('20.0.9.1')];
      for (let now = 0; now < 20 * everyMs; now++) {
        for (const origin of places) if (limit.admits(origin, now)) limit.spend(origin, 1, 0, now);
        if (now % everyMs !== 0) continue;
        for (const [at, friend] of friends.entries()) {
          if (!limit.admits(friend, now)) throw new Error(`friend ${at} is shed after ${now} ms`);
          limit.spend(friend, 1, 0, now);
        }
      }
    },
  );
});

describe('those of one IPv6 /32', () => {
  const WIDE = Array.from({ length: 100 }, (_, i) => originAt(`2a01:4f8:${i.toString(16)}::1`));

  /** Of ten others, who send 200 a second each beside them, how many messages are shed in two seconds. */
  function shed(crowd: readonly Origin[], others: (i: number) => string): number {
    const limit = new KnownLimit(DEFAULT_DISCV5_LIMITS);
    const honest = Array.from({ length: 10 }, (_, i) => originAt(others(i)));
    let count = 0;
    for (let now = 0; now < 2 * SECOND; now++) {
      for (const one of crowd) if (limit.admits(one, now)) limit.spend(one, 1, 0, now);
      if (now % 5 !== 0) continue;
      for (const one of honest) {
        if (limit.admits(one, now)) limit.spend(one, 1, 0, now);
        else count++;
      }
    }
    return count;
  }

  it('take nothing from others with sessions, however many /48 they are of', () => {
    expect(shed(WIDE, (i) => `20.0.${i}.1`)).toBe(0);
  });

  it('have at most half of what is for all', () => {
    const all = sum(admitted({}, WIDE));
    expect(all).toBeGreaterThan(0.4 * DEFAULT_DISCV5_LIMITS.allKnown.perSecond);
    expect(all).toBeLessThanOrEqual(0.5 * DEFAULT_DISCV5_LIMITS.allKnown.perSecond);
  });
});

/** A node, a friend of its, and some who have sessions with it, each in a network of its own. */
function society(count: number, options: ConstructorParameters<typeof SimNode>[1] = {}) {
  const network = new Network();
  network.delayMs = 1;
  const node = new SimNode(network, options);
  const friend = new SimNode(network);
  friend.ping(node.node);
  network.env.advance(SECOND);
  const heavy = Array.from({ length: count }, () => new Puppet(network).meet(node));
  return { network, node, friend, heavy };
}

describe('a flood of those who have sessions', () => {
  it.each([
    ['Pings', 10, PING, 20],
    ['FindNodes', 4, FIND_NODE, 8],
  ])('of %s leaves a friend its answers', (_, count, plaintext, perMs) => {
    const { network, node, friend, heavy } = society(count);
    const before = node.engine.stats();
    const sealed = heavy.map((one) => ({ packet: one.sealed(node, plaintext).slice(), from: one.endpoint }));
    const pings = [];
    for (let ms = 0; ms < SECOND; ms++) {
      for (let i = 0; i < perMs; i++) {
        const one = sealed[i % count];
        if (one === undefined) throw new Error('nobody');
        node.engine.receive(one.packet.slice(), one.from, network.env.now());
      }
      if (ms % 20 === 0) pings.push(friend.ping(node.node));
      network.env.advance(1);
    }
    network.env.advance(100);
    const after = node.engine.stats();
    expect(pings.filter(({ result }) => result === undefined)).toEqual([]);
    const { perSecond, burst } = DEFAULT_DISCV5_LIMITS.allKnown;
    const each = plaintext === PING ? 1 : 5;
    expect(after.received - before.received).toBeLessThanOrEqual((perSecond + burst) / each + pings.length);
    expect(after.dropped.shed - before.dropped.shed).toBeGreaterThan(1_000);
  });

  it('is not opened beyond what they may send', () => {
    const { network, node, heavy } = society(1);
    const [one] = heavy;
    if (one === undefined) throw new Error('nobody');
    const now = network.env.now();
    const sealed = one.sealed(node, PING).slice();
    for (let i = 0; i < 3_000; i++) node.engine.receive(sealed.slice(), one.endpoint, now);
    const { challenges, dropped } = node.engine.stats();
    const forged = sealed.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    node.engine.receive(forged, one.endpoint, now);
    // Else it would have been answered with a WHOAREYOU.
    expect(node.engine.stats()).toMatchObject({ challenges, dropped: { shed: dropped.shed + 1 } });
  });

  it('is none where it is what was asked for', () => {
    const limits = { known: { perSecond: 1, burst: 3 } };
    const { network, node, friend } = society(0, { limits });
    for (let i = 0; i < 20; i++) {
      const ping = node.ping(friend.node);
      network.env.advance(10);
      expect(ping.result).toBeDefined();
    }
    const asked = Array.from({ length: 5 }, () => friend.ping(node.node));
    network.env.advance(100);
    expect(asked.filter(({ result }) => result !== undefined).length).toBeLessThanOrEqual(3);
  });
});

describe('checks of handshakes', () => {
  /** A node whose clock goes on by so much for each that is checked; others go by the clock of the network. */
  function slowNode(checkMs: number) {
    const network = new Network();
    network.delayMs = 1;
    let checked = 0;
    const real = discv5Crypto();
    const crypto = {
      ...real,
      accept: (...args: Parameters<typeof real.accept>) => {
        checked++;
        return real.accept(...args);
      },
    };
    const clock = () => network.env.now() + checked * checkMs;
    const node = new SimNode(network, { crypto, clock });
    return { network, node, checks: () => checked };
  }

  /** Handshakes with wrong signatures of some strangers, each in a network of its own, for three seconds. */
  function flood(
    { network, node }: ReturnType<typeof slowNode>,
    strangers: number,
    perSecond: number,
    placeOf: (i: number) => UdpEndpoint = freshEndpoint,
  ): void {
    const all = Array.from({ length: strangers }, (_, i) => new Puppet(network, placeOf(i), NOWHERE));
    const signer = new Puppet(network).secretKey;
    for (let i = 0; i < 3 * perSecond; i++) {
      const one = all[i % strangers];
      if (one === undefined) throw new Error('nobody');
      if (i % (perSecond / 2) < strangers) {
        // Its challenge is over soon.
        network.env.advance(1);
        one.knock(node);
      }
      node.engine.receive(one.handshake(node, {}, signer).slice(), one.endpoint, network.env.now());
      network.env.advance(SECOND / perSecond);
    }
  }

  it('take no more than their part of the time, whatever they cost', () => {
    const slow = slowNode(7);
    const start = slow.network.env.now();
    flood(slow, 10, 500);
    const seconds = (slow.network.env.now() - start) / SECOND;
    const { perSecond, burst } = DEFAULT_DISCV5_LIMITS.handshakeMs;
    expect(slow.checks() * 7).toBeGreaterThan(perSecond * seconds * 0.5);
    expect(slow.checks() * 7).toBeLessThanOrEqual(burst + perSecond * seconds + 7);
  });

  it('are as many as before where they cost little', () => {
    const fast = slowNode(0.1);
    flood(fast, 10, 200);
    expect(fast.node.engine.stats().dropped).toMatchObject({ shed: 0 });
  });

  it('leave somebody of another network his own', () => {
    const slow = slowNode(7);
    flood(slow, 4, 200);
    const newcomer = new SimNode(slow.network);
    const ping = newcomer.ping(slow.node.node);
    slow.network.env.advance(10);
    expect(ping.result).toBeDefined();
  });

  it('leave others theirs, whatever number of /48 an IPv6 /32 has', () => {
    const slow = slowNode(4);
    flood(slow, 8, 500, (i) => ({ ip: `2a01:4f8:${i.toString(16)}::1`, port: 30303 }));
    const newcomers = Array.from({ length: 8 }, () => new SimNode(slow.network));
    const pings = newcomers.map((newcomer) => newcomer.ping(slow.node.node));
    slow.network.env.advance(10);
    expect(pings.filter(({ result }) => result === undefined)).toEqual([]);
  });

  it('leave others theirs, however many networks come with such as cost nothing', () => {
    const limits = new Limits(DEFAULT_DISCV5_LIMITS, () => 0);
    const many = Array.from({ length: 80 }, (_, i) => originAt(`20.0.${i}.1`));
    for (let now = 0; now < 3 * SECOND; now++) {
      for (const [i, from] of many.entries()) if ((now + i) % 20 === 0) limits.admitsHandshake(from, now);
    }
    const newcomers = Array.from({ length: 8 }, (_, i) => originAt(`30.0.${i}.1`));
    expect(newcomers.map((from) => limits.admitsHandshake(from, 3 * SECOND))).toEqual(
      newcomers.map(() => true),
    );
  });

  it('leave another /48 of a /32 its own', () => {
    const slow = slowNode(4);
    flood(slow, 4, 500, (i) => ({ ip: `2a01:4f8:bad::${i}`, port: 30303 }));
    const newcomer = new SimNode(slow.network, { endpoint: { ip: '2a01:4f8:600d::1', port: 30303 } });
    const ping = newcomer.ping(slow.node.node);
    slow.network.env.advance(10);
    expect(ping.result).toBeDefined();
  });
});
