/** Nodes behind miniupnpd, a real router, and a STUN server (coturn), in network namespaces of our own. Needs root. */
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, parseEnode, parseRecord } from '../../src/enr/index.ts';
import { MIN_GLOBAL_VOTES } from '../../src/server/endpoint-votes.ts';
import { MAIN } from '../cli/cli.ts';
import { disposingAfterEach } from '../support/opened.ts';
import { SMALL_CHAIN } from './chains.ts';
import { run, start, stop } from './child.ts';
import { JsonProgram } from './json-program.ts';
import { LAN_HOST, LAN_IPV6, NatLab, type NatLabOptions, SHARED_NET } from './nat-lab.ts';
import { toolPath } from './tools.ts';

type CliEvent = { readonly event: string } & Readonly<Record<string, unknown>>;
type Cli = JsonProgram<CliEvent, object>;

const CHAIN_DIRECTORY = dirname(SMALL_CHAIN.genesis);
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
process.env.PATH = PATH;

const opened = disposingAfterEach();

const lab = async (options?: NatLabOptions): Promise<NatLab> => opened(await NatLab.make(options));

function cli(lab: NatLab, namespace: string, ...args: readonly string[]): Cli {
  return opened(new JsonProgram(...lab.inside(namespace, process.execPath, MAIN, ...args, '--json')));
}

const serve = (lab: NatLab, ...args: readonly string[]): Cli => {
  const here = args.includes('--listen') ? [] : ['--listen', '0.0.0.0:0'];
  return cli(lab, lab.lan, 'serve', '--chain', CHAIN_DIRECTORY, ...here, ...args);
};

const mapped = (node: Cli, protocol: string): Promise<CliEvent> =>
  node.next(`mapped ${protocol}`, (event) => event.event === 'mapped' && event.protocol === protocol);

/** The rules that lead to a port of the node. */
const leads = (rules: string): number => rules.match(new RegExp(`dnat .*to ${LAN_HOST}:`, 'g'))?.length ?? 0;

/** The rules that let others in by IPv6. */
const pinholes = (rules: string): number => rules.match(/ th dport \d+ @nh,\S+ 0x2a0a7701/g)?.length ?? 0;

const enodeOf = ({ enode }: CliEvent): string => String(enode);

it.each(['pcp', 'pmp', 'upnp', 'any'])(
  'by %s both ports are mapped, and peers from outside come in',
  async (way) => {
    const router = await lab();
    const node = serve(router, '--nat', way);
    const own = parseEnode(enodeOf(await node.next('listening', ({ event }) => event === 'listening')));
    const method = way === 'any' ? 'pcp' : way;
    for (const protocol of ['tcp', 'udp']) {
      expect(await mapped(node, protocol)).toEqual({
        event: 'mapped',
        protocol,
        external: `${router.externalIp}:${own.tcpPort}`,
        method,
      });
    }
    const moved = await node.next('endpoint-changed', ({ event }) => event === 'endpoint-changed');
    expect(parseEnode(enodeOf(moved))).toMatchObject({ host: router.externalIp, tcpPort: own.tcpPort });
    const go = toolPath('devp2p-v1.17.5/devp2p');
    expect(await run(...router.inside(router.wan, go, 'discv4', 'ping', enodeOf(moved)))).toContain(
      'node responded',
    );
    // From one address somebody is let in once in 30 s: ours, or go-ethereum's.
    if (way === 'pcp' || way === 'pmp') {
      cli(router, router.wan, 'dial', enodeOf(moved));
      await node.next('peer-connected', ({ event }) => event === 'peer-connected');
    } else {
      const greeting = await run(...router.inside(router.wan, go, 'rlpx', 'ping', enodeOf(moved)));
      expect(greeting).toContain('peerlane');
    }
    expect(leads(await router.rules())).toBe(2);
    process.kill(node.pid, 'SIGTERM');
    await node.next('unmapped tcp', ({ event, protocol }) => event === 'unmapped' && protocol === 'tcp');
    await node.next('unmapped udp', ({ event, protocol }) => event === 'unmapped' && protocol === 'udp');
    await router.untilRules((rules) => leads(rules) === 0);
  },
);

it.each(['pcp', 'pmp', 'upnp', 'any'])(
  'by %s nothing is asked for a node that has no address of the Internet by IPv6',
  async (way) => {
    const router = await lab();
    const node = cli(router, router.lan, 'listen', '--listen', '[::1]:0', '--nat', way);
    const failed = await node.next('nat-failed', ({ event }) => event === 'nat-failed');
    expect(failed).toMatchObject({
      code: 'nat-no-router',
      message: expect.stringMatching(/where the node does not listen|not reached from everywhere/),
    });
    expect(leads(await router.rules())).toBe(0);
  },
);

it.each(['pcp', 'upnp'])(
  'by %s the firewall lets others in by IPv6, to both ports, and to no others',
  async (way) => {
    const router = await lab();
    const node = serve(router, '--listen', '[::]:0', '--nat', way);
    const own = parseEnode(enodeOf(await node.next('listening', ({ event }) => event === 'listening')));
    const places = [`${router.externalIp}:${own.tcpPort}`, `[${LAN_IPV6}]:${own.tcpPort}`];
    for (const external of places) {
      for (const protocol of ['tcp', 'udp']) {
        const line = await node.next(`mapped ${protocol} at ${external}`, (event) => {
          return event.event === 'mapped' && event.protocol === protocol && event.external === external;
        });
        expect(line.method).toBe(way);
      }
    }
    await router.untilRules((rules) => leads(rules) === 2 && pinholes(rules) === 2);
    const isThere = ({ event, enr }: CliEvent): boolean =>
      event === 'endpoint-changed' && parseRecord(String(enr)).get('ip6') !== undefined;
    const { enr } = await node.next('endpoint-changed', isThere);
    const port = own.tcpPort;
    const endpoints = { ip6: LAN_IPV6, tcp6: port, udp6: port };
    expect(parseRecord(String(enr)).entries()).toMatchObject(endpoints);
    const six = formatEnode({ ...own, host: LAN_IPV6 });
    // Another node of the LAN has asked for nothing.
    const silent = serve(router, '--listen', `[${LAN_IPV6}]:0`);
    const closed = enodeOf(await silent.next('listening', ({ event }) => event === 'listening'));
    const ping = (enode: string) =>
      router.inside(router.wan, process.execPath, MAIN, 'ping', '--json', enode);
    expect(await run(...ping(six))).toContain('"event":"pong"');
    await expect(run(...ping(closed))).rejects.toThrow();
    cli(router, router.wan, 'dial', six);
    await node.next('peer-connected', ({ event }) => event === 'peer-connected');
    process.kill(node.pid, 'SIGTERM');
    await router.untilRules((rules) => leads(rules) === 0 && pinholes(rules) === 0);
  },
);

it.each<[string, NatLabOptions]>([
  ['is renewed before it ends', { config: ['min_lifetime=2', 'max_lifetime=4'] }],
  ['comes back when the router restarts', {}],
])('a pinhole of a node on IPv6 alone %s', async (_, options) => {
  const router = await lab(options);
  const node = serve(router, '--listen', `[${LAN_IPV6}]:0`, '--nat', 'any');
  await mapped(node, 'tcp');
  await mapped(node, 'udp');
  await router.untilRules((rules) => pinholes(rules) === 2 && leads(rules) === 0);
  if (options.config !== undefined) {
    const ends = Date.now() + 10_000;
    while (Date.now() < ends) await router.untilRules((rules) => pinholes(rules) === 2, 10);
    return;
  }
  // As above.
  await pause(4_000);
  await router.restart();
  await router.untilRules((rules) => pinholes(rules) === 2);
});

it('a bootnode has its UDP port mapped', async () => {
  const router = await lab();
  const node = cli(router, router.lan, 'listen', '--listen', '0.0.0.0:0', '--nat', 'pcp');
  const { external } = await mapped(node, 'udp');
  const moved = await node.next('endpoint-changed', ({ event }) => event === 'endpoint-changed');
  expect(external).toBe(`${router.externalIp}:${parseEnode(enodeOf(moved)).udpPort}`);
  const go = toolPath('devp2p-v1.17.5/devp2p');
  expect(await run(...router.inside(router.wan, go, 'discv4', 'ping', enodeOf(moved)))).toContain(
    'node responded',
  );
});

it('what was asked for by UPnP, and whose answer was lost, is taken back when the node stops', async () => {
  const port = 5_000;
  const router = await lab({ config: [`http_port=${port}`] });
  // The description and the address are asked for before the mapping.
  await router.loseAnswers(port, 2);
  const node = cli(router, router.lan, 'listen', '--listen', '0.0.0.0:0', '--nat', 'upnp');
  await router.untilRules((rules) => leads(rules) === 1);
  process.kill(node.pid, 'SIGTERM');
  await router.untilRules((rules) => leads(rules) === 0);
  await expect(mapped(node, 'udp')).rejects.toThrow();
});

it('a lease is renewed before it ends, and a router that restarts gets its mappings back', async () => {
  const router = await lab({ config: ['min_lifetime=2', 'max_lifetime=4'] });
  const node = serve(router, '--nat', 'pcp');
  await mapped(node, 'tcp');
  await mapped(node, 'udp');
  const ends = Date.now() + 10_000;
  // Longer than two leases; while one is renewed the router takes its rule away for a moment.
  while (Date.now() < ends) await router.untilRules((rules) => leads(rules) === 2, 10);
  await router.restart();
  await router.untilRules((rules) => leads(rules) === 2);
});

it.each(['pcp', 'pmp'])(
  'by %s a router that restarts is heard, long before a lease is renewed',
  async (way) => {
    const router = await lab();
    const node = serve(router, '--nat', way);
    await mapped(node, 'tcp');
    await mapped(node, 'udp');
    await router.untilRules((rules) => leads(rules) === 2);
    // A clock that is back by two seconds may only be wrong (RFC 6887, section 8.5).
    await pause(4_000);
    await router.restart();
    await router.untilRules((rules) => leads(rules) === 2);
  },
);

it('a changed address of the router is heard, long before a lease is renewed', async () => {
  const router = await lab();
  const node = serve(router, '--nat', 'pcp');
  const { external } = await mapped(node, 'tcp');
  await mapped(node, 'udp');
  expect(external).toContain(`${router.externalIp}:`);
  const now = await router.readdress();
  const isThere = (protocol: string) => (event: CliEvent) =>
    event.event === 'mapped' && event.protocol === protocol && String(event.external).startsWith(`${now}:`);
  await node.next('mapped tcp elsewhere', isThere('tcp'));
  await node.next('mapped udp elsewhere', isThere('udp'));
});

it.each(['pcp', 'pmp', 'upnp', 'any'])('by %s carrier-grade NAT is recognised and said', async (way) => {
  const router = await lab({ outside: SHARED_NET });
  const node = serve(router, '--nat', way);
  const failed = await node.next('nat-failed', ({ event }) => event === 'nat-failed');
  expect(failed).toMatchObject({
    code: 'nat-carrier-grade',
    message: expect.stringContaining('carrier-grade NAT'),
  });
  expect(leads(await router.rules())).toBe(0);
});

it('a router that maps nothing costs no time at the start', async () => {
  const router = await lab({ maps: false });
  const node = serve(router, '--nat', 'any');
  const first = await node.next('anything', () => true);
  expect(first.event).toBe('listening');
  const failed = await node.next('nat-failed', ({ event }) => event === 'nat-failed');
  expect(failed).toMatchObject({ code: 'nat-no-router', family: 4 });
});

it('a router of one family costs the other nothing', async () => {
  const router = await lab();
  await run('ip', ['-n', router.lan, '-6', 'route', 'del', 'default']);
  const node = serve(router, '--listen', '[::]:0', '--nat', 'pcp');
  expect((await node.next('anything', () => true)).event).toBe('listening');
  await mapped(node, 'tcp');
  await mapped(node, 'udp');
  const failed = await node.next('nat-failed', ({ event }) => event === 'nat-failed');
  expect(failed).toMatchObject({ code: 'nat-no-router', family: 6 });
  expect(leads(await router.rules())).toBe(2);
});

/** go-ethereum's nodes outside, each of a network of its own. @returns what they are called by a node that asks them */
async function voters(router: NatLab, count: number): Promise<string[]> {
  const nodes: string[] = [];
  for (const host of await router.addNetworks(count)) {
    const key = generateSecretKey(systemEnv);
    const enode = formatEnode({ publicKey: publicKeyOf(key), host, tcpPort: 0, udpPort: 30_303 });
    const args = ['discv4', 'listen', '--nodekey', toBareHex(key), '--addr', `${host}:30303`];
    // They know of nobody else.
    args.push('--extaddr', `${host}:30303`, '--bootnodes', nodes[0] ?? enode);
    const node = start(...router.inside(router.wan, toolPath('devp2p-v1.17.5/devp2p'), ...args), {
      stdio: 'ignore',
    });
    opened({ [Symbol.asyncDispose]: () => stop(node, 'SIGTERM', 2_000) });
    nodes.push(enode);
  }
  return nodes;
}

it.each([
  ['the same UDP port, which the record names, and others reach it there', 40_404],
  ['another UDP port for each, and the record keeps the own one', 'scattered'],
] as const)('go-ethereum sees a node behind a translator at %s', async (_, outside) => {
  const router = await lab({ maps: false, udp: { inside: 30_303, outside } });
  const bootnodes = (await voters(router, MIN_GLOBAL_VOTES + 2)).flatMap((enode) => ['--bootnode', enode]);
  const node = cli(router, router.lan, 'listen', '--listen', '0.0.0.0:30303', ...bootnodes);
  const moved = await node.next('endpoint-changed', ({ event }) => event === 'endpoint-changed');
  const udpPort = outside === 'scattered' ? 30_303 : outside;
  expect(parseEnode(enodeOf(moved))).toMatchObject({ host: router.externalIp, udpPort });
  expect(parseRecord(String(moved.enr)).entries()).toMatchObject({ ip: router.externalIp, udp: udpPort });
  if (outside === 'scattered') return;
  const go = toolPath('devp2p-v1.17.5/devp2p');
  const ping = ['discv4', 'ping', '--addr', `${router.outsideIp}:0`, enodeOf(moved)];
  expect(await run(...router.inside(router.wan, go, ...ping))).toContain('node responded');
});

it('a STUN server says where others see the node', async () => {
  const router = await lab({ maps: false });
  const args = [
    '-n',
    '-p',
    '3478',
    '-L',
    router.outsideIp,
    '--no-tls',
    '--no-dtls',
    '--no-cli',
    '-S',
    '--pidfile',
    '',
  ];
  const turn = start(...router.inside(router.wan, 'turnserver', ...args, '--log-file', 'stdout'), {
    stdio: 'ignore',
  });
  opened({ [Symbol.asyncDispose]: () => stop(turn, 'SIGTERM', 2_000) });
  const node = serve(router, '--nat', 'stun', '--stun', `${router.outsideIp}:3478`);
  const own = parseEnode(enodeOf(await node.next('listening', ({ event }) => event === 'listening')));
  expect(await mapped(node, 'tcp')).toMatchObject({
    external: `${router.externalIp}:${own.tcpPort}`,
    method: 'stun',
  });
});
