/** A router that maps ports by UPnP, on loopback, and refuses as real ones do. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../../src/base/env.ts';
import { bindUdp } from '../../../src/io/udp.ts';
import { CONFLICT, ONLY_PERMANENT } from '../../../src/nat/index.ts';
import { PortMapper } from '../../../src/server/nat/port-mapper.ts';
import { UpnpMethod } from '../../../src/server/nat/upnp.ts';
import { rejectionOf } from '../../support/errors.ts';
import { WANTED } from '../../support/wanted-mapping.ts';

const HERE = '127.0.0.1';
const DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1';
const DESCRIPTION = `<root><device><serviceList><service><serviceType>${SERVICE}</serviceType>
  <controlURL>/control</controlURL></service></serviceList></device></root>`;
const never = new AbortController().signal;

interface Asked {
  readonly action: string;
  readonly port: number;
  readonly lifetime: number | undefined;
}

class UpnpRouter {
  readonly asked: Asked[] = [];
  /** The error that a mapping is refused with. */
  refuses: (asked: Asked) => number | undefined;
  readonly #held = new Map<number, Asked>();
  #ssdpPort = 0;

  constructor(refuses: UpnpRouter['refuses'] = () => undefined) {
    this.refuses = refuses;
  }

  /** External ports that lead to the node. */
  get held(): number[] {
    return [...this.#held.keys()];
  }

  async start(): Promise<UpnpMethod> {
    const server = createServer(async (request, response) => {
      if (request.method === 'GET') response.end(DESCRIPTION);
      else {
        const [status, body] = this.#answer(String(request.headers.soapaction), await text(request));
        response.writeHead(status).end(body);
      }
    }).listen(0, HERE);
    await new Promise((resolve) => server.once('listening', resolve));
    const location = `http://${HERE}:${(server.address() as AddressInfo).port}/d.xml`;
    const answer = `HTTP/1.1 200 OK\r\nST: ${DEVICE}\r\nLocation: ${location}\r\n\r\n`;
    const failed = (): void => undefined;
    const message = (_: Uint8Array, ip: string, port: number): void =>
      ssdp.send(new TextEncoder().encode(answer), ip, port);
    const ssdp = await bindUdp({ host: HERE, port: 0 }, { message, failed });
    onTestFinished(async () => {
      server.closeAllConnections();
      server.close();
      await ssdp.close();
    });
    this.#ssdpPort = ssdp.port;
    return new UpnpMethod({ env: systemEnv, router: async () => this.#place });
  }

  get #place() {
    return { host: HERE, from: HERE, pcpPort: 1, ssdp: [{ host: HERE, port: this.#ssdpPort }] };
  }

  #answer(action: string, body: string): [number, string] {
    const name = /#(\w+)"$/.exec(action)?.[1] ?? '';
    const fieldOf = (field: string): string | undefined => new RegExp(`<${field}>([^<]*)<`).exec(body)?.[1];
    if (name === 'GetExternalIPAddress') {
      return [
        200,
        `<a><${name}Response><NewExternalIPAddress>1.2.3.4</NewExternalIPAddress></${name}Response></a>`,
      ];
    }
    const lifetime = fieldOf('NewLeaseDuration');
    const asked = {
      action: name,
      port: Number(fieldOf('NewExternalPort')),
      lifetime: lifetime === undefined ? undefined : Number(lifetime),
    };
    this.asked.push(asked);
    if (name === 'DeletePortMapping') this.#held.delete(asked.port);
    else {
      const code = this.refuses(asked);
      if (code !== undefined) return [500, `<a><Fault><errorCode>${code}</errorCode></Fault></a>`];
      this.#held.set(asked.port, asked);
    }
    return [200, `<a><${name}Response/></a>`];
  }
}

it('another external port is tried when another host has the first (error 718)', async () => {
  const router = new UpnpRouter(({ port }) => (port === WANTED.externalPort ? CONFLICT : undefined));
  const method = await router.start();
  const { externalPort, lifetime, externalIp } = await method.map(WANTED, never);
  expect(externalPort).not.toBe(WANTED.externalPort);
  expect(externalPort).toBeGreaterThanOrEqual(1_024);
  expect([lifetime, externalIp, router.held]).toEqual([600, '1.2.3.4', [externalPort]]);
});

it('after three external ports that others have there is no mapping', async () => {
  const router = new UpnpRouter(() => CONFLICT);
  expect(await rejectionOf((await router.start()).map(WANTED, never))).toBe('nat-refused');
  expect(new Set(router.asked.map(({ port }) => port)).size).toBe(3);
});

it('a mapping without an end is asked for when the router makes no others (error 725), also at another port', async () => {
  const router = new UpnpRouter(({ port, lifetime }) => {
    if (lifetime !== 0) return ONLY_PERMANENT;
    return port === WANTED.externalPort ? CONFLICT : undefined;
  });
  const { externalPort, lifetime } = await (await router.start()).map(WANTED, never);
  expect(lifetime).toBe(Number.POSITIVE_INFINITY);
  expect(router.asked.map((asked) => [asked.port === WANTED.externalPort, asked.lifetime])).toEqual([
    [true, 600],
    [true, 0],
    [false, 0],
  ]);
  expect(router.held).toEqual([externalPort]);
});

it('a router that refuses either way is not asked for ever', async () => {
  const router = new UpnpRouter(() => ONLY_PERMANENT);
  expect(await rejectionOf((await router.start()).map(WANTED, never))).toBe('nat-refused');
  expect(router.asked).toHaveLength(2);
});

it('a mapping without an end is taken away when the node stops, at the port that it got', async () => {
  const router = new UpnpRouter(({ port, lifetime }) => {
    if (lifetime !== 0) return ONLY_PERMANENT;
    return port === WANTED.externalPort ? CONFLICT : undefined;
  });
  const methods = [await router.start()];
  let mapped: () => void = () => undefined;
  const isMapped = new Promise<void>((resolve) => {
    mapped = resolve;
  });
  const ports = { tcp: WANTED.internalPort };
  const mapper = new PortMapper({ env: systemEnv, methods, ports, onEvent: () => mapped() });
  mapper.start();
  await isMapped;
  const [held] = router.held;
  expect(mapper.external('tcp')).toMatchObject({ ip: '1.2.3.4', port: held });
  await mapper.close();
  expect(router.held).toEqual([]);
  expect(router.asked.at(-1)).toEqual({ action: 'DeletePortMapping', port: held, lifetime: undefined });
});
