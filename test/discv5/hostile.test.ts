/** Packets with valid masking of somebody who keeps to nothing else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import {
  DEFAULT_DISCV5_LIMITS,
  encodeMessage,
  MAX_CHALLENGED,
  type Message,
} from '../../src/discv5/index.ts';
import { randomMessage, sealWhoareyou } from '../../src/discv5/packet.ts';
import { MAX_SESSIONS_OF_NETWORK, Sessions } from '../../src/discv5/sessions.ts';
import { MAX_RATED, MAX_RATED_SUBNETS, type UdpEndpoint } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { runs } from '../support/runs.ts';
import { SimNode } from './network.ts';
import { Puppet } from './puppet.ts';

function met() {
  const network = new Network();
  const node = new SimNode(network);
  const puppet = new Puppet(network);
  puppet.knock(node);
  return { network, node, puppet };
}

describe('a handshake', () => {
  it('that is as it should be makes a session', () => {
    const { node, puppet } = met();
    puppet.send(node, puppet.handshake(node));
    expect(node.engine.stats()).toMatchObject({ sessions: 1, receivedOf: { ping: 1 } });
  });

  it('makes none with the signature or the record of somebody else, or with a key that is none', () => {
    const { network, node, puppet } = met();
    const other = new Puppet(network);
    puppet.send(node, puppet.handshake(node, {}, other.secretKey));
    puppet.send(node, puppet.handshake(node, { record: other.record.encoded }));
    puppet.send(node, puppet.handshake(node, { record: undefined }));
    puppet.send(node, puppet.handshake(node, { record: new Uint8Array(100).fill(0xc0) }));
    puppet.send(node, puppet.handshake(node, { ephemeralKey: new Uint8Array(33).fill(9) }));
    puppet.send(node, puppet.handshake(node, { key: new Uint8Array(16) }));
    puppet.send(node, puppet.handshake(node, { srcId: other.id }));
    expect(node.engine.stats()).toMatchObject({ sessions: 0, received: 0, dropped: { handshake: 7 } });
    // None of it has spoilt the challenge.
    puppet.send(node, puppet.handshake(node));
    expect(node.engine.stats().sessions).toBe(1);
  });

  it('comes too late a second after the WHOAREYOU', () => {
    const { network, node, puppet } = met();
    network.env.advance(1_000);
    puppet.send(node, puppet.handshake(node));
    expect(node.engine.stats()).toMatchObject({ sessions: 0, dropped: { handshake: 1 } });
  });
});

describe('messages', () => {
  it('that tell of one newer record after the other have the node ask once in a while', () => {
    const network = new Network();
    const node = new SimNode(network).start();
    const other = new SimNode(network);
    const puppet = new Puppet(network).meet(node);
    network.env.advance(1_000);
    expect(node.engine.table.has(puppet.id)).toBe(true);
    puppet.messages();
    for (let seq = 10n; seq < 200n; seq++) {
      puppet.say(node, encodeMessage({ kind: 'ping', requestId: Uint8Array.of(1), enrSeq: seq }));
    }
    const asked = puppet.messages().filter((one) => one.kind === 'findNode' && one.distances[0] === 0);
    // `say` takes a tenth of a second each. Nobody answers, so that each question comes twice.
    const questions = new Set(asked.map(({ requestId }) => toBareHex(requestId)));
    expect(questions.size).toBeGreaterThan(0);
    expect(questions.size).toBeLessThanOrEqual(2);
    const ping = node.ping(other.node);
    network.env.advance(1_000);
    expect(ping.result).toBeDefined();
  });

  it('that make no sense change nothing, and are not answered', () => {
    const { node, puppet } = met();
    puppet.send(node, puppet.handshake(node));
    const sent = node.engine.stats().sent;
    for (const plaintext of [
      new Uint8Array(),
      Uint8Array.of(0x0b, 0xc0),
      Uint8Array.of(0x01),
      Uint8Array.of(0x01, 0xcb, 0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1),
      Uint8Array.of(0x02, 0xc4, 0x07, 0x01, 0x80, 0x80),
    ]) {
      puppet.say(node, plaintext);
    }
    expect(node.engine.stats()).toMatchObject({ sent, dropped: { unsolicited: 1 } });
    puppet.say(node, encodeMessage({ kind: 'ping', requestId: new Uint8Array(), enrSeq: 1n }));
    expect(node.engine.stats().sent).toBe(sent + 1);
    expect(puppet.messages().at(-1)).toMatchObject({ kind: 'pong', requestId: new Uint8Array() });
  });

  it('of any content leave the node as it was', () => {
    const { node, puppet } = met();
    puppet.send(node, puppet.handshake(node));
    const kinds: readonly Message[] = [
      { kind: 'findNode', requestId: Uint8Array.of(1), distances: [256] },
      { kind: 'nodes', requestId: Uint8Array.of(1), total: 1_000_000, records: [puppet.record.encoded] },
      {
        kind: 'talkRequest',
        requestId: Uint8Array.of(1),
        protocol: Uint8Array.of(1),
        request: Uint8Array.of(2),
      },
      { kind: 'topicQuery', requestId: Uint8Array.of(1), topic: new Uint8Array(32), distances: [1] },
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 5 }),
        fc.nat(40),
        (message, changes, cut) => {
          const bytes = encodeMessage(message);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          puppet.say(node, bytes.subarray(0, Math.max(0, bytes.length - cut)));
        },
      ),
      { numRuns: runs(300) },
    );
    expect(node.engine.sizes()).toMatchObject({ sessions: 1, requests: 0 });
    puppet.say(node, encodeMessage({ kind: 'ping', requestId: Uint8Array.of(9), enrSeq: 1n }));
    expect(puppet.received.at(-1)?.length).toBeLessThan(150);
  });
});

describe('a flood', () => {
  it('of packets from everywhere is answered with less than came, within bounds, and known nodes are heard', () => {
    const network = new Network();
    const node = new SimNode(network);
    const friend = new SimNode(network);
    friend.ping(node.node);
    network.env.advance(1_000);
    let sentBytes = node.engine.stats().sentBytes;
    const before = sentBytes;
    let received = 0;
    for (let i = 0; i < 20_000; i++) {
      const endpoint = { ip: `${1 + (i % 100)}.${(i >> 8) & 255}.${i & 255}.9`, port: 1 + (i % 60_000) };
      const fields = { nonce: network.env.randomBytes(12), maskingIv: network.env.randomBytes(16) };
      const random = network.env.randomBytes(16);
      const packet = randomMessage({
        destId: node.id,
        srcId: network.env.randomBytes(32),
        ...fields,
        random,
      });
      received += packet.length;
      node.engine.receive(packet, endpoint, network.env.now());
    }
    sentBytes = node.engine.stats().sentBytes - before;
    expect(sentBytes).toBeGreaterThan(0);
    expect(sentBytes).toBeLessThan(received);
    const { challenged, rated } = node.engine.sizes();
    expect(challenged).toBeLessThanOrEqual(MAX_CHALLENGED);
    expect(rated).toBeLessThanOrEqual(2 * (MAX_RATED + MAX_RATED_SUBNETS) + MAX_RATED);
    const ping = friend.ping(node.node);
    network.env.advance(100);
    expect(ping.result).toBeDefined();
  });

  it('of packets that name a known node and its endpoint does not use up what that may send', () => {
    const network = new Network();
    const { env } = network;
    const limits = { known: { perSecond: 100, burst: 100 } };
    const node = new SimNode(network, { limits });
    const friend = new SimNode(network);
    friend.ping(node.node);
    env.advance(1_000);
    for (let i = 0; i < 2_000; i++) {
      const fields = {
        nonce: env.randomBytes(12),
        maskingIv: env.randomBytes(16),
        random: env.randomBytes(16),
      };
      const forged = randomMessage({ ...fields, destId: node.id, srcId: friend.id });
      node.engine.receive(forged, friend.endpoint, env.now());
    }
    const ping = friend.ping(node.node);
    env.advance(100);
    expect(ping.result).toBeDefined();
  });

  it('of all kinds is answered with no packet larger than what came, and no more often than strangers may be', () => {
    const { network, node, puppet } = met();
    const { env } = network;
    const friend = new SimNode(network);
    friend.ping(node.node);
    env.advance(1_000);
    puppet.knock(node);
    const [begun, before] = [env.now(), node.engine.stats()];
    const wrong = puppet.handshake(node, {}, new Puppet(network).secretKey);
    const fields = () => ({ destId: node.id, nonce: env.randomBytes(12), maskingIv: env.randomBytes(16) });
    const kinds = [
      () => randomMessage({ ...fields(), srcId: env.randomBytes(32), random: env.randomBytes(16) }),
      () => env.randomBytes(100),
      () => sealWhoareyou({ ...fields(), idNonce: env.randomBytes(16), enrSeq: 1n }).packet,
    ];
    const [seconds, perSecond] = [2, 20_000];
    let received = 0;
    const take = (packet: Uint8Array, from: UdpEndpoint): void => {
      const { sentBytes } = node.engine.stats();
      node.engine.receive(packet.slice(), from, env.now());
      received += packet.length;
      const answered = node.engine.stats().sentBytes - sentBytes;
      if (answered > packet.length) throw new Error(`${answered} bytes for ${packet.length}`);
    };
    for (let i = 0; i < seconds * perSecond; i++) {
      const ip = `${1 + (i % 100)}.${(i >> 8) & 255}.${i & 255}.9`;
      take(kinds[i % kinds.length]?.() ?? wrong, { ip, port: 1 + (i % 60_000) });
      // They pass all checks but that of the signature.
      if (i % 1_000 === 0) take(wrong, puppet.endpoint);
      if (i % 20 === 0) env.advance(1);
    }
    expect(env.now() - begun).toBe(1_000 * seconds);
    const { sentBytes, challenges, dropped, sessions } = node.engine.stats();
    const { burst, perSecond: rate } = DEFAULT_DISCV5_LIMITS.strangers;
    expect(challenges - before.challenges).toBeGreaterThan(rate * seconds * 0.9);
    expect(challenges - before.challenges).toBeLessThanOrEqual(burst + rate * seconds);
    expect(sentBytes - before.sentBytes).toBeLessThan(received);
    expect(dropped.handshake).toBeGreaterThan(0);
    expect(sessions).toBe(1);
    const { challenged, rated } = node.engine.sizes();
    expect(challenged).toBeLessThanOrEqual(MAX_CHALLENGED);
    expect(rated).toBeLessThanOrEqual(2 * (MAX_RATED + MAX_RATED_SUBNETS) + MAX_RATED);
    const ping = friend.ping(node.node);
    env.advance(100);
    expect(ping.result).toBeDefined();
  });

  it('of sessions of one network takes no more than its part', () => {
    const sessions = new Sessions();
    const keys = { write: new Uint8Array(16), read: new Uint8Array(16) };
    const endpoint = { ip: '6.6.6.6', port: 1 };
    const sharedBy = (network: string) => ({ network, sharer: network });
    sessions.establish({ key: 'friend', endpoint }, sharedBy('1.2.3'), keys, undefined, 'them', 0);
    for (let i = 0; i < 3 * MAX_SESSIONS_OF_NETWORK; i++) {
      sessions.establish({ key: `${i}`, endpoint }, sharedBy('6.6.6'), keys, undefined, 'them', 0);
    }
    expect(sessions.size).toBe(MAX_SESSIONS_OF_NETWORK + 1);
    expect(sessions.get({ key: 'friend' })).toBeDefined();
    expect(sessions.get({ key: '0' })).toBeUndefined();
    expect(sessions.knowsAddress('6.6.6.6')).toBe(true);
    for (const key of ['friend', ...Array.from({ length: 3 * MAX_SESSIONS_OF_NETWORK }, (_, i) => `${i}`)])
      sessions.drop({ key });
    expect(sessions.knowsAddress('6.6.6.6')).toBe(false);
  });
});
