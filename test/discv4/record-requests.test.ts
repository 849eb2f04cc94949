/** Answers to ENRRequests that hold no record of the node that was asked. */

import { describe, expect, it } from 'vitest';
import { type Message, packetHash, type RequestFailure } from '../../src/discv4/index.ts';
import { type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { Network } from '../support/packet-network.ts';
import { Puppet, SimNode } from './network.ts';

const KEY = new Uint8Array(32).fill(7);

/** A node, another that it has proofs of, and what that one's record is. */
function asking() {
  const network = new Network();
  const node = new SimNode(network, {});
  const asked = new Puppet(network, { ip: '9.8.7.6', port: 30303 }, KEY);
  asked.answerPings(node);
  asked.ping(node);
  network.env.advance(2_000);
  const record = signRecord(KEY, { seq: 5n, entries: { ip: '9.8.7.6', udp: 30303 } });
  return { network, node, asked, record };
}

type Asking = ReturnType<typeof asking>;

interface Result {
  readonly record: NodeRecord | undefined;
  readonly failure: RequestFailure | undefined;
  /** How often the node was asked, and when the result came. */
  readonly requests: number;
  readonly at: number;
}

/** What comes of an ENRRequest that is answered so. */
function resultOf({ network, node, asked }: Asking, answer: (requestHash: Uint8Array) => void) {
  const results: Result[] = [];
  asked.onMessage = (message, packet) => {
    if (message.kind === 'ping') asked.pong(node, packetHash(packet));
    if (message.kind === 'enrRequest') answer(packetHash(packet));
  };
  const [begun, before] = [node.now, asked.take('enrRequest').length];
  for (let i = 0; i < 2; i++) {
    node.engine.requestRecord(asked.node, node.now, (record, failure) => {
      const requests = asked.take('enrRequest').length - before;
      results.push({ record, failure, requests, at: node.now - begun });
    });
  }
  node.schedule();
  network.env.advance(20_000);
  expect(results).toHaveLength(2);
  expect(results[1]).toEqual(results[0]);
  return results[0];
}

function responseOf(requestHash: Uint8Array, record: Uint8Array): Message {
  return { kind: 'enrResponse', requestHash, record };
}

function damaged({ encoded }: NodeRecord): Uint8Array {
  const copy = encoded.slice();
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
}

describe('the node that was asked for its record', () => {
  it.each([
    ['that it has not signed', damaged, /a record that is invalid: the signature was not made by the key/],
    ['that is no record', () => Uint8Array.of(0xc0), /a record that is invalid: /],
    ['that is too long', () => Uint8Array.of(0xf9, 1, 44, ...new Uint8Array(300)), /has 303 bytes/],
    [
      'of another node',
      () => signRecord(new Uint8Array(32).fill(8), { seq: 1n }).encoded,
      /with the record of another node$/,
    ],
  ])(
    'and sends one %s fails at once, is not asked again, and is not taken for silent',
    (_, make, message) => {
      const here = asking();
      const { node, asked, record } = here;
      const known = node.engine.stats();
      const result = resultOf(here, (hash) => {
        asked.send(node, responseOf(hash, make(record)));
      });
      const failure = { code: 'invalid-record', message: expect.stringMatching(message) };
      expect(result).toMatchObject({ record: undefined, failure, at: 40, requests: 1 });
      const kinds = node.events.map(({ kind }) => kind);
      expect(kinds).not.toContain('node-silent');
      expect(kinds).not.toContain('record-received');
      // It goes on to have a proof of us.
      expect(node.engine.stats().proofs).toBe(known.proofs);
      expect(resultOf(here, (hash) => asked.send(node, responseOf(hash, record.encoded)))).toMatchObject({
        record: { seq: 5n },
        at: 40,
      });
    },
  );

  it('is awaited when others, or answers to other questions, say something else', () => {
    const here = asking();
    const { network, node, asked, record } = here;
    const forger = new Puppet(network);
    const result = resultOf(here, (hash) => {
      forger.send(node, responseOf(hash, damaged(record)), asked.endpoint);
      asked.send(node, responseOf(new Uint8Array(32), damaged(record)));
      network.env.setTimer(100, () => void asked.send(node, responseOf(hash, record.encoded)));
    });
    expect(result).toMatchObject({ record: { seq: 5n }, failure: undefined, requests: 1 });
  });
});
