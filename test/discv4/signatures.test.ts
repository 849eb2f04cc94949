/** An engine whose signatures are worked beside it: results come later, in any order, and are no less good for it. */
import { describe, expect, it } from 'vitest';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import {
  Discv4Engine,
  type Discv4Event,
  encodeMessage,
  type PacketBatch,
  type PacketCrypto,
  packetCrypto,
  packetHash,
  REPLY_TIMEOUT_MS,
} from '../../src/discv4/index.ts';
import { signRecord } from '../../src/enr/index.ts';
import { Network } from '../support/packet-network.ts';
import { Puppet } from './network.ts';

const endpoint = { ip: '10.0.0.1', port: 30303 };

/** An engine, the batches that it has begun with, and what it has sent. */
function engineBeside() {
  const network = new Network();
  const { env } = network;
  const key = generateSecretKey(env);
  const atOnce = packetCrypto(key);
  const batches: PacketBatch[] = [];
  const crypto: PacketCrypto = {
    ...atOnce,
    beside: { lanes: 2, begin: (batch) => void batches.push(batch) },
  };
  const record = signRecord(key, { seq: 1n, entries: {} });
  const sent: { packet: Uint8Array; ip: string }[] = [];
  const events: Discv4Event[] = [];
  const engine = new Discv4Engine({
    ...{ publicKey: publicKeyOf(key), crypto, env },
    host: {
      send: (packet, { ip }) => void sent.push({ packet, ip }),
      localRecord: () => record,
      localEndpoint: () => ({ ip: endpoint.ip, udpPort: endpoint.port, tcpPort: 0 }),
      event: (event) => void events.push(event),
    },
  });
  const complete = (batch: PacketBatch | undefined) => {
    if (batch === undefined) throw new Error('no batch');
    const { packets, contents } = batch;
    const results = { publicKeys: atOnce.open(packets), sealed: atOnce.seal(contents) };
    engine.complete(batch, results, env.now());
  };
  const pingOf = (puppet: Puppet) => {
    const of = { ip: puppet.endpoint.ip, udpPort: puppet.endpoint.port, tcpPort: 0 };
    return puppet.seal({ kind: 'ping', from: of, to: of, expiration: puppet.expiration });
  };
  const puppets = Array.from({ length: 12 }, () => new Puppet(network));
  const receive = (puppet: Puppet, packet: Uint8Array) => engine.receive(packet, puppet.endpoint, env.now());
  return { network, env, engine, batches, sent, events, complete, puppets, pingOf, receive };
}

describe('signatures beside the engine', () => {
  it('are made at once for a packet or two, when nothing is under way', () => {
    const { engine, env, batches, sent, puppets, pingOf, receive } = engineBeside();
    const [puppet] = puppets;
    if (puppet === undefined) throw new Error('no puppet');
    expect(receive(puppet, pingOf(puppet))).toBe('queued');
    expect(engine.deadline).toBe(Number.NEGATIVE_INFINITY);
    engine.tick(env.now());
    expect(batches).toEqual([]);
    // A Pong, and a Ping for the proof.
    expect(sent.map(({ ip }) => ip)).toEqual([puppet.endpoint.ip, puppet.endpoint.ip]);
  });

  it('are under way in two batches at most, while others wait, and nothing is due', () => {
    const { engine, env, batches, puppets, pingOf, receive } = engineBeside();
    for (const puppet of puppets) receive(puppet, pingOf(puppet));
    engine.tick(env.now());
    expect(batches).toHaveLength(2);
    for (const puppet of puppets) receive(puppet, pingOf(puppet));
    engine.tick(env.now());
    expect(batches).toHaveLength(2);
    expect(engine.deadline).toBeGreaterThan(env.now());
  });

  it('answers leave in the order of the packets, whichever batch is done first', () => {
    const { engine, env, batches, sent, complete, puppets, pingOf, receive } = engineBeside();
    for (const puppet of puppets) receive(puppet, pingOf(puppet));
    engine.tick(env.now());
    const [first, second] = batches;
    complete(second);
    expect(sent).toEqual([]);
    complete(first);
    for (let i = 2; i < batches.length; i++) complete(batches[i]);
    const ips = puppets.map(({ endpoint: { ip } }) => ip);
    expect([...new Set(sent.map(({ ip }) => ip))]).toEqual(
      ips.slice(0, new Set(sent.map(({ ip }) => ip)).size),
    );
    while (engine.deadline === Number.NEGATIVE_INFINITY) {
      const begun = batches.length;
      engine.tick(env.now());
      for (let i = begun; i < batches.length; i++) complete(batches[i]);
    }
    expect(new Set(sent.map(({ ip }) => ip)).size).toBe(puppets.length);
    // A second time it is nobody's.
    complete(first);
  });

  it('an answer that came in time counts, though its signature is looked at after the timeout', () => {
    const { engine, env, batches, sent, events, complete, puppets, pingOf, receive } = engineBeside();
    const [puppet, ...others] = puppets;
    if (puppet === undefined) throw new Error('no puppet');
    const results: unknown[] = [];
    engine.ping(puppet.node, env.now(), (result) => results.push(result));
    const ping = sent[0]?.packet;
    if (ping === undefined) throw new Error('no Ping was sent');
    const to = { ip: endpoint.ip, udpPort: endpoint.port, tcpPort: 0 };
    const pong = puppet.sealContent(
      encodeMessage({ kind: 'pong', to, pingHash: packetHash(ping), expiration: puppet.expiration }),
    );
    env.advance(REPLY_TIMEOUT_MS - 1);
    receive(puppet, pong);
    for (const other of others) receive(other, pingOf(other));
    engine.tick(env.now());
    expect(batches.length).toBeGreaterThan(0);
    env.advance(100);
    engine.tick(env.now());
    expect([results, engine.deadline]).toEqual([[], Number.POSITIVE_INFINITY]);
    for (let i = 0; i < batches.length; i++) complete(batches[i]);
    expect(results).toHaveLength(1);
    expect(results[0]).toMatchObject({ rtt: REPLY_TIMEOUT_MS - 1 });
    expect(events.map(({ kind }) => kind)).not.toContain('node-silent');
  });

  it('are not looked at where a packet is of no use: expired, or asked for by a stranger', () => {
    const { engine, env, batches, sent, puppets, receive } = engineBeside();
    const [puppet] = puppets;
    if (puppet === undefined) throw new Error('no puppet');
    const { expiration } = puppet;
    const of = { ip: endpoint.ip, udpPort: 1, tcpPort: 0 };
    const target = new Uint8Array(64);
    for (const message of [
      { kind: 'ping', from: of, to: of, expiration: 1 },
      { kind: 'ping', from: of, to: of, expiration: expiration + 7200 },
      { kind: 'findNode', target, expiration },
      { kind: 'enrRequest', expiration },
      { kind: 'neighbors', nodes: [], expiration },
      { kind: 'pong', to: of, pingHash: target.slice(32), expiration },
    ] as const) {
      expect(receive(puppet, puppet.seal(message))).toBe('refused');
    }
    engine.tick(env.now());
    expect([batches, sent]).toEqual([[], []]);
    expect(engine.stats().dropped).toMatchObject({
      expired: 1,
      'far-future': 1,
      unproven: 2,
      unsolicited: 2,
    });
  });
});
