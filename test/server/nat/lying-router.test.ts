/** Routers on loopback that lie. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { type Env, systemEnv } from '../../../src/base/env.ts';
import { bindUdp } from '../../../src/io/udp.ts';
import type { WantedMapping } from '../../../src/nat/index.ts';
import { PcpMethod, PmpMethod } from '../../../src/server/nat/pcp.ts';
import { UpnpMethod } from '../../../src/server/nat/upnp.ts';
import { rejectionOf } from '../../support/errors.ts';
import { WANTED as WANTED_MAPPING } from '../../support/wanted-mapping.ts';

const HERE = '127.0.0.1';
const WANTED: WantedMapping = { ...WANTED_MAPPING, internalPort: 1, externalPort: 1 };
const never = new AbortController().signal;

/** A UDP port that answers; @param from the address that it answers from */
async function answering(
  answer: (request: Uint8Array) => Uint8Array | undefined,
  from = HERE,
): Promise<number> {
  const failed = (): void => undefined;
  const socket = await bindUdp(
    { host: HERE, port: 0 },
    {
      message: (request, ip, port) => {
        const packet = answer(request);
        if (packet !== undefined) (other ?? socket).send(packet, ip, port);
      },
      failed,
    },
  );
  // From the same port: the address alone tells them apart.
  const other =
    from === HERE ? undefined : await bindUdp({ host: from, port: socket.port }, { message: failed, failed });
  onTestFinished(() => Promise.all([socket.close(), other?.close()]).then(() => undefined));
  return socket.port;
}

/** Waits pass forty times as fast: longer than it takes to answer on loopback, all the same. */
const hurried: Env = {
  now: () => systemEnv.now(),
  unixTime: () => systemEnv.unixTime(),
  randomBytes: (length) => systemEnv.randomBytes(length),
  setImmediate: (run) => systemEnv.setImmediate(run),
  setTimer: (ms, run) => systemEnv.setTimer(ms / 40, run),
};

const place = (pcpPort: number, ssdpPort = pcpPort, env: Env = systemEnv) => ({
  env,
  router: async () => ({ host: HERE, from: HERE, pcpPort, ssdp: [{ host: HERE, port: ssdpPort }] }),
});

/** An answer to WANTED by NAT-PMP. */
function honest(request: Uint8Array): Uint8Array {
  if (request[1] === 0) return Uint8Array.of(0, 128, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4);
  return Uint8Array.of(0, 130, 0, 0, 0, 0, 0, 1, 0, 1, 0x9c, 0x40, 0, 0, 2, 0x58);
}

/** An answer to a request by PCP. */
function granted(request: Uint8Array): Uint8Array {
  const answer = request.slice();
  answer[1] = 0x81;
  answer.set([0xff, 0xff, 1, 2, 3, 4], 54);
  return answer;
}

/** UPnP whose HTTP server answers as the test says. */
async function upnp(listener: RequestListener): Promise<UpnpMethod> {
  const server = createServer(listener).listen(0, HERE);
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const st = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
  const text = `HTTP/1.1 200 OK\r\nST: ${st}\r\nLocation: http://${HERE}:${port}/d.xml\r\n\r\n`;
  const ssdp = await answering(() => new TextEncoder().encode(text));
  return new UpnpMethod(place(ssdp));
}

it.each<[string, RequestListener, string]>([
  ['broken XML', (_, response) => void response.end('<root><device>'), 'nat-lie'],
  ['giant XML', (_, response) => void response.end(`<root>${'x'.repeat(1_000_000)}</root>`), 'nat-lie'],
  [
    'a redirect',
    (_, response) => void response.writeHead(302, { Location: 'http://127.0.0.2/' }).end(),
    'nat-lie',
  ],
  [
    'half an answer',
    (request) => void request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab'),
    'nat-no-router',
  ],
])('a router that answers by UPnP with %s is refused', async (_, listener, code) => {
  const method = await upnp(listener);
  expect(await rejectionOf(method.map(WANTED, never))).toBe(code);
});

it('a router whose endless answer never ends is given up', async () => {
  const method = await upnp((_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(10_000)));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  expect(await rejectionOf(method.map(WANTED, never))).toBe('nat-lie');
});

it('a private external address is not believed, and no mapping is asked for', async () => {
  const opcodes: (number | undefined)[] = [];
  const port = await answering((request) => {
    opcodes.push(request[1]);
    return Uint8Array.of(0, 128, 0, 0, 0, 0, 0, 1, 192, 168, 0, 1);
  });
  expect(await rejectionOf(new PmpMethod(place(port)).map(WANTED, never))).toBe('nat-carrier-grade');
  expect(opcodes).toEqual([0]);
});

it.each([
  ['a private external address', [192, 168, 0, 1], 0x9c40, 'nat-carrier-grade'],
  ['a shared external address', [100, 64, 0, 1], 0x9c40, 'nat-carrier-grade'],
  ['an external address that no host has', [0, 0, 0, 0], 0x9c40, 'nat-lie'],
  ['port 0', [1, 2, 3, 4], 0, 'nat-lie'],
] as const)('a mapping that PCP grants with %s is taken back at once', async (_, ip, external, code) => {
  const lifetimes: number[] = [];
  const port = await answering((request) => {
    const lifetime = new DataView(request.buffer, request.byteOffset).getUint32(4);
    lifetimes.push(lifetime);
    const answer = request.slice();
    answer[1] = 0x81;
    answer.set([0xff, 0xff, ...ip], 54);
    new DataView(answer.buffer).setUint16(42, external);
    return answer;
  });
  expect(await rejectionOf(new PcpMethod(place(port)).map(WANTED, never))).toBe(code);
  expect(lifetimes).toEqual([600, 0]);
});

it.each([
  ['answers from another host', '127.0.0.2', true],
  ['does not answer', HERE, false],
])('a router that %s is none', async (_, from, answers) => {
  const port = await answering((request) => (answers ? honest(request) : undefined), from);
  for (const Method of [PmpMethod, PcpMethod, UpnpMethod]) {
    const method = new Method(place(port, port, hurried));
    expect(await rejectionOf(method.map(WANTED, never))).toBe('nat-no-router');
  }
});

it('another external port than the one asked for is taken as it is', async () => {
  const port = await answering(honest);
  const granted = await new PmpMethod(place(port)).map(WANTED, never);
  expect(granted).toEqual({ externalIp: '1.2.3.4', externalPort: 40_000, lifetime: 600, epoch: 1 });
});

it.each([
  ['pcp', PcpMethod],
  ['pmp', PmpMethod],
] as const)('what was asked for by %s and not answered is taken back, once', async (_, Method) => {
  const asked = new AbortController();
  const lifetimes: number[] = [];
  const port = await answering((request) => {
    const view = new DataView(request.buffer, request.byteOffset);
    // The address is asked for first, by NAT-PMP.
    if (request.length === 2) return honest(request);
    lifetimes.push(request[0] === 2 ? view.getUint32(4) : view.getUint32(8));
    if (lifetimes.length > 1) return request[0] === 2 ? granted(request) : honest(request);
    asked.abort();
    return undefined;
  });
  const method = new Method(place(port));
  await method.withdraw(WANTED, never);
  expect(await rejectionOf(method.map(WANTED, asked.signal))).toBe('aborted');
  for (let i = 0; i < 2; i++) await method.withdraw(WANTED, never);
  expect(lifetimes).toEqual([600, 0]);
  expect(await rejectionOf(method.map(WANTED, never))).toBe('none');
  await method.withdraw(WANTED, never);
  expect(lifetimes).toEqual([600, 0, 600]);
});

it('nobody waits any more when the signal aborts', async () => {
  const asked = new AbortController();
  const port = await answering(() => {
    asked.abort();
    return undefined;
  });
  expect(await rejectionOf(new PmpMethod(place(port)).map(WANTED, asked.signal))).toBe('aborted');
});
