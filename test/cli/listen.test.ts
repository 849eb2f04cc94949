import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toBareHex, toHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, nodeIdOf, parseEnode, parseRecord } from '../../src/enr/index.ts';
import { MIN_LOCAL_VOTES } from '../../src/server/endpoint-votes.ts';
import { NodeDatabase } from '../../src/server/index.ts';
import { SMALL_CHAIN } from '../interop/chains.ts';
import { type Bootnode, bootnode, bootnodeProcess, enodeOf, ownNode } from './bootnode.ts';
import { Cli, eventsOf, InnerCli, run, temporaryDirectory } from './cli.ts';

const SOON = ['--stats', '0.1'] as const;

async function files() {
  const directory = await temporaryDirectory();
  const [key, nodedb] = [join(directory, 'nodekey'), join(directory, 'nodes')];
  const secretKey = generateSecretKey(systemEnv);
  await writeFile(key, toBareHex(secretKey));
  return { directory, nodedb, secretKey, args: ['--key', key, '--nodedb', nodedb] };
}

async function stopped({ cli }: Bootnode): Promise<void> {
  cli.kill('SIGINT');
  const { status, stderr } = await cli.done;
  expect([status, stderr]).toEqual([130, '']);
}

const seqOf = ({ enr }: Bootnode): bigint => parseRecord(enr).seq;

/** The figures in which so many nodes are live. */
async function live({ cli }: Bootnode, count: number) {
  return cli.event(({ event, live }) => event === 'stats' && Number(live) >= count);
}

describe('listen', () => {
  it('says first where it listens, as go-ethereum writes nodes without TCP', async () => {
    const boot = await bootnodeProcess();
    expect(boot.cli.events).toEqual([
      { event: 'listening', enode: boot.enode, enr: boot.enr, versions: ['v4', 'v5'] },
    ]);
    const { publicKey, host, tcpPort, udpPort } = parseEnode(boot.enode);
    expect([host, tcpPort]).toEqual(['127.0.0.1', 0]);
    expect(boot.enode).toMatch(/@127\.0\.0\.1:0\?discport=\d+$/);
    const record = parseRecord(boot.enr);
    expect(record.publicKey).toEqual(publicKey);
    expect(record.entries()).toMatchObject({ ip: '127.0.0.1', udp: udpPort });
    expect([record.get('tcp'), record.get('udp6')]).toEqual([undefined, undefined]);
    await stopped(boot);
  });

  it('lets nodes find each other, and prints figures', async () => {
    const boot = await bootnode(...SOON);
    const [a, b] = [await ownNode({ bootnodes: [boot.enr] }), await ownNode({ bootnodes: [boot.enode] })];
    expect(await live(boot, 2)).toEqual({
      ...{ event: 'stats', version: 'v4', table: 2, live: 2, replacements: 0, known: 2 },
      ...{ packetsPerSecond: expect.any(Number), received: expect.any(Number), shed: 0 },
      ...{ sent: expect.any(Number), sentBytes: expect.any(Number), dropped: expect.any(Object) },
    });
    expect((await a.resolve(b.publicKey))?.encoded).toEqual(b.record.encoded);
  });

  it('prints it in words', async () => {
    const cli = new Cli(['listen', '--listen', '127.0.0.1:0', ...SOON]);
    const text = await cli.text(/packets\/s/);
    expect(text).toMatch(/^enode {4}enode:\/\/[0-9a-f]{128}@127\.0\.0\.1:0\?discport=\d+$/m);
    expect(text).toMatch(/^enr {6}enr:/m);
    expect(text).toMatch(/^v4: table 0, of which 0 live, 0 known, [\d.]+ packets\/s, 0 shed, sent 0 bytes$/m);
    cli.kill('SIGTERM');
    expect((await cli.done).status).toBe(130);
  });

  it.each([
    ['0.0.0.0:0', [], '127.0.0.1', {}],
    ['[::]:0', [], '::1', {}],
    ['[::1]:0', [], '::1', { ip6: '::1' }],
    ['0.0.0.0:0', ['--extip', '203.0.113.7'], '203.0.113.7', { ip: '203.0.113.7' }],
    ['127.0.0.1:0', ['--extip', '203.0.113.7'], '203.0.113.7', { ip: '203.0.113.7' }],
    [':0', ['--extip', '2001:db8::7'], '2001:db8::7', { ip6: '2001:db8::7' }],
    [':0', ['--extip', '203.0.113.7'], '203.0.113.7', { ip: '203.0.113.7' }],
    ['[::ffff:127.0.0.1]:0', [], '127.0.0.1', { ip: '127.0.0.1' }],
    ['[0:0:0:0:0:0:0:0]:0', ['--extip', '203.0.113.7'], '203.0.113.7', { ip: '203.0.113.7' }],
  ])('on %s with %j names %s', async (listen, args, host, addresses) => {
    const boot = await bootnode('--listen', listen, ...args);
    const { host: named, udpPort } = parseEnode(boot.enode);
    expect(named).toBe(host);
    const { ip, ip6, udp, udp6 } = parseRecord(boot.enr).entries();
    expect({ ip, ip6 }).toEqual({ ip: undefined, ip6: undefined, ...addresses });
    expect(udp ?? udp6).toBe(udpPort);
  });

  it('says that a record without an address leads nowhere', async () => {
    const cli = new InnerCli(['listen', '--listen', '0.0.0.0:0']);
    const note =
      /the address is not known yet: .* learnt from the Pongs of others, and --extip says it at once/;
    expect(await cli.text(/^note .*\n/m)).toMatch(note);
    const { cli: json } = await bootnode('--listen', '0.0.0.0:0');
    expect(json.events[0]?.note).toMatch(note);
  });

  it.each([['listen'], ['serve', '--chain', dirname(SMALL_CHAIN.genesis)]])(
    'and %s tell where others see them, once enough of them do',
    async (...command) => {
      const cli = new InnerCli([...command, '--listen', '0.0.0.0:0', '--json']);
      const { enode } = await cli.event(({ event }) => event === 'listening');
      for (let i = 0; i < MIN_LOCAL_VOTES; i++) await (await ownNode()).requestRecord(String(enode));
      const moved = await cli.event(({ event }) => event === 'endpoint-changed');
      expect(moved).toEqual({ event: 'endpoint-changed', enode, enr: expect.stringMatching(/^enr:/) });
      const { udpPort } = parseEnode(String(enode));
      expect(parseRecord(String(moved.enr)).entries()).toMatchObject({ ip: '127.0.0.1', udp: udpPort });
      cli.kill('SIGINT');
      await cli.done;
    },
  );

  it('begins with bootnodes by their host names, and tells of one that cannot be looked up yet', async () => {
    const node = await ownNode();
    const named = enodeOf(node, 'localhost');
    const boot = await bootnode(...SOON, '--bootnode', enodeOf(node, 'no.such.invalid'), '--bootnode', named);
    await live(boot, 1);
    const failure = await boot.cli.event(({ event }) => event === 'discovery-failed');
    expect(failure).toEqual({
      ...{ event: 'discovery-failed', part: 'bootnode', code: 'lookup-failed', retryInMs: 10_000 },
      message: expect.stringMatching(/^the host of enode:.* cannot be looked up: .*no\.such\.invalid/),
    });
    expect(boot.cli.events[0]?.event).toBe('listening');
    await stopped(boot);
  });

  it('is no bootnode of its own', async () => {
    const { args, secretKey } = await files();
    const publicKey = publicKeyOf(secretKey);
    const own = formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 0, udpPort: 9 });
    const boot = await bootnode(...args, ...SOON, '--bootnode', own);
    expect(await boot.cli.event(({ event }) => event === 'stats')).toMatchObject({ table: 0, sent: 0 });
  });
});

describe('the database of a bootnode', () => {
  it('leads back to the nodes that answered', async () => {
    const { args, nodedb } = await files();
    const node = await ownNode();
    const first = await bootnode(...args, ...SOON, '--bootnode', enodeOf(node));
    await live(first, 1);
    await stopped(first);
    const stored = await NodeDatabase.open(nodedb);
    const kept = await stored.get(nodeIdOf(node.publicKey));
    await stored.close();
    expect(kept).toMatchObject({ endpoint: { host: '127.0.0.1', udpPort: node.port }, failures: 0 });
    const second = await bootnode(...args, ...SOON);
    expect(await live(second, 1)).toMatchObject({ table: 1, known: 1 });
  });

  it('keeps the sequence number from going back, also after kill -9 and when the clock does', async () => {
    const { args, nodedb, secretKey } = await files();
    const first = await bootnodeProcess(...args);
    first.cli.kill('SIGKILL');
    await first.cli.done;
    const id = nodeIdOf(publicKeyOf(secretKey));
    const database = await NodeDatabase.open(nodedb);
    expect(await database.localSeq(id)).toBe(seqOf(first));
    expect(await database.get(id)).toBeUndefined();
    // As if the clock had been ahead by a day.
    const ahead = seqOf(first) + 86_400_000n;
    await database.storeLocalSeq(id, ahead);
    await database.close();
    expect(seqOf(await bootnode(...args))).toBeGreaterThan(ahead);
  });

  it('is set aside when it is damaged, and the bootnode starts', async () => {
    const { args, directory, nodedb } = await files();
    await stopped(await bootnode(...args));
    await writeFile(join(nodedb, 'CURRENT'), 'MANIFEST-999999\n');
    const boot = await bootnode(...args);
    const warning = await boot.cli.event(({ event }) => event === 'node-database-set-aside');
    expect(boot.cli.events.map(({ event }) => event)).toEqual(['listening', 'node-database-set-aside']);
    expect(warning).toMatchObject({ path: nodedb, code: 'store-damaged', message: expect.any(String) });
    const aside = String(warning.movedTo);
    expect((await readdir(directory)).map((name) => join(directory, name))).toContain(aside);
    expect(await readFile(join(aside, 'CURRENT'), 'utf8')).toBe('MANIFEST-999999\n');
  });
});

describe('listen refuses', () => {
  async function errorOf(...args: readonly string[]): Promise<unknown> {
    const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
    const { status, stdout, stderr } = await run('listen', ...listen, ...args, '--json');
    expect([status, stderr]).toEqual([1, '']);
    const events = eventsOf(stdout);
    expect(events).toEqual([{ event: 'error', code: expect.any(String), message: expect.any(String) }]);
    return events[0]?.code;
  }

  it('a port that is taken', async () => {
    const { port } = await ownNode();
    expect(await errorOf('--listen', `127.0.0.1:${port}`)).toBe('port-in-use');
  });

  it('an address of another machine', async () => {
    expect(await errorOf('--listen', '192.0.2.1:0')).toBe('listen-failed');
    expect(await errorOf('--listen', 'no.such.invalid:0')).toBe('listen-failed');
  });

  it.each([
    '224.0.0.1:0',
    '[ff02::1]:0',
    '[::ffff:224.0.0.1]:0',
    '255.255.255.255:0',
    '127.255.255.255:0',
    '240.0.0.1:0',
  ])('%s, which is not the address of one host', async (listen) => {
    expect(await errorOf('--listen', listen)).toBe('invalid-argument');
  });

  it.each([
    ['127.0.0.1:0', '2001:db8::7'],
    ['0.0.0.0:0', '2001:db8::7'],
    ['[::1]:0', '203.0.113.7'],
  ])('on %s to be known by %s, an address of the other family', async (listen, extip) => {
    expect(await errorOf('--listen', listen, '--extip', extip)).toBe('invalid-argument');
  });

  it('a key file that cannot be read, or holds no key', async () => {
    const path = join(await temporaryDirectory(), 'nodekey');
    expect(await errorOf('--key', path)).toBe('key-unreadable');
    await writeFile(path, toHex(randomBytes(31)));
    expect(await errorOf('--key', path)).toBe('key-unreadable');
  });

  it('a database that another process has open', async () => {
    const { args } = await files();
    await bootnodeProcess(...args);
    expect(await errorOf(...args)).toBe('store-locked');
  });

  it('a database that is a file, or of something else', async () => {
    const { directory, nodedb } = await files();
    await writeFile(nodedb, '');
    expect(await errorOf('--nodedb', nodedb)).toBe('file-unreadable');
    const readme = join(directory, 'nodekey');
    expect(await errorOf('--nodedb', join(readme, 'nodes'))).toBe('file-unreadable');
  });

  it('more bootnodes than a start takes', async () => {
    const one = `enode://${toBareHex(publicKeyOf(randomBytes(32)))}@127.0.0.1:30303`;
    const args = Array.from({ length: 1_001 }, () => ['--bootnode', one]).flat();
    expect(await errorOf(...args)).toBe('invalid-argument');
  });
});
