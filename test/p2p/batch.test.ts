import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { Slabs } from '../../src/base/slabs.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { runLinks, runSlice } from '../../src/p2p/index.ts';
import { blockOf } from '../../src/rlpx/index.ts';
import { budgetsOf } from '../../src/server/budgets.ts';
import { noise } from '../crypto/connection.ts';
import { LinkPair } from '../support/link-pair.ts';

const KiB = 1024;

/** So many pairs that have exchanged Hellos, and the links of their initiators. */
function pairs(count: number) {
  const all = Array.from({ length: count }, () => new LinkPair().open());
  const written = () => all.map(({ initiator }) => initiator.wire.length);
  return { all, links: all.map(({ initiator }) => initiator.link), written };
}

describe('a slice of the work of many links', () => {
  it('ends after eight large messages, goes on with the others, and leaves who is done', () => {
    const { links, written } = pairs(20);
    for (const link of links) link.send(0x10, new Uint8Array(100 * KiB));
    const waiting = new Set(links);
    runSlice(waiting);
    expect(written().filter((count) => count === 1)).toHaveLength(8);
    expect(waiting.size).toBe(12);
    runSlice(waiting);
    runSlice(waiting);
    expect(written()).toEqual(new Array(20).fill(1));
    expect(waiting.size).toBe(0);
  });

  it('gives every link its part before one has a second', () => {
    const { links, written } = pairs(10);
    for (const link of links) for (let i = 0; i < 3; i++) link.send(0x10, new Uint8Array(120 * KiB));
    const waiting = new Set(links);
    for (let slice = 0; waiting.size > 0; slice++) {
      runSlice(waiting);
      const counts = written();
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      expect(slice).toBeLessThan(5);
    }
  });

  it.each(['has it', 'is gone'])(
    'charges what it compresses for many to their memory once, until the last %s',
    (end) => {
      const { links } = pairs(20);
      const env = new VirtualEnv({ seed: 1 });
      const { output, blocks } = budgetsOf({ memoryBudget: 1024 * KiB, env });
      const memory = { slabs: new Slabs(), blocks };
      const payload = noise(100 * KiB);
      for (const link of links) link.send(0x10, payload);
      const waiting = new Set(links);
      for (const slice of [1, 2]) {
        runSlice(waiting, memory);
        expect([slice, output.used]).toEqual([slice, blockOf(payload).length]);
      }
      if (end === 'has it') runSlice(waiting, memory);
      else for (const link of waiting) link.abandon(new PeerlaneError('closed', 'gone'));
      expect(output.used).toBe(0);
    },
  );

  it('takes answers before gossip, and the base protocol beside both', () => {
    const { all, links, written } = pairs(20);
    for (const [i, link] of links.entries()) {
      for (let n = 0; n < 3; n++) link.send(0x10, new Uint8Array(128 * KiB), i < 15 ? 'gossip' : 'answer');
    }
    const last = all[14];
    last?.recipient.link.tick(last.env.now() + 15_000);
    expect(last?.recipient.scheduled).toBe(true);
    last?.initiator.link.tick(last.env.now() + 15_000);
    const waiting = new Set(links);
    runSlice(waiting);
    const first = written().flatMap((count, i) => (count > 0 ? [i] : []));
    expect(first).toEqual([0, 1, 2, 14, 15, 16, 17, 18, 19]);
  });

  it('decodes many small messages by and by, and all of them', () => {
    const { all } = pairs(4);
    for (const { initiator, recipient } of all) {
      for (let i = 0; i < 1000; i++) initiator.link.send(0x10, Uint8Array.of(i));
      runSlice(new Set([initiator.link]));
      for (const bytes of initiator.wire.splice(0)) recipient.link.receive(bytes, 0);
    }
    const waiting = new Set(all.map(({ recipient }) => recipient.link));
    const received = () => all.map(({ recipient }) => recipient.messages.length);
    runSlice(waiting);
    expect(received().every((count) => count >= 50 && count <= 100)).toBe(true);
    for (let slice = 0; waiting.size > 0 && slice < 100; slice++) runSlice(waiting);
    expect(received()).toEqual([1000, 1000, 1000, 1000]);
    for (const { recipient } of all) {
      expect(recipient.messages.every(({ payload }, i) => payload[0] === (i & 0xff))).toBe(true);
    }
  });

  it('writes a Pong before anything else is encoded', () => {
    const { all, links } = pairs(9);
    for (const link of links) link.send(0x10, new Uint8Array(120 * KiB));
    const [pair] = all;
    if (pair === undefined) throw new Error('no pair');
    const log: { length: number; waiting: number }[] = [];
    const waiting = () => links.reduce((sum, { outboxLength }) => sum + outboxLength, 0);
    pair.initiator.write = ({ length }) => void log.push({ length, waiting: waiting() });
    ping(pair);
    runSlice(new Set(links));
    expect(log).toHaveLength(1);
    expect(log[0]?.length).toBeLessThan(100);
    expect(log[0]?.waiting).toBe(9 * 120 * KiB);
    expect(waiting()).toBe(120 * KiB);
  });

  it('decodes what has just come before what waits', () => {
    const { all } = pairs(20);
    const [last, ...busy] = all.reverse();
    if (last === undefined) throw new Error('no pair');
    for (const pair of busy) fill(pair, 1000);
    const waiting = new Set(busy.map(({ initiator }) => initiator.link));
    runSlice(waiting);
    ping(last);
    waiting.add(last.initiator.link);
    runSlice(waiting);
    expect(last.initiator.wire).toHaveLength(1);
    expect(waiting.has(last.initiator.link)).toBe(false);
    expect(waiting.size).toBe(19);
  });

  it('goes on with what waits however much comes', () => {
    const { all } = pairs(17);
    const [old, ...others] = all;
    if (old === undefined) throw new Error('no pair');
    fill(old, 1000);
    const waiting = new Set([old.initiator.link]);
    runSlice(waiting);
    for (let slice = 0; slice < 4; slice++) {
      const before = old.initiator.messages.length;
      for (const pair of others) {
        fill(pair, 1, 100 * KiB);
        waiting.add(pair.initiator.link);
      }
      runSlice(waiting);
      expect(old.initiator.messages.length).toBeGreaterThan(before);
    }
  });
});

/** The recipient sends so many messages, which arrive and wait to be decoded. */
function fill({ initiator, recipient }: LinkPair, count: number, length = 1): void {
  for (let i = 0; i < count; i++) recipient.link.send(0x10, new Uint8Array(length));
  runLinks([recipient.link]);
  for (const bytes of recipient.wire.splice(0)) initiator.link.receive(bytes, 0);
}

/** A Ping arrives at the initiator. */
function ping({ env, initiator, recipient }: LinkPair): void {
  recipient.link.tick(env.now() + 15_000);
  runLinks([recipient.link]);
  for (const bytes of recipient.wire.splice(0)) initiator.link.receive(bytes, 0);
}
