/** Answers that nobody asked for: what they cost is a hash, whoever has signed them. */

import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  encodeMessage,
  type IntakeLimits,
  type Message,
  type PacketBatch,
  type PacketResults,
  packetCryptoBeside,
  packetHash,
  withHash,
} from '../../src/discv4/index.ts';
import type { NodeRecord } from '../../src/enr/index.ts';
import type { KadNode } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { uncaughtOf } from '../support/uncaught.ts';
import { Puppet, SimNode } from './network.ts';

/** A node, and another whose endpoint it knows. */
function bonded(limits?: Partial<IntakeLimits>) {
  const network = new Network({ log: true });
  const node = new SimNode(network, limits === undefined ? {} : { limits });
  const known = new Puppet(network);
  known.answerPings(node);
  known.ping(node);
  network.env.advance(2_000);
  known.onMessage = () => undefined;
  expect(node.engine.stats().proofs).toBe(1);
  const { ip, port } = known.endpoint;
  const at = { ip, udpPort: port, tcpPort: 0 };
  const receive = (message: Message) => node.engine.receive(known.seal(message), known.endpoint, node.now);
  return { network, node, known, at, receive };
}
const entries = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    return { ip: `5.6.${i}.8`, udpPort: 30303, tcpPort: 30303, publicKey: new Uint8Array(64).fill(i + 1) };
  });

describe('of a node that is known', () => {
  it('Neighbors are verified only while it has been asked for them', () => {
    const { network, node, known, receive } = bonded();
    const { expiration } = known;
    const neighbors = (count: number) => receive({ kind: 'neighbors', nodes: entries(count), expiration });
    expect(neighbors(12)).toBe('refused');
    const asked = node.ask<KadNode[]>((done) =>
      node.engine.findNode(known.node, node.publicKey, node.now, done),
    );
    network.env.advance(50);
    expect([neighbors(12), neighbors(4)]).toEqual(['queued', 'queued']);
    network.env.advance(0);
    node.engine.tick(node.now);
    expect(asked.result).toHaveLength(16);
    expect(neighbors(12)).toBe('refused');
    expect(node.engine.stats().dropped.unsolicited).toBe(2);
    expect(node.engine.sizes().queued).toBe(0);
  });

  it('Pongs are verified only if they name the Ping, and of each Ping three', () => {
    const { network, node, known, at } = bonded();
    const pong = (pingHash: Uint8Array) => {
      const content = encodeMessage({ kind: 'pong', to: at, pingHash, expiration: known.expiration });
      return node.engine.receive(withHash(randomBytes(65), content), known.endpoint, node.now);
    };
    const hash = known.hashOf('ping');
    // That one has been answered, and the others never were sent.
    expect([pong(hash), pong(new Uint8Array(32)), pong(packetHash(randomBytes(98)))]).toEqual(
      Array.from({ length: 3 }, () => 'refused'),
    );
    const asked = node.ask((done) => node.engine.ping(known.node, node.now, done));
    network.env.advance(100);
    const receptions = Array.from({ length: 10 }, () => pong(known.hashOf('ping')));
    expect(receptions.filter((reception) => reception === 'queued')).toHaveLength(3);
    expect(node.engine.sizes().queued).toBe(3);
    network.env.advance(1_000);
    expect(asked).toEqual({ result: undefined, isDone: true });
  });

  it('a Pong for which there is no time is none of the three', () => {
    const { network, node, known, at, receive } = bonded({ knownSubnet: { perSecond: 100, burst: 3 } });
    node.engine.ping(known.node, node.now, () => undefined);
    node.schedule();
    network.env.advance(25);
    const pong = () => {
      const pingHash = known.hashOf('ping');
      return receive({ kind: 'pong', to: at, pingHash, expiration: known.expiration });
    };
    for (let i = 0; i < 3; i++) {
      expect(receive({ kind: 'ping', from: at, to: at, expiration: known.expiration })).toBe('queued');
    }
    expect([pong(), pong(), pong(), pong()]).toEqual(Array.from({ length: 4 }, () => 'shed'));
    network.env.advance(10);
    expect(pong()).toBe('queued');
  });

  it('a record is verified only if it answers the request', () => {
    const { network, node, known, receive } = bonded();
    const answer = (requestHash: Uint8Array) => {
      return receive({ kind: 'enrResponse', requestHash, record: node.record.encoded });
    };
    expect(answer(new Uint8Array(32))).toBe('refused');
    known.answerPings(node);
    node.ask<NodeRecord>((done) => node.engine.requestRecord(known.node, node.now, done));
    network.env.advance(100);
    expect(answer(new Uint8Array(32))).toBe('refused');
    expect(answer(known.hashOf('enrRequest'))).toBe('queued');
  });
});

describe('of a stranger', () => {
  it('they are not even read', () => {
    const { network, node } = bonded();
    const stranger = new Puppet(network);
    const { expiration } = stranger;
    const hash = new Uint8Array(32);
    const before = node.engine.stats().received;
    for (const message of [
      { kind: 'neighbors', nodes: entries(12), expiration },
      { kind: 'enrResponse', requestHash: hash, record: node.record.encoded },
      { kind: 'pong', to: { ip: '1.2.3.4', udpPort: 1, tcpPort: 1 }, pingHash: hash, expiration },
    ] as const) {
      stranger.send(node, message);
    }
    network.env.advance(1_000);
    const { received, dropped } = node.engine.stats();
    expect([received, dropped.unsolicited, stranger.received]).toEqual([before, 3, []]);
  });
});

describe('whoever takes the results of signatures beside the thread', () => {
  it('and throws is reported as an uncaught error, and gets those of the next batch', async () => {
    const { network } = bonded();
    const taken: PacketBatch[] = [];
    const waiting: (() => void)[] = [];
    const completed = (batch: PacketBatch, _: PacketResults): void => {
      taken.push(batch);
      waiting.shift()?.();
      throw new Error('a bug of who takes them');
    };
    const crypto = packetCryptoBeside(network.env.randomBytes(32), completed);
    const batches = [1, 2].map((type) => ({ packets: [], contents: [Uint8Array.of(type, 0xc0)] }));
    const { beside } = crypto;
    const uncaught = await uncaughtOf(async () => {
      for (const batch of batches) {
        if (beside === undefined) continue;
        const done = new Promise<void>((resolve) => waiting.push(resolve));
        beside.begin(batch);
        await done;
      }
    });
    // In JavaScript there is nobody beside it.
    const expected = beside === undefined ? [] : batches;
    expect(taken).toEqual(expected);
    expect(uncaught).toMatchObject(expected.map(() => ({ message: 'a bug of who takes them' })));
  });
});
