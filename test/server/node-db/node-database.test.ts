import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../../src/base/errors.ts';
import { type KeyValueStore, MemoryKv } from '../../../src/base/kv.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { decodeRecord } from '../../../src/enr/index.ts';
import {
  NodeDatabase,
  type NodeDatabaseEvent,
  type NodeDatabaseOptions,
  type NodePatch,
} from '../../../src/server/node-db/index.ts';
import { codeOf, rejectionOf } from '../../support/errors.ts';
import { DAY, endpointOf, HOUR, idOf, numberOf, recordIdOf, recordOf, START } from './nodes.ts';

let directory: string;
let directories = 0;
const newPath = () => join(directory, String(directories++));
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerlane-node-db-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

/** A store whose batches are counted and can be made to fail. */
class WatchedKv extends MemoryKv {
  batches = 0;
  written = 0;
  error: Error | undefined;
  readError: Error | undefined;
  /** Called in the middle of a batch. */
  during: (() => void) | undefined;

  override async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    if (this.readError !== undefined) throw this.readError;
    return await super.getMany(keys);
  }

  override async batch(changes: Parameters<KeyValueStore['batch']>[0]): Promise<void> {
    this.during?.();
    if (this.error !== undefined) throw this.error;
    await super.batch(changes);
    this.batches++;
    this.written += changes.length;
  }

  /** The same records, for another database. */
  async copy(): Promise<WatchedKv> {
    const copy = new WatchedKv();
    for await (const entries of this.scan(100)) await copy.batch(entries);
    return copy;
  }
}

async function watched(options: NodeDatabaseOptions = {}) {
  const env = new VirtualEnv({ now: START });
  const kv = new WatchedKv();
  const events: NodeDatabaseEvent[] = [];
  const onEvent = (event: NodeDatabaseEvent) => events.push(event);
  const database = await NodeDatabase.over(kv, { env, onEvent, ...options });
  const reopened = async () => await NodeDatabase.over(await kv.copy(), { env, ...options });
  return { env, kv, events, database, reopened };
}

async function numbersOf(database: NodeDatabase): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { publicKey } of database.nodes()) numbers.push(numberOf(publicKey));
  return numbers.sort((a, b) => a - b);
}

const add = (database: NodeDatabase, number: number, patch: NodePatch = {}) =>
  database.update(idOf(number), { endpoint: endpointOf(number), ...patch });

describe('a node database', () => {
  it('keeps all that it is told of a node, over a reopening too', async () => {
    const path = newPath();
    const env = new VirtualEnv({ now: START });
    const record = recordOf(7, 9n);
    const id = recordIdOf(7);
    const endpoint = { publicKey: record.publicKey, host: '2001:db8::7', tcpPort: 7, udpPort: 8 };
    {
      await using database = await NodeDatabase.open(path, { env });
      expect(database.update(id, { record })).toBe(true);
      env.advance(10);
      database.update(id, { endpoint, lastPong: START + 4 });
      await database.flush();
      env.advance(10);
      database.update(id, { forkId: { hash: Uint8Array.of(1, 2, 3, 4), next: 2n ** 64n - 1n } });
      database.update(id, { client: 'Geth/v1.17.5 \u{1f680}', dial: { at: START + 5 } });
      database.update(id, { failed: true, dial: { at: START + 6, error: 'dial-timeout' } });
      database.update(id, { failed: true });
    }
    await using database = await NodeDatabase.open(path, { env });
    expect(database.size).toBe(1);
    const node = await database.get(id);
    expect(node).toEqual({
      id,
      publicKey: record.publicKey,
      endpoint,
      record: record.encoded,
      seq: 9n,
      forkId: { hash: Uint8Array.of(1, 2, 3, 4), next: 2n ** 64n - 1n },
      client: 'Geth/v1.17.5 \u{1f680}',
      firstSeen: START,
      lastSeen: START + 20,
      lastPong: START + 4,
      lastAnswer: START + 5,
      failures: 2,
      lastDial: { at: START + 6, error: 'dial-timeout' },
    });
    expect(decodeRecord(node?.record ?? new Uint8Array(0)).nodeId).toEqual(id);
  });

  it('shows what it is told at once, before and while it is written', async () => {
    const { database, kv } = await watched();
    add(database, 1, { client: 'one' });
    expect(await database.get(idOf(1))).toMatchObject({ client: 'one', failures: 0, lastPong: undefined });
    await database.flush();
    database.update(idOf(1), { client: 'two' });
    const seen: Promise<unknown>[] = [];
    kv.during = () => {
      database.update(idOf(1), { failed: true });
      seen.push(database.get(idOf(1)), numbersOf(database));
    };
    await database.flush();
    expect(await Promise.all(seen)).toEqual([expect.objectContaining({ client: 'two', failures: 1 }), [1]]);
    kv.during = undefined;
    await database.flush();
    expect(await database.get(idOf(1))).toMatchObject({ client: 'two', failures: 1 });
  });

  it.each([true, false])(
    'keeps the fork id of the record that it keeps (written in between: %s)',
    async (writes) => {
      const { database } = await watched();
      const forkIdOf = async (patch: NodePatch) => {
        database.update(recordIdOf(7), patch);
        if (writes) await database.flush();
        return (await database.get(recordIdOf(7)))?.forkId;
      };
      const [first, second, told] = [1, 2, 3].map((byte) => ({
        hash: new Uint8Array(4).fill(byte),
        next: 0n,
      }));
      expect(await forkIdOf({ record: recordOf(7, 5n, { eth: first }) })).toEqual(first);
      expect(await forkIdOf({ record: recordOf(7, 4n, { eth: second }) })).toEqual(first);
      expect(await forkIdOf({ client: 'Geth' })).toEqual(first);
      expect(await forkIdOf({ record: recordOf(7, 6n) })).toBeUndefined();
      expect(await forkIdOf({ record: recordOf(7, 5n, { eth: second }) })).toBeUndefined();
      // Told otherwise, as by a Status.
      expect(await forkIdOf({ forkId: told })).toEqual(told);
      expect(await forkIdOf({ client: 'Geth' })).toEqual(told);
      expect(await forkIdOf({ record: recordOf(7, 7n, { eth: second }), forkId: told })).toEqual(second);
    },
  );

  it('does not add a node that it could not find again', async () => {
    const { database } = await watched();
    expect(database.update(idOf(1), { lastPong: START, client: 'who?' })).toBe(false);
    expect([database.size, await database.get(idOf(1))]).toEqual([0, undefined]);
  });

  it('keeps the record with the highest sequence number', async () => {
    const { database, reopened } = await watched();
    const id = recordIdOf(1);
    database.update(id, { record: recordOf(1, 5n) });
    database.update(id, { record: recordOf(1, 4n) });
    expect((await database.get(id))?.seq).toBe(5n);
    await database.flush();
    database.update(id, { record: recordOf(1, 3n), client: 'new' });
    await database.flush();
    expect(await database.get(id)).toMatchObject({ seq: 5n, client: 'new' });
    database.update(id, { record: recordOf(1, 6n) });
    await database.flush();
    expect(await (await reopened()).get(id)).toMatchObject({
      seq: 6n,
      record: recordOf(1, 6n).encoded,
      client: 'new',
    });
  });

  it('counts failures in a row, until an answer', async () => {
    const { database } = await watched();
    add(database, 1);
    const failures = async () => (await database.get(idOf(1)))?.failures;
    for (let i = 0; i < 3; i++) database.update(idOf(1), { failed: true });
    expect(await failures()).toBe(3);
    database.update(idOf(1), { lastPong: START });
    expect(await failures()).toBe(0);
    database.update(idOf(1), { failed: true });
    database.update(idOf(1), { dial: { at: START, error: 'dial-failed' } });
    expect(await failures()).toBe(1);
    database.update(idOf(1), { dial: { at: START } });
    expect(await failures()).toBe(0);
  });

  it('cuts a long client name, and takes any text', async () => {
    const { database, reopened } = await watched();
    const names = [
      'x'.repeat(1_000),
      '\u{1f680}'.repeat(500),
      '\ud800'.repeat(200),
      '\u0800'.repeat(128),
      '',
    ];
    for (const [i, client] of names.entries()) add(database, i, { client });
    await database.flush();
    const again = await reopened();
    const clients = await Promise.all(names.map(async (_, i) => (await again.get(idOf(i)))?.client));
    expect(clients).toEqual([
      'x'.repeat(128),
      '\u{1f680}'.repeat(64),
      '\ufffd'.repeat(128),
      '\u0800'.repeat(128),
      undefined,
    ]);
  });

  it('forgets a node that is removed, whatever was on its way', async () => {
    const { database, kv, reopened } = await watched();
    for (const number of [1, 2, 3]) add(database, number);
    expect(database.remove(idOf(1))).toBe(true);
    expect(database.remove(idOf(1))).toBe(false);
    kv.during = () => void database.remove(idOf(2));
    await database.flush();
    kv.during = undefined;
    expect(await numbersOf(database)).toEqual([3]);
    // Removed, added and removed while nothing is written.
    database.remove(idOf(3));
    add(database, 3, { client: 'again' });
    database.remove(idOf(3));
    await database.flush();
    expect([database.size, (await reopened()).size]).toEqual([0, 0]);
    // What was known of it before does not come back.
    add(database, 4, { client: 'old' });
    await database.flush();
    database.remove(idOf(4));
    add(database, 4);
    await database.flush();
    expect(await (await reopened()).get(idOf(4))).toMatchObject({ client: undefined });
  });

  it('writes many changes at once, within a second', async () => {
    const { env, kv, database } = await watched();
    const before = kv.batches;
    for (let i = 0; i < 200; i++) {
      for (let j = 0; j < 3; j++) add(database, i, { lastPong: START + j });
    }
    env.advance(999);
    expect([kv.batches - before, env.timers]).toEqual([0, 2]);
    env.advance(1);
    await database.flush();
    expect([kv.batches - before, kv.written]).toEqual([1, 201]);
    await database.flush();
    expect(kv.batches - before).toBe(1);
  });

  it('goes through its nodes, each once, and is left in the middle', async () => {
    const { database } = await watched();
    for (let i = 0; i < 200; i++) add(database, i);
    expect(await numbersOf(database)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    for await (const { publicKey } of database.nodes()) {
      database.remove(idOf(numberOf(publicKey)));
      if (database.size === 150) break;
    }
    expect(await numbersOf(database)).toHaveLength(150);
    const abort = new AbortController();
    const left = (async () => {
      for await (const _ of database.nodes({ signal: abort.signal })) abort.abort();
    })();
    expect(await rejectionOf(left)).toBe('aborted');
  });

  it('says so once it is closed, and then takes nothing', async () => {
    const { env, database } = await watched();
    add(database, 1, { lastPong: START });
    await Promise.all([database.close(), database.close()]);
    expect(env.timers).toBe(0);
    expect([add(database, 2), database.remove(idOf(1))]).toEqual([false, false]);
    const reads = [database.get(idOf(1)), database.seeds(1, DAY), database.flush(), numbersOf(database)];
    expect(await Promise.all(reads.map(rejectionOf))).toEqual(['closed', 'closed', 'closed', 'closed']);
  });

  it('keeps what a failing disk does not take, and tries again', async () => {
    const { env, kv, events, database, reopened } = await watched({ maxNodes: 10 });
    add(database, 1, { client: 'kept' });
    await database.flush();
    kv.error = new Error('no space is left');
    for (let i = 2; i < 100; i++) add(database, i);
    database.update(idOf(1), { lastPong: START, client: 'new' });
    env.advance(1_000);
    await expect(database.flush()).rejects.toThrow('no space');
    expect(events).toEqual([{ kind: 'node-database-failed', error: expect.anything() }]);
    database.update(idOf(99), { client: 'last' });
    kv.error = undefined;
    env.advance(30_000);
    await database.flush();
    const again = await reopened();
    expect(await numbersOf(again)).toEqual(await numbersOf(database));
    expect(again.size).toBeLessThanOrEqual(10);
    expect(await again.get(idOf(99))).toMatchObject({ client: 'last' });
  });

  it('has a store that fails restored before it reads or writes, after longer and longer pauses', async () => {
    const env = new VirtualEnv({ now: START });
    let isBroken = false;
    let isFull = true;
    const tries: number[] = [];
    class BrokenKv extends MemoryKv {
      async restore(): Promise<void> {
        if (!isBroken) return;
        tries.push(env.unixTime());
        if (isFull) throw new PeerlaneError('file-unreadable', 'no space is left');
        isBroken = false;
      }
      override async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
        if (isBroken) throw new PeerlaneError('file-unreadable', 'it is not open');
        return await super.getMany(keys);
      }
      override async batch(changes: Parameters<KeyValueStore['batch']>[0]): Promise<void> {
        if (isBroken) throw new PeerlaneError('file-unreadable', 'it is not open');
        await super.batch(changes);
      }
    }
    const kv = new BrokenKv();
    const database = await NodeDatabase.over(kv, { env });
    add(database, 1, { client: 'kept' });
    await database.flush();
    isBroken = true;
    database.update(idOf(1), { client: 'new' });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 60 * 60; i++) {
      env.advance(1_000);
      await turn();
    }
    const pauses = tries.slice(1).map((at, i) => (at - (tries[i] ?? 0)) / 1_000);
    expect(pauses.slice(0, 6)).toEqual([30, 60, 120, 240, 480, 480]);
    isFull = false;
    add(database, 2);
    await database.flush();
    expect(await database.get(idOf(1))).toMatchObject({ client: 'new' });
    expect(await numbersOf(database)).toEqual([1, 2]);
  });

  it('has seeds of what is in memory while the disk cannot be read, which is told once, and forgets nobody', async () => {
    const { kv, events, database } = await watched();
    const lastPong = START - 1_000;
    for (let i = 0; i < 3; i++) add(database, i, { lastPong });
    await database.flush();
    for (let i = 3; i < 5; i++) add(database, i, { lastPong });
    database.update(idOf(0), { client: 'new' });
    const seeds = async () => {
      const found = await database.seeds(10, HOUR);
      return found.map(({ publicKey }) => numberOf(publicKey)).sort((a, b) => a - b);
    };
    kv.readError = new PeerlaneError('file-unreadable', 'it is not open');
    expect([await seeds(), await seeds()]).toEqual([
      [3, 4],
      [3, 4],
    ]);
    expect(events).toEqual([{ kind: 'node-database-failed', error: kv.readError }]);
    // Who asks for one is not told that there is none.
    await expect(database.get(idOf(0))).rejects.toMatchObject({ code: 'file-unreadable' });
    expect(database.size).toBe(5);
    kv.readError = undefined;
    expect(await seeds()).toEqual([0, 1, 2, 3, 4]);
    kv.readError = new PeerlaneError('file-unreadable', 'it is not open again');
    await seeds();
    expect(events).toHaveLength(2);
  });

  it('closes although the disk fails, and says so', async () => {
    const { kv, events, database } = await watched();
    add(database, 1);
    kv.error = new Error('no space is left');
    await database.close();
    expect(events.map(({ kind }) => kind)).toEqual(['node-database-failed']);
  });
});

describe('seeds', () => {
  it('are random nodes that have answered lately, none twice', async () => {
    const { env, database } = await watched();
    for (let i = 0; i < 200; i++) add(database, i);
    for (let i = 0; i < 100; i++) database.update(idOf(i), { lastPong: START - (i < 50 ? DAY : 4 * DAY) });
    database.update(idOf(150), { dial: { at: START } });
    const seedNumbers = async (count: number) =>
      (await database.seeds(count, 3 * DAY)).map(({ publicKey }) => numberOf(publicKey));
    expect((await seedNumbers(1_000)).sort((a, b) => a - b)).toEqual([
      ...Array.from({ length: 50 }, (_, i) => i),
      150,
    ]);
    const [one, two] = [await seedNumbers(20), await seedNumbers(20)];
    expect([new Set(one).size, new Set(two).size]).toEqual([20, 20]);
    expect(one).not.toEqual(two);
    expect(await database.seeds(0, 3 * DAY)).toEqual([]);
    env.advance(3 * DAY);
    expect(await seedNumbers(1_000)).toEqual([150]);
  });

  it('have records that are whole', async () => {
    const { database } = await watched();
    for (let i = 1; i <= 30; i++) database.update(recordIdOf(i), { record: recordOf(i), lastPong: START });
    const seeds = await database.seeds(10, DAY);
    expect(seeds).toHaveLength(10);
    for (const { id, record } of seeds) {
      expect(decodeRecord(record ?? new Uint8Array(0)).nodeId).toEqual(id);
    }
  });
});

describe('nodes are forgotten', () => {
  it('a day after they were first heard of when they never answer, a week after their last answer else', async () => {
    const { env, database, reopened } = await watched();
    add(database, 1);
    add(database, 2, { lastPong: START });
    add(database, 3, { dial: { at: START } });
    const stay = async (hours: number) => {
      for (let i = 0; i < hours; i++) {
        env.advance(HOUR);
        // Others name them again and again.
        for (const number of [1, 2, 3])
          if ((await database.get(idOf(number))) !== undefined) add(database, number);
        add(database, 4, { lastPong: env.unixTime() });
      }
      return await numbersOf(database);
    };
    expect(await stay(23)).toEqual([1, 2, 3, 4]);
    expect(await stay(2)).toEqual([2, 3, 4]);
    expect(await stay(6 * 24 - 2)).toEqual([2, 3, 4]);
    expect(await stay(3)).toEqual([4]);
    await database.flush();
    expect(await numbersOf(await reopened())).toEqual([4]);
  });

  it('not before one has answered: who was offline for long still has where to start', async () => {
    const { env, database, reopened } = await watched();
    for (let i = 0; i < 50; i++) add(database, i, { lastPong: START });
    await database.flush();
    const later = await reopened();
    env.advance(30 * DAY);
    expect(await later.seeds(100, 60 * DAY)).toHaveLength(50);
    add(later, 100, { lastPong: env.unixTime() });
    env.advance(60_000);
    expect(await numbersOf(later)).toEqual([100]);
  });

  it('in steps', async () => {
    const { env, database } = await watched();
    for (let i = 0; i < 3_000; i++) add(database, i);
    env.advance(2 * DAY);
    add(database, 5_000, { lastPong: env.unixTime() });
    const sizes: number[] = [];
    for (let minute = 0; minute < 8; minute++) {
      env.advance(60_000);
      sizes.push(database.size);
    }
    expect(sizes).toEqual([2501, 2001, 1501, 1001, 501, 1, 1, 1]);
  });

  it('when their times lie in the future, as a wrong clock writes them', async () => {
    const { env, database } = await watched();
    add(database, 1, { lastPong: START + 400 * DAY });
    add(database, 2, { lastPong: START });
    env.advance(120_000);
    expect(await numbersOf(database)).toEqual([2]);
  });
});

describe('a clock that was ahead', () => {
  it('takes nothing from nodes that answer now', async () => {
    const { env, database, reopened } = await watched();
    const dial = { at: START + 400 * DAY, error: 'dial-timeout' } as const;
    for (let i = 0; i < 50; i++) {
      const lastPong = START + 400 * DAY;
      add(database, i, { lastPong, dial, client: 'Geth' });
    }
    for (let i = 0; i < 50; i++) add(database, i, { lastPong: START });
    for (let i = 0; i < 3; i++) env.advance(60_000);
    expect(database.size).toBe(50);
    expect(await database.seeds(10, DAY)).toHaveLength(10);
    await database.flush();
    expect(await (await reopened()).get(idOf(7))).toMatchObject({
      ...{ firstSeen: START, lastPong: START, lastAnswer: START },
      ...{ client: 'Geth', lastDial: dial },
    });
  });
});

describe('a full database', () => {
  it('lets go those that never answered first, and then those that answered longest ago', async () => {
    const { env, database, reopened } = await watched({ maxNodes: 64 });
    for (let i = 0; i < 60; i++) {
      add(database, i, i % 2 === 0 ? { lastPong: env.unixTime() } : {});
      env.advance(1_000);
    }
    for (let i = 100; i < 104; i++) add(database, i);
    expect(database.size).toBe(64);
    for (let i = 104; i < 130; i++) add(database, i, { lastPong: env.unixTime() });
    const numbers = await numbersOf(database);
    expect(database.size).toBeLessThanOrEqual(64);
    for (let i = 0; i < 60; i += 2) expect(numbers).toContain(i);
    for (let i = 104; i < 130; i++) expect(numbers).toContain(i);
    expect(numbers).not.toContain(1);
    for (let i = 200; i < 220; i++) add(database, i, { lastPong: env.unixTime() });
    const later = await numbersOf(database);
    expect(later).not.toContain(0);
    expect(later).toContain(58);
    await database.flush();
    expect(await numbersOf(await reopened())).toEqual(later);
  });

  it('lets a failing node go before one that answers', async () => {
    const { database } = await watched({ maxNodes: 32 });
    for (let i = 0; i < 32; i++) add(database, i, { lastPong: START + i });
    for (let i = 0; i < 3; i++) database.update(idOf(20), { failed: true });
    add(database, 50);
    const numbers = await numbersOf(database);
    expect([numbers.includes(20), numbers.includes(0), numbers.length]).toEqual([false, true, 32]);
  });

  it('loses a 32nd to a flood of nodes that never answer, and no more', async () => {
    const { database, kv } = await watched({ maxNodes: 640 });
    for (let i = 0; i < 640; i++) add(database, i, { lastPong: START - HOUR });
    for (let i = 1_000; i < 21_000; i++) add(database, i);
    expect(database.size).toBeLessThanOrEqual(640);
    expect((await numbersOf(database)).filter((number) => number < 640)).toHaveLength(620);
    await database.flush();
    // What came and went between two writes is no work for the disk.
    expect(kv.written).toBeLessThan(1_000);
  });

  it('shrinks when it is opened with a lower limit', async () => {
    const { env, kv, database } = await watched();
    for (let i = 0; i < 5_000; i++) add(database, i, { lastPong: START + i });
    await database.flush();
    const small = await NodeDatabase.over(await kv.copy(), { env, maxNodes: 100 });
    expect(small.size).toBeLessThanOrEqual(100);
    expect(small.size).toBeGreaterThan(90);
    await small.flush();
    expect(Math.min(...(await numbersOf(small)))).toBeGreaterThan(4_700);
  });
});

describe('a node database refuses', () => {
  const bad = (value: unknown): never => value as never;

  it.each<[string, unknown]>([
    ['maxNodes', { maxNodes: 0 }],
    ['maxNodes', { maxNodes: 1.5 }],
    ['maxNodes', { maxNodes: 1e9 }],
    ['env', { env: {} }],
    ['onEvent', { onEvent: 'loud' }],
    ['signal', { signal: {} }],
    ['null', null],
  ])('options that make no sense: %s %j', async (_, options) => {
    expect(await rejectionOf(NodeDatabase.inMemory(bad(options)))).toBe('invalid-argument');
  });

  it('a path that is none, and a wish that is withdrawn', async () => {
    expect(await rejectionOf(NodeDatabase.open(bad(undefined)))).toBe('invalid-argument');
    expect(await rejectionOf(NodeDatabase.open(''))).toBe('invalid-argument');
    const signal = AbortSignal.abort();
    expect(await rejectionOf(NodeDatabase.open(newPath(), { signal }))).toBe('aborted');
  });

  it('ids and patches that make no sense, and changes nothing', async () => {
    await using database = await NodeDatabase.inMemory();
    const id = idOf(1);
    const endpoint = endpointOf(1);
    const patches: readonly unknown[] = [
      undefined,
      'news',
      { record: recordOf(1).encoded },
      { record: recordOf(1) },
      { endpoint: endpointOf(2) },
      { endpoint, record: recordOf(1) },
      { endpoint: { ...endpoint, host: 'node.example.org' } },
      { endpoint: { ...endpoint, udpPort: 65_536 } },
      { endpoint: { ...endpoint, tcpPort: -1 } },
      { endpoint: { ...endpoint, publicKey: new Uint8Array(33) } },
      { endpoint, lastPong: 0 },
      { endpoint, lastPong: Number.NaN },
      { endpoint, lastPong: 1.5 },
      { endpoint, failed: 3 },
      { endpoint, dial: {} },
      { endpoint, dial: { at: START, error: 'bad luck' } },
      { endpoint, forkId: { hash: new Uint8Array(5), next: 0n } },
      { endpoint, forkId: { hash: new Uint8Array(4), next: 2n ** 64n } },
      { endpoint, client: 7 },
    ];
    for (const patch of patches) {
      expect([patch, codeOf(() => database.update(id, bad(patch)))]).toEqual([patch, 'invalid-argument']);
    }
    expect(codeOf(() => database.update(new Uint8Array(31), {}))).toBe('invalid-argument');
    expect(codeOf(() => database.remove(bad('id')))).toBe('invalid-argument');
    expect(await rejectionOf(database.get(new Uint8Array(33)))).toBe('invalid-argument');
    expect(await rejectionOf(database.seeds(-1, DAY))).toBe('invalid-argument');
    expect(await rejectionOf(database.seeds(1, Number.NaN))).toBe('invalid-argument');
    expect(database.size).toBe(0);
  });
});

describe('the number of the local record', () => {
  it('is kept over restarts, apart from the nodes', async () => {
    const path = newPath();
    const id = new Uint8Array(32).fill(7);
    {
      await using database = await NodeDatabase.open(path);
      expect(await database.localSeq(id)).toBeUndefined();
      await Promise.all([database.storeLocalSeq(id, 5n), database.storeLocalSeq(id, 2n ** 64n - 1n)]);
    }
    await using database = await NodeDatabase.open(path);
    expect(await database.localSeq(id)).toBe(2n ** 64n - 1n);
    expect(await database.localSeq(new Uint8Array(32))).toBeUndefined();
    expect(database.size).toBe(0);
  });
});
