/** What goes to addresses that have proved nothing, while somebody does what he can to have it forgotten. */
import { beforeAll, describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { MAX_DEBTORS, MAX_SUBNET_DEBTORS } from '../../src/discv4/debts.ts';
import {
  Discv4Engine,
  decodeMessage,
  encodeMessage,
  type Message,
  packetHash,
} from '../../src/discv4/index.ts';
import { nodeIdOf, signRecord } from '../../src/enr/index.ts';
import { kadNode, type UdpEndpoint } from '../../src/kad/index.ts';
import { cheapCrypto } from './network.ts';

const OWN = { ip: '8.8.8.8', udpPort: 30303, tcpPort: 30303 };
const ANY = { perSecond: 1e9, burst: 1e9 };
const NO_LIMITS = { datagramsOfIp: ANY, datagrams: ANY, ip: ANY, subnet: ANY, strangers: ANY };

/** An engine that takes in any number of packets, and what it has sent to whom. */
function setUp(own = OWN) {
  const env = new VirtualEnv({ now: 1_700_000_000_000, seed: 1 });
  const [publicKey, ...keys] = Array.from({ length: 8 }, () => env.randomBytes(64));
  const record = signRecord(generateSecretKey(env), { seq: 1_700_000_000_000n, entries: {} });
  const sent: { readonly packet: Uint8Array; readonly to: UdpEndpoint }[] = [];
  if (publicKey === undefined) throw new Error('no key');
  const engine = new Discv4Engine({
    ...{ publicKey, env, crypto: cheapCrypto(publicKey), limits: NO_LIMITS },
    host: {
      send: (packet, to) => void sent.push({ packet, to }),
      localRecord: () => record,
      localEndpoint: () => own,
    },
  });
  /** Has a packet of that key come from there; returns what is sent there for it, and the packet. */
  const receive = (message: Message, from: UdpEndpoint, key = keys[0]) => {
    if (key === undefined) throw new Error('no key');
    const [packet] = cheapCrypto(key).seal([encodeMessage(message)]);
    if (packet === undefined) throw new Error('no packet');
    const before = sent.length;
    engine.receive(packet, from, env.now());
    engine.tick(env.now());
    return { packet, answers: sent.slice(before).filter(({ to }) => to.ip === from.ip) };
  };
  const ping = ({ ip, port }: UdpEndpoint, enrSeq?: bigint): Message => {
    const expiration = Math.floor(env.unixTime() / 1000) + 20;
    return {
      kind: 'ping',
      from: { ip, udpPort: port, tcpPort: port },
      to: { ...OWN, tcpPort: 0 },
      expiration,
      enrSeq,
    };
  };
  const pong = (pingHash: Uint8Array): Message => {
    return { kind: 'pong', to: OWN, pingHash, expiration: Math.floor(env.unixTime() / 1000) + 20 };
  };
  const kindsOf = (answers: typeof sent) => answers.map(({ packet }) => decodeMessage(packet)?.kind);
  /** Forged Pings of so many addresses each of so many networks. */
  const fill = (networks: number, hosts: number) => {
    for (let network = 0; network < networks; network++) {
      for (let host = 0; host < hosts; host++) {
        const from = { ip: `66.${network}.6.${host & 255}`, port: 1_024 + (host >> 8) };
        receive(ping(from), from, env.randomBytes(64));
      }
      env.advance(1_000);
    }
  };
  const [newKey, otherKey] = keys;
  return { env, engine, sent, receive, ping, pong, kindsOf, fill, newKey, otherKey };
}

describe('a host with a proof', () => {
  it('has no more places for its ports than its network may have', () => {
    const { env, engine, receive, ping, pong, kindsOf, otherKey } = setUp();
    const host = { ip: '66.6.6.6', port: 666 };
    const { answers } = receive(ping(host), host);
    const back = answers.find(({ packet }) => decodeMessage(packet)?.kind === 'ping');
    receive(pong(packetHash(back?.packet ?? new Uint8Array(32))), host);
    expect(engine.stats().proofs).toBe(1);
    for (let i = 0; i < 8 * MAX_SUBNET_DEBTORS; i++) {
      const from = { ip: host.ip, port: 1_024 + i };
      receive(ping(from), from, otherKey);
      if (i % 50 === 0) env.advance(1_000);
    }
    expect(engine.sizes().debtors).toBe(MAX_SUBNET_DEBTORS);
    const newcomer = { ip: '9.9.9.9', port: 30303 };
    expect(kindsOf(receive(ping(newcomer), newcomer).answers).sort()).toEqual(['ping', 'pong']);
  });

  it('or one of many addresses of IPv6, takes no places of another network', () => {
    const { env, engine, receive, ping, kindsOf } = setUp();
    for (let i = 0; i < 2 * MAX_SUBNET_DEBTORS; i++) {
      const from = { ip: `2a00:1:2:${i.toString(16)}::1`, port: 9 };
      receive(ping(from), from, env.randomBytes(64));
    }
    expect(engine.sizes().debtors).toBe(MAX_SUBNET_DEBTORS);
    const neighbor = { ip: '2a00:1:2:ffff::1', port: 30303 };
    expect(kindsOf(receive(ping(neighbor, 1_700_000_000_000n), neighbor).answers)).toEqual(['ping']);
    const other = { ip: '2a00:1:3::1', port: 30303 };
    expect(kindsOf(receive(ping(other), other).answers).sort()).toEqual(['ping', 'pong']);
  });
});

describe('an endpoint that never answers', () => {
  /** What a newcomer gets when one who never answers has taken more of what may go to its own endpoint than there is. */
  function answersAfter(silent: UdpEndpoint, newcomer: UdpEndpoint) {
    const { env, receive, ping, kindsOf, newKey, otherKey } = setUp();
    const answers: UdpEndpoint[] = [];
    for (let i = 0; i < 10; i++) {
      answers.push(...receive(ping(silent), silent, newKey).answers.map(({ to }) => to));
      env.advance(1_000);
    }
    // No more than one Ping and one Pong for nothing, here too.
    expect(answers.length).toBeLessThan(11);
    return kindsOf(receive(ping(newcomer), newcomer, otherKey).answers).sort();
  }

  it.each(['127.0.0.1', '127.1.2.3', '::1'])(
    'of this machine, at %s, takes nothing from others there',
    (ip) => {
      expect(answersAfter({ ip, port: 1_024 }, { ip, port: 30303 })).toEqual(['ping', 'pong']);
    },
  );

  it.each([
    ['66.6.6.6', '66.6.6.6'],
    ['192.168.1.2', '192.168.1.2'],
    ['2a00:1:2:3::1', '2a00:1:2:3::2'],
    ['fe80::1', 'fe80::2'],
    // That of a translator, which packets can come from.
    ['64:ff9b::7f00:1', '64:ff9b::7f00:1'],
  ])('anywhere else, as at %s, shares what may go to its address, or its /64, with others', (ip, other) => {
    expect(answersAfter({ ip, port: 1_024 }, { ip: other, port: 30303 })).toEqual(['ping']);
  });
});

describe('a node on all addresses', () => {
  it('has a Ping for a newcomer of IPv4 whose network has no more places', () => {
    const { receive, ping, kindsOf, fill } = setUp({ ...OWN, ip: '::' });
    fill(1, MAX_SUBNET_DEBTORS);
    const newcomer = { ip: '66.0.6.66', port: 40_404 };
    const { packet, answers } = receive(ping(newcomer, 1_700_000_000_000n), newcomer);
    expect(kindsOf(answers)).toEqual(['ping']);
    expect(answers[0]?.packet.length).toBeLessThanOrEqual(packet.length);
  });
});

describe('while all places are taken', () => {
  const full = setUp();
  beforeAll(() => full.fill(MAX_DEBTORS / MAX_SUBNET_DEBTORS, MAX_SUBNET_DEBTORS));

  it('a newcomer gets a Ping, its Pong when it has answered that, and never more than it has sent', () => {
    const { engine, receive, ping, pong, kindsOf, newKey } = full;
    expect(engine.sizes().debtors).toBe(MAX_DEBTORS);
    for (const [i, enrSeq] of [1_700_000_000_000n, undefined].entries()) {
      const newcomer = { ip: `9.9.9.${i}`, port: 30303 };
      const first = receive(ping(newcomer, enrSeq), newcomer);
      expect(kindsOf(first.answers)).toEqual(['ping']);
      const [back] = first.answers;
      if (back === undefined) throw new Error('no Ping came');
      expect(back.packet.length).toBeLessThanOrEqual(first.packet.length);
      const second = receive(pong(packetHash(back.packet)), newcomer);
      expect(second.answers.map(({ packet }) => decodeMessage(packet))).toMatchObject([
        { kind: 'pong', pingHash: packetHash(first.packet) },
      ]);
      expect(engine.table.has(nodeIdOf(newKey ?? new Uint8Array(64)))).toBe(true);
    }
    expect(engine.sizes().debtors).toBe(MAX_DEBTORS);
  });

  it('a newcomer that is being pinged already gets its Pong when it has answered that Ping', () => {
    const { env, engine, sent, receive, ping, pong, kindsOf, otherKey } = full;
    if (otherKey === undefined) throw new Error('no key');
    const newcomer = { ip: '9.9.9.200', port: 30303 };
    const node = kadNode({ publicKey: otherKey, ip: newcomer.ip, udpPort: newcomer.port, tcpPort: 0 });
    const before = sent.length;
    engine.ping(node, env.now(), () => undefined);
    engine.tick(env.now());
    const ours = sent.slice(before).find(({ to }) => to.ip === newcomer.ip);
    if (ours === undefined) throw new Error('no Ping went out');
    // Both are too many, and a Pong of its own is longer than what it answers.
    const first = receive(ping(newcomer), newcomer, otherKey);
    const again = receive(ping(newcomer, 7n), newcomer, otherKey);
    expect([...kindsOf(first.answers), ...kindsOf(again.answers)]).toEqual([]);
    const { answers } = receive(pong(packetHash(ours.packet)), newcomer, otherKey);
    expect(answers.map(({ packet }) => decodeMessage(packet))).toMatchObject([
      { kind: 'pong', pingHash: packetHash(again.packet) },
    ]);
  });

  it('short Pings without end get nothing, or no more than they are', () => {
    const { env, receive } = full;
    const nowhere = { ip: '0.0.0.0', udpPort: 0, tcpPort: 0 };
    const victim = { ip: '7.7.7.7', port: 30303 };
    let excess = 0;
    for (let i = 0; i < 300; i++) {
      const expiration = Math.floor(env.unixTime() / 1000) + 20;
      const small = { kind: 'ping', from: nowhere, to: nowhere, expiration } as const;
      const { packet, answers } = receive(small, victim, env.randomBytes(64));
      excess += answers.reduce((sum, answer) => sum + answer.packet.length, 0) - packet.length;
      expect(excess).toBeLessThanOrEqual(0);
      env.advance(1_000);
    }
  });
});
