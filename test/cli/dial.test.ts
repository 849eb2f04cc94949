import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, parseEnode } from '../../src/enr/index.ts';
import { Cli, eventsOf, run, runProcess, temporaryDirectory } from './cli.ts';
import { SMALL_GENESIS, SMALL_GENESIS_FILE, SMALL_HEAD, serveSmall, startServer } from './served-chain.ts';

const STATUS = {
  event: 'status',
  protocol: 'eth/69',
  networkId: 1337331,
  genesis: SMALL_GENESIS,
  forkHash: '0xaef1f653',
  forkNext: 0,
  headNumber: 600,
  headHash: SMALL_HEAD,
  earliest: 0,
};

/** A genesis file like that of the bundled chain, with another gas limit, and so another hash. */
async function otherGenesis(): Promise<string> {
  const path = join(await temporaryDirectory(), 'genesis.json');
  const file: unknown = JSON.parse(await readFile(SMALL_GENESIS_FILE, 'utf8'));
  await writeFile(path, JSON.stringify({ ...(file as object), gasLimit: '0x1' }));
  return path;
}

/** Takes connections and says nothing; `connected` resolves with the first. */
async function silentNode(): Promise<{ enode: string; connected: Promise<void> }> {
  const server = createServer();
  const connected = new Promise<void>((resolve) => {
    server.on('connection', (socket) => {
      socket.on('error', () => socket.destroy()).resume();
      resolve();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const tcpPort = typeof address === 'object' && address !== null ? address.port : 0;
  const publicKey = publicKeyOf(generateSecretKey(systemEnv));
  return { enode: formatEnode({ publicKey, host: '127.0.0.1', tcpPort, udpPort: tcpPort }), connected };
}

describe('dial', () => {
  it('prints what the peer is, without knowing its chain', async () => {
    const { enode, server } = await serveSmall();
    const { status, stdout, stderr } = await runProcess('dial', enode, '--json');
    expect([status, stderr]).toEqual([0, '']);
    const { host, tcpPort } = parseEnode(enode);
    expect(eventsOf(stdout)).toEqual([
      {
        event: 'hello',
        client: 'test',
        enode: expect.stringContaining(`@${host}:${tcpPort}`),
        publicKey: toHex(server.id),
        capabilities: ['eth/68', 'eth/69'],
      },
      STATUS,
    ]);
  });

  it('takes a record of the node, too', async () => {
    const { server } = await serveSmall();
    const { status, stdout } = await run('dial', server.enr, '--json');
    expect([status, eventsOf(stdout)[0]]).toMatchObject([0, { event: 'hello', publicKey: toHex(server.id) }]);
  });

  it('prints it in words', async () => {
    const { enode } = await serveSmall();
    const { status, stdout } = await run('dial', enode);
    expect(status).toBe(0);
    for (const line of [
      'client        test',
      'capabilities  eth/68, eth/69',
      'protocol      eth/69',
      'network       1337331',
      `genesis       ${SMALL_GENESIS}`,
      'fork id       aef1f653, next 0',
      `head          600 ${SMALL_HEAD}`,
      'blocks        0 to 600',
    ]) {
      expect(stdout.split('\n')).toContain(line);
    }
  });

  it('agrees with a peer on the chain of the genesis file', async () => {
    const { enode } = await serveSmall();
    const { status, stdout } = await run('dial', enode, '--json', '--genesis', SMALL_GENESIS_FILE);
    expect(status).toBe(0);
    expect(eventsOf(stdout).at(-1)).toEqual(STATUS);
  });

  it('shows a peer of another network all the same, and fails', async () => {
    const { enode } = await serveSmall();
    const [network, genesis] = await Promise.all([
      run('dial', enode, '--json', '--network', 'mainnet'),
      otherGenesis().then((path) => run('dial', enode, '--json', '--genesis', path)),
    ]);
    expect([network.status, genesis.status]).toEqual([1, 1]);
    const error = { event: 'error', message: expect.any(String) };
    expect(eventsOf(network.stdout).slice(1)).toEqual([STATUS, { ...error, code: 'network-mismatch' }]);
    expect(eventsOf(genesis.stdout).slice(1)).toEqual([STATUS, { ...error, code: 'genesis-mismatch' }]);
  });

  it('fails where nobody listens', async () => {
    const server = await startServer([{ name: 'x', version: 1, length: 1, handler: async () => undefined }]);
    const { enode } = server;
    await server.close();
    const { status, stderr } = await runProcess('dial', enode);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: cannot connect to 127\.0\.0\.1:\d+: .* \(dial-failed\)\n$/);
  });

  it('fails when the node has another key', async () => {
    const { enode } = await serveSmall();
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    const { status, stdout } = await run('dial', formatEnode({ ...parseEnode(enode), publicKey }), '--json');
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([
      { event: 'error', code: 'network-error', message: expect.any(String) },
    ]);
  });

  it('fails when the peer does not speak eth', async () => {
    const { enode } = await startServer([
      { name: 'x', version: 1, length: 1, handler: async () => undefined },
    ]);
    const { status, stdout } = await run('dial', enode, '--json');
    expect(status).toBe(1);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ event: 'error', code: 'no-shared-capability' });
  });

  it('shows the Hello of a peer that has no Status to give', async () => {
    const leave = { name: 'eth', version: 68, length: 17, handler: async () => undefined };
    const { enode } = await startServer([leave]);
    const { status, stdout } = await run('dial', enode, '--json');
    expect(status).toBe(1);
    const [hello, error] = eventsOf(stdout);
    expect(hello).toMatchObject({ event: 'hello', client: 'test', capabilities: ['eth/68'] });
    expect(error).toMatchObject({ event: 'error', code: 'remote-disconnect' });
  });

  it('waits no longer than it is told to', async () => {
    const { enode } = await silentNode();
    const { status, stdout } = await runProcess('dial', enode, '--json', '--timeout', '0.3');
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([
      { event: 'error', code: 'dial-timeout', message: expect.stringContaining('within 300ms') },
    ]);
  });

  it('stops at Ctrl-C', async () => {
    const { enode, connected } = await silentNode();
    const cli = new Cli(['dial', enode]);
    await connected;
    cli.kill('SIGINT');
    const { status, stderr } = await cli.done;
    expect([status, stderr]).toEqual([130, 'error: interrupted (aborted)\n']);
  });

  it.each([
    [['dial', 'enode://1234@127.0.0.1:30303'], 'invalid-enode'],
    [['dial', `enode://${'0'.repeat(128)}@127.0.0.1:30303`], 'invalid-enode'],
    [['dial', 'enr:-AAAA'], 'invalid-record'],
  ])('refuses %j', async (args, code) => {
    const { status, stdout } = await run(...args, '--json');
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([{ event: 'error', code, message: expect.any(String) }]);
  });
});
