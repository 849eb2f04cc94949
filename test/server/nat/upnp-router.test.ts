/** A router that maps ports by UPnP, on loopback, and refuses as real ones do. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type Env, systemEnv } from '../../../src/base/env.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { bindUdp } from '../../../src/io/udp.ts';
import { NO_SUCH_MAPPING, ONLY_PERMANENT } from '../../../src/nat/index.ts';
import { PortMapper, UNMAP_TIMEOUT_MS } from '../../../src/server/nat/port-mapper.ts';
import { LATE_MS, UpnpMethod } from '../../../src/server/nat/upnp.ts';
import { HTTP_TIMEOUT_MS } from '../../../src/server/nat/upnp-router.ts';
import { rejectionOf } from '../../support/errors.ts';
import { WANTED } from '../../support/wanted-mapping.ts';

const HERE = '127.0.0.1';
const CONFLICT = 718;
const DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1';
const PPP = 'urn:schemas-upnp-org:service:WANPPPConnection:1';
const serviceOf = (type: string, path: string) =>
  `<service><serviceType>${type}</serviceType><controlURL>${path}</controlURL></service>`;
const DESCRIPTION = `<root>${serviceOf(SERVICE, '/control')}</root>`;
const never = new AbortController().signal;

interface Asked {
  readonly action: string;
  readonly port: number;
  readonly lifetime: number | undefined;
}

/** Of a mapping, as the router tells it. */
interface Entry {
  readonly client: string | undefined;
  readonly internalPort: string | undefined;
  readonly description: string | undefined;
}

class UpnpRouter {
  readonly asked: Asked[] = [];
  /** The error that a mapping is refused with. */
  refuses: (asked: Asked) => number | undefined;
  description = DESCRIPTION;
  /** The error with which it answers who asks whose a mapping is. */
  getFails: number | undefined;
  /** The external address that its services tell, by their paths; a number: the error that they answer with. */
  address: (path: string) => string | number = () => '1.2.3.4';
  /** The paths of the services that were asked. */
  readonly paths: string[] = [];
  /** Whether it does what it is asked, and does not answer. */
  isSilent: (asked: Asked) => boolean = () => false;
  readonly #held = new Map<number, Entry>();
  readonly #waits: { readonly is: (asked: Asked) => boolean; readonly resolve: () => void }[] = [];
  #ssdpPort = 0;

  constructor(refuses: UpnpRouter['refuses'] = () => undefined) {
    this.refuses = refuses;
  }

  /** External ports that lead to the node. */
  get held(): number[] {
    return [...this.#held.keys()];
  }

  /** Its entry at that port becomes, or is, another host's. */
  give(port: number, entry: Partial<Entry>): void {
    const ours = { client: HERE, internalPort: String(WANTED.internalPort), description: 'peerlane' };
    this.#held.set(port, { ...ours, ...entry });
  }

  lose(port: number): void {
    this.#held.delete(port);
  }

  /** Resolves when it is asked so, and has done it. */
  when(is: (asked: Asked) => boolean): Promise<void> {
    return new Promise((resolve) => this.#waits.push({ is, resolve }));
  }

  async start(env: Env = systemEnv, from: () => string = () => HERE): Promise<UpnpMethod> {
    const server = createServer(async (request, response) => {
      if (request.method === 'GET') response.end(this.description);
      else {
        const path = String(request.url);
        this.paths.push(path);
        const answer = this.#answer(path, String(request.headers.soapaction), await text(request));
        if (answer === undefined) return;
        const [status, body] = answer;
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
    return new UpnpMethod({ env, router: async () => ({ ...this.#place, from: from() }) });
  }

  get #place() {
    return { host: HERE, from: HERE, pcpPort: 1, ssdp: [{ host: HERE, port: this.#ssdpPort }] };
  }

  #answer(path: string, action: string, body: string): [number, string] | undefined {
    const name = /#(\w+)"$/.exec(action)?.[1] ?? '';
    const fieldOf = (field: string): string | undefined => new RegExp(`<${field}>([^<]*)<`).exec(body)?.[1];
    if (name === 'GetExternalIPAddress') {
      const address = this.address(path);
      if (typeof address === 'number')
        return [500, `<a><Fault><errorCode>${address}</errorCode></Fault></a>`];
      return [
        200,
        `<a><${name}Response><NewExternalIPAddress>${address}</NewExternalIPAddress></${name}Response></a>`,
      ];
    }
    const lifetime = fieldOf('NewLeaseDuration');
    const asked = {
      action: name,
      port: Number(fieldOf('NewExternalPort')),
      lifetime: lifetime === undefined ? undefined : Number(lifetime),
    };
    this.asked.push(asked);
    const answer = this.#done(asked, {
      client: fieldOf('NewInternalClient'),
      internalPort: fieldOf('NewInternalPort'),
      description: fieldOf('NewPortMappingDescription'),
    });
    for (const { is, resolve } of this.#waits) if (is(asked)) resolve();
    return this.isSilent(asked) ? undefined : answer;
  }

  #done(asked: Asked, entry: Entry): [number, string] {
    const failed = (code: number): [number, string] => [
      500,
      `<a><Fault><errorCode>${code}</errorCode></Fault></a>`,
    ];
    const { action, port } = asked;
    let fields = '';
    if (action === 'DeletePortMapping') this.#held.delete(port);
    else if (action === 'GetSpecificPortMappingEntry') {
      const held = this.#held.get(port);
      if (this.getFails !== undefined) return failed(this.getFails);
      if (held === undefined) return failed(NO_SUCH_MAPPING);
      fields = `<NewInternalClient>${held.client}</NewInternalClient><NewInternalPort>${held.internalPort}</NewInternalPort>
        <NewPortMappingDescription>${held.description}</NewPortMappingDescription>`;
    } else {
      const code = this.refuses(asked);
      if (code !== undefined) return failed(code);
      this.#held.set(port, entry);
    }
    return [200, `<a><${action}Response>${fields}</${action}Response></a>`];
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

it('another port is tried when another mechanism has the first (error 729), or the router does not say why', async () => {
  for (const code of [729, 501, 402]) {
    const router = new UpnpRouter(({ port }) => (port === WANTED.externalPort ? code : undefined));
    const { externalPort, lifetime } = await (await router.start()).map(WANTED, never);
    expect([router.held, lifetime]).toEqual([[externalPort], 600]);
    expect(externalPort).not.toBe(WANTED.externalPort);
  }
});

it('a mapping without an end is asked for when the router does not say what is wrong with one that has an end', async () => {
  for (const code of [501, 402]) {
    const router = new UpnpRouter(({ lifetime }) => (lifetime === 0 ? undefined : code));
    const granted = await (await router.start()).map(WANTED, never);
    expect(granted).toMatchObject({ externalPort: WANTED.externalPort, lifetime: Number.POSITIVE_INFINITY });
  }
  const router = new UpnpRouter(() => 501);
  expect(await rejectionOf((await router.start()).map(WANTED, never))).toBe('nat-refused');
  expect(router.asked.map(({ lifetime }) => lifetime)).toEqual([600, 0, 600, 0, 600, 0]);
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

const isAdd = ({ action }: Asked): boolean => action === 'AddPortMapping';
const isGet = ({ action }: Asked): boolean => action === 'GetSpecificPortMappingEntry';
const actionsOf = (router: UpnpRouter): string[] => router.asked.map(({ action }) => action);

/** A node that has asked for a mapping, and heard nothing of it. */
async function unanswered(router: UpnpRouter, isSilent: UpnpRouter['isSilent'] = isAdd) {
  const env = new VirtualEnv();
  router.isSilent = isSilent;
  const methods = [await router.start(env)];
  const asked = router.when(isSilent);
  const events: string[] = [];
  const onEvent = ({ kind }: { readonly kind: string }): void => void events.push(kind);
  const mapper = new PortMapper({ env, methods, ports: { tcp: WANTED.internalPort }, onEvent });
  mapper.start();
  await asked;
  return { env, mapper, events };
}

it('a mapping without an end that was asked for, and not answered, is taken back when the node stops', async () => {
  const router = new UpnpRouter(({ lifetime }) => (lifetime === 0 ? undefined : ONLY_PERMANENT));
  const { env, mapper, events } = await unanswered(router, ({ lifetime }) => lifetime === 0);
  expect(router.held).toEqual([WANTED.externalPort]);
  await mapper.close();
  expect(router.held).toEqual([]);
  expect(actionsOf(router).slice(-2)).toEqual(['GetSpecificPortMappingEntry', 'DeletePortMapping']);
  expect([events, env.timers]).toEqual([[], 0]);
});

it('so is one at a port that was drawn because another host has the first', async () => {
  const router = new UpnpRouter(({ port }) => (port === WANTED.externalPort ? CONFLICT : undefined));
  router.give(WANTED.externalPort, { client: '127.0.0.9' });
  const isElsewhere = ({ action, port }: Asked) =>
    action === 'AddPortMapping' && port !== WANTED.externalPort;
  const { mapper } = await unanswered(router, isElsewhere);
  expect(router.held).toHaveLength(2);
  await mapper.close();
  expect(router.held).toEqual([WANTED.externalPort]);
});

it.each<[string, Partial<Entry>]>([
  ['another host', { client: '127.0.0.9' }],
  ['another program of this host', { description: 'another' }],
  ['another port of this host', { internalPort: '1' }],
])('a mapping that is of %s stays', async (_, entry) => {
  const router = new UpnpRouter();
  const { mapper } = await unanswered(router);
  router.give(WANTED.externalPort, entry);
  await mapper.close();
  expect(router.held).toEqual([WANTED.externalPort]);
  expect(actionsOf(router).at(-1)).toBe('GetSpecificPortMappingEntry');
});

it.each([
  ['makes it late', true],
  ['never makes it', false],
])('a router that %s is asked once more', async (_, makes) => {
  const router = new UpnpRouter();
  const { env, mapper } = await unanswered(router);
  router.lose(WANTED.externalPort);
  const timers = vi.spyOn(env, 'setTimer');
  const closed = mapper.close();
  while (timers.mock.lastCall?.[0] !== LATE_MS) await new Promise((resolve) => setImmediate(resolve));
  if (makes) router.give(WANTED.externalPort, {});
  env.advance(LATE_MS);
  await closed;
  expect(router.held).toEqual([]);
  const asked = ['AddPortMapping', 'GetSpecificPortMappingEntry', 'GetSpecificPortMappingEntry'];
  expect(actionsOf(router)).toEqual(makes ? [...asked, 'DeletePortMapping'] : asked);
});

it('a router that does not say whose a mapping is keeps no node from stopping, and the mapping', async () => {
  const router = new UpnpRouter();
  const { env, mapper } = await unanswered(router, (asked) => isAdd(asked) || isGet(asked));
  const gets = router.when(isGet);
  const closed = mapper.close();
  await gets;
  env.advance(UNMAP_TIMEOUT_MS);
  await closed;
  expect([router.held, env.timers]).toEqual([[WANTED.externalPort], 0]);
});

it('a mapping that a router has not answered for long is taken back, too', async () => {
  const router = new UpnpRouter();
  const { env, mapper, events } = await unanswered(router);
  env.advance(HTTP_TIMEOUT_MS);
  while (events.length === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(events).toEqual(['nat-failed']);
  router.isSilent = () => false;
  await mapper.close();
  expect(router.held).toEqual([]);
});

it('what was answered is asked of no more', async () => {
  const router = new UpnpRouter(() => CONFLICT);
  const method = await router.start();
  expect(await rejectionOf(method.map(WANTED, never))).toBe('nat-refused');
  router.refuses = () => undefined;
  await method.map(WANTED, never);
  await method.withdraw(WANTED, never);
  expect(actionsOf(router).every((action) => action === 'AddPortMapping')).toBe(true);
});

const TWO = `<root>${serviceOf(SERVICE, '/ip')}${serviceOf(PPP, '/ppp')}</root>`;
const used = ({ paths }: UpnpRouter): string[] => paths.splice(0);

it.each([
  ['has no address', ''],
  ['has that of no host', '0.0.0.0'],
  ['has one behind another translator', '10.0.0.1'],
  ['answers with an error', 501],
])('of a router with two services the other one is asked when the first %s', async (_, first) => {
  const router = new UpnpRouter();
  router.description = TWO;
  router.address = (path) => (path === '/ip' ? first : '1.2.3.4');
  const method = await router.start();
  expect(await method.map(WANTED, never)).toMatchObject({ externalIp: '1.2.3.4' });
  expect(used(router)).toEqual(['/ip', '/ppp', '/ppp']);
  // From then on it is asked first, also when the router is looked for anew.
  await method.map(WANTED, never);
  expect(used(router)).toEqual(['/ppp', '/ppp']);
  router.refuses = () => 501;
  expect(await rejectionOf(method.map(WANTED, never))).toBe('nat-refused');
  used(router);
  await method.unmap(WANTED, never);
  expect([used(router), router.held]).toEqual([['/ppp'], []]);
  // The line is another one now.
  router.refuses = () => undefined;
  router.address = (path) => (path === '/ip' ? '1.2.3.5' : '');
  expect(await method.map(WANTED, never)).toMatchObject({ externalIp: '1.2.3.5' });
  expect(used(router)).toEqual(['/ppp', '/ip', '/ip']);
});

it('of a router with two services, of which none has an address, the error is told that says most', async () => {
  const router = new UpnpRouter();
  router.description = TWO;
  router.address = (path) => (path === '/ip' ? '0.0.0.0' : '100.64.0.1');
  expect(await rejectionOf((await router.start()).map(WANTED, never))).toBe('nat-carrier-grade');
});

/** A router that makes a mapping once, and renews none (error 718). */
async function renewing(): Promise<{ readonly router: UpnpRouter; readonly method: UpnpMethod }> {
  const router: UpnpRouter = new UpnpRouter(({ port }) =>
    router.held.includes(port) ? CONFLICT : undefined,
  );
  const method = await router.start();
  await method.map(WANTED, never);
  router.asked.length = 0;
  return { router, method };
}

it.each<[string, Partial<Entry>, number?]>([
  ['says that it is ours', {}],
  ['does not know the question', {}, 401],
  ['does not say whose it is', { client: '' }],
  ['cuts the description', { description: 'peer' }],
])(
  'a mapping that is not renewed is taken back and made anew at its port: the router %s',
  async (_, entry, getFails) => {
    const { router, method } = await renewing();
    router.getFails = getFails;
    router.give(WANTED.externalPort, entry);
    const { externalPort } = await method.map(WANTED, never);
    expect([externalPort, router.held]).toEqual([WANTED.externalPort, [WANTED.externalPort]]);
    expect(actionsOf(router).slice(1)).toEqual([
      'GetSpecificPortMappingEntry',
      'DeletePortMapping',
      'AddPortMapping',
    ]);
  },
);

it('a mapping to the address that this machine had is taken back and made anew', async () => {
  const other: UpnpRouter = new UpnpRouter(({ port }) => (other.held.includes(port) ? CONFLICT : undefined));
  const moved = await other.start(systemEnv, () => from);
  let from = '127.0.0.5';
  await moved.map(WANTED, never);
  from = HERE;
  expect((await moved.map(WANTED, never)).externalPort).toBe(WANTED.externalPort);
  expect(other.held).toEqual([WANTED.externalPort]);
});

it.each<[string, Partial<Entry>, number?]>([
  ['another host', { client: '127.0.0.9' }],
  ['another program of this machine', { internalPort: '1' }],
  ['nobody, as it says', {}, NO_SUCH_MAPPING],
])('a port that %s has meanwhile is left to it', async (_, entry, getFails) => {
  const { router, method } = await renewing();
  router.getFails = getFails;
  router.give(WANTED.externalPort, entry);
  const { externalPort } = await method.map(WANTED, never);
  expect(router.held).toEqual([WANTED.externalPort, externalPort]);
});

it('so is one whose lease was over', async () => {
  const env = new VirtualEnv();
  const router: UpnpRouter = new UpnpRouter(({ port }) =>
    router.held.includes(port) ? CONFLICT : undefined,
  );
  const method = await router.start(env);
  await method.map(WANTED, never);
  router.getFails = 401;
  env.advance(WANTED.lifetime * 1_000);
  const { externalPort } = await method.map(WANTED, never);
  expect(router.held).toEqual([WANTED.externalPort, externalPort]);
});

it('a port that stays taken is given up for another one', async () => {
  const { router, method } = await renewing();
  router.getFails = 401;
  router.refuses = ({ port }) => (port === WANTED.externalPort ? CONFLICT : undefined);
  const { externalPort } = await method.map(WANTED, never);
  expect(router.held).toEqual([externalPort]);
  expect(actionsOf(router).filter((action) => action === 'DeletePortMapping')).toHaveLength(1);
});

it('nobody is asked whose a port is that was not granted before', async () => {
  const router = new UpnpRouter(({ port }) => (port === WANTED.externalPort ? CONFLICT : undefined));
  await (await router.start()).map(WANTED, never);
  expect(actionsOf(router)).toEqual(['AddPortMapping', 'AddPortMapping']);
});

it('of two services a mapping that was not answered is taken back where it was asked for', async () => {
  const router = new UpnpRouter();
  router.description = TWO;
  const method = await router.start();
  const abort = new AbortController();
  router.isSilent = isAdd;
  router.address = (path) => (path === '/ip' ? '' : '1.2.3.4');
  const asked = router.when(isAdd);
  const mapped = rejectionOf(method.map(WANTED, abort.signal));
  await asked;
  abort.abort();
  expect(await mapped).toBe('aborted');
  used(router);
  await method.withdraw(WANTED, never);
  expect([used(router), router.held]).toEqual([['/ppp', '/ppp'], []]);
});

it('a mapping that the first service refuses is asked for from the second', async () => {
  const router = new UpnpRouter();
  router.description = TWO;
  router.refuses = () => (router.paths.at(-1) === '/ip' ? 606 : undefined);
  const method = await router.start();
  await method.map(WANTED, never);
  expect(used(router)).toEqual(['/ip', '/ip', '/ppp', '/ppp']);
});
