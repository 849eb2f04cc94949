import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatTreeUrl, signTree, treeTexts } from '../../src/dnsdisc/index.ts';
import { parseRecord } from '../../src/enr/index.ts';
import { ChainStore, verifyChain } from '../../src/sync/index.ts';
import { DnsServer } from '../support/dns-server.ts';
import { Cli, eventsOf, InnerCli, type JsonEvent, run, runProcess, temporaryDirectory } from './cli.ts';
import {
  lateDoor,
  SMALL,
  SMALL_GENESIS_FILE,
  SMALL_HEAD,
  serveFork,
  serveGenesis,
  serveSmall,
  smallGenesis,
} from './served-chain.ts';

/** The blocks in a store, every one of which is verified again. */
async function storedHead(path: string): Promise<{ number: number; hash: string }> {
  await using store = await ChainStore.open(path, { genesis: await smallGenesis() });
  await verifyChain(store);
  const { number, hash } = store.head();
  return { number, hash: toHex(hash) };
}

async function storeDirectory(): Promise<string> {
  return join(await temporaryDirectory(), 'store');
}

function syncArgs(store: string, enode: string, ...more: readonly string[]): string[] {
  return ['sync', '--genesis', SMALL_GENESIS_FILE, '--store', store, '--peer', enode, ...more];
}

const isDone = ({ event }: JsonEvent): boolean => event === 'done';

describe('sync', () => {
  it.each(['eth/68', 'eth/69'])('downloads and verifies a chain over %s', async (protocol) => {
    const [store, { enode }] = await Promise.all([storeDirectory(), serveSmall()]);
    const { status, stdout, stderr } = await runProcess(
      ...syncArgs(store, enode, '--json', '--protocol', protocol),
    );
    expect([status, stderr]).toEqual([0, '']);
    const events = eventsOf(stdout);
    expect(events.at(-1)).toEqual({
      event: 'done',
      head: SMALL_HEAD,
      headers: 600,
      bodies: 600,
      seconds: expect.any(Number),
    });
    expect(events.at(-2)).toEqual({ event: 'stored', bytes: expect.any(Number) });
    expect(events[0]).toEqual({
      event: 'peer-connected',
      enode: expect.stringMatching(/^enode:/),
      client: 'test',
    });
    for (const stage of ['headers', 'bodies']) {
      const last = events.filter((event) => event.event === 'progress' && event.stage === stage).at(-1);
      expect(last).toMatchObject({ done: 600, total: 600, rate: expect.any(Number), secondsLeft: 0 });
    }
    expect(await storedHead(store)).toEqual({ number: 600, hash: SMALL_HEAD });
  });

  it('has nothing to do the second time', async () => {
    const [store, { enode }] = await Promise.all([storeDirectory(), serveSmall()]);
    await run(...syncArgs(store, enode));
    const { status, stdout } = await run(...syncArgs(store, enode, '--json'));
    expect(status).toBe(0);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ event: 'done', head: SMALL_HEAD, headers: 0, bodies: 0 });
  });

  it('goes as far as it is told to, and further the next time', async () => {
    const [store, { enode }] = await Promise.all([storeDirectory(), serveSmall()]);
    const first = await run(...syncArgs(store, enode, '--to', '100', '--json'));
    expect(first.status).toBe(0);
    expect(eventsOf(first.stdout).at(-1)).toMatchObject({ event: 'done', headers: 100, bodies: 100 });
    expect((await storedHead(store)).number).toBe(100);
    const second = await run(...syncArgs(store, enode, '--json'));
    expect(eventsOf(second.stdout).at(-1)).toMatchObject({ head: SMALL_HEAD, headers: 500, bodies: 500 });
    const back = await run(...syncArgs(store, enode, '--to', '100', '--json'));
    const head = eventsOf(first.stdout).at(-1)?.head;
    expect(eventsOf(back.stdout).at(-1)).toMatchObject({ event: 'done', head, headers: 0, bodies: 0 });
  });

  it('goes to a block that is given by its hash', async () => {
    const [store, { enode }] = await Promise.all([storeDirectory(), serveSmall()]);
    const { status, stdout } = await run(...syncArgs(store, enode, '--to', SMALL_HEAD, '--json'));
    expect(status).toBe(0);
    expect(eventsOf(stdout).at(-1)).toMatchObject({
      event: 'done',
      head: SMALL_HEAD,
      headers: 600,
      bodies: 600,
    });
  });

  it('prints lines where there is no terminal', async () => {
    const [store, { enode }] = await Promise.all([storeDirectory(), serveSmall()]);
    const { status, stdout, stderr } = await run(...syncArgs(store, enode));
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^peer test connected, enode:\/\//m);
    expect(stdout).toMatch(/^headers: 600 of 600 \(100 %\), [\d,.]+\/s$/m);
    expect(stdout).toMatch(/^bodies: 600 of 600 \(100 %\), [\d,.]+\/s$/m);
    expect(stdout).toMatch(
      /^done: block 600 0x7c7af7ef[0-9a-f]+, 600 headers and 600 bodies in [\d.]+ s\n$/m,
    );
    expect(stdout).not.toContain('\u001b');
  });

  it('goes to the head of the peer that has most, not of one that is behind', async () => {
    const [store, behind, good] = await Promise.all([storeDirectory(), serveGenesis(), serveSmall()]);
    const args = syncArgs(store, behind.enode, '--peer', good.enode, '--json');
    const { status, stdout } = await run(...args);
    expect(status).toBe(0);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ event: 'done', head: SMALL_HEAD, bodies: 600 });
  });

  it.each([
    ['a number', ['--to', '600']],
    ['the best head', []],
  ])('goes to %s on the chain of most peers, though they come late', async (_, to) => {
    const [store, liar, ...good] = await Promise.all([
      storeDirectory(),
      serveFork({ bodies: 200 }),
      serveSmall(),
      serveSmall(),
    ]);
    const doors = await Promise.all(good.map(lateDoor));
    const late = doors.flatMap(({ enode }) => ['--peer', enode]);
    const cli = new InnerCli(syncArgs(store, liar.enode, ...late, ...to, '--json'));
    await liar.stalled;
    for (const door of doors) door.open();
    const connected = () => cli.events.filter(({ event }) => event === 'peer-connected');
    await cli.event(() => connected().length === 3);
    liar.release();
    expect((await cli.done).status).toBe(0);
    expect(cli.events.at(-1)).toMatchObject({ event: 'done', head: SMALL_HEAD });
    expect(await storedHead(store)).toEqual({ number: 600, hash: SMALL_HEAD });
  });

  it('does without a peer that does not answer', async () => {
    const [store, silent, good] = await Promise.all([
      storeDirectory(),
      serveSmall({ bodies: 0, headers: 600 }),
      serveSmall(),
    ]);
    const args = syncArgs(store, silent.enode, '--peer', good.enode, '--json');
    const { status, stdout } = await run(...args);
    expect(status).toBe(0);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ event: 'done', head: SMALL_HEAD });
  });
});

describe('a sync that is given no peer', () => {
  it('finds one of its chain by discovery, and again from its node database', async () => {
    const [directory, nodedb] = await Promise.all([temporaryDirectory(), storeDirectory()]);
    const serving = new InnerCli(['serve', '--chain', SMALL, '--listen', '127.0.0.1:0', '--json']);
    const { enr } = await serving.event(({ event }) => event === 'listening');
    for (const [store, ...more] of [
      ['a', '--bootnode', String(enr), '--nodedb', nodedb],
      ['b', '--nodedb', nodedb],
    ]) {
      const args = [
        'sync',
        '--genesis',
        SMALL_GENESIS_FILE,
        '--store',
        join(directory, store ?? ''),
        '--json',
      ];
      const { status, stdout, stderr } = await run(...args, ...more);
      expect([status, stderr]).toEqual([0, '']);
      expect(eventsOf(stdout).at(-1)).toMatchObject({ event: 'done', head: SMALL_HEAD, bodies: 600 });
    }
  });

  it('finds one in a list, of the DNS server that is named', async () => {
    const serving = new InnerCli(['serve', '--chain', SMALL, '--listen', '127.0.0.1:0', '--json']);
    const { enr } = await serving.event(({ event }) => event === 'listening');
    const records = [parseRecord(String(enr))];
    const tree = signTree({ domain: 'nodes.test', seq: 1n, records }, generateSecretKey(systemEnv));
    await using dns = await DnsServer.serve(treeTexts(tree));
    const args = ['sync', '--genesis', SMALL_GENESIS_FILE, '--store', await storeDirectory(), '--json'];
    const list = ['--dns', formatTreeUrl(tree.url), '--dns-server', dns.address];
    const { status, stdout, stderr } = await run(...args, ...list);
    expect([status, stderr]).toEqual([0, '']);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ event: 'done', head: SMALL_HEAD });
    expect(dns.asked.map(({ name }) => name)).toContain('nodes.test');
  });

  it('says that a bootnode takes no part in discovery', async () => {
    const serving = new InnerCli([
      'serve',
      '--chain',
      SMALL,
      '--listen',
      '127.0.0.1:0',
      '--no-discovery',
      '--json',
    ]);
    const { enode } = await serving.event(({ event }) => event === 'listening');
    const store = await storeDirectory();
    const args = ['sync', '--genesis', SMALL_GENESIS_FILE, '--store', store, '--bootnode', String(enode)];
    const { status, stderr } = await run(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(/its UDP port is 0/);
  });
});

describe('a sync that was interrupted', () => {
  it.each([
    ['killed', 'SIGKILL', { signal: 'SIGKILL' }],
    ['stopped with Ctrl-C', 'SIGINT', { status: 130, stderr: '' }],
    ['terminated', 'SIGTERM', { status: 130, stderr: '' }],
  ] as const)('between two bodies, %s, goes on where it was', async (_, signal, expected) => {
    const [store, peer] = await Promise.all([storeDirectory(), serveSmall({ bodies: 300 })]);
    const first = new Cli([...syncArgs(store, peer.enode), '--json']);
    const { done } = await first.event(({ stage, done }) => stage === 'bodies' && Number(done) > 0);
    await peer.stalled;
    first.kill(signal);
    expect(await first.done).toMatchObject(expected);
    expect(first.events.some(isDone)).toBe(false);

    peer.release();
    const second = await run(...syncArgs(store, peer.enode, '--json'));
    expect(second.status).toBe(0);
    const last = eventsOf(second.stdout).at(-1);
    expect(last).toMatchObject({ event: 'done', head: SMALL_HEAD, headers: 0 });
    expect(Number(last?.bodies)).toBeGreaterThanOrEqual(600 - 299);
    expect(Number(last?.bodies)).toBeLessThanOrEqual(600 - Number(done));
    expect(await storedHead(store)).toEqual({ number: 600, hash: SMALL_HEAD });
  });

  it('between two headers, killed, goes on', async () => {
    const [store, peer] = await Promise.all([storeDirectory(), serveSmall({ headers: 200 })]);
    const first = new Cli([...syncArgs(store, peer.enode), '--json']);
    await peer.stalled;
    first.kill('SIGKILL');
    expect((await first.done).signal).toBe('SIGKILL');

    peer.release();
    const second = await run(...syncArgs(store, peer.enode, '--json'));
    expect(second.status).toBe(0);
    expect(eventsOf(second.stdout).at(-1)).toMatchObject({ event: 'done', head: SMALL_HEAD, bodies: 600 });
    expect(await storedHead(store)).toEqual({ number: 600, hash: SMALL_HEAD });
  });
});

describe('sync fails', () => {
  it('when the store is in use', async () => {
    const [store, peer] = await Promise.all([storeDirectory(), serveSmall({ bodies: 1 })]);
    const first = new Cli([...syncArgs(store, peer.enode), '--json']);
    await first.event(({ event }) => event === 'progress');
    const second = await run(...syncArgs(store, peer.enode, '--json'));
    expect(second.status).toBe(1);
    expect(eventsOf(second.stdout)).toEqual([
      { event: 'error', code: 'store-locked', message: expect.stringContaining('in use') },
    ]);
  });

  it('when no peer is there, and says what became of them', async () => {
    const [store, { enode, server }] = await Promise.all([storeDirectory(), serveSmall()]);
    await server.close();
    const { status, stdout } = await runProcess(...syncArgs(store, enode, '--json', '--patience', '0.5'));
    expect(status).toBe(1);
    const events = eventsOf(stdout);
    expect(events[0]).toMatchObject({
      event: 'dial-failed',
      code: 'dial-failed',
      redialInMs: expect.any(Number),
    });
    expect(events.at(-1)).toMatchObject({ event: 'error', code: 'no-peers' });
    expect(events.at(-1)?.message).toMatch(/\(dial-failed\)$/);
  });

  it('with a line that says when a peer that is not there is dialed again', async () => {
    const [store, { enode, server }] = await Promise.all([storeDirectory(), serveSmall()]);
    await server.close();
    const { stdout } = await run(...syncArgs(store, enode, '--patience', '0.5'));
    expect(stdout).toMatch(/^no peer at enode:.* \(dial-failed\); dialing it again in (3\d|4[0-4]) s$/m);
  });

  it('when the peer is on another chain', async () => {
    const [directory, { enode }] = await Promise.all([temporaryDirectory(), serveSmall()]);
    const genesis = join(directory, 'genesis.json');
    const file: unknown = JSON.parse(await readFile(SMALL_GENESIS_FILE, 'utf8'));
    await writeFile(genesis, JSON.stringify({ ...(file as object), gasLimit: '0x1' }));
    const store = join(directory, 'store');
    const args = [
      'sync',
      '--genesis',
      genesis,
      '--store',
      store,
      '--peer',
      enode,
      '--patience',
      '0.5',
      '--json',
    ];
    const { status, stdout } = await run(...args);
    expect(status).toBe(1);
    const events = eventsOf(stdout);
    const left = events.find(({ event }) => event === 'peer-disconnected');
    // Whoever reads the other's Status first.
    expect(['genesis-mismatch', 'remote-disconnect']).toContain(left?.code);
    expect(events.at(-1)).toMatchObject({ event: 'error', code: 'no-peers' });
  });

  it('when the peers do not go as far as wanted', async () => {
    const [store, { enode }] = await Promise.all([storeDirectory(), serveSmall()]);
    const args = syncArgs(store, enode, '--to', '601', '--patience', '0.5', '--json');
    const { status, stdout } = await run(...args);
    expect(status).toBe(1);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ event: 'error', code: 'chain-not-found' });
  });

  it('when the store is of another chain', async () => {
    const [directory, { enode }] = await Promise.all([temporaryDirectory(), serveSmall()]);
    const store = join(directory, 'store');
    await run(...syncArgs(store, enode, '--to', '1'));
    const genesis = join(directory, 'genesis.json');
    const file: unknown = JSON.parse(await readFile(SMALL_GENESIS_FILE, 'utf8'));
    await writeFile(genesis, JSON.stringify({ ...(file as object), gasLimit: '0x1' }));
    const { status, stderr } = await run('sync', '--genesis', genesis, '--store', store, '--peer', enode);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: the chain store belongs to genesis 0x8c01c3de.* \(store-mismatch\)\n$/);
  });

  it.each<[string, (store: string, file: string) => string[], string]>([
    ['a key file that holds no key', (store, file) => syncArgs(store, PEER, '--key', file), 'key-unreadable'],
    [
      'a genesis file that is none',
      (store, file) => ['sync', '--genesis', file, '--store', store, '--peer', PEER],
      'genesis-invalid',
    ],
    [
      'a genesis file that is not there',
      (store, file) => ['sync', '--genesis', `${file}x`, '--store', store, '--peer', PEER],
      'file-unreadable',
    ],
    ['a store that is a file', (_, file) => syncArgs(file, PEER), 'file-unreadable'],
  ])('for %s', async (_, args, code) => {
    const file = join(await temporaryDirectory(), 'file');
    await writeFile(file, 'none of that');
    const { status, stdout, stderr } = await run(...args(await storeDirectory(), file), '--json');
    expect([status, stderr]).toEqual([1, '']);
    expect(eventsOf(stdout)).toEqual([{ event: 'error', code, message: expect.any(String) }]);
  });
});

const PEER = `enode://1dd9d65c4552b5eb43d5ad55a2ee3f56c6cbc1c64a5c8d659f51fcd51bace24351232b8d7821617d2b29b54b81cdefb9b3e9c37d7fd5f63270bcc9e1a6f6a439@127.0.0.1:1`;
