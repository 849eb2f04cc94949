import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteQueue, concatBytes } from '../../src/base/bytes.ts';
import type { ProtocolChannel } from '../../src/p2p/index.ts';
import type { ServerOptions } from '../../src/server/index.ts';
import type { Attacker } from '../support/attacker.ts';
import { rejectionOf } from '../support/errors.ts';
import { Target } from '../support/hostile.ts';
import { runs } from '../support/runs.ts';
import { echo, isKind, LOOPBACK, manual, startedServer, TestServer } from '../support/servers.ts';

describe('the shared budget', () => {
  it('evicts who stands still while others wait for the memory, tells it once, and goes on', async () => {
    await using target = await Target.start({ memoryBudget: 1024 * 1024 });
    const attackers = await Promise.all(Array.from({ length: 6 }, () => target.opened()));
    const piece = new Uint8Array(300_000);
    for (const attacker of attackers) {
      await attacker.write(attacker.frames.header(0xffffff));
      await attacker.write(piece);
      expect(await target.serves()).toBe(true);
    }
    const isEvicted = (attacker: Attacker) => target.verdict(attacker).then(() => attacker);
    const evicted = await Promise.race(attackers.map(isEvicted));
    expect(await evicted.ending()).toBe('network-error');
    expect(await target.verdict(evicted)).toBe('memory-budget');
    expect(await target.serves()).toBe(true);
    expect(attackers.some(({ over }) => !over)).toBe(true);
  });
});

describe('a byte queue', () => {
  it('gives out what went in when much has to wait, again and again', () => {
    const sizes = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 30_000, max: 90_000 })),
      {
        minLength: 5,
        maxLength: 30,
      },
    );
    const takes = fc.array(fc.integer({ min: 1, max: 700_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, takes, fc.nat(255), (chunks, pieces, seed) => {
        const queue = new ByteQueue();
        let [given, at] = [0, 0];
        const byte = (index: number) => (Math.imul(index + seed, 0x9e3779b1) >>> 24) & 0xff;
        const check = (taken: Uint8Array) => {
          expect(taken.every((value, i) => value === byte(at + i))).toBe(true);
          at += taken.length;
        };
        // What was given out stays as it is, whatever happens to the queue later.
        const kept: { bytes: Uint8Array; copy: Uint8Array }[] = [];
        for (const piece of pieces) {
          for (const size of chunks) {
            const start = given;
            queue.push(Uint8Array.from({ length: size }, (_, i) => byte(start + i)));
            given += size;
          }
          const taken = queue.takeAtLeast(piece) ?? queue.take(Math.min(piece, queue.length));
          if (taken === undefined) continue;
          check(taken);
          kept.push({ bytes: taken, copy: taken.slice() });
        }
        check(queue.take(queue.length) ?? new Uint8Array());
        expect(at).toBe(given);
        expect(kept.every(({ bytes, copy }) => Buffer.compare(bytes, copy) === 0)).toBe(true);
      }),
      { numRuns: runs(15) },
    );
  });

  it('costs no object for each of many small chunks', () => {
    const queue = new ByteQueue();
    const chunks = Array.from({ length: 5000 }, (_, i) => Uint8Array.of(i));
    for (const chunk of chunks) queue.push(chunk);
    const first = queue.take(1);
    // Everything behind the first chunk lies in blocks: a piece of them is a view.
    const second = queue.take(8000) ?? queue.take(4000);
    expect(first).toHaveLength(1);
    expect(second).toEqual(concatBytes(...chunks.slice(1, 4001)));
    expect(second?.buffer.byteLength).toBe(8192);
  });
});

describe('a server', () => {
  it('that is closed while it starts does not go on listening', async () => {
    const server = new TestServer({ listen: LOOPBACK });
    const starting = rejectionOf(server.start());
    await server.close();
    expect(await starting).toBe('closed');
    expect(server.seen.filter(isKind('listening'))).toEqual([]);
  });

  it('goes on serving a peer whose handler leaves its loop and begins another', async () => {
    const { protocol, next } = manual();
    const onceOnly: ServerOptions['protocols'][number] = {
      ...echo,
      async handler(channel: ProtocolChannel) {
        while (!channel.signal.aborted) {
          for await (const { code, payload } of channel) {
            await channel.send(code, payload.subarray(0, 1));
            break;
          }
        }
      },
    };
    const listener = await startedServer({ protocols: [onceOnly] });
    const dialer = await startedServer({ listen: undefined, protocols: [protocol] });
    await dialer.dial(listener.enode);
    const channel = await next();
    // More bytes than may be unread at a time, and more messages.
    const noise = new Uint8Array(50_000).map((_, i) => Math.imul(i, 2654435761) >>> 24);
    const messages = channel[Symbol.asyncIterator]();
    for (let sent = 0; sent < 300; sent++) {
      await channel.send(0, sent < 10 ? noise : noise.subarray(0, 1));
      expect((await messages.next()).done).toBe(false);
    }
  });
});
