/** Nodes messages of those who answer with what they were not asked for. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { encodeMessage, type Message, REQUEST_TIMEOUT_MS } from '../../src/discv5/index.ts';
import { MAX_ANSWER_MESSAGES, MAX_INVALID_RECORDS } from '../../src/discv5/questions.ts';
import { type EntryChanges, type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode, logDistance } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { type NodeOptions, SimNode } from './network.ts';
import { Puppet } from './puppet.ts';

function setUp(options: NodeOptions = {}) {
  const network = new Network({ log: true });
  const node = new SimNode(network, options);
  const puppet = new Puppet(network).meet(node);
  puppet.messages();
  const { ip, port } = puppet.endpoint;
  const { record } = puppet;
  const asked: KadNode = kadNode({ publicKey: record.publicKey, ip, udpPort: port, tcpPort: 0, record });
  /** The last question that the node has asked. */
  const question = (): Extract<Message, { kind: 'findNode' }> => {
    network.env.advance(50);
    const last = puppet.messages().findLast((message) => message.kind === 'findNode');
    if (last === undefined) throw new Error('nothing was asked');
    return last;
  };
  const answer = (
    requestId: Uint8Array,
    total: number,
    records: readonly Pick<NodeRecord, 'encoded'>[],
  ): void => {
    const encoded = records.map((one) => one.encoded);
    puppet.say(node, encodeMessage({ kind: 'nodes', requestId, total, records: encoded }));
  };
  /** A record of a fresh key whose distance from the puppet is one of these. */
  const recordAt = (distances: readonly number[], entries: EntryChanges): NodeRecord => {
    for (;;) {
      const found = signRecord(generateSecretKey(network.env), { seq: 1n, entries });
      if (distances.includes(logDistance(puppet.id, found.nodeId))) return found;
    }
  };
  return { network, node, puppet, asked, question, answer, recordAt };
}

const HERE = { ip: '5.6.7.8', udp: 30303 };
const textOf = (records: readonly NodeRecord[] | undefined) =>
  records?.map(({ nodeId }) => toBareHex(nodeId));

describe('an answer to FindNode', () => {
  it('is taken for the distances that were asked for, and for no others', () => {
    const { node, puppet, asked, question, answer, recordAt } = setUp();
    const [wanted, other] = [recordAt([256], HERE), recordAt([255, 254, 253], HERE)];
    const found = node.findNode(asked, [256, 7]);
    answer(question().requestId, 1, [other, wanted, puppet.record]);
    expect(textOf(found.result)).toEqual(textOf([wanted]));
    const own = node.findNode(asked, [0]);
    answer(question().requestId, 1, [wanted, puppet.record, other]);
    expect(textOf(own.result)).toEqual(textOf([puppet.record]));
    const none = node.findNode(asked, [7]);
    answer(question().requestId, 1, [wanted, puppet.record, other]);
    expect(none.result).toEqual([]);
  });

  it('is over with its first message when it is to have none at all', () => {
    const { node, asked, question, answer, recordAt } = setUp();
    const record = recordAt([256], HERE);
    const found = node.findNode(asked, [256]);
    answer(question().requestId, 0, [record]);
    expect(textOf(found.result)).toEqual(textOf([record]));
    expect(node.engine.sizes().requests).toBe(0);
  });

  it.each([1_000_000, Number.MAX_SAFE_INTEGER])(
    'of %d messages is over after a few, and what comes then is for nobody',
    (total) => {
      const { node, asked, question, answer, recordAt } = setUp();
      const record = recordAt([256], HERE);
      const found = node.findNode(asked, [256]);
      const { requestId } = question();
      for (let i = 1; i < MAX_ANSWER_MESSAGES; i++) answer(requestId, total, []);
      expect(found.isDone).toBe(false);
      answer(requestId, total, [record]);
      expect(textOf(found.result)).toEqual(textOf([record]));
      answer(requestId, total, [record]);
      expect(node.engine.stats().dropped.unsolicited).toBe(1);
      expect(node.engine.sizes().requests).toBe(0);
    },
  );

  it('holds a record once, however often it comes', () => {
    const { node, asked, question, answer, recordAt } = setUp();
    const [one, other] = [recordAt([256], HERE), recordAt([256], HERE)];
    const found = node.findNode(asked, [256]);
    const { requestId } = question();
    answer(requestId, 2, [one, one, other]);
    answer(requestId, 2, [other, one]);
    expect(textOf(found.result)).toEqual(textOf([one, other]));
  });

  it('with a few records that are none is looked at to the end, and with more no further', () => {
    const { node, asked, question, answer, recordAt } = setUp();
    const good = recordAt([256], HERE);
    const bad = Array.from({ length: MAX_INVALID_RECORDS + 1 }, () => {
      const encoded = recordAt([256], HERE).encoded.slice();
      // Within the signature.
      encoded[20] = (encoded[20] ?? 0) ^ 1;
      return { encoded };
    });
    const few = node.findNode(asked, [256]);
    answer(question().requestId, 1, [...bad.slice(1), good]);
    expect(textOf(few.result)).toEqual(textOf([good]));
    const many = node.findNode(asked, [256]);
    const { requestId } = question();
    answer(requestId, 2, bad);
    answer(requestId, 2, [good]);
    expect(many.result).toEqual([]);
  });

  it('of more messages than come is what has come', () => {
    const { network, node, asked, question, answer, recordAt } = setUp();
    const record = recordAt([256], HERE);
    const found = node.findNode(asked, [256]);
    answer(question().requestId, 1_000_000, [record]);
    network.env.advance(REQUEST_TIMEOUT_MS - 200);
    expect(found.isDone).toBe(false);
    network.env.advance(200);
    expect(textOf(found.result)).toEqual(textOf([record]));
    expect(node.engine.sizes().requests).toBe(0);
  });

  it('has a lookup ask nobody in a LAN, on this machine, at the port of a service, or where there is no way to', () => {
    const { network, node, question, answer, recordAt } = setUp({ reaches: (ip) => ip !== '9.9.9.9' });
    const run = node.lookup(recordAt([256], HERE).nodeId);
    const { requestId, distances } = question();
    const bad = [
      { ip: '10.0.0.5', udp: 30303 },
      { ip: '127.0.0.1', udp: 30303 },
      { ip: '8.8.8.8', udp: 53 },
      { ip: '9.9.9.9', udp: 30303 },
      { ip6: 'fd00::1', udp6: 30303 },
    ];
    answer(requestId, 1, [...bad.map((entries) => recordAt(distances, entries)), recordAt(distances, HERE)]);
    network.env.advance(5_000);
    expect(run.isDone).toBe(true);
    const sentTo = new Set(
      network.log?.filter(({ from }) => from.ip === node.endpoint.ip).map(({ to }) => to.ip),
    );
    expect(sentTo.has(HERE.ip)).toBe(true);
    for (const entries of bad) expect(sentTo.has(entries.ip ?? entries.ip6)).toBe(false);
  });
});
