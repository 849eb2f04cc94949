import { createServer, type Server } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readExposition } from '../support/exposition.ts';
import { bootnode, ownNode } from './bootnode.ts';
import { Cli, eventsOf, run } from './cli.ts';
import { SMALL } from './served-chain.ts';

const ANYWHERE = ['--metrics', '127.0.0.1:0'] as const;

async function read(url: unknown) {
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  return readExposition(await (await fetch(String(url))).text(), false);
}

async function occupied(): Promise<string> {
  const server = createServer();
  onTestFinished(() => void server.close());
  return await placeOf(server);
}

/** One that nobody else has, most likely. */
async function freePort(): Promise<string> {
  const server = createServer();
  const place = await placeOf(server);
  await new Promise((resolve) => server.close(resolve));
  return place;
}

async function placeOf(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `127.0.0.1:${address.port}`;
}

describe('--metrics', () => {
  it('of serve says where metrics are served, and they are those of its peers', async () => {
    const cli = new Cli(['serve', '--chain', SMALL, '--listen', '127.0.0.1:0', '--json', ...ANYWHERE]);
    const { url } = await cli.event(({ event }) => event === 'metrics');
    expect(cli.events.map(({ event }) => event)).toEqual(['listening', 'metrics']);
    await run('dial', String(cli.events[0]?.enode), '--json');
    await cli.event(({ event }) => event === 'peer-disconnected');
    const families = await read(url);
    expect(families.get('peerlane_inbound_connections_total')?.samples[0]?.value).toBe(1);
    const status = families
      .get('peerlane_messages_total')
      ?.samples.filter(({ labels: { protocol, message } }) => protocol === 'eth' && message === 'Status');
    expect(status?.map(({ labels: { direction }, value }) => [direction, value])).toEqual([
      ['in', 1],
      ['out', 1],
    ]);
    cli.kill('SIGINT');
    const { status: exit, stderr } = await cli.done;
    expect([exit, stderr]).toEqual([130, '']);
  });

  it('of listen are those of discovery', async () => {
    const boot = await bootnode(...ANYWHERE);
    const { url } = await boot.cli.event(({ event }) => event === 'metrics');
    const node = await ownNode();
    await node.ping(boot.enode);
    const families = await read(url);
    const pings = families
      .get('peerlane_discovery_packets_total')
      ?.samples.find(({ labels: { direction, kind } }) => direction === 'in' && kind === 'ping');
    expect(pings?.value).toBe(1);
    expect(families.has('peerlane_known_nodes')).toBe(true);
    expect(families.has('peerlane_event_loop_delay_seconds')).toBe(true);
    expect(families.has('peerlane_peers')).toBe(false);
    boot.cli.kill('SIGINT');
    expect((await boot.cli.done).status).toBe(130);
  });

  it('says that its port is in use, before anything is imported or told', async () => {
    const taken = await occupied();
    const serve = ['serve', '--chain', SMALL, '--listen', '127.0.0.1:0'];
    const { status, stdout } = await run(...serve, '--json', '--metrics', taken);
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([{ event: 'error', code: 'port-in-use', message: expect.any(String) }]);
    const listen = await run('listen', '--listen', '127.0.0.1:0', '--json', '--metrics', taken);
    expect(listen.status).toBe(1);
    expect(eventsOf(listen.stdout)).toMatchObject([{ event: 'error', code: 'port-in-use' }]);
  });

  it('of serve is not the port that it listens on, which is said before anything is told', async () => {
    const port = await freePort();
    const serve = ['serve', '--chain', SMALL, '--listen', port, '--metrics', port];
    const { status, stdout } = await run(...serve, '--json');
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toMatchObject([
      { event: 'error', code: 'port-in-use', message: expect.stringContaining(port) },
    ]);
  });

  it('refuses what is no address', async () => {
    for (const address of ['9464', 'x', '127.0.0.1:70000']) {
      const { status, stderr } = await run('listen', '--listen', '127.0.0.1:0', '--metrics', address);
      expect([status, stderr], address).toEqual([2, expect.stringContaining('--metrics')]);
    }
  });
});
