import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Command, Option } from 'commander';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { createProgram } from '../../src/cli/program.ts';
import { backend, publicKeyOf } from '../../src/crypto/index.ts';
import { Cli, eventsOf, MAIN, run, runProcess } from './cli.ts';

const START = fileURLToPath(new URL('../../scripts/start.js', import.meta.url));
const SMALL = fileURLToPath(new URL('../../data/small', import.meta.url));
const CHAIN = ['--chain', 'x', '--listen', ':0'];
const NODE = `enode://${toBareHex(publicKeyOf(new Uint8Array(32).fill(1)))}@127.0.0.1:1`;
const LIST = 'enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@nodes.example.org';
const manifest: unknown = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));

function optionsOf(command: Command): Option[] {
  return [...command.options, ...command.commands.flatMap(optionsOf)];
}

describe('the command line', () => {
  it('knows its version', async () => {
    const { status, stdout } = await run('--version');
    expect([status, stdout.trim()]).toEqual([0, (manifest as { version: string }).version]);
  });

  it('helps, with status 0 when it was asked to', async () => {
    const { status, stdout } = await run('--help');
    expect(status).toBe(0);
    const commands = ['key', 'enr', 'info', 'dial', 'serve', 'sync', 'nodeset', 'bans', 'topic', 'bench'];
    const discovery = ['ping', 'enr-request', 'resolve', 'lookup', 'listen'];
    for (const command of [...commands, ...discovery]) expect(stdout).toContain(`  ${command} `);
    expect(stdout).toMatch(/Exit status: 0 .* 1 .* 2 .*\n130 /);
    const bare = await run();
    expect(bare.status).toBe(2);
    expect(bare.stderr).toContain('Usage: peerlane');
  });

  it('names defaults as they may be typed', async () => {
    const options = optionsOf(await createProgram());
    const withDefault = options.filter(
      ({ defaultValue, required }) => required && defaultValue !== undefined,
    );
    expect(withDefault.length).toBeGreaterThan(10);
    for (const { defaultValue, defaultValueDescription, parseArg } of withDefault) {
      const typed = defaultValueDescription ?? String(defaultValue);
      expect(parseArg?.(typed, undefined) ?? typed).toEqual(defaultValue);
    }
  });

  it('takes durations everywhere in one form, and says so', async () => {
    const durations = optionsOf(await createProgram()).filter(({ flags }) =>
      /<(duration|seconds)>/.test(flags),
    );
    expect(durations.length).toBeGreaterThan(10);
    for (const { flags, description, parseArg } of durations) {
      expect(flags).toMatch(/<duration>$/);
      expect(description).toMatch(/a number alone is seconds/);
      expect(parseArg?.('90', undefined)).toBe(90_000);
      expect(parseArg?.('1m30s', undefined)).toBe(90_000);
    }
  });

  it.each([
    [['frobnicate'], /unknown command 'frobnicate'/],
    [['info', '--frobnicate'], /unknown option '--frobnicate'/],
    [['info', 'extra'], /too many arguments/],
    [['key', 'to-enode'], /missing required argument 'file'/],
    [['key', 'to-enode', 'x', '--port', '65536'], /expected a port from 0 to 65535/],
    [['enr', 'new'], /required option '--key <file>'/],
    [['enr', 'new', '--key', 'x', '--ip', '1.2.3'], /expected an IPv4 address/],
    [['enr', 'set', 'enr:x', 'tcp', '--key', 'x'], /expected KEY=VALUE/],
    [['serve', '--listen', '127.0.0.1:0'], /required option '--chain <dir>'/],
    [['serve', '--chain', 'x', '--listen', '127.0.0.1'], /expected HOST:PORT/],
    [['serve', '--chain', 'x', '--listen', '::1:0'], /expected HOST:PORT/],
    [['serve', '--chain', 'x', '--listen', ':0', '--protocol', 'eth/67'], /eth\/68/],
    ...['--netrestrict', '--netdeny'].flatMap((option) =>
      ['listen', `serve ${CHAIN.join(' ')}`, `sync --genesis x --store y --peer ${NODE}`].map(
        (command): [string[], RegExp] => [
          [...command.split(' '), option, '10.0.0.1/8'],
          /the block around it is 10\.0\.0\.0\/8/,
        ],
      ),
    ),
    [['sync', '--genesis', 'x', '--store', 'y'], /one of --peer, --bootnode, --dns and --nodedb is required/],
    [
      ['serve', ...CHAIN, '--no-discovery', '--bootnode', NODE],
      /'--no-discovery' cannot be used with.*--boot/,
    ],
    [
      ['serve', ...CHAIN, '--nodedb', 'y', '--no-discovery'],
      /'--no-discovery' cannot be used with.*--nodedb/,
    ],
    [['serve', ...CHAIN, '--no-discovery', '--discovery-port', '0'], /cannot be used with.*--discovery-port/],
    [['serve', ...CHAIN, '--no-discovery', '--v5'], /'--no-discovery' cannot be used with.*--v5/],
    [
      ['sync', '--genesis', 'x', '--store', 'y', '--peer', NODE, '--v5'],
      /--v5 is for .*there is no discovery/,
    ],
    [['serve', ...CHAIN, '--no-discovery', '--dns', LIST], /'--no-discovery' cannot be used with.*--dns/],
    [
      ['serve', ...CHAIN, '--no-discovery', '--dns-server', '127.0.0.1:53'],
      /'--no-discovery' cannot be used with.*--dns-server/,
    ],
    ...['crawl x', `serve ${CHAIN.join(' ')}`, `sync --genesis x --store y --bootnode ${NODE}`].flatMap(
      (command): [string[], RegExp][] => [
        [[...command.split(' '), '--dns-server', '127.0.0.1:53'], /--dns-server is for --dns/],
        [[...command.split(' '), '--dns', LIST, '--dns-server', 'x'], /'--dns-server <address>'.*invalid/],
      ],
    ),
    [
      ['sync', '--genesis', 'x', '--store', 'y', '--peer', NODE, '--discovery-port', '1'],
      /there is no discovery/,
    ],
    [['sync', '--genesis', 'x', '--store', 'y', '--peer', NODE, '--to', '-1'], /expected a block number/],
    [['sync', '--genesis', 'x', '--store', 'y', '--peer', NODE, '--to', '1e3'], /expected a block number/],
    [['sync', '--genesis', 'x', '--store', 'y', '--peer', 'z'], /starts with "enode:/],
    ...[
      'listen',
      'lookup',
      'resolve x',
      'crawl x',
      `serve ${CHAIN.join(' ')}`,
      'sync --genesis x --store y',
    ].flatMap((command): [string[], RegExp][] => [
      [
        [...command.split(' '), '--bootnode', NODE, '--bootnode', 'z'],
        /'z' is invalid. .*starts with "enode:/,
      ],
      [[...command.split(' '), '--bootnode', `${NODE}?discport=0`], /takes no part in discovery/],
      [[...command.split(' '), '--bootnode', NODE.replace('127.0.0.1', '0.0.0.0')], /address/],
    ]),
    [['serve', '--chain', 'x', '--listen', ':0', '--extip', 'here'], /the IP address of a host/],
    ...[`serve --chain ${SMALL} --listen 127.0.0.1:0`, 'listen --listen 127.0.0.1:0'].flatMap(
      (command): [string[], RegExp][] => [
        [
          [...command.split(' '), '--nat', 'upnpp'],
          /expected any, upnp, pmp, pcp, stun, none or extip:ADDRESS/,
        ],
        [[...command.split(' '), '--nat', 'extip:here'], /the IP address of a host/],
        [[...command.split(' '), '--nat', 'extip:8.8.8.8,8.8.4.4'], /one of IPv4 and one of IPv6/],
        [[...command.split(' '), '--nat', 'stun'], /--nat stun needs --stun HOST:PORT/],
        [[...command.split(' '), '--stun', '127.0.0.1:3478'], /--stun is for --nat stun/],
        [[...command.split(' '), '--nat', 'any', '--stun', '127.0.0.1:3478'], /--stun is for --nat stun/],
        ...['127.0.0.1:0', '[::1]:3478', ':3478', '0.0.0.0:3478', '256.1.1.1:3478', 'a b/\n:3478'].map(
          (server): [string[], RegExp] => [
            [...command.split(' '), '--nat', 'stun', '--stun', server],
            /'--stun <host:port>' argument .* is invalid\. expected HOST:PORT, the IPv4 address or the name/s,
          ],
        ),
        [[...command.split(' '), '--nat', 'pcp', '--extip', '8.8.8.8'], /--nat pcp would find it out/],
        [
          [...command.split(' '), '--nat', 'extip:8.8.4.4', '--extip', '8.8.8.8'],
          /--extip is 8\.8\.8\.8, and --nat says 8\.8\.4\.4/,
        ],
      ],
    ),
    [['nodeset', 'info'], /missing required argument 'file'/],
    [['nodeset', 'filter', 'x', '--ip', '10.0.0.0/33'], /a prefix has at most 32 bits/],
    [['nodeset', 'filter', 'x', '--ip', '10.0.0.1/8'], /the block around it is 10.0.0.0\/8/],
    [['nodeset', 'filter', 'x', '--ip', 'here'], /expected a block of addresses/],
    [['nodeset', 'filter', 'x', '--min-age', 'old'], /expected a duration/],
    [['nodeset', 'filter', 'x', '--min-age', '1h30'], /expected a duration/],
    [['nodeset', 'filter', 'x', '--limit', '-1'], /expected a whole number/],
    [['nodeset', 'filter', 'x', '--eth-network', 'ropsten'], /mainnet/],
    [['bench', '--only', 'abacus'], /no id contains it/],
    [['dial', 'x', '--timeout', '0'], /expected a duration above zero/],
    [['dial', 'x', '--network', 'ropsten'], /mainnet/],
    [['dial', 'x', '--network', 'mainnet', '--genesis', 'y'], /cannot be used with/],
  ])('refuses %j with one line and status 2', async (args, message) => {
    const [plain, json] = await Promise.all([run(...args), run(...args, '--json')]);
    expect([plain.status, plain.stdout]).toEqual([2, '']);
    expect(plain.stderr).toMatch(/^error: [^\n]* \(invalid-argument\)\n$/);
    expect(plain.stderr).toMatch(message);
    expect([json.status, json.stderr]).toEqual([2, '']);
    expect(eventsOf(json.stdout)).toEqual([
      { event: 'error', code: 'invalid-argument', message: expect.stringMatching(message) },
    ]);
  });

  it('fails with one line when the backend that was asked for is not there', async () => {
    const { status, stdout, stderr } = await new Cli(['info'], { PEERLANE_BACKEND: 'abacus' }).done;
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: PEERLANE_BACKEND is 'abacus'.* \(backend-unavailable\)\n$/);
  });
});

// What other tests run without a process of its own.
it.each([
  [['--version']],
  [['--help']],
  [['key', '--help']],
  [[]],
  [['key']],
  [['frobnicate']],
  [['serve', '--chain', 'x', '--listen', '127.0.0.1']],
  [['serve', '--chain', 'x', '--listen', '127.0.0.1', '--json']],
  [['info', '--json']],
  [['key', 'to-enode', '/nonexistent']],
  [['key', 'to-enode', '/nonexistent', '--json']],
])('the program and its process do the same: %j', async (args) => {
  const [inner, outer] = await Promise.all([run(...args), runProcess(...args)]);
  expect(outer).toEqual(inner);
});

describe('info', () => {
  it('says what runs, and why', async () => {
    const { status, stdout } = await new Cli(['info', '--json'], { PEERLANE_BACKEND: 'js' }).done;
    expect(status).toBe(0);
    expect(eventsOf(stdout)).toEqual([
      {
        event: 'info',
        version: (manifest as { version: string }).version,
        node: process.version,
        platform: `${process.platform}-${process.arch}`,
        backend: 'js',
        detail: expect.stringMatching(/./),
        reason: 'PEERLANE_BACKEND=js',
        licence: 'MIT',
      },
    ]);
  });

  it('says it in words', async () => {
    const { stdout } = await new Cli(['info'], { PEERLANE_BACKEND: 'js' }).done;
    expect(stdout).toMatch(/^backend {2}js \(/m);
    expect(stdout).toMatch(/^why {6}PEERLANE_BACKEND=js$/m);
    expect(stdout).toMatch(/^licence {2}MIT$/m);
  });

  it('names the file of the backend that runs, the libraries in it and their licences', async () => {
    const { stdout } = await new Cli(['info']).done;
    const library = /^backend {2}native \(.*libsecp256k1 (0\.8\.0|of 2019)\)$/m;
    const addon = /^addon {4}.*peerlane\.node, built here$/m;
    const licence = /^licence {2}MIT; in the addon also libsecp256k1 and node-addon-api \(MIT\)$/m;
    const expected = backend.name === 'native' ? [library, addon, licence] : [/^licence {2}MIT$/m];
    for (const line of expected) expect(stdout).toMatch(line);
  });
});

describe.runIf(existsSync('/dev/full'))('an output that cannot be written (where there is /dev/full)', () => {
  const FULL = 'error: the output cannot be written: no space is left (file-unreadable)\n';

  /** Runs `script` with one of its streams going to /dev/full; what it says on the other, and its status. */
  async function runFull(stream: 1 | 2, ...command: readonly string[]): Promise<[string, number]> {
    const child = spawn('sh', ['-c', `exec "$@" ${stream}> /dev/full`, 'sh', process.execPath, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const other = stream === 1 ? child.stderr : child.stdout;
    const [[status], said] = await Promise.all([once(child, 'close'), text(other)]);
    return [said, status];
  }

  it.each([['info'], ['info', '--json'], ['--help'], ['--version'], ['serve', '--help']])(
    'is an error, not a success: %s %s',
    async (...args) => {
      expect(await runFull(1, MAIN, ...args.filter(Boolean))).toEqual([FULL, 1]);
    },
  );

  it('ends a server, which says why', async () => {
    expect(await runFull(1, MAIN, 'serve', '--chain', SMALL, '--listen', '127.0.0.1:0')).toEqual([FULL, 1]);
  });

  it('ends the main job, which says why', async () => {
    expect(await runFull(1, START, '--no-build')).toEqual([FULL, 1]);
    expect(await runFull(1, START, '--no-build', '--json')).toEqual([FULL, 1]);
  });

  it.each([
    [['bogus'], 2],
    [[], 2],
    [['key', 'to-enode', '/nonexistent'], 1],
  ])('does not change the status when it is the one for errors: %j', async (args, status) => {
    expect(await runFull(2, MAIN, ...args)).toEqual(['', status]);
  });
});
