/** Topics of services of discovery v5, on sockets. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, keccak256 } from '../../src/crypto/index.ts';
import { topicId } from '../../src/discv5/index.ts';
import { hasTopicDiscovery } from '../../src/enr/index.ts';
import type { KadNode } from '../../src/kad/index.ts';
import type { Discv5ServiceEvent, Discv5ServiceOptions } from '../../src/server/discv5-options.ts';
import { Discv5Service } from '../../src/server/discv5-service.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';

const newKey = () => generateSecretKey(systemEnv);

/** A service at an address of its own. */
async function started(host: string, options: Partial<Discv5ServiceOptions> = {}): Promise<Discv5Service> {
  const service = new Discv5Service({ key: newKey(), listen: { host, port: 0 }, ...options });
  await service.start();
  return service;
}

async function within(services: readonly AsyncDisposable[], run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } finally {
    await Promise.all(services.map((service) => service[Symbol.asyncDispose]()));
  }
}

async function all(nodes: AsyncIterable<KadNode>): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of nodes) ids.push(toBareHex(id));
  return ids;
}

describe('a topic of a service', () => {
  it('is placed with a registrar, and found by a third, who has just come and knows but one node', async () => {
    const boot = await started('127.0.1.1');
    const bootnodes = [boot.record.toString()];
    const a = await started('127.0.1.2', { bootnodes });
    await within([boot, a], async () => {
      const controller = new AbortController();
      const advertisement = a.advertise('peerlane test', { signal: controller.signal });
      expect(advertisement.topic).toEqual(topicId('peerlane test'));
      await advertisement.placed();
      expect(advertisement.stats()).toEqual({ active: 1, pending: 0 });
      expect(boot.stats().topics).toMatchObject({ ads: 1, topics: 1 });
      const b = await started('127.0.1.3', { bootnodes });
      await within([b], async () => {
        const found: KadNode[] = [];
        for await (const node of b.search('peerlane test')) found.push(node);
        expect(found.map(({ ip, udpPort }) => [ip, udpPort])).toEqual([['127.0.1.2', a.port]]);
        expect(found[0]?.record?.encoded).toEqual(a.record.encoded);
        expect(await all(b.search(advertisement.topic, { count: 1 }))).toEqual([toBareHex(a.id)]);
        expect(await all(b.search('nobody has this'))).toEqual([]);
      });
      controller.abort();
      expect(advertisement.isActive).toBe(false);
      expect(advertisement.stats()).toEqual({ active: 0, pending: 0 });
      // It may begin again, and ends with the service.
      await using again = a.advertise('peerlane test');
      expect(again.isActive).toBe(true);
      await again.placed();
    });
  });

  it('is refused early where it is none, where there is no service, and where topics are turned off', async () => {
    const service = new Discv5Service({ key: newKey(), listen: { host: '127.0.1.4', port: 0 } });
    const off = await started('127.0.1.5', { topics: false });
    const on = await started('127.0.1.6');
    await within([service, off, on], async () => {
      expect(codeOf(() => service.advertise('x'))).toBe('closed');
      expect(await rejectionOf(service.search('x').next())).toBe('closed');
      for (const topic of [
        '',
        'x'.repeat(257),
        '\ud800',
        new Uint8Array(31),
        7 as never,
        undefined as never,
      ]) {
        expect(codeOf(() => on.advertise(topic))).toBe('invalid-argument');
        expect(codeOf(() => on.search(topic))).toBe('invalid-argument');
      }
      for (const count of [0, 1.5, 1_001, Number.NaN]) {
        expect(codeOf(() => on.search('x', { count }))).toBe('invalid-argument');
      }
      expect(codeOf(() => on.search('x', { counts: 1 } as never))).toBe('invalid-argument');
      expect(codeOf(() => on.advertise('x', { signal: AbortSignal.abort() }))).toBe('aborted');
      const advertisement = on.advertise('x');
      expect(codeOf(() => on.advertise('x'))).toBe('invalid-argument');
      expect(await rejectionOf(advertisement.placed({ signal: AbortSignal.abort() }))).toBe('aborted');
      // One signal for both, as a program has it.
      const stop = new AbortController();
      const { signal } = stop;
      const both = rejectionOf(on.advertise('y', { signal }).placed({ signal }));
      stop.abort();
      expect(await both).toBe('aborted');
      const placed = rejectionOf(advertisement.placed());
      await on.close();
      expect(await placed).toBe('closed');
      expect(await rejectionOf(advertisement.placed())).toBe('closed');
      expect(codeOf(() => off.advertise('x'))).toBe('invalid-argument');
      expect(codeOf(() => off.search('x'))).toBe('invalid-argument');
      expect([on, off].map(({ record }) => hasTopicDiscovery(record))).toEqual([true, false]);
      expect(off.stats().topics).toBeUndefined();
      const listen = { host: '127.0.1.7', port: 0 };
      for (const topics of [
        1 as never,
        null as never,
        { e: 59_999 },
        { delta: 1_999 },
        { c: 1.5 },
        { lifetime: 5 } as never,
      ]) {
        expect(codeOf(() => new Discv5Service({ key: newKey(), listen, topics }))).toBe('invalid-argument');
      }
    });
  });

  it('stays for as long as the registrar that keeps it is told to', async () => {
    const lifetimes: number[] = [];
    const onEvent = (event: Discv5ServiceEvent) => {
      if (event.kind === 'topic-admitted') lifetimes.push(event.lifetimeMs);
    };
    const boot = await started('127.0.1.20', { topics: { e: 60_000 } });
    const a = await started('127.0.1.21', { bootnodes: [boot.record.toString()], onEvent });
    await within([boot, a], async () => {
      await a.advertise('short').placed();
      expect(lifetimes).toEqual([60_000]);
    });
  });

  it('that is searched ends with the signal, and when its caller leaves', async () => {
    const boot = await started('127.0.1.8');
    const a = await started('127.0.1.9', { bootnodes: [boot.record.toString()] });
    await within([boot, a], async () => {
      const controller = new AbortController();
      const searching = a.search('x', { signal: controller.signal });
      const next = rejectionOf(searching.next());
      controller.abort();
      expect(await next).toBe('aborted');
      const left = a.search('x');
      const first = left.next();
      await left.return();
      expect(await first).toEqual({ value: undefined, done: true });
      expect(a.stats().topics).toMatchObject({ searches: 0 });
    });
  });
});

describe('the bytes of a topic', () => {
  it('are those that are given, or the hash of a text', () => {
    const bytes = new Uint8Array(32).fill(7);
    expect(topicId(bytes)).toEqual(bytes);
    expect(topicId(bytes)).not.toBe(bytes);
    expect(topicId('ß')).toEqual(keccak256(Uint8Array.of(0xc3, 0x9f)));
    const digits = `0x${'07'.repeat(32)}`;
    expect(topicId(digits)).toEqual(keccak256(new TextEncoder().encode(digits)));
  });
});
