import { RLP } from '@ethereumjs/rlp';
import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { decodeRecord, MAX_RECORD_SIZE, signRecord } from '../../src/enr/index.ts';
import { BUCKET_SIZE, nodeOfRecord, REPLACEMENTS, Table } from '../../src/kad/index.ts';
import { bytesInUse } from '../support/collect.ts';
import { ipOf, nodeAt } from '../support/kad-nodes.ts';
import { MB } from '../support/memory-child.ts';

const NETWORK = 10_000;
const TABLES = 5;

const env = new VirtualEnv({ seed: 11 });
const localId = env.randomBytes(32);

/** The log-distances of all nodes that a table takes: half of the network is at 256, half of the rest at 255... */
const distances: number[] = [];
for (let distance = 256, share = NETWORK / 2; share >= 0.5; distance--, share /= 2) {
  const count = Math.min(BUCKET_SIZE + REPLACEMENTS, Math.ceil(share));
  distances.push(...new Array<number>(count).fill(distance));
}

/** A record, of 300 bytes with the right filling. */
function recordOf(n: number, filling: number): Uint8Array {
  const entries = {
    ip: ipOf(n),
    udp: 30303,
    tcp: 30303,
    ip6: `2001:${n.toString(16)}::1`,
    eth: { hash: Uint8Array.of(1, 2, 3, 4), next: 2n ** 40n },
    snap: true,
  } as const;
  const others = new Map([['filling', RLP.encode(new Uint8Array(filling).fill(1))]]);
  return signRecord(generateSecretKey(env), { seq: 2n ** 40n, entries, others }).encoded;
}

function tableOf(records: readonly Uint8Array[]): Table {
  const table = new Table({ localId, randomBytes: (length) => env.randomBytes(length) });
  for (const [n, encoded] of records.entries()) {
    const node = nodeOfRecord(decodeRecord(encoded));
    if (node === undefined) throw new Error('the record names no endpoint');
    // Keys whose ids are so close are not found in a test.
    const placed = { ...node, id: nodeAt(localId, distances[n] ?? 0, n).id };
    if (table.addInbound(placed, 0) === 'added') table.checked(placed.id, placed, 0);
  }
  return table;
}

describe('the table of a node in a network of 10,000', () => {
  it('is below 1 MB with all reachable buckets and replacements full, and the longest records', () => {
    const filling = 64 + MAX_RECORD_SIZE - recordOf(0, 64).length;
    const records = distances.map((_, n) => recordOf(n, filling));
    expect(records.every(({ length }) => length === MAX_RECORD_SIZE)).toBe(true);
    // What the first one allocates once for all is not the table's.
    const tables = [tableOf(records)];
    const before = bytesInUse();
    for (let i = 0; i < TABLES; i++) tables.push(tableOf(records));
    const bytes = (bytesInUse() - before) / TABLES;
    expect(tables.length).toBe(TABLES + 1);
    // Eight buckets are full, replacements and all; of the next one all entries; then come 10, 5, 3, 2 and 1.
    const stats = {
      entries: 9 * BUCKET_SIZE + 21,
      live: 9 * BUCKET_SIZE + 21,
      replacements: 84,
      buckets: 14,
    };
    for (const table of tables) expect(table.stats()).toEqual(stats);
    console.log(`table: ${Math.round(bytes / 1000)} KB for ${records.length} nodes with records`);
    expect(bytes).toBeLessThan(MB);
  });
});
