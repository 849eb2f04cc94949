import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { adDigest, isWindowOpen, TICKET_LENGTH, Tickets } from '../../../src/discv5/topics/tickets.ts';
import { runs } from '../../support/runs.ts';
import { topicNode, topicOf } from './nodes.ts';

const env = new VirtualEnv({ seed: 11 });
const key = env.randomBytes(32);
const node = topicNode(env, '9.9.9.9', { key });
const newer = topicNode(env, '9.9.9.9', { key, seq: 2n });
const other = topicNode(env, '9.9.9.9');
const secret = env.randomBytes(32);
const registrar = env.randomBytes(32);
const tickets = new Tickets({ secret, registrar });
const subject = { topic: topicOf(1), record: node.record, advertiser: node.id };
const times = { startedAt: 1_234.5, issuedAt: 99_999.25, waitMs: 60_000 };
const ticket = tickets.issue(subject, times);

describe('a ticket', () => {
  it('says when the attempt began, when it was issued and what was told', () => {
    expect(ticket.length).toBe(TICKET_LENGTH);
    expect(tickets.read(subject, ticket)).toEqual(times);
  });

  it('is good for one topic, record, advertiser and registrar only', () => {
    expect(tickets.read({ ...subject, topic: topicOf(2) }, ticket)).toBeUndefined();
    expect(tickets.read({ ...subject, record: newer.record }, ticket)).toBeUndefined();
    expect(tickets.read({ ...subject, record: other.record }, ticket)).toBeUndefined();
    expect(tickets.read({ ...subject, advertiser: other.id }, ticket)).toBeUndefined();
    const elsewhere = new Tickets({ secret, registrar: env.randomBytes(32) });
    expect(elsewhere.read(subject, ticket)).toBeUndefined();
    const restarted = new Tickets({ secret: env.randomBytes(32), registrar });
    expect(restarted.read(subject, ticket)).toBeUndefined();
  });

  it('is of no use with one bit changed', () => {
    for (let bit = 0; bit < TICKET_LENGTH * 8; bit++) {
      const forged = ticket.slice();
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(tickets.read(subject, forged)).toBeUndefined();
    }
  });

  it('fuzz: no other bytes are one', () => {
    const length = { maxLength: 2 * TICKET_LENGTH };
    const bytes = fc.oneof(
      fc.uint8Array(length),
      fc.uint8Array({ minLength: TICKET_LENGTH, maxLength: TICKET_LENGTH }),
      fc
        .nat(TICKET_LENGTH)
        .map((n) => ticket.slice(0, n))
        .filter((cut) => cut.length < TICKET_LENGTH),
      fc.uint8Array({ minLength: 1, maxLength: 8 }).map((more) => Uint8Array.from([...ticket, ...more])),
    );
    fc.assert(
      fc.property(bytes, (forged) => {
        expect(tickets.read(subject, forged)).toBeUndefined();
      }),
      { numRuns: runs(1_000) },
    );
  });

  it('is good from the end of the wait, for δ', () => {
    const opensAt = times.issuedAt + times.waitMs;
    const open = (now: number): boolean => isWindowOpen(times, now, 10_000);
    expect([opensAt - 0.01, opensAt, opensAt + 10_000, opensAt + 10_000.01].map(open)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe('the digest of an advertisement', () => {
  it('changes with the topic and with the record', () => {
    const digests = [
      adDigest(topicOf(1), node.record),
      adDigest(topicOf(2), node.record),
      adDigest(topicOf(1), newer.record),
    ].map((digest) => Buffer.from(digest).toString('hex'));
    expect(new Set(digests).size).toBe(3);
  });
});
