/** At which port of UDP a server's discovery is. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { parseEnode, parseRecord } from '../../src/enr/index.ts';
import { Discv4Service, type ServerOptions } from '../../src/server/index.ts';
import { LOOPBACK, startedServer, TestServer } from '../support/servers.ts';

/** The TCP port that the system has chosen may be taken for UDP, by whatever else is on this machine: not each time. */
const TRIES = 5;

const started = (options: Partial<ServerOptions> = {}): Promise<TestServer> =>
  startedServer({ discovery: true, ...options });

const portsOf = ({ enode }: TestServer) => {
  const { tcpPort: tcp, udpPort: udp } = parseEnode(enode);
  return { tcp, udp };
};

/** A server of which the system has chosen the port: both are the same. */
async function withSamePort(): Promise<TestServer> {
  for (let i = 0; i < TRIES; i++) {
    const server = await started();
    const { tcp, udp } = portsOf(server);
    if (tcp === udp) return server;
  }
  throw new Error('the UDP port is none of the times the TCP port');
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, LOOPBACK.host);
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Both ports are in the record, and somebody answers at that of UDP. */
async function expectReached(server: TestServer): Promise<void> {
  const { tcp, udp } = portsOf(server);
  expect(parseRecord(server.enr).entries()).toMatchObject({ ip: LOOPBACK.host, tcp, udp });
  const asker = new Discv4Service({ key: generateSecretKey(systemEnv), listen: LOOPBACK });
  onTestFinished(() => asker.close());
  await asker.start();
  expect((await asker.requestRecord(server.enr)).toString()).toBe(server.enr);
  expect((await asker.ping(server.enode)).rtt).toBeGreaterThanOrEqual(0);
}

describe('the UDP port of a server', () => {
  it('is its TCP port, also where that is any free one', async () => {
    const server = await withSamePort();
    await expectReached(server);
  });

  it('is the TCP port that was given', async () => {
    const first = await withSamePort();
    const { tcp: port } = portsOf(first);
    await first.close();
    const server = await started({ listen: { ...LOOPBACK, port } });
    expect(portsOf(server)).toEqual({ tcp: port, udp: port });
    await expectReached(server);
  });

  it('is the one that was given beside it', async () => {
    const udp = await freeUdpPort();
    const server = await started({ discoveryPort: udp });
    expect(portsOf(server).udp).toBe(udp);
    expect(portsOf(server).tcp).not.toBe(udp);
    expect(server.enode).toContain(`?discport=${udp}`);
    await expectReached(server);
  });

  it('is not another where the TCP port was given and is taken for UDP', async () => {
    const first = await withSamePort();
    const { tcp: port } = portsOf(first);
    await first.close();
    const socket = createSocket('udp4').bind(port, LOOPBACK.host);
    await once(socket, 'listening');
    const server = new TestServer({ discovery: true, listen: { ...LOOPBACK, port } });
    await expect(server.start()).rejects.toMatchObject({ code: 'port-in-use' });
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  });
});
