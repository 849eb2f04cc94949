import { describe, expect, it } from 'vitest';
import {
  MAX_PACKET_SIZE,
  type PingResult,
  PROOF_LIFETIME_MS,
  REPLY_TIMEOUT_MS,
} from '../../src/discv4/index.ts';
import { decodeRecord, type NodeRecord, nodeIdOf, signRecord } from '../../src/enr/index.ts';
import { compareDistance, type KadNode, kadNode, MAX_REQUESTS } from '../../src/kad/index.ts';
import { silence } from '../support/kad-nodes.ts';
import { Network } from '../support/packet-network.ts';
import { Puppet, SimNode } from './network.ts';

function pair() {
  const network = new Network({ log: true });
  const a = new SimNode(network, {});
  const b = new SimNode(network, {});
  return { network, a, b };
}

function withPuppet() {
  const network = new Network();
  const node = new SimNode(network, {});
  const puppet = new Puppet(network);
  /** Gives the node a proof of the puppet, and the puppet one of the node. */
  const bond = () => {
    puppet.answerPings(node);
    puppet.ping(node);
    network.env.advance(200);
    puppet.received.length = 0;
  };
  return { network, node, puppet, bond };
}

describe('Ping and Pong', () => {
  it('a Ping is answered with its hash, the endpoint it came from, and the sequence number', () => {
    const { network, node, puppet } = withPuppet();
    const hash = puppet.ping(node);
    network.env.advance(100);
    expect(puppet.take('pong')).toEqual([
      {
        kind: 'pong',
        to: { ip: puppet.endpoint.ip, udpPort: 30303, tcpPort: 30303 },
        pingHash: hash,
        expiration: puppet.expiration,
        enrSeq: 1n,
      },
    ]);
  });

  it('a stranger is pinged back, and enters the table when it answers', () => {
    const { network, node, puppet } = withPuppet();
    puppet.ping(node);
    network.env.advance(100);
    const [ping] = puppet.take('ping');
    expect(ping).toMatchObject({
      from: { ip: node.endpoint.ip, udpPort: 30303, tcpPort: 30303 },
      to: { ip: puppet.endpoint.ip, udpPort: 30303, tcpPort: 0 },
      enrSeq: 1n,
    });
    expect(node.engine.table.size).toBe(0);
    puppet.pong(node, puppet.hashOf('ping'));
    network.env.advance(100);
    expect(node.engine.table.get(nodeIdOf(puppet.publicKey))).toEqual(puppet.node);
    expect(node.engine.table.isLive(nodeIdOf(puppet.publicKey))).toBe(true);
  });

  it('one that has proved its endpoint is not pinged again for 24 h', () => {
    const { network, node, puppet, bond } = withPuppet();
    bond();
    silence(node.engine.table, nodeIdOf(puppet.publicKey));
    const pingLater = (ms: number) => {
      network.env.advance(ms);
      puppet.received.length = 0;
      puppet.ping(node);
      network.env.advance(200);
      return puppet.received.map(({ kind }) => kind).toSorted();
    };
    puppet.onMessage = () => undefined;
    expect(pingLater(1000)).toEqual(['pong']);
    silence(node.engine.table, nodeIdOf(puppet.publicKey));
    expect(pingLater(PROOF_LIFETIME_MS)).toEqual(['ping', 'pong']);
  });

  it('ping gives the sequence number, our endpoint as the other sees it, and the time', () => {
    const { network, a, b } = pair();
    const ping = a.ask<PingResult>((done) => a.engine.ping(b.node, a.now, done));
    network.env.advance(100);
    const seenAs = { ip: a.endpoint.ip, udpPort: a.endpoint.port, tcpPort: 30303 };
    expect(ping.result).toEqual({ enrSeq: 1n, rtt: 40, seenAs });
    expect(a.events).toContainEqual({ kind: 'node-answered', node: b.node, rtt: 40, seenAs });
  });

  it('a Ping without an answer ends after 500 ms', () => {
    const { network, a, b } = pair();
    b.stop();
    const ping = a.ask<PingResult>((done) => a.engine.ping(b.node, a.now, done));
    network.env.advance(REPLY_TIMEOUT_MS - 1);
    expect(ping.isDone).toBe(false);
    network.env.advance(1);
    expect(ping).toEqual({ isDone: true, result: undefined });
    expect(a.events).toEqual([{ kind: 'node-silent', node: b.node }]);
  });

  it('of two Pings to one node at a time only one is sent', () => {
    const { network, a, b } = pair();
    const first = a.ask<PingResult>((done) => a.engine.ping(b.node, a.now, done));
    const second = a.ask<PingResult>((done) => a.engine.ping(b.node, a.now, done));
    network.env.advance(100);
    expect(first.result).toBeDefined();
    expect(second.result).toEqual(first.result);
    expect(a.engine.stats().sent).toBe(2); // the Ping, and the Pong to the Ping that came back
  });

  it('a Pong counts only with the hash of the Ping, from where it was sent to, by whom it was sent to', () => {
    const { network, node, puppet } = withPuppet();
    const other = new Puppet(network);
    const ping = node.ask<PingResult>((done) => node.engine.ping(puppet.node, node.now, done));
    network.env.advance(50);
    puppet.pong(node, new Uint8Array(32));
    puppet.pong(node, puppet.hashOf('ping'), other.endpoint);
    other.pong(node, puppet.hashOf('ping'), puppet.endpoint);
    network.env.advance(50);
    expect(ping.isDone).toBe(false);
    expect(node.engine.stats().dropped.unsolicited).toBe(3);
    puppet.pong(node, puppet.hashOf('ping'));
    puppet.pong(node, puppet.hashOf('ping'));
    network.env.advance(50);
    expect(ping.result).toBeDefined();
    expect(node.engine.stats().dropped.unsolicited).toBe(4);
  });
});

describe('endpoint proofs', () => {
  it('FindNode and ENRRequest of a stranger are not answered, nor with the proof of another endpoint', () => {
    const { network, node, puppet, bond } = withPuppet();
    const ask = (from = puppet.endpoint) => {
      const { expiration } = puppet;
      puppet.send(node, { kind: 'findNode', target: puppet.publicKey, expiration }, from);
      puppet.send(node, { kind: 'enrRequest', expiration }, from);
      network.env.advance(100);
    };
    ask();
    expect(puppet.received).toEqual([]);
    bond();
    const elsewhere = new Puppet(network, { ip: puppet.endpoint.ip, port: 1_000 });
    ask(elsewhere.endpoint);
    expect(elsewhere.received).toEqual([]);
    expect(node.engine.stats().dropped.unproven).toBe(4);
    ask();
    expect(puppet.received.map(({ kind }) => kind)).toEqual(['neighbors', 'enrResponse']);
  });

  it('a proof ends after 24 h', () => {
    const { network, node, puppet, bond } = withPuppet();
    bond();
    puppet.onMessage = () => undefined;
    silence(node.engine.table, nodeIdOf(puppet.publicKey));
    const ask = () => puppet.send(node, { kind: 'enrRequest', expiration: puppet.expiration });
    network.env.advance(PROOF_LIFETIME_MS - 300);
    ask();
    network.env.advance(100);
    expect(puppet.take('enrResponse')).toHaveLength(1);
    network.env.advance(1_000);
    ask();
    network.env.advance(100);
    expect(puppet.take('enrResponse')).toHaveLength(1);
  });

  it('before we ask, each has a proof of the other; then no Ping is needed', () => {
    const { network, a, b } = pair();
    const kinds = () => network.log?.splice(0).map(({ packet, from }) => [from === a.endpoint, packet[97]]);
    const first = a.ask<KadNode[]>((done) => a.engine.findNode(b.node, a.publicKey, a.now, done));
    network.env.advance(1_000);
    expect(first).toEqual({ isDone: true, result: [] });
    // Ping; Pong and Ping; Pong; FindNode; Neighbors.
    expect(kinds()?.map(([, type]) => type)).toEqual([1, 2, 1, 2, 3, 4]);
    const second = a.ask<KadNode[]>((done) => a.engine.findNode(b.node, a.publicKey, a.now, done));
    const back = b.ask<KadNode[]>((done) => b.engine.findNode(a.node, a.publicKey, b.now, done));
    network.env.advance(200);
    expect(second.isDone && back.isDone).toBe(true);
    expect(kinds()).toEqual([
      [true, 3],
      [false, 3],
      [false, 4],
      [true, 4],
    ]);
  });

  it('a question is sent twice; a node that leaves it unanswered may lack our proof, and is pinged and asked once more', () => {
    const { network, node, puppet, bond } = withPuppet();
    bond();
    const sent = () => puppet.received.splice(0).map(({ kind }) => kind);
    const ask = () => {
      const asked = node.ask<KadNode[]>((done) =>
        node.engine.findNode(puppet.node, node.publicKey, node.now, done),
      );
      network.env.advance(5_000);
      expect(asked).toEqual({ isDone: true, result: undefined });
      return sent();
    };
    silence(node.engine.table, nodeIdOf(puppet.publicKey));
    expect([ask(), ask()]).toEqual([
      ['findNode', 'findNode', 'ping', 'findNode', 'findNode'],
      ['ping', 'findNode', 'findNode', 'ping', 'findNode', 'findNode'],
    ]);
  });

  it('an ENRRequest comes half a second after the proof at the earliest', () => {
    const { network, node, puppet } = withPuppet();
    puppet.answerPings(node);
    const bondedAt: number[] = [];
    const askedAt: number[] = [];
    const { onMessage } = puppet;
    puppet.onMessage = (message, packet) => {
      onMessage(message, packet);
      if (message.kind === 'ping') puppet.ping(node);
      if (message.kind === 'pong') bondedAt.push(node.now);
      if (message.kind === 'enrRequest') askedAt.push(node.now);
    };
    node.ask<NodeRecord>((done) => node.engine.requestRecord(puppet.node, node.now, done));
    network.env.advance(5_000);
    // Without an answer the proofs are made once more.
    expect([bondedAt.length, askedAt.length]).toEqual([2, 4]);
    for (const [i, at] of bondedAt.entries()) {
      expect((askedAt[2 * i] ?? 0) - at).toBeGreaterThanOrEqual(500);
    }
  });
});

describe('FindNode and Neighbors', () => {
  const known = (node: SimNode, count: number, ip = (i: number) => `40.${i}.0.1`) => {
    for (let i = 0; i < count; i++) {
      const publicKey = new Uint8Array(64).fill(i + 1);
      const other = kadNode({ publicKey, ip: ip(i), udpPort: 30303, tcpPort: 30303 });
      node.engine.table.addFound(other, node.now);
      node.engine.table.checked(other.id, other, node.now);
    }
  };

  it('the sixteen closest live nodes come in packets of at most twelve', () => {
    const { network, node, puppet, bond } = withPuppet();
    known(node, 60);
    bond();
    const live = node.engine.table.entries().filter(({ id }) => node.engine.table.isLive(id));
    const target = new Uint8Array(64).fill(9);
    puppet.send(node, { kind: 'findNode', target, expiration: puppet.expiration });
    network.env.advance(100);
    const answers = puppet.take('neighbors');
    expect(answers.map(({ nodes }) => nodes.length)).toEqual([12, 4]);
    const id = nodeIdOf(target);
    const expected = live
      .filter(({ publicKey }) => publicKey !== puppet.publicKey)
      .toSorted((a, b) => compareDistance(id, a.id, b.id))
      .map(({ publicKey }) => publicKey)
      .filter((publicKey) => Buffer.compare(publicKey, puppet.publicKey) !== 0)
      .slice(0, 16);
    expect(answers.flatMap(({ nodes }) => nodes.map(({ publicKey }) => publicKey))).toEqual(expected);
  });

  it('packets of IPv6 nodes have at most 1,280 bytes', () => {
    const network = new Network({ log: true });
    const node = new SimNode(network, {});
    const puppet = new Puppet(network);
    known(node, 40, (i) => `2a0${i % 10}:${i}::1`);
    puppet.answerPings(node);
    puppet.ping(node);
    network.env.advance(200);
    puppet.send(node, { kind: 'findNode', target: puppet.publicKey, expiration: puppet.expiration });
    network.env.advance(100);
    expect(puppet.take('neighbors').flatMap(({ nodes }) => nodes)).toHaveLength(16);
    for (const { packet } of network.log ?? []) {
      expect(packet.length).toBeLessThanOrEqual(MAX_PACKET_SIZE);
    }
  });

  it('nobody is told of himself, nor somebody on the internet of a LAN', () => {
    const { network, node, puppet, bond } = withPuppet();
    known(node, 3, (i) => `192.168.1.${i + 1}`);
    bond();
    puppet.send(node, { kind: 'findNode', target: puppet.publicKey, expiration: puppet.expiration });
    network.env.advance(100);
    expect(puppet.take('neighbors')).toMatchObject([{ nodes: [] }]);
  });

  it('somebody on the internet is told of the sixteen closest there, whoever of a LAN is closer', () => {
    const { network, node, puppet, bond } = withPuppet();
    known(node, 100, (i) => (i % 2 === 0 ? `40.${i}.0.1` : `192.168.1.${i + 1}`));
    bond();
    const target = new Uint8Array(64).fill(9);
    puppet.send(node, { kind: 'findNode', target, expiration: puppet.expiration });
    network.env.advance(100);
    const told = puppet.take('neighbors').flatMap(({ nodes }) => nodes.map(({ ip }) => ip));
    expect(told).toHaveLength(16);
    expect(told.filter((ip) => ip?.startsWith('192.'))).toEqual([]);
  });

  it('a full answer ends the request at once, a short one soon, an empty one at once', () => {
    const { network, node, puppet, bond } = withPuppet();
    bond();
    network.env.advance(1_000);
    const { expiration } = puppet;
    const neighbors = Array.from({ length: 16 }, (_, i) => {
      return { ip: `50.${i}.0.1`, udpPort: 3_000, tcpPort: 3_000, publicKey: new Uint8Array(64).fill(i + 1) };
    });
    const ask = (...parts: number[]) => {
      const asked = node.ask<KadNode[]>((done) =>
        node.engine.findNode(puppet.node, node.publicKey, node.now, done),
      );
      network.env.advance(20);
      let at = 0;
      for (const part of parts) {
        puppet.send(node, { kind: 'neighbors', nodes: neighbors.slice(at, at + part), expiration });
        at += part;
      }
      network.env.advance(20);
      const isAtOnce = asked.isDone;
      network.env.advance(120);
      return [isAtOnce, asked.isDone, asked.result?.length];
    };
    expect(ask(12, 4)).toEqual([true, true, 16]);
    expect(ask(4, 12)).toEqual([true, true, 16]);
    expect(ask(0)).toEqual([true, true, 0]);
    expect(ask(5)).toEqual([false, true, 5]);
    expect(ask(12)).toEqual([false, false, undefined]);
    network.env.advance(500);
    // Only now may the next question be asked: an answer does not say which one it belongs to.
    expect(ask(1, 2)).toEqual([false, true, 3]);
  });

  it('two questions to one node are asked one after the other', () => {
    const { network, node, puppet, bond } = withPuppet();
    bond();
    network.env.advance(1_000);
    const done: string[] = [];
    for (const name of ['first', 'second']) {
      node.ask<KadNode[]>((end) => {
        node.engine.findNode(puppet.node, node.publicKey, node.now, (nodes) => {
          done.push(`${name} ${nodes?.length}`);
          end(nodes);
        });
      });
    }
    network.env.advance(100);
    expect(puppet.take('findNode')).toHaveLength(1);
    puppet.send(node, { kind: 'neighbors', nodes: [], expiration: puppet.expiration });
    network.env.advance(100);
    expect(done).toEqual(['first 0']);
    expect(puppet.take('findNode')).toHaveLength(2);
    network.env.advance(5_000);
    expect(done).toEqual(['first 0', 'second undefined']);
  });

  it('a node that answers Pings alone keeps many who ask it no longer than one', () => {
    const times = [1, 40].map((count) => {
      const { network, node, puppet, bond } = withPuppet();
      puppet.answerPings(node);
      bond();
      network.env.advance(1_000);
      const begun = node.now;
      const ends: number[] = [];
      for (let i = 0; i < count; i++) {
        node.ask<KadNode[]>((end) => {
          node.engine.findNode(puppet.node, new Uint8Array(64).fill(i), node.now, (nodes) => {
            expect(nodes).toBeUndefined();
            ends.push(node.now - begun);
            end(nodes);
          });
        });
      }
      network.env.advance(120_000);
      expect(ends).toHaveLength(count);
      return Math.max(...ends);
    });
    expect(times[1]).toBe(times[0]);
  });

  it('a node that answers late keeps the last of many who ask it for half a minute', () => {
    const { network, node, puppet, bond } = withPuppet();
    puppet.answerPings(node);
    bond();
    network.env.advance(1_000);
    node.engine.table.addFound(puppet.node, node.now);
    const ends: { readonly after: number; readonly failure: unknown }[] = [];
    const begun = node.now;
    for (let i = 0; i < 96; i++) {
      node.ask<KadNode[]>((end) => {
        node.engine.findNode(puppet.node, new Uint8Array(64).fill(i), node.now, (nodes, failure) => {
          ends.push({ after: node.now - begun, failure: nodes === undefined ? failure : 'none' });
          end(nodes);
        });
      });
    }
    for (let i = 0; i < 100; i++) {
      network.env.advance(400);
      puppet.send(node, { kind: 'neighbors', nodes: [], expiration: puppet.expiration });
    }
    expect(ends).toHaveLength(96);
    const answered = ends.filter(({ failure }) => failure === 'none').length;
    expect(answered).toBeGreaterThan(60);
    expect(answered).toBeLessThan(96);
    expect(ends.filter(({ failure }) => failure === 'no-turn')).toHaveLength(96 - answered);
    expect(Math.max(...ends.map(({ after }) => after))).toBeLessThan(31_000);
    expect(puppet.take('findNode').length).toBeLessThanOrEqual(answered + 1);
  });
});

describe('records', () => {
  it('requestRecord gives the record of the node', () => {
    const { network, a, b } = pair();
    const asked = a.ask<NodeRecord>((done) => a.engine.requestRecord(b.node, a.now, done));
    network.env.advance(2_000);
    expect(asked.result?.encoded).toEqual(b.record.encoded);
    expect(a.events.some(({ kind }) => kind === 'record-received')).toBe(true);
  });

  it('a record of another key, or an answer to another request, is none', () => {
    const { network, node, puppet, bond } = withPuppet();
    bond();
    const asked = node.ask<NodeRecord>((done) => node.engine.requestRecord(puppet.node, node.now, done));
    network.env.advance(600);
    const requestHash = puppet.hashOf('enrRequest');
    puppet.send(node, { kind: 'enrResponse', requestHash, record: node.record.encoded });
    puppet.send(node, { kind: 'enrResponse', requestHash: new Uint8Array(32), record: node.record.encoded });
    puppet.send(node, { kind: 'enrResponse', requestHash, record: Uint8Array.of(0xc0) });
    network.env.advance(100);
    expect(node.engine.stats().dropped.unsolicited).toBe(3);
    network.env.advance(5_000);
    expect(asked).toEqual({ isDone: true, result: undefined });
  });

  it('a check of the table fetches a record that is newer than the one that is known', () => {
    const { network, a, b } = pair();
    a.engine.table.addFound(b.node, a.now);
    a.schedule();
    network.env.advance(10_000);
    const recordOf = () => a.engine.table.get(b.node.id)?.record;
    expect(recordOf()?.seq).toBe(1n);
    expect(decodeRecord(b.record.encoded).seq).toBe(1n);
    const secretKey = new Uint8Array(32).fill(3);
    const c = new SimNode(network, { secretKey });
    a.engine.table.addFound(c.node, a.now);
    network.env.advance(60_000);
    c.record = signRecord(secretKey, { seq: 2n, entries: { ip: '99.9.9.9', udp: 1, tcp: 4_444 } });
    network.env.advance(120_000);
    // It is reached where it was, not where its record says.
    expect(a.engine.table.get(c.node.id)).toMatchObject({
      ip: c.endpoint.ip,
      udpPort: c.endpoint.port,
      tcpPort: 4_444,
      record: { seq: 2n },
    });
  });
});

it('a lookup that has no room for a request waits for it, and then asks', () => {
  const { network, a, b } = pair();
  const ping = a.ask<PingResult>((done) => a.engine.ping(b.node, a.now, done));
  network.env.advance(1_000);
  expect(ping.result).toBeDefined();
  a.engine.table.addFound(b.node, a.now);
  const gone = Array.from({ length: MAX_REQUESTS }, () => new Puppet(network).node);
  for (const node of gone) a.ask((done) => a.engine.ping(node, a.now, done));
  const [run, other] = [a.lookup(new Uint8Array(64)), a.lookup(new Uint8Array(64))];
  expect([run.isDone, other.isDone]).toEqual([false, false]);
  other.stop();
  expect(other.isDone).toBe(true);
  network.env.advance(10_000);
  expect(run.isDone).toBe(true);
  expect(run.result.map(({ publicKey }) => publicKey)).toEqual([b.publicKey]);
  expect(other.result).toEqual([]);
  expect(a.engine.stats().requests).toBe(0);
});
