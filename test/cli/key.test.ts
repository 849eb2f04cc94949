import { spawnSync } from 'node:child_process';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cli, eventsOf, MAIN, run, runProcess, temporaryDirectory } from './cli.ts';

// The key and node id of the example record of EIP-778.
const SECRET_KEY = 'b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291';
const PUBLIC_KEY =
  'ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f';
const NODE_ID = '0xa448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7';

async function keyFile(content: string | Uint8Array): Promise<string> {
  const path = join(await temporaryDirectory(), 'nodekey');
  await writeFile(path, content);
  return path;
}

describe('key generate', () => {
  it('prints 64 digits, others each time', async () => {
    const [one, two] = await Promise.all([run('key', 'generate'), runProcess('key', 'generate')]);
    expect([one.status, one.stderr]).toEqual([0, '']);
    expect(one.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect(two.stdout).not.toBe(one.stdout);
  });

  it('prints one object with --json', async () => {
    const { status, stdout } = await run('key', 'generate', '--json');
    expect(status).toBe(0);
    expect(eventsOf(stdout)).toEqual([
      {
        event: 'key',
        publicKey: expect.stringMatching(/^0x[0-9a-f]{128}$/),
        nodeId: expect.stringMatching(/^0x[0-9a-f]{64}$/),
        secretKey: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      },
    ]);
  });

  it('writes a file for the owner alone, and keeps the key out of the output', async () => {
    const path = join(await temporaryDirectory(), 'nodekey');
    const { status, stdout } = await run('key', 'generate', '--out', path, '--json');
    expect(status).toBe(0);
    const key = await readFile(path, 'utf8');
    expect(key).toMatch(/^[0-9a-f]{64}\n$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(stdout).not.toContain(key.trim());
    const [printed] = eventsOf(stdout);
    expect(printed?.file).toBe(path);
    const enode = await runProcess('key', 'to-enode', path);
    expect(enode.stdout).toBe(`enode://${String(printed?.publicKey).slice(2)}@127.0.0.1:30303\n`);
  });

  it.skipIf(process.platform === 'win32')(
    'leaves no file without a key behind where no more can be written (not on Windows, which has no ulimit)',
    async () => {
      const path = join(await temporaryDirectory(), 'nodekey');
      const limited = ['-c', 'trap "" XFSZ; ulimit -f 0; exec "$0" "$@"', process.execPath, MAIN];
      const { status, stderr } = spawnSync('sh', [...limited, 'key', 'generate', '--out', path], {
        encoding: 'utf8',
      });
      expect(stderr).toContain('cannot write the key file');
      expect(status).toBe(1);
      expect((await run('key', 'generate', '--out', path)).status).toBe(0);
    },
  );

  it('overwrites nothing', async () => {
    const path = await keyFile('precious');
    const { status, stderr } = await run('key', 'generate', '--out', path);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: cannot write .*: it exists already \(file-unreadable\)\n$/);
    expect(await readFile(path, 'utf8')).toBe('precious');
  });
});

describe.runIf(process.platform !== 'win32')('a key file that never opens (where there are pipes)', () => {
  /** Says, from within the process, that it listens to signals: what follows in that turn is the opening. */
  const TELL = `process.on('newListener', (name) => {
    if (name === 'SIGTERM') setImmediate(() => console.log('listens'));
  });`;

  it('does not keep the process from ending when it is told to', async () => {
    const path = join(await temporaryDirectory(), 'pipe');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(TELL)}`;
    const cli = new Cli(['key', 'to-enode', path], { NODE_OPTIONS });
    await cli.text(/listens/);
    cli.kill('SIGTERM');
    // Of its own hand, which a shell sees as 130.
    expect((await cli.done).signal).toBe('SIGINT');
  });
});

describe('key to-enode', () => {
  it.each([
    ['bare', SECRET_KEY],
    ['with 0x and a newline', `0x${SECRET_KEY}\n`],
    ['in capitals, with a line end of Windows', `${SECRET_KEY.toUpperCase()}\r\n`],
  ])('takes the digits %s', async (_, content) => {
    const { status, stdout, stderr } = await run('key', 'to-enode', await keyFile(content));
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toBe(`enode://${PUBLIC_KEY}@127.0.0.1:30303\n`);
  });

  it.each([
    [['--ip', '10.0.0.1', '--port', '1'], '10.0.0.1:1'],
    [['--ip', '2001:db8::1', '--port', '30303', '--udp', '30301'], '[2001:db8::1]:30303?discport=30301'],
    [['--ip', 'node.example.org', '--udp', '0'], 'node.example.org:30303?discport=0'],
  ])('puts %j into the URL', async (args, location) => {
    const { stdout } = await run('key', 'to-enode', await keyFile(SECRET_KEY), '--json', ...args);
    expect(eventsOf(stdout)).toEqual([
      { event: 'enode', enode: `enode://${PUBLIC_KEY}@${location}`, nodeId: NODE_ID },
    ]);
  });

  it('refuses an address that is none', async () => {
    const { status, stderr } = await run('key', 'to-enode', await keyFile(SECRET_KEY), '--ip', '1.2.3');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: the host is not an IPv4 address \(invalid-enode\)\n$/);
  });

  it.each([
    ['one digit too few', SECRET_KEY.slice(1), /64 hexadecimal digits/],
    ['one digit too many', `${SECRET_KEY}0`, /64 hexadecimal digits/],
    [
      'a secret of another kind',
      `${'correct horse battery staple '.repeat(10_000)}`,
      /64 hexadecimal digits/,
    ],
    ['32 raw bytes', new Uint8Array(32).fill(7), /64 hexadecimal digits/],
    ['nothing', '', /64 hexadecimal digits/],
    ['zero', '0'.repeat(64), /not a secret key/],
    ['more than the order', 'f'.repeat(64), /not a secret key/],
  ])('refuses a file with %s, and does not show it', async (_, content, message) => {
    const path = await keyFile(content);
    const { status, stdout, stderr } = await run('key', 'to-enode', path);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: .* \(key-unreadable\)\n$/);
    expect(stderr).toMatch(message);
    const json = await run('key', 'to-enode', path, '--json');
    expect(json.stderr).toBe('');
    expect(eventsOf(json.stdout)).toEqual([
      { event: 'error', code: 'key-unreadable', message: expect.stringMatching(message) },
    ]);
    if (typeof content === 'string' && content !== '') {
      expect(`${stderr}${json.stdout}`).not.toContain(content.slice(0, 12));
    }
  });

  it.each([
    ['is missing', () => Promise.resolve(), /does not exist/],
    ['is a directory', (path: string) => mkdir(path), /is a directory/],
  ])('says so when the file %s', async (_, prepare, message) => {
    const path = join(await temporaryDirectory(), 'nodekey');
    await prepare(path);
    const { status, stderr } = await run('key', 'to-enode', path);
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/\(key-unreadable\)\n$/);
  });
});
