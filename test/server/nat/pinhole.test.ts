/** Routers on ::1 that open their firewall, by PCP and UPnP, say no, or lie. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { type Env, systemEnv } from '../../../src/base/env.ts';
import { withoutZone } from '../../../src/base/ip.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { bindUdp } from '../../../src/io/udp.ts';
import { believedPinhole, MAX_RENEWAL_MS } from '../../../src/nat/index.ts';
import type { PortMapperEvent } from '../../../src/server/nat/mapped-port.ts';
import { type NatConfig, natFamilies } from '../../../src/server/nat/options.ts';
import { PcpMethod } from '../../../src/server/nat/pcp.ts';
import { PinholeMethod } from '../../../src/server/nat/pinhole.ts';
import { PortMapper } from '../../../src/server/nat/port-mapper.ts';
import { listensAt, NodeRouter } from '../../../src/server/nat/router.ts';
import { codeOf, rejectionOf } from '../../support/errors.ts';
import { WANTED } from '../../support/wanted-mapping.ts';

const HERE = '::1';
const never = new AbortController().signal;
const viewOf = (packet: Uint8Array) => new DataView(packet.buffer, packet.byteOffset, packet.length);

/** What is asked, and how the server answers: @param change what it makes of an honest answer */
async function firewall(change: (answer: Uint8Array) => unknown = () => undefined, env: Env = systemEnv) {
  const asked: { version: number | undefined; lifetime: number; client: string; suggested: string }[] = [];
  const waiting: (() => void)[] = [];
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const failed = (): void => undefined;
  const socket = await bindUdp(
    { host: HERE, port: 0 },
    {
      message: (request, ip, port) => {
        const lifetime = request.length < 60 ? 0 : viewOf(request).getUint32(4);
        const [client, suggested] = [hex(request.subarray(8, 24)), hex(request.subarray(44, 60))];
        asked.push({ version: request[0], lifetime, client, suggested });
        const answer = Uint8Array.from(request);
        answer[1] = 0x81;
        // The epoch is where the request names its client.
        answer.fill(0, 8, 24);
        answer[11] = 1;
        answer.set(request.subarray(8, 24), 44);
        viewOf(answer).setUint16(42, viewOf(request).getUint16(40));
        change(answer);
        socket.send(answer, ip, port);
        for (const wake of waiting.splice(0)) wake();
      },
      failed,
    },
  );
  onTestFinished(() => socket.close());
  const until = async (count: number): Promise<void> => {
    while (asked.length < count) await new Promise<void>((resolve) => void waiting.push(resolve));
  };
  const router = async () => ({ host: HERE, from: HERE, pcpPort: socket.port, ssdp: [] });
  return { asked, until, method: new PcpMethod({ env, router, family: 6 }) };
}

it('a pinhole is asked for with the own address, renewed, and taken back at the end', async () => {
  // Nothing is sent again unless the clock goes on.
  const env = new VirtualEnv();
  const { asked, until, method } = await firewall(undefined, env);
  const events: PortMapperEvent[] = [];
  let told: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (told = resolve));
  const mapper = new PortMapper({
    ...{ env, ports: { tcp: 30_303 }, methods: [method] },
    onEvent: (event) => {
      events.push(event);
      told();
    },
  });
  mapper.start();
  await first;
  for (let i = 0; i < 50; i++) await Promise.resolve();
  env.advance(MAX_RENEWAL_MS);
  await until(2);
  const pinhole = { protocol: 'tcp', ip: HERE, port: 30_303, method: 'pcp' };
  await mapper.close();
  expect(events).toEqual([
    { kind: 'mapped', ...pinhole },
    { kind: 'unmapped', ...pinhole },
  ]);
  const [client, suggested] = [`${'0'.repeat(31)}1`, '0'.repeat(32)];
  expect(asked.map(({ lifetime }) => lifetime)).toEqual([600, 600, 0]);
  for (const request of asked) expect(request).toMatchObject({ version: 2, client, suggested });
});

it.each<[string, (answer: Uint8Array) => void]>([
  ['another port', (answer) => viewOf(answer).setUint16(42, 7)],
  ['port 0', (answer) => viewOf(answer).setUint16(42, 0)],
  ['another address', (answer) => answer.set([0x2a, 1], 44)],
  ['an address of IPv4', (answer) => answer.set([0xff, 0xff, 1, 2, 3, 4], 54)],
])('a firewall that says it has opened %s is not believed, and is to close it', async (_, change) => {
  const { asked, method } = await firewall(change);
  expect(await rejectionOf(method.map(WANTED, never))).toBe('nat-lie');
  expect(asked.map(({ lifetime }) => lifetime)).toEqual([600, 0]);
});

it('a firewall that refuses is asked nothing else: NAT-PMP knows no IPv6', async () => {
  const { asked, method } = await firewall((answer) => answer.fill(2, 3, 4));
  expect(await rejectionOf(method.map(WANTED, never))).toBe('nat-refused');
  expect(asked).toHaveLength(1);
});

/** By UPnP: the actions that it was asked for, with a value of each. @param answerOf the fields, or an error */
async function upnpFirewall(answerOf: (action: string) => string | number) {
  const asked: (readonly [action: string, value: string | undefined])[] = [];
  const hosts = new Set<string | undefined>();
  const type = 'urn:schemas-upnp-org:service:WANIPv6FirewallControl:1';
  const service = `<service><serviceType>${type}</serviceType><controlURL>/fw</controlURL></service>`;
  const server = createServer(async (request, response) => {
    hosts.add(request.headers.host);
    if (request.method === 'GET') {
      response.end(`<root>${service}</root>`);
      return;
    }
    const action = /#(\w+)"$/.exec(String(request.headers.soapaction))?.[1] ?? '';
    const body = await text(request);
    asked.push([action, /<(?:UniqueID|InternalClient)>([^<]*)</.exec(body)?.[1]]);
    const answer = answerOf(action);
    if (typeof answer === 'string') response.end(`<a><${action}Response>${answer}</${action}Response></a>`);
    else response.writeHead(500).end(`<a><Fault><errorCode>${answer}</errorCode></Fault></a>`);
  }).listen(0, HERE);
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const st = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
  // It is asked where it is known, whatever it says.
  const place = `HTTP/1.1 200 OK\r\nST: ${st}\r\nLocation: http://[2a01::1]:${port}/d.xml\r\n\r\n`;
  const message = (_: Uint8Array, ip: string, from: number): void =>
    ssdp.send(new TextEncoder().encode(place), ip, from);
  const ssdp = await bindUdp({ host: HERE, port: 0 }, { message, failed: () => undefined });
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await ssdp.close();
  });
  const router = async () => ({
    host: HERE,
    from: HERE,
    pcpPort: 1,
    ssdp: [{ host: HERE, port: ssdp.port }],
  });
  return { asked, hosts, port, method: new PinholeMethod({ env: systemEnv, router }) };
}

it('by UPnP a pinhole is asked for with the own address, again to renew it, and deleted by its last number', async () => {
  let id = 6;
  const { asked, hosts, port, method } = await upnpFirewall((action) =>
    action === 'AddPinhole' ? `<UniqueID>${++id}</UniqueID>` : '',
  );
  const granted = { externalIp: HERE, externalPort: 30_303, lifetime: 600, epoch: undefined };
  await method.unmap(WANTED, never);
  expect(await method.map(WANTED, never)).toEqual(granted);
  expect(await method.map(WANTED, never)).toEqual(granted);
  await method.withdraw();
  for (let i = 0; i < 2; i++) await method.unmap(WANTED, never);
  expect(asked).toEqual([
    ['AddPinhole', HERE],
    ['AddPinhole', HERE],
    ['DeletePinhole', '8'],
  ]);
  expect(hosts).toEqual(new Set([`[${HERE}]:${port}`]));
});

it.each([
  ['has no room', 701, 'nat-refused'],
  ['gives no number', '', 'nat-lie'],
  ['gives a number that is none', '<UniqueID>x</UniqueID>', 'nat-lie'],
])('a firewall that by UPnP %s does not let others in', async (_, answer, code) => {
  const { asked, method } = await upnpFirewall(() => answer);
  expect(await rejectionOf(method.map(WANTED, never))).toBe(code);
  await method.unmap(WANTED, never);
  expect(asked).toHaveLength(1);
});

it('a pinhole is where the machine has its port', () => {
  const [own, other] = [Uint8Array.of(...new Uint8Array(15), 1), new Uint8Array(16)];
  expect(believedPinhole(own, 5, own, 5)).toEqual({ externalIp: '::1', externalPort: 5 });
  expect(codeOf(() => believedPinhole(other, 5, own, 5))).toBe('nat-lie');
  expect(codeOf(() => believedPinhole(own, 6, own, 5))).toBe('nat-lie');
});

it.each<[string, NatConfig['way'], number[], string?]>([
  ['0.0.0.0', 'any', [4]],
  ['localhost', 'pcp', [4]],
  ['::', 'any', [4, 6]],
  ['::', 'pcp', [4, 6]],
  ['::', 'upnp', [4, 6]],
  ['::', 'pmp', [4]],
  ['::', 'stun', [4]],
  ['2a01::1', 'any', [6]],
  ['fe80::1%eth0', 'pcp', [6]],
  ['2a01::1', 'pmp', [4]],
  ['9.9.9.9', 'any', [4, 6], '2a01::1'],
  ['9.9.9.9', 'stun', [4], '2a01::1'],
])('for a node that listens on %s, --nat %s asks by %j', (host, way, families, other) => {
  const ports = { tcp: 1, udp: 2 };
  const own = { host, ...ports, ...(other !== undefined && { beside: { host: other, ...ports } }) };
  expect(natFamilies({ way, stunServer: undefined }, own)).toEqual(families);
});

it('where the address is not reached from everywhere, or there is no gateway, no router is asked', async () => {
  expect(await rejectionOf(new NodeRouter(HERE, 6).find())).toBe('nat-no-router');
  expect(listensAt('::', '127.0.0.1')).toBe(true);
  expect([withoutZone('fe80::1%eth0'), withoutZone('2a01::1')]).toEqual(['fe80::1', '2a01::1']);
});
