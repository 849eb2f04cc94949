import { expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { type EntryChanges, parseEnode } from '../../src/enr/index.ts';
import { MIN_GLOBAL_VOTES, MIN_LOCAL_VOTES } from '../../src/server/endpoint-votes.ts';
import { NodeDatabase } from '../../src/server/index.ts';
import {
  ENTRIES_INTERVAL_MS,
  endpointsOf,
  ipv4First,
  type LocalEndpoints,
  LocalNode,
  placesOf,
  STORE_RETRY_MS,
} from '../../src/server/local-node.ts';
import { mappedEndpoints } from '../../src/server/nat/node-nat.ts';

/** A local node whose entries the test sets. */
async function node({
  env = new VirtualEnv({ now: 1_000_000 }),
  seed = 1,
  database = undefined as NodeDatabase | undefined,
} = {}) {
  const state: { entries: () => EntryChanges } = { entries: () => ({}) };
  const failures: unknown[] = [];
  /** Where it was after each move. */
  const moves: string[] = [];
  const local = new LocalNode({
    key: generateSecretKey(new VirtualEnv({ seed })),
    ...{ env, database, entries: () => state.entries(), failed: (error) => failures.push(error) },
    moved: () => void moves.push(local.enode.replace(/^.*@/, '')),
  });
  await local.load();
  return { env, local, state, failures, moves };
}

/** Enough nodes of networks of their own say that they see the node there. */
function seenAt(local: LocalNode, ip: string, udpPort: number, votes = MIN_GLOBAL_VOTES): void {
  const voter = (i: number) => (ip.includes(':') ? `2a00:${i}::1` : `9.9.${i}.1`);
  for (let i = 0; i < votes; i++) local.seen({ ip: voter(i), udpPort: 1 }, { ip, udpPort });
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

it('a record names where others see a node that listens on all addresses, and counts up when that changes', async () => {
  const { local, moves } = await node();
  local.listens({ host: '0.0.0.0', tcp: 1, udp: 2 });
  const first = local.record;
  expect(first.entries()).not.toHaveProperty('ip');
  expect(local.enode).toMatch(/@127\.0\.0\.1:1\?discport=2$/);
  seenAt(local, '8.8.8.8', 2, MIN_GLOBAL_VOTES - 1);
  expect(local.record).toBe(first);
  seenAt(local, '8.8.8.8', 2);
  const second = local.record;
  expect(second.entries()).toMatchObject({ ip: '8.8.8.8', tcp: 1, udp: 2 });
  expect(second.seq).toBe(first.seq + 1n);
  seenAt(local, '8.8.8.8', 2);
  expect(local.record).toBe(second);
  // A translator has chosen another port.
  seenAt(local, '8.8.8.8', 7);
  expect(local.record.entries()).toMatchObject({ ip: '8.8.8.8', tcp: 1, udp: 7 });
  expect(local.record.seq).toBe(first.seq + 2n);
  expect(moves).toEqual(['8.8.8.8:1?discport=2', '8.8.8.8:1?discport=7']);
});

it('a record follows both families where both are listened on', async () => {
  const { local, moves } = await node();
  seenAt(local, '2a01::8', 3);
  local.listens({ host: '::', tcp: undefined, udp: 2 });
  expect(local.enode).toMatch(/@\[2a01::8\]:0\?discport=3$/);
  expect(local.record.entries()).toMatchObject({ ip6: '2a01::8', udp6: 3 });
  expect(local.record.entries()).not.toHaveProperty('udp');
  seenAt(local, '8.8.8.8', 4);
  expect(local.record.entries()).toMatchObject({ ip6: '2a01::8', udp6: 3, ip: '8.8.8.8', udp: 4 });
  expect(local.record.entries()).not.toHaveProperty('tcp');
  expect(moves).toEqual(['8.8.8.8:0?discport=4']);
});

it('a record follows each family where an address of each is listened on', async () => {
  const { local } = await node();
  local.listens({ host: '0.0.0.0', tcp: 1, udp: 2, beside: { host: '192.168.1.5', tcp: 3, udp: 4 } });
  local.listens({ host: '0.0.0.0', tcp: 1, udp: 2, beside: { host: '2a01::1', tcp: 3, udp: 4 } });
  const own = { tcp: 1, udp: 2, ip6: '2a01::1', tcp6: 3, udp6: 4 };
  expect(local.record.entries()).toMatchObject(own);
  expect(local.record.entries()).not.toHaveProperty('ip');
  // It has that address itself, which others cannot see otherwise.
  seenAt(local, '2a01::8', 7);
  expect(local.record.entries()).toMatchObject(own);
  seenAt(local, '8.8.8.8', 8);
  expect(local.record.entries()).toMatchObject({ ...own, ip: '8.8.8.8', udp: 8 });
  local.listens({
    host: '9.9.9.9',
    known: 'endpoint',
    tcp: 1,
    udp: 2,
    beside: { host: '::', tcp: 3, udp: 4 },
  });
  const known = { ip: '9.9.9.9', tcp: 1, udp: 2, ip6: '2a01::8', tcp6: 3, udp6: 7 };
  expect(local.record.entries()).toMatchObject(known);
});

it('a record keeps to what a router says of either family, whatever others see', async () => {
  const { local } = await node();
  const six = { host: '2a01::1', tcp: 1, udp: 2, known: 'endpoint' } as const;
  const entries = { ip6: '2a01::1', tcp6: 1, udp6: 2 };
  local.listens({ host: '9.9.9.9', tcp: 1, udp: 3, known: 'endpoint', beside: six });
  seenAt(local, '2a01::8', 7);
  expect(local.record.entries()).toMatchObject({ ip: '9.9.9.9', tcp: 1, udp: 3, ...entries });
  expect(local.enode).toMatch(/@9\.9\.9\.9:1\?discport=3$/);
  // By the other family it learns from others all the same.
  local.listens({ ...six, beside: { tcp: 1, udp: 2 } });
  seenAt(local, '8.8.8.8', 5);
  expect(local.record.entries()).toMatchObject({ ip: '8.8.8.8', tcp: 1, udp: 5, ...entries });
  // Its address alone is known.
  local.listens({ host: '9.9.9.9', tcp: 1, udp: 3, known: 'endpoint', beside: { ...six, known: 'address' } });
  expect(local.record.entries()).toMatchObject({ ...entries, ip: '9.9.9.9' });
  seenAt(local, '2a01::1', 9);
  expect(local.record.entries()).toMatchObject({ ...entries, udp6: 9 });
  expect(local.fromOutside()).toMatchObject([{ known: 'endpoint' }, { known: 'address' }]);
});

const FOUR = { host: '0.0.0.0', tcp: 1, udp: 3 };
const SIX = { host: '::', tcp: 1, udp: 2 };
const KNOWN = { known: 'endpoint' } as const;

it.each<[string, Parameters<typeof endpointsOf>, LocalEndpoints]>([
  ['at one place', [[FOUR]], FOUR],
  ['nowhere', [[]], { host: '0.0.0.0', tcp: undefined, udp: undefined }],
  ['at two', [[SIX, FOUR]], { ...SIX, beside: FOUR }],
  [
    'at two, of which another is known by the second family',
    [[SIX, FOUR], ['9.9.9.9']],
    { ...FOUR, ...KNOWN, host: '9.9.9.9', beside: SIX },
  ],
  [
    'at two, of which others are known by both',
    [
      [SIX, FOUR],
      ['9.9.9.9', '2a01::1'],
    ],
    { ...SIX, ...KNOWN, host: '2a01::1', beside: { ...FOUR, ...KNOWN, host: '9.9.9.9' } },
  ],
  [
    'at all addresses of both, of which one is known',
    [[SIX], ['9.9.9.9']],
    { ...SIX, ...KNOWN, host: '9.9.9.9', beside: { tcp: 1, udp: 2 } },
  ],
  [
    'at all addresses of both, of which one of each is known',
    [[SIX], ['9.9.9.9', '2a01::1']],
    { ...SIX, ...KNOWN, host: '9.9.9.9', beside: { ...SIX, ...KNOWN, host: '2a01::1' } },
  ],
])('a node listens %s', (_, [places, externalIps], endpoints) => {
  expect(endpointsOf(places, externalIps)).toEqual(endpoints);
});

it('a node listens at the same addresses by TCP and UDP, or by one of them', () => {
  const at = (four: number, six: number) => [
    { host: '0.0.0.0', port: four },
    { host: '::', port: six },
  ];
  expect(placesOf(at(1, 2), at(3, 0))).toEqual([
    { host: '0.0.0.0', tcp: 1, udp: 3 },
    { host: '::', tcp: 2, udp: undefined },
  ]);
  expect(placesOf([], at(3, 4))).toMatchObject([{ tcp: undefined, udp: 3 }, { udp: 4 }]);
  expect(placesOf(at(3, 4), [])).toMatchObject([{ tcp: 3, udp: undefined }, { tcp: 4 }]);
});

it('a router maps the ports of IPv4, whichever address comes first', () => {
  expect(ipv4First({ ...SIX, beside: FOUR })).toEqual({ ...FOUR, beside: SIX });
  for (const endpoints of [{ ...FOUR, beside: SIX }, SIX, FOUR, { ...FOUR, beside: { tcp: 1, udp: 2 } }]) {
    expect(ipv4First(endpoints)).toEqual(endpoints);
  }
  const mapped = { ip: '9.9.9.9', port: 7, method: 'pcp' } as const;
  const record = mappedEndpoints(ipv4First({ ...SIX, beside: FOUR }), { tcp: mapped }, {});
  expect(record).toEqual({ ...FOUR, host: '9.9.9.9', tcp: 7, known: 'address', beside: SIX });
});

it.each<[string, LocalEndpoints, string[]]>([
  [
    'the first address first',
    { ...SIX, host: '2a01::1', beside: { ...FOUR, host: '9.9.9.9' } },
    ['[2a01::1]:1?discport=2', '9.9.9.9:1?discport=3'],
  ],
  [
    'both as they are known',
    { ...FOUR, ...KNOWN, host: '9.9.9.9', beside: { ...SIX, ...KNOWN, host: '2a01::1' } },
    ['9.9.9.9:1?discport=3', '[2a01::1]:1?discport=2'],
  ],
  ['the one that is known', { ...FOUR, beside: { ...SIX, host: '2a01::1' } }, ['[2a01::1]:1?discport=2']],
  [
    'this machine where none is known',
    { ...FOUR, beside: SIX },
    ['127.0.0.1:1?discport=3', '[::1]:1?discport=2'],
  ],
  ['this machine once, where one socket is of both', SIX, ['[::1]:1?discport=2']],
  [
    'the known address of a node on all',
    { ...SIX, ...KNOWN, host: '9.9.9.9', beside: { tcp: 1, udp: 2 } },
    ['9.9.9.9:1?discport=2'],
  ],
])('enode URLs name %s', async (_, endpoints, places) => {
  const { local } = await node();
  local.listens(endpoints);
  expect(local.enodes.map((enode) => enode.replace(/^.*@/, ''))).toEqual(places);
  expect(local.enode).toBe(local.enodes[0]);
});

it('enode URLs name what others see of each family', async () => {
  const { local } = await node();
  local.listens({ ...SIX, beside: FOUR });
  seenAt(local, '8.8.8.8', 5);
  seenAt(local, '2a01::8', 7);
  const places = local.enodes.map((enode) => enode.replace(/^.*@/, ''));
  expect(places).toEqual(['[2a01::8]:1?discport=7', '8.8.8.8:1?discport=5']);
});

it('a record keeps to what the user says of either family, whatever others see', async () => {
  const { local } = await node();
  local.listens(endpointsOf([SIX], ['9.9.9.9', '2a01::1']));
  const { record } = local;
  seenAt(local, '8.8.8.8', 5);
  seenAt(local, '2a01::8', 7);
  expect(local.record).toBe(record);
  expect(record.entries()).toMatchObject({ ip: '9.9.9.9', tcp: 1, udp: 2, ip6: '2a01::1', tcp6: 1, udp6: 2 });
  expect(local.fromOutside()).toMatchObject([{ known: 'endpoint' }, { known: 'endpoint' }]);
});

const LISTENING = { tcp: 1, udp: 2 };

it.each<[string, LocalEndpoints]>([
  ['loopback, on which it listens', { host: '127.0.0.1', ...LISTENING }],
  ['a global address, on which it listens', { host: '9.9.9.1', ...LISTENING }],
  ['an address that its user or a router has named', { host: '9.9.9.1', ...LISTENING, known: 'endpoint' }],
  ['a private address that its user has named', { host: '10.0.0.1', ...LISTENING, known: 'endpoint' }],
  ['another address that is known', { host: '9.9.9.1', ...LISTENING, known: 'address' }],
  ['an address of the other family', { host: 'fd00::1', ...LISTENING }],
])('a record keeps to %s, whatever others see', async (_, endpoints) => {
  const { local, moves } = await node();
  local.listens(endpoints);
  const { record } = local;
  seenAt(local, '8.8.8.8', 3);
  expect(local.record).toBe(record);
  expect(parseEnode(local.enode)).toMatchObject({ host: endpoints.host, tcpPort: 1, udpPort: 2 });
  expect(moves).toEqual([]);
});

it('a record names the port that others see at an address that a router has told without mapping it', async () => {
  const { local, moves } = await node();
  local.listens({ host: '8.8.8.8', ...LISTENING, known: 'address' });
  expect(local.record.entries()).toMatchObject({ ip: '8.8.8.8', tcp: 1, udp: 2 });
  seenAt(local, '8.8.8.8', 40_000);
  expect(local.record.entries()).toMatchObject({ ip: '8.8.8.8', tcp: 1, udp: 40_000 });
  expect(moves).toEqual(['8.8.8.8:1?discport=40000']);
  // Now it maps it.
  local.listens({ host: '8.8.8.8', tcp: 1, udp: 7, known: 'endpoint' });
  expect(local.record.entries()).toMatchObject({ ip: '8.8.8.8', tcp: 1, udp: 7 });
  // And no more: what others have said meanwhile is there at once.
  local.listens({ host: '0.0.0.0', ...LISTENING });
  expect(local.enode).toMatch(/@8\.8\.8\.8:1\?discport=40000$/);
});

it.each(['192.168.1.5', '100.64.0.5'])(
  'a node that listens on %s learns where it is seen from outside',
  async (host) => {
    const { local, moves } = await node();
    local.listens({ host, ...LISTENING });
    expect(parseEnode(local.enode).host).toBe(host);
    // Others of its network see nothing that it does not know.
    for (let i = 0; i < MIN_LOCAL_VOTES; i++)
      local.seen({ ip: `192.168.1.${10 + i}`, udpPort: 1 }, { ip: '192.168.1.6', udpPort: 2 });
    expect(local.record.get('ip')).toBe(host);
    seenAt(local, '8.8.8.8', 40_000);
    expect(local.record.entries()).toMatchObject({ ip: '8.8.8.8', tcp: 1, udp: 40_000 });
    expect(moves).toEqual(['8.8.8.8:1?discport=40000']);
  },
);

it('a record names the own UDP port where each sees another one, and follows the address all the same', async () => {
  const { local, moves } = await node();
  local.listens({ host: '0.0.0.0', ...LISTENING });
  const scatteredAt = (ip: string, networks: number) => {
    for (let i = 0; i < networks; i++)
      local.seen({ ip: `9.9.${i}.1`, udpPort: 1 }, { ip, udpPort: 20_000 + i });
  };
  scatteredAt('8.8.8.8', MIN_GLOBAL_VOTES);
  expect(local.record.entries()).toMatchObject({ ip: '8.8.8.8', tcp: 1, udp: 2 });
  expect(local.fromOutside()).toEqual([
    { ip: '8.8.8.8', udpPort: undefined, voters: 10, ports: 10, known: undefined, recordIp: '8.8.8.8' },
  ]);
  const { record } = local;
  scatteredAt('8.8.8.8', 30);
  expect(local.record).toBe(record);
  // The router has begun anew.
  scatteredAt('8.8.4.4', 30);
  expect(local.record.entries()).toMatchObject({ ip: '8.8.4.4', tcp: 1, udp: 2 });
  expect(moves).toEqual(['8.8.8.8:1?discport=2', '8.8.4.4:1?discport=2']);
});

it('a node on all addresses of both families that is told of one learns of the other', async () => {
  const { local } = await node();
  local.listens(endpointsOf([SIX], ['9.9.9.9']));
  seenAt(local, '2a01::8', 3);
  seenAt(local, '8.8.8.8', 4);
  expect(local.record.entries()).toMatchObject({
    ip: '9.9.9.9',
    tcp: 1,
    udp: 2,
    ip6: '2a01::8',
    tcp6: 1,
    udp6: 3,
  });
  expect(parseEnode(local.enode)).toMatchObject({ host: '9.9.9.9', tcpPort: 1, udpPort: 2 });
  expect(local.fromOutside()).toMatchObject([
    { ip: '8.8.8.8', known: 'endpoint', recordIp: '9.9.9.9' },
    { ip: '2a01::8', known: undefined, recordIp: '2a01::8' },
  ]);
});

it('entries of the user go before what others see; without discovery nothing is seen', async () => {
  const { local, state } = await node();
  state.entries = () => ({ ip: '9.9.9.9' });
  local.listens({ host: '0.0.0.0', tcp: 1, udp: 2 });
  seenAt(local, '8.8.8.8', 2);
  expect(local.record.get('ip')).toBe('9.9.9.9');
  state.entries = () => ({});
  local.listens({ host: '0.0.0.0', tcp: 1, udp: undefined });
  expect(local.record.entries()).not.toHaveProperty('ip');
});

it('a record with an address that does not go into it is told of, and stays as it is', async () => {
  const { local, state, failures, moves } = await node();
  local.listens({ host: '0.0.0.0', tcp: 1, udp: 2 });
  const { record } = local;
  state.entries = () => {
    throw new TypeError('no chain');
  };
  for (let i = 0; i < MIN_LOCAL_VOTES; i++) {
    local.seen({ ip: '127.0.0.1', udpPort: 10 + i }, { ip: '127.0.0.1', udpPort: 2 });
  }
  expect(failures).toHaveLength(1);
  expect(local.record).toBe(record);
  expect([parseEnode(local.enode).host, moves]).toEqual(['127.0.0.1', []]);
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
