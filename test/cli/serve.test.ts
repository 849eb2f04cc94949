import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { parseEnode, parseRecord } from '../../src/enr/index.ts';
import { Cli, eventsOf, InnerCli, type Running, run, temporaryDirectory } from './cli.ts';
import { SMALL, SMALL_GENESIS_FILE, SMALL_HEAD } from './served-chain.ts';

const KEY = 'b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291';

const SERVE = ['serve', '--listen', '127.0.0.1:0', '--json'];

/** Starts `serve --json` on a free port in this process; `enode` when it listens. */
function serve(args: readonly string[]): Promise<{ cli: Running; enode: string }> {
  return listening(new InnerCli([...SERVE, ...args]));
}

/** The same in a process of its own. */
function serveProcess(args: readonly string[], env: NodeJS.ProcessEnv) {
  return listening(new Cli([...SERVE, ...args], env));
}

async function listening(cli: Running): Promise<{ cli: Running; enode: string }> {
  const { enode } = await cli.event(({ event }) => event === 'listening');
  return { cli, enode: String(enode) };
}

/** What a peer of the server says in its Status. */
async function statusOf(enode: string): Promise<unknown> {
  const { stdout } = await run('dial', enode, '--json');
  return eventsOf(stdout).find(({ event }) => event === 'status');
}

/** A chain directory with these files. */
async function chainDirectory(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const directory = join(await temporaryDirectory(), 'chain');
  await mkdir(directory);
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  return directory;
}

const genesis = await readFile(SMALL_GENESIS_FILE, 'utf8');
const packed = await readFile(join(SMALL, 'chain.rlp.gz'));
const unpacked = gunzipSync(packed);

describe('serve', () => {
  it('says first where it listens, serves peers, and stops at Ctrl-C', async () => {
    const temporary = await temporaryDirectory();
    const keyFile = join(await temporaryDirectory(), 'nodekey');
    await writeFile(keyFile, KEY);
    const { cli, enode } = await serveProcess(['--chain', SMALL, '--key', keyFile], { TMPDIR: temporary });
    expect(await readdir(temporary)).toHaveLength(1);

    const [first] = cli.events;
    expect(first).toEqual({ event: 'listening', enode, enr: expect.any(String) });
    const { publicKey, host, tcpPort } = parseEnode(enode);
    const record = parseRecord(String(first?.enr));
    expect([record.publicKey, record.get('ip'), record.get('tcp')]).toEqual([publicKey, host, tcpPort]);
    expect((await run('key', 'to-enode', keyFile)).stdout).toContain(enode.slice(0, enode.indexOf('@')));

    expect(await statusOf(enode)).toMatchObject({ headNumber: 600, headHash: SMALL_HEAD });
    await cli.event(({ event }) => event === 'peer-disconnected');
    cli.kill('SIGINT');
    const { status, stderr } = await cli.done;
    expect([status, stderr]).toEqual([130, '']);
    expect(cli.events.map(({ event }) => event)).toEqual([
      'listening',
      'peer-connected',
      'peer-disconnected',
    ]);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('names the address at which others reach it, of a family that it listens on', async () => {
    const { cli, enode } = await serve(['--chain', SMALL, '--extip', '203.0.113.7']);
    expect(parseEnode(enode).host).toBe('203.0.113.7');
    expect(parseRecord(String(cli.events[0]?.enr)).get('ip')).toBe('203.0.113.7');
    const other = await run(
      'serve',
      '--listen',
      '0.0.0.0:0',
      '--chain',
      SMALL,
      '--extip',
      '2001:db8::1',
      '--json',
    );
    expect([other.status, eventsOf(other.stdout)]).toEqual([
      1,
      [{ event: 'error', code: 'invalid-argument', message: expect.stringMatching(/nobody reaches/) }],
    ]);
  });

  it('says that its address is not known where it listens on all, and how it comes to be', async () => {
    const args = ['serve', '--chain', SMALL, '--listen', '0.0.0.0:0'];
    const learning = new InnerCli([...args, '--json']);
    const { note } = await learning.event(({ event }) => event === 'listening');
    expect(note).toMatch(/^the address is not known yet: .* Pongs of others, and --extip says it at once$/);
    const alone = new InnerCli([...args, '--no-discovery']);
    expect(await alone.text(/^note .*\n/m)).toMatch(
      /^note {5}the address is not known yet: .* machine; --extip says it$/m,
    );
  });

  it('says goodbye to its peers at SIGTERM', async () => {
    const { cli, enode } = await serve(['--chain', SMALL]);
    const store = join(await temporaryDirectory(), 'store');
    const to = ['--to', '601', '--patience', '1000'];
    const sync = new InnerCli([
      'sync',
      '--genesis',
      SMALL_GENESIS_FILE,
      '--peer',
      enode,
      '--store',
      store,
      '--json',
      ...to,
    ]);
    await sync.event(({ event }) => event === 'peer-connected');
    cli.kill('SIGTERM');
    expect((await cli.done).status).toBe(130);
    const left = await sync.event(({ event }) => event === 'peer-disconnected');
    expect(left).toMatchObject({
      code: 'remote-disconnect',
      message: expect.stringContaining('client-quitting'),
    });
  });

  it('prints where it listens in words', async () => {
    const cli = new Cli(['serve', '--chain', SMALL, '--listen', '127.0.0.1:0']);
    const text = await cli.text(/^enr .*\n/m);
    expect(text).toMatch(/^import: 306\.4 kB of 306\.4 kB \(100 %\)/m);
    expect(text).toMatch(/^chain {4}600 blocks of network 1337331, head 0x7c7af7ef/m);
    expect(text).toMatch(/^enode {4}enode:\/\/[0-9a-f]{128}@127\.0\.0\.1:\d+/m);
    expect(text).toMatch(/^enr {6}enr:/m);
    cli.kill('SIGINT');
    expect((await cli.done).status).toBe(130);
  });

  it('takes a chain that is not packed, and keeps it where it is told to', async () => {
    const chain = await chainDirectory({ 'genesis.json': genesis, 'chain.rlp': unpacked });
    const store = join(await temporaryDirectory(), 'store');
    const first = await serve(['--chain', chain, '--store', store]);
    expect(await statusOf(first.enode)).toMatchObject({ headHash: SMALL_HEAD });
    first.cli.kill('SIGINT');
    await first.cli.done;
    // Of the chain file only the first blocks are left: the rest comes from the store.
    await writeFile(join(chain, 'chain.rlp'), unpacked.subarray(0, 0));
    const second = await serve(['--chain', chain, '--store', store]);
    expect(await statusOf(second.enode)).toMatchObject({ headHash: SMALL_HEAD });
  });

  it.each([
    ['eth/68', { protocol: 'eth/68', headHash: SMALL_HEAD, totalDifficulty: expect.stringMatching(/^\d+$/) }],
    ['eth/69', { protocol: 'eth/69', headHash: SMALL_HEAD, headNumber: 600, earliest: 0 }],
  ])('offers %s alone when told to', async (protocol, expected) => {
    const { enode } = await serve(['--chain', SMALL, '--protocol', protocol]);
    const { stdout } = await run('dial', enode, '--json');
    const [hello, status] = eventsOf(stdout);
    expect(hello).toMatchObject({ capabilities: [protocol] });
    expect(status).toMatchObject(expected);
  });

  it('takes the name of a host', async () => {
    const cli = new InnerCli(['serve', '--chain', SMALL, '--listen', 'localhost:0', '--json']);
    const { enode } = await cli.event(({ event }) => event === 'listening');
    expect(['127.0.0.1', '::1']).toContain(parseEnode(String(enode)).host);
    expect(await statusOf(String(enode))).toMatchObject({ headNumber: 600 });
  });

  it('stops in order when Ctrl-C arrives twice, as npm passes it on', async () => {
    const temporary = await temporaryDirectory();
    const { cli } = await serveProcess(['--chain', SMALL], { TMPDIR: temporary });
    cli.kill('SIGINT');
    cli.kill('SIGTERM');
    expect((await cli.done).status).toBe(130);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('names the port that is in use, before it imports', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => void blocker.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void blocker.close());
    const address = blocker.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const temporary = await temporaryDirectory();
    const args = ['serve', '--chain', SMALL, '--listen', `127.0.0.1:${port}`];
    const { status, stdout, stderr } = await new Cli(args, { TMPDIR: temporary }).done;
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toBe(`error: 127.0.0.1:${port} is in use (port-in-use)\n`);
    expect(await readdir(temporary)).toEqual([]);
  });
});

describe('serve refuses', () => {
  const broken = { ...JSON.parse(genesis) };

  it.each<[string, Readonly<Record<string, string | Uint8Array>>, string, RegExp]>([
    ['a directory without a genesis file', { 'chain.rlp': unpacked }, 'file-unreadable', /does not exist/],
    [
      'a directory without a chain file',
      { 'genesis.json': genesis },
      'file-unreadable',
      /neither chain\.rlp nor/,
    ],
    ['a genesis file that is not JSON', { 'genesis.json': genesis.slice(0, 999) }, 'genesis-invalid', /JSON/],
    [
      'a genesis file without a chain id',
      { 'genesis.json': JSON.stringify({ ...broken, config: {} }) },
      'genesis-invalid',
      /chainId/,
    ],
    [
      'the genesis file of another chain',
      { 'genesis.json': JSON.stringify({ ...broken, gasLimit: '0x1' }) },
      'genesis-mismatch',
      /another genesis block/,
    ],
    [
      'a chain file cut in a block',
      { 'chain.rlp': unpacked.subarray(0, 400_000) },
      'chain-file-damaged',
      /byte \d+/,
    ],
    [
      'a packed chain file cut short',
      { 'chain.rlp.gz': packed.subarray(0, 99_999) },
      'chain-file-damaged',
      /gzip/,
    ],
    ['a chain file that is none', { 'chain.rlp': 'no chain' }, 'chain-file-damaged', /not an RLP list/],
  ])('%s', async (_, files, code, message) => {
    const needed = 'chain.rlp' in files || 'chain.rlp.gz' in files ? {} : { 'chain.rlp': unpacked };
    const rest = code === 'file-unreadable' ? {} : { 'genesis.json': genesis, ...needed };
    const chain = await chainDirectory({ ...rest, ...files });
    const temporary = await temporaryDirectory();
    vi.stubEnv('TMPDIR', temporary);
    onTestFinished(() => void vi.unstubAllEnvs());
    const { status, stdout, stderr } = await run(
      'serve',
      '--chain',
      chain,
      '--listen',
      '127.0.0.1:0',
      '--json',
    );
    expect([status, stderr]).toEqual([1, '']);
    expect(eventsOf(stdout)).toEqual([{ event: 'error', code, message: expect.stringMatching(message) }]);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('a packed chain file cut short, of which as much was read as there is', async () => {
    const chain = await chainDirectory({
      'genesis.json': genesis,
      'chain.rlp.gz': packed.subarray(0, 150_000),
    });
    const { status, stdout } = await run('serve', '--chain', chain, '--listen', '127.0.0.1:0');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^import: 150(\.0)? kB of 150(\.0)? kB \(100 %\)/m);
  });

  it('a key file that holds no key', async () => {
    const keyFile = join(await temporaryDirectory(), 'nodekey');
    await writeFile(keyFile, KEY.slice(2));
    const args = ['--chain', SMALL, '--listen', '127.0.0.1:0', '--key', keyFile];
    const { status, stdout, stderr } = await run('serve', ...args);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: cannot read the key file .* \(key-unreadable\)\n$/);
    expect(stderr).not.toContain(KEY.slice(2, 12));
  });

  it('a store of another chain', async () => {
    const store = join(await temporaryDirectory(), 'store');
    const first = await serve(['--chain', SMALL, '--store', store]);
    first.cli.kill('SIGINT');
    await first.cli.done;
    const other = JSON.stringify({ ...broken, gasLimit: '0x1' });
    const chain = await chainDirectory({ 'genesis.json': other });
    await copyFile(join(SMALL, 'chain.rlp.gz'), join(chain, 'chain.rlp.gz'));
    const args = ['--chain', chain, '--store', store, '--listen', '127.0.0.1:0', '--json'];
    const { status, stdout } = await run('serve', ...args);
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([
      { event: 'error', code: 'store-mismatch', message: expect.any(String) },
    ]);
  });
});
