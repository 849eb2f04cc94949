import { expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { type EntryChanges, parseEnode } from '../../src/enr/index.ts';
import { NodeDatabase } from '../../src/server/index.ts';
import { ENTRIES_INTERVAL_MS, LocalNode, STORE_RETRY_MS } from '../../src/server/local-node.ts';

/** A local node whose entries the test sets. */
async function node({
  env = new VirtualEnv({ now: 1_000_000 }),
  seed = 1,
  database = undefined as NodeDatabase | undefined,
} = {}) {
  const state: { entries: () => EntryChanges } = { entries: () => ({}) };
  const failures: unknown[] = [];
  const local = new LocalNode({
    key: generateSecretKey(new VirtualEnv({ seed })),
    ...{ env, database, entries: () => state.entries(), failed: (error) => failures.push(error) },
  });
  await local.load();
  return { env, local, state, failures };
}
const ETH = { hash: Uint8Array.of(1, 2, 3, 4), next: 5n };

it('a record follows its entries, looked at once a second, and counts up when they change', async () => {
  const { env, local, state } = await node();
  local.listens({ host: '127.0.0.1', tcp: 1, udp: 2 });
  const first = local.record;
  expect(first.entries()).toMatchObject({ ip: '127.0.0.1', tcp: 1, udp: 2 });
  state.entries = () => ({ eth: ETH });
  expect(local.record).toBe(first);
  env.advance(ENTRIES_INTERVAL_MS);
  expect(local.record.get('eth')).toEqual(ETH);
  expect(local.record.seq).toBe(first.seq + 1n);
  state.entries = () => ({});
  env.advance(ENTRIES_INTERVAL_MS);
  expect(local.record.get('eth')).toBeUndefined();
  env.advance(10 * ENTRIES_INTERVAL_MS);
  expect(local.record.seq).toBe(first.seq + 2n);
});

it('a record stays as it is when its entries cannot be had', async () => {
  const { env, local, state, failures } = await node();
  local.listens({ host: '::', tcp: 1, udp: 2 });
  const { record } = local;
  state.entries = () => {
    throw new TypeError('no chain');
  };
  env.advance(ENTRIES_INTERVAL_MS);
  expect(local.record).toBe(record);
  expect(failures).toHaveLength(1);
  expect(record.entries()).toMatchObject({ tcp6: 1, udp6: 2 });
  expect(parseEnode(local.enode)).toMatchObject({ host: '::1', tcpPort: 1, udpPort: 2 });
});

it('the number of a record never goes back, though the clock does', async () => {
  await using database = await NodeDatabase.inMemory();
  const first = await node({ database });
  first.local.listens({ host: '127.0.0.1', tcp: 1, udp: 2 });
  await database.flush();
  const second = await node({ database, env: new VirtualEnv({ now: 10 }) });
  expect(second.local.record.seq).toBeGreaterThan(first.local.record.seq);
});

it('the number of a record is written again when it could not be, though it stays the same', async () => {
  await using database = await NodeDatabase.inMemory();
  const write = database.storeLocalSeq.bind(database);
  const written: bigint[] = [];
  let isFull = true;
  database.storeLocalSeq = async (id, seq) => {
    if (isFull) throw new Error('no space left');
    await write(id, seq);
    written.push(seq);
  };
  const { local, env, failures } = await node({ database });
  local.listens({ host: '127.0.0.1', tcp: 1, udp: 2 });
  await local.stored();
  isFull = false;
  env.advance(ENTRIES_INTERVAL_MS);
  const { seq } = local.record;
  await local.stored();
  expect([failures.length, written]).toEqual([1, []]);
  env.advance(STORE_RETRY_MS);
  expect(local.record.seq).toBe(seq);
  await local.stored();
  expect([failures.length, written]).toEqual([1, [seq]]);
});
