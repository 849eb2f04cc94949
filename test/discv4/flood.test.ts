import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { RateLimit } from '../../src/base/rate-limit.ts';
import { DEBT_LIFETIME_MS, Debts, MAX_DEBTORS, MAX_SUBNET_DEBTORS } from '../../src/discv4/debts.ts';
import {
  DEFAULT_LIMITS,
  decodeMessage,
  encodeMessage,
  type Message,
  packetHash,
  withHash,
} from '../../src/discv4/index.ts';
import { Intake, MAX_KNOWN_QUEUE, MAX_STRANGER_QUEUE } from '../../src/discv4/intake.ts';
import { PACKET_TYPE } from '../../src/discv4/packet.ts';
import { MAX_PROOFS, MAX_SUBNET_PROOFS, PROOF_LIFETIME_MS, Proofs } from '../../src/discv4/proofs.ts';
import { nodeIdOf } from '../../src/enr/index.ts';
import { endpointKey } from '../../src/kad/address.ts';
import { type Origin, originOf } from '../../src/kad/origin.ts';
import { encodeList } from '../../src/rlp/index.ts';
import { Network } from '../support/packet-network.ts';
import { Puppet, SimNode } from './network.ts';

const packet = new Uint8Array(100);
const message: Message = { kind: 'enrRequest', expiration: 0 };
function origin(ip: string): Origin {
  const from = originOf({ ip, port: 1 });
  if (from === undefined) throw new Error('no host');
  return from;
}
const ipOf = (i: number) => `${90 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.1`;

describe('rate limits', () => {
  it('let through so many at once, and so many a second', () => {
    const limit = new RateLimit({ perSecond: 10, burst: 5 }, 100);
    const count = (now: number) => {
      let taken = 0;
      while (limit.take('a', now)) taken++;
      return taken;
    };
    expect([count(0), count(0), count(100), count(1_000), count(60_000)]).toEqual([5, 0, 1, 5, 5]);
    expect(limit.take('b', 0)).toBe(true);
  });

  it('remember the latest keys only', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1 }, 10);
    for (let i = 0; i < 1_000; i++) limit.take(`${i}`, 0);
    expect(limit.size).toBe(10);
    expect([limit.take('999', 0), limit.take('0', 0)]).toEqual([false, true]);
  });

  it('remember nobody who could have no more if it were forgotten', () => {
    const limit = new RateLimit({ perSecond: 10, burst: 20 }, 100);
    for (let i = 0; i < 50; i++) limit.take(`${i}`, i < 25 ? 0 : 1);
    expect([limit.take('new', 2_000), limit.size]).toEqual([true, 26]);
    expect([limit.take('newer', 2_001), limit.size]).toEqual([true, 2]);
  });
});

describe('the intake', () => {
  function fill(intake: Intake, isKnown: boolean, ip: (i: number) => string, count = 5_000): number {
    let taken = 0;
    for (let i = 0; i < count; i++) {
      const from = origin(ip(i));
      const isAdmitted = isKnown
        ? intake.admitsKnownDatagram(from, 0) && intake.admitsKnown(from, 0)
        : intake.admitsStranger(from, 0);
      if (!isAdmitted) continue;
      intake.push({ packet, from, message, at: i }, isKnown);
      taken++;
    }
    return taken;
  }

  it('strangers of one address, or of one network, do not keep others out', () => {
    const [ip, subnet] = [
      { perSecond: 1, burst: 40 },
      { perSecond: 1, burst: 50 },
    ];
    const intake = new Intake({ ...DEFAULT_LIMITS, ip, subnet });
    expect(fill(intake, false, () => '1.2.3.4')).toBe(40);
    expect(fill(intake, false, (i) => `1.2.3.${i & 255}`)).toBe(10);
    expect(fill(intake, false, (i) => `2a00:1:2:${i.toString(16)}::1`, 36)).toBe(36);
  });

  it('strangers of this machine, where a whole network may be on one address, keep nobody but themselves out', () => {
    const limits = { ...DEFAULT_LIMITS, strangers: { perSecond: 1, burst: 1e6 } };
    const nodes = 2 * DEFAULT_LIMITS.subnet.burst;
    for (const ip of ['127.0.0.1', '::1', '192.168.1.2', '66.6.6.6']) {
      const intake = new Intake(limits);
      let admitted = 0;
      const come = (port: number) => {
        const from = originOf({ ip, port });
        if (from === undefined || !intake.admitsDatagram(from, 0) || !intake.admitsStranger(from, 0)) return;
        intake.push({ packet, from, message, at: 0 }, false);
        intake.take(64);
        admitted++;
      };
      for (let i = 0; i < nodes; i++) come(1_024 + i);
      expect(admitted).toBe(ip === '127.0.0.1' || ip === '::1' ? nodes : DEFAULT_LIMITS.ip.burst);
      for (let i = 0; i < nodes; i++) come(1_023);
      expect(admitted).toBe(
        ip === '127.0.0.1' || ip === '::1' ? nodes + DEFAULT_LIMITS.ip.burst : DEFAULT_LIMITS.ip.burst,
      );
    }
  });

  it('neither those who are known nor strangers of one network hold more than a quarter of a queue', () => {
    const intake = new Intake(DEFAULT_LIMITS);
    for (const [isKnown, quarter] of [
      [true, MAX_KNOWN_QUEUE / 4],
      [false, MAX_STRANGER_QUEUE / 4],
    ] as const) {
      expect(fill(intake, isKnown, (i) => `66.6.6.${i & 255}`)).toBe(quarter);
    }
  });

  it('however many networks fill the queue without end, there is room for the next', () => {
    const rate = { perSecond: 1, burst: 1e6 };
    const limits = { known: rate, knownIp: rate, knownSubnet: rate, ip: rate, subnet: rate, strangers: rate };
    for (const isKnown of [true, false]) {
      const intake = new Intake({ ...DEFAULT_LIMITS, ...limits });
      let newcomers = 0;
      for (let round = 0; round < 300; round++) {
        for (let network = 0; network < 60; network++) {
          fill(intake, isKnown, (i) => `66.7.${network}.${i & 255}`, 20);
        }
        const { known, strangers } = intake.take(8);
        // As soon as the first of the flood have had their turns.
        if (round >= 200) newcomers += fill(intake, isKnown, () => `9.9.${round & 255}.9`, 1);
        expect(known.length + strangers.length).toBe(isKnown ? 8 : 2);
      }
      expect(newcomers).toBe(100);
    }
  });

  it('the queues are bounded, and the known have their own, which goes first', () => {
    const intake = new Intake(DEFAULT_LIMITS);
    expect(fill(intake, false, ipOf)).toBe(MAX_STRANGER_QUEUE);
    expect(fill(intake, true, ipOf)).toBe(MAX_KNOWN_QUEUE);
    expect(intake.size).toBe(MAX_STRANGER_QUEUE + MAX_KNOWN_QUEUE);
    expect(intake.oldestKnown).toBe(0);
    const { known, strangers } = intake.take(64);
    expect(known.map(({ from }) => from.endpoint.ip)).toEqual(Array.from({ length: 64 }, (_, i) => ipOf(i)));
    expect(strangers).toHaveLength(13);
    expect(intake.oldestKnown).toBe(64);
    while (intake.size > 0) intake.take(64);
    expect(intake.take(64)).toEqual({ known: [], strangers: [] });
    expect(intake.oldestKnown).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('proofs', () => {
  const key = (i: number) => new Uint8Array(64).fill(i & 255);
  const never = Number.NEGATIVE_INFINITY;

  it('are of an endpoint and a key, and last 24 h', () => {
    const proofs = new Proofs();
    const endpoint = { ip: '1.2.3.4', port: 5 };
    proofs.add(endpoint, key(1), 0, never);
    const at = endpointKey(endpoint);
    expect(proofs.has(at, key(1), PROOF_LIFETIME_MS - 1)).toBe(true);
    expect(proofs.has(at, key(1), PROOF_LIFETIME_MS)).toBe(false);
    expect(proofs.has(at, key(2), 0)).toBe(false);
    expect(proofs.has(endpointKey({ ip: '1.2.3.4', port: 6 }), key(1), 0)).toBe(false);
    expect(proofs.mutualSince(at, key(1), 0)).toBeUndefined();
    proofs.pinged(at, key(1), 7);
    proofs.pinged(at, key(1), 9);
    expect(proofs.mutualSince(at, key(1), 10)).toBe(7);
  });

  it('are bounded, and one network pushes out only its own', () => {
    const proofs = new Proofs();
    const first = { ip: '9.9.9.9', port: 9 };
    proofs.add(first, key(9), 0, never);
    for (let i = 0; i < 20_000; i++)
      proofs.add({ ip: `1.2.3.${i & 255}`, port: 1 + (i >> 8) }, key(i), 1, never);
    expect(proofs.size).toBe(1 + MAX_SUBNET_PROOFS);
    expect(proofs.has(endpointKey(first), key(9), 1)).toBe(true);
    for (let i = 0; i < 20_000; i++) proofs.add({ ip: ipOf(i), port: 1 }, key(i), 2, never);
    expect(proofs.size).toBe(MAX_PROOFS);
    expect(proofs.knowsAddress(ipOf(19_999), 2)).toBe(true);
    expect(proofs.knowsAddress(ipOf(0), 2)).toBe(false);
    expect(proofs.knowsAddress(ipOf(19_999), 2 + PROOF_LIFETIME_MS)).toBe(false);
  });
});

describe('debts', () => {
  const allowance = 280;
  const debtorOf = (key: string, network?: string) => ({ key, network });
  const a = debtorOf('a');

  it('of an address are what it got beyond what it sent, and what the two answers take', () => {
    const debts = new Debts();
    expect(debts.room(a, 100, allowance, 0)).toBe(380);
    debts.add(a, 100, 280, 0);
    expect(debts.room(a, 100, allowance, DEBT_LIFETIME_MS)).toBe(200);
    debts.add(a, 100, 200, 0);
    expect(debts.room(a, 100, allowance, 0)).toBe(100);
  });

  it('of others are not forgotten for the sake of new ones, who get as much as they sent', () => {
    const debts = new Debts();
    for (let i = 0; i < 20_000; i++) debts.add(debtorOf(`${i}`), 100, 380, i / 1_000);
    expect(debts.size).toBe(MAX_DEBTORS);
    const [oldest, newcomer] = [debtorOf('0'), debtorOf('new')];
    expect(debts.room(oldest, 100, allowance, 20)).toBe(100);
    expect(debts.room(newcomer, 100, allowance, 20)).toBe(100);
    expect(debts.room(newcomer, 400, allowance, 20)).toBe(400);
    const later = DEBT_LIFETIME_MS + 1;
    debts.add(newcomer, 100, 380, later);
    expect([debts.size, debts.room(newcomer, 100, allowance, later)]).toEqual([MAX_DEBTORS, 100]);
    expect(debts.room(oldest, 100, allowance, later)).toBe(380);
  });

  it('of one network have so many places, of which an old one is given away there only', () => {
    const debts = new Debts();
    debts.add(a, 100, 380, 0);
    for (let i = 0; i < 2 * MAX_SUBNET_DEBTORS; i++)
      debts.add(debtorOf(`n${i}`, 'n'), 100, 380, 1 + i / 1_000);
    expect(debts.size).toBe(1 + MAX_SUBNET_DEBTORS);
    const newcomer = debtorOf('new', 'n');
    expect(debts.room(newcomer, 100, allowance, 2)).toBe(100);
    expect(debts.room(debtorOf('new', 'm'), 100, allowance, 2)).toBe(380);
    const later = DEBT_LIFETIME_MS + 1;
    debts.add(newcomer, 100, 380, later);
    expect([debts.size, debts.room(newcomer, 100, allowance, later)]).toEqual([1 + MAX_SUBNET_DEBTORS, 100]);
    expect(debts.room(a, 100, allowance, later)).toBe(100);
    for (let i = 0; i < 2 * MAX_SUBNET_DEBTORS; i++) debts.clear(`n${i}`);
    debts.clear('new');
    expect(debts.size).toBe(1);
  });
});

describe('an address that a node names under ever new keys', () => {
  it('gets some Pings, and is then left alone', () => {
    const network = new Network({ log: true });
    const node = new SimNode(network, {});
    const liar = new Puppet(network);
    const endpoint = { ip: '8.7.6.5', udpPort: 30303, tcpPort: 30303 };
    const newKeys = () =>
      Array.from({ length: 12 }, () => ({ ...endpoint, publicKey: network.env.randomBytes(64) }));
    liar.onMessage = (message, packet) => {
      const { expiration } = liar;
      if (message.kind === 'ping') liar.pong(node, packetHash(packet));
      if (message.kind === 'findNode') liar.send(node, { kind: 'neighbors', nodes: newKeys(), expiration });
    };
    liar.ping(node);
    network.env.advance(200);
    node.start();
    for (let i = 0; i < 10; i++) {
      node.lookup(network.env.randomBytes(64));
      network.env.advance(20_000);
    }
    const there = (network.log ?? []).filter(({ to }) => to.ip === endpoint.ip);
    expect(there.length).toBeGreaterThan(3);
    expect(there.length).toBeLessThanOrEqual(12);
    // Whoever is there is heard all the same.
    const late = new Puppet(network, { ip: endpoint.ip, port: endpoint.udpPort });
    late.answerPings(node);
    late.ping(node);
    network.env.advance(200);
    expect(node.engine.table.isLive(nodeIdOf(late.publicKey))).toBe(true);
  });

  it('unless it is one to begin with, which may come later', () => {
    const network = new Network({ log: true });
    const seed = { ip: '8.7.6.5', port: 30303 };
    const late = new Puppet(network, seed);
    network.detach(seed);
    const node = new SimNode(network, { seeds: [late.node] }).start();
    network.env.advance(120_000);
    expect((network.log ?? []).length).toBeGreaterThan(10);
    network.attach(seed, late);
    late.answerPings(node);
    network.env.advance(20_000);
    expect(node.engine.table.isLive(nodeIdOf(late.publicKey))).toBe(true);
  });
});

describe('a flood', () => {
  /** A node and one that has proved its endpoint. */
  function withKnown() {
    const network = new Network();
    const node = new SimNode(network, {});
    const known = new Puppet(network);
    known.answerPings(node);
    known.ping(node);
    network.env.advance(200);
    return { network, node, known };
  }

  it('of signed Pings by 20,000 strangers does not keep a known node from being answered', () => {
    const { network, node, known } = withKnown();
    const hostile = new Puppet(network, { ip: '66.6.6.6', port: 666 });
    const endpoint = { ip: '1.2.3.4', udpPort: 1, tcpPort: 1 };
    const ping = { kind: 'ping', from: endpoint, to: endpoint, expiration: hostile.expiration } as const;
    const flood = hostile.seal(ping);
    let shed = 0;
    for (let i = 0; i < 20_000; i++) {
      if (node.engine.receive(flood, { ip: ipOf(i), port: 30303 }, node.now) === 'shed') shed++;
    }
    node.schedule();
    known.received.length = 0;
    const hash = known.ping(node);
    network.env.advance(2 * network.delayMs);
    expect(known.take('pong').map(({ pingHash }) => pingHash)).toEqual([hash]);
    expect(shed).toBe(20_000 - MAX_STRANGER_QUEUE);
    network.env.advance(1_000);
    expect(node.engine.stats().requests).toBe(0);
  });

  /** Of `seconds`, in ticks of 6 ms with 64 signatures each: what became of the Pings of a known node and of strangers. */
  function underFlood(seconds: number, hostile: (node: SimNode, ms: number, ping: Uint8Array) => void) {
    const { network, node, known } = withKnown();
    const stranger = new Puppet(network, { ip: '66.6.6.6', port: 666 });
    const endpoint = { ip: '1.2.3.4', udpPort: 1, tcpPort: 1 };
    const before = node.engine.stats().received;
    const kept = { known: 0, strangers: 0, sent: 0 };
    for (let ms = 0; ms < seconds * 1_000; ms++) {
      network.env.advance(1);
      const ping = stranger.seal({
        ...{ kind: 'ping', from: endpoint, to: endpoint, expiration: stranger.expiration },
        enrSeq: BigInt(ms),
      });
      hostile(node, ms, ping);
      if (ms % 50 === 25) {
        kept.sent++;
        const own = known.seal({ kind: 'ping', from: endpoint, to: endpoint, expiration: known.expiration });
        if (node.engine.receive(own, known.endpoint, node.now) === 'queued') kept.known++;
        const other = { ip: `44.${ms >> 8}.${ms & 255}.9`, port: 30303 };
        if (node.engine.receive(ping.slice(), other, node.now) === 'queued') kept.strangers++;
      }
      if (ms % 6 === 0) node.engine.tick(node.now);
    }
    return { ...kept, signatures: (node.engine.stats().received - before) / seconds };
  }

  it('of strangers whom we have pinged back is one of strangers all the same', () => {
    const live: { readonly ip: string; age: number }[] = [];
    const { known, sent, signatures } = underFlood(2, (node, ms, ping) => {
      live.push({ ip: `${90 + (ms % 50)}.${ms >> 8}.${ms & 255}.1`, age: 0 });
      if (live.length > 200) live.shift();
      for (const one of live) {
        one.age++;
        if (one.age !== 1 && one.age % 10 !== 0) continue;
        node.engine.receive(ping.slice(), { ip: one.ip, port: 30303 }, node.now);
      }
    });
    expect(known).toBe(sent);
    expect(signatures).toBeLessThan(DEFAULT_LIMITS.strangers.perSecond + DEFAULT_LIMITS.strangers.burst);
  });

  it('of Pongs with the right hash and the signatures of nobody is three for each Ping', () => {
    const network = new Network({ log: true });
    const node = new SimNode(network, {});
    const stranger = new Puppet(network);
    stranger.ping(node);
    network.env.advance(100);
    const pingHash = stranger.hashOf('ping');
    const { expiration, endpoint } = stranger;
    const to = { ip: endpoint.ip, udpPort: endpoint.port, tcpPort: 0 };
    const receptions = Array.from({ length: 10 }, (_, i) => {
      const content = encodeMessage({ kind: 'pong', to, pingHash, expiration, enrSeq: BigInt(i) });
      return node.engine.receive(withHash(new Uint8Array(65).fill(1), content), endpoint, node.now);
    });
    expect(receptions.filter((reception) => reception === 'queued')).toHaveLength(3);
    expect(node.engine.sizes().queued).toBe(3);
  });

  it('of packets that are long to read is not read unless they were asked for', () => {
    const network = new Network();
    const node = new SimNode(network, {});
    const stranger = new Puppet(network);
    // A list of 1,150 items of one byte.
    const items = encodeList([encodeList(Array.from({ length: 1_150 }, () => Uint8Array.of(1)))]);
    const packet = stranger.sealContent(concatBytes(Uint8Array.of(PACKET_TYPE.neighbors), items));
    expect(node.engine.receive(packet, stranger.endpoint, node.now)).toBe('refused');
    expect(node.engine.stats().dropped).toMatchObject({ unsolicited: 1, malformed: 0 });
    const message = decodeMessage(
      stranger.sealContent(
        concatBytes(
          Uint8Array.of(PACKET_TYPE.neighbors),
          encodeList([encodeList(Array.from({ length: 1_150 }, () => Uint8Array.of(1))), Uint8Array.of(1)]),
        ),
      ),
    );
    expect(message).toMatchObject({ kind: 'neighbors', nodes: [] });
  });

  it('from one network of IPv6 has the share of one address', () => {
    const intake = new Intake(DEFAULT_LIMITS);
    let admitted = 0;
    for (let i = 0; i < 5_000; i++) {
      if (intake.admitsDatagram(origin(`2a00:1:2:${i.toString(16)}::1`), 0)) admitted++;
    }
    expect(admitted).toBe(DEFAULT_LIMITS.datagramsOfIp.burst);
    expect(intake.admitsDatagram(origin('9.9.9.9'), 0)).toBe(true);
  });

  it('of what is no packet keeps no stranger out', () => {
    const { known, strangers, sent } = underFlood(2, (node, ms) => {
      for (let i = 0; i < 3; i++) {
        const ip = `${90 + i}.${ms >> 8}.${ms & 255}.1`;
        node.engine.receive(new Uint8Array(110), { ip, port: 30303 }, node.now);
      }
    });
    expect([known, strangers]).toEqual([sent, sent]);
  });

  it('from one address, of which the port is another each time, gets no more than it sent and the two answers', () => {
    const network = new Network({ log: true });
    const node = new SimNode(network, {});
    const stranger = new Puppet(network, { ip: '66.6.6.6', port: 666 });
    const endpoint = { ip: '1.2.3.4', udpPort: 1, tcpPort: 1 };
    let sent = 0;
    for (let i = 0; i < 500; i++) {
      const { expiration } = stranger;
      const ping = stranger.seal({ kind: 'ping', from: endpoint, to: endpoint, expiration });
      sent += ping.length;
      node.engine.receive(ping, { ip: '66.6.6.6', port: 1024 + i }, node.now);
      node.engine.tick(node.now);
      network.env.advance(25);
    }
    const received = (network.log ?? []).filter(({ to }) => to.ip === '66.6.6.6');
    const bytes = received.reduce((sum, { packet }) => sum + packet.length, 0);
    expect(received.length).toBeGreaterThan(2);
    expect(bytes - sent).toBeLessThanOrEqual(300);
  });
});
