import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { concatBytes, toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, nodeIdOf } from '../../src/enr/index.ts';
import { encodeBans } from '../../src/server/ban-codec.ts';
import { NodeDatabase, Server } from '../../src/server/index.ts';
import { ChainStore } from '../../src/sync/index.ts';
import { echo } from '../support/servers.ts';
import { eventsOf, run, runProcess, temporaryDirectory } from './cli.ts';
import { smallGenesis } from './served-chain.ts';

const newKey = () => publicKeyOf(generateSecretKey(systemEnv));
const enodeOf = (publicKey: Uint8Array) =>
  formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 9, udpPort: 9 });

/** A node database of a server that has banned these, for a day each. */
async function banned(...nodes: readonly string[]): Promise<string> {
  const nodedb = join(await temporaryDirectory(), 'nodes');
  await ban(nodedb, ...nodes);
  return nodedb;
}

/** A server of a new key bans these in the database. */
async function ban(nodedb: string, ...nodes: readonly string[]): Promise<Server> {
  await using nodeDatabase = await NodeDatabase.open(nodedb);
  await using server = new Server({ key: generateSecretKey(systemEnv), protocols: [echo], nodeDatabase });
  await server.start();
  for (const [i, node] of nodes.entries()) server.ban(node, { reason: `reason ${i}\n` });
  return server;
}

const bans = (nodedb: string, ...args: readonly string[]) => run('bans', ...args, '--nodedb', nodedb);

async function left(nodedb: string): Promise<readonly unknown[]> {
  const { stdout } = await bans(nodedb, '--json');
  return eventsOf(stdout)
    .filter(({ event }) => event === 'ban')
    .map(({ node, ip }) => node ?? ip);
}

describe('bans', () => {
  it('are listed in words and as JSON, also those of several nodes that share a database', async () => {
    const key = newKey();
    const nodedb = await banned(enodeOf(key), '9.9.9.9');
    const other = await ban(nodedb, '2a01::1');
    const { status, stdout, stderr } = await runProcess('bans', '--nodedb', nodedb);
    expect([status, stderr]).toEqual([0, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^until +left +by +reason +who$/);
    const rows = lines.slice(1).toSorted();
    expect(rows).toHaveLength(3);
    const day = String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  2[34] h \d+ min +user  reason `;
    for (const who of [`0·  node ${toBareHex(key)}`, '1·  9.9.9.9', '0·  2a01::/64']) {
      expect(rows.filter((row) => new RegExp(`${day}${who}$`).test(row))).toHaveLength(1);
    }

    const events = eventsOf((await bans(nodedb, 'list', '--json')).stdout);
    expect(events.at(-1)).toEqual({ event: 'bans', count: 3 });
    expect(events.find(({ kind }) => kind === 'node')).toEqual({
      event: 'ban',
      kind: 'node',
      node: toBareHex(key),
      nodeId: `0x${toBareHex(nodeIdOf(key))}`,
      until: expect.stringMatching(/^\d{4}-.*Z$/),
      leftMs: expect.any(Number),
      reason: 'reason 0\n',
      by: 'user',
      local: expect.stringMatching(/^0x[0-9a-f]{64}$/),
    });
    const [of] = events.filter(({ ip }) => ip === '2a01::/64');
    expect(of?.local).toBe(`0x${toBareHex(nodeIdOf(other.id))}`);
  });

  it('are none in a database without any', async () => {
    const nodedb = await banned();
    expect(await bans(nodedb)).toMatchObject({ status: 0, stdout: 'nobody is banned\n' });
    expect(eventsOf((await bans(nodedb, '--json')).stdout)).toEqual([{ event: 'bans', count: 0 }]);
  });

  it('are taken back by every name that a node goes by', async () => {
    const keys = Array.from({ length: 5 }, newKey);
    const [byEnode, byKey, byId, byPrefixedId, staying] = keys.map(enodeOf);
    const nodedb = await banned(
      byEnode ?? '',
      byKey ?? '',
      byId ?? '',
      byPrefixedId ?? '',
      staying ?? '',
      '9.9.9.9',
      '2a01::1',
    );
    // Two nodes may refuse the same one.
    await ban(nodedb, '9.9.9.9');
    const [, key = newKey(), id = key, prefixed = key] = keys;
    const names = [
      byEnode ?? '',
      toBareHex(key).toUpperCase(),
      toBareHex(nodeIdOf(id)),
      `0x${toBareHex(nodeIdOf(prefixed))}`,
      '9.9.9.9',
      // Another host of the network that is banned.
      '2a01::2',
    ];
    const { status, stdout } = await bans(nodedb, 'remove', ...names, '--json');
    expect(status).toBe(0);
    const events = eventsOf(stdout);
    expect(events.filter(({ event }) => event === 'unbanned')).toHaveLength(7);
    expect(events.at(-1)).toEqual({ event: 'bans', count: 1 });
    const last = keys[4] ?? newKey();
    expect(await left(nodedb)).toEqual([toBareHex(last)]);
    const words = await bans(nodedb, 'remove', toBareHex(last));
    expect(words.stdout).toBe(`node ${toBareHex(last)} is no longer banned\n0 bans left\n`);
  });

  it('are all taken back on demand', async () => {
    const nodedb = await banned('9.9.9.9', '8.8.8.8');
    await ban(nodedb, '7.7.7.7');
    expect((await bans(nodedb, 'remove', '--all')).status).toBe(0);
    expect(await left(nodedb)).toEqual([]);
    expect((await bans(nodedb, 'remove', '--all')).status).toBe(0);
  });

  it('that there are not are an error, and the others are taken back', async () => {
    const nodedb = await banned('9.9.9.9', '8.8.8.8');
    const { status, stderr } = await bans(nodedb, 'remove', '1.2.3.4', '9.9.9.9');
    expect([status, stderr]).toEqual([1, 'error: not banned: 1.2.3.4 (invalid-argument)\n']);
    expect(await left(nodedb)).toEqual(['8.8.8.8']);
  });

  it.each([
    [['bans'], /--nodedb/],
    [['bans', 'remove', '--nodedb', 'x'], /whom to take back, or --all/],
    [['bans', 'remove', '9.9.9.9', '--all', '--nodedb', 'x'], /whom to take back, or --all/],
    [['bans', 'remove', 'abc', '--nodedb', 'x'], /expected an enode URL, a public key or node id/],
    [['bans', '9.9.9.9', '--nodedb', 'x'], /too many arguments/],
  ])('%j is no command', async (args, message) => {
    const { status, stderr } = await run(...args);
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe('a database that cannot be used is left as it is:', () => {
  async function refused(nodedb: string): Promise<unknown> {
    const before = await readdir(nodedb).catch(() => undefined);
    const answers = [];
    for (const args of [[], ['remove', '--all']]) {
      const { status, stdout } = await bans(nodedb, ...args, '--json');
      expect(status).toBe(1);
      answers.push(...eventsOf(stdout));
    }
    expect(await readdir(nodedb).catch(() => undefined)).toEqual(before);
    const [first, second] = answers;
    expect([answers.length, second]).toEqual([2, first]);
    return first;
  }

  const error = (code: string, message: RegExp) => ({
    event: 'error',
    code,
    message: expect.stringMatching(message),
  });

  it('one that is not there', async () => {
    const directory = await temporaryDirectory();
    const none = await refused(join(directory, 'none'));
    expect(none).toEqual(error('file-unreadable', /no node database at .*none: it does not exist/));
    await writeFile(join(directory, 'other.txt'), 'mine');
    expect(await refused(directory)).toEqual(error('file-unreadable', /the directory holds none/));
    expect(await refused(join(directory, 'other.txt'))).toEqual(error('file-unreadable', /not a directory/));
  });

  it('one that a node runs on', async () => {
    const nodedb = await banned('9.9.9.9');
    await using _ = await NodeDatabase.open(nodedb);
    const { status, stdout } = await bans(nodedb, '--json');
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([error('store-locked', /in use by another process/)]);
  });

  it('one whose files contradict each other', async () => {
    const nodedb = await banned('9.9.9.9');
    await writeFile(join(nodedb, 'CURRENT'), 'MANIFEST-999999\n');
    const { stdout } = await bans(nodedb, '--json');
    expect(eventsOf(stdout)).toEqual([error('store-damaged', /damaged.*; a node that is started with it/)]);
    expect(await readdir(join(nodedb, '..'))).toEqual(['nodes']);
  });

  it('one of something else', async () => {
    const directory = join(await temporaryDirectory(), 'store');
    await (await ChainStore.open(directory, { genesis: await smallGenesis() })).close();
    const { stdout } = await bans(directory, '--json');
    expect(eventsOf(stdout)).toEqual([error('store-mismatch', /a database of something else/)]);
  });
});

it('bans that are damaged are told of, and cost the others nothing', async () => {
  const nodedb = join(await temporaryDirectory(), 'nodes');
  await mkdir(nodedb);
  const now = Date.now();
  const made = (name: string) =>
    ({ kind: 'ip', name, by: 'user', until: now + 60_000, durationMs: 60_000, reason: '' }) as const;
  const [first, second] = [encodeBans([made('9.9.9.9')]), encodeBans([made('8.8.8.8')])];
  first[20] = 0xff;
  await using database = await NodeDatabase.open(nodedb);
  const text = {
    kind: 'node',
    name: 'no key',
    by: 'user',
    until: now + 1e6,
    durationMs: 1e6,
    reason: '\u001b[31m',
  } as const;
  await database.storeLocalBans(new Uint8Array(32), concatBytes(first, second, encodeBans([text])));
  await database.close();
  const { status, stdout } = await bans(nodedb);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^warning: 1 ban could not be read: damaged\n/);
  expect(stdout).toMatch(/ 8\.8\.8\.8\n/);
  expect(stdout).toMatch(/ node no key\n/);
  expect(stdout).not.toContain('\u001b');
  const events = eventsOf((await bans(nodedb, '--json')).stdout);
  expect(events[0]).toEqual({ event: 'bans-damaged', count: 1 });
  expect(events[2]).toMatchObject({ event: 'ban', node: 'no key' });
  expect(events[2]).not.toHaveProperty('nodeId');
});
