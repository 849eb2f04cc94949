/** A node behind a real router: three network namespaces of our own, which lead nowhere else. */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { run, start, stop } from './child.ts';

/** In namespaces that have no way out, nobody is there but those that we made: addresses must look like public ones. */
export const PUBLIC_NET = '11.22.33';
/** As behind carrier-grade NAT (RFC 6598). */
export const SHARED_NET = '100.64.33';
export const LAN_HOST = '192.168.77.2';
const LAN_ROUTER = '192.168.77.1';
/** By IPv6 nothing is translated: the LAN has addresses of the Internet, behind the firewall. */
export const LAN_IPV6 = '2a0a:7701::2';
const LAN_ROUTER_IPV6 = '2a0a:7701::1';
const WAN_IPV6 = '2a0a:7702::2';
const WAN_ROUTER_IPV6 = '2a0a:7702::1';
/** As routers announce themselves. */
const LAN_LINK_ROUTER = 'fe80::1';
const READY_TRIES = 100;
const READY_INTERVAL_MS = 50;
let made = 0;

export interface NatLabOptions {
  /** The network outside, by its first three bytes; default: a public one. */
  readonly outside?: string;
  /** Lines for the port mapper's configuration. */
  readonly config?: readonly string[];
  /** Whether the router maps ports; default yes. */
  readonly maps?: boolean;
  /**
   * What outside becomes of the UDP port `inside` of the host in the LAN: always `outside`, by which others reach it too, or
   * another one for each whom it writes to. Default: the same, as long as it is free.
   */
  readonly udp?: { readonly inside: number; readonly outside: number | 'scattered' };
}

/** `lan` -- `router` -- `wan`. */
export class NatLab implements AsyncDisposable {
  readonly lan: string;
  readonly router: string;
  readonly wan: string;
  readonly externalIp: string;
  readonly outsideIp: string;
  readonly #options: NatLabOptions;
  readonly #directory: string;
  #mapper: ChildProcess | undefined;

  private constructor(options: NatLabOptions, directory: string) {
    const name = `pl${process.pid}-${made++}`;
    this.lan = `${name}l`;
    this.router = `${name}r`;
    this.wan = `${name}w`;
    const { outside = PUBLIC_NET } = options;
    this.externalIp = `${outside}.1`;
    this.outsideIp = `${outside}.2`;
    this.#options = options;
    this.#directory = directory;
  }

  static async make(options: NatLabOptions = {}): Promise<NatLab> {
    const lab = new NatLab(options, await mkdtemp(join(tmpdir(), 'peerlane-nat-')));
    try {
      await lab.#build();
      if (options.maps !== false) await lab.startMapper();
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The command that runs a program in a namespace. */
  inside(namespace: string, ...command: readonly string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', namespace, ...command]];
  }

  /** More hosts outside, each of a network of its own; at most 16. @returns their addresses */
  async addNetworks(count: number): Promise<string[]> {
    const addresses = Array.from({ length: count }, (_, i) => `11.22.${48 + i}.1`);
    for (const address of addresses)
      await run('ip', ['-n', this.wan, 'addr', 'add', `${address}/32`, 'dev', 'lo']);
    await run('ip', ['-n', this.router, 'route', 'add', '11.22.48.0/20', 'via', this.outsideIp]);
    return addresses;
  }

  /** The rules of the router, as nftables lists them. */
  async rules(): Promise<string> {
    return run(...this.inside(this.router, 'nft', 'list', 'ruleset'));
  }

  /** Waits until the rules are as wanted. @throws Error with them when they never are */
  async untilRules(are: (rules: string) => boolean, tries = 200): Promise<void> {
    let rules = '';
    for (let i = 0; i < tries; i++) {
      rules = await this.rules();
      if (are(rules)) return;
      await pause(READY_INTERVAL_MS);
    }
    throw new Error(`the rules of the router are:\n${rules}`);
  }

  /** What the router's TCP port `port` would say on one connection, counted from 0 in their order, is lost. */
  async loseAnswers(port: number, connection: number): Promise<void> {
    const file = join(this.#directory, 'quiet.nft');
    await writeFile(file, quiet(port, connection));
    await run(...this.inside(this.router, 'nft', '-f', file));
  }

  async startMapper(): Promise<void> {
    const config = join(this.#directory, 'miniupnpd.conf');
    await writeFile(config, `${[...CONFIG, ...(this.#options.config ?? [])].join('\n')}\n`);
    const command = ['miniupnpd', '-d', '-f', config, '-P', join(this.#directory, 'miniupnpd.pid')];
    const child = start(...this.inside(this.router, ...command), {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000);
    });
    this.#mapper = child;
    for (let i = 0; i < READY_TRIES; i++) {
      const sockets = await run(...this.inside(this.router, 'ss', '-lun'));
      if (sockets.includes(':5351 ') && sockets.includes(':1900 ')) return;
      await pause(READY_INTERVAL_MS);
    }
    throw new Error(`miniupnpd does not run:\n${said}`);
  }

  async stopMapper(): Promise<void> {
    if (this.#mapper !== undefined) await stop(this.#mapper, 'SIGTERM', 2_000);
    this.#mapper = undefined;
  }

  /** As a router that has lost its power: its mappings are gone. */
  async restart(): Promise<void> {
    if (this.#mapper !== undefined) await stop(this.#mapper, 'SIGKILL', 2_000);
    await run(...this.inside(this.router, 'nft', 'flush', 'ruleset'));
    await this.#rule();
    await this.startMapper();
  }

  /** The provider gives the router another address. @returns it */
  async readdress(): Promise<string> {
    const address = this.externalIp.replace(/1$/, '3');
    const change = (what: string, ip: string) =>
      run('ip', ['-n', this.router, 'addr', what, `${ip}/24`, 'dev', 'outer']);
    // Else the second address would go with the first.
    const promote = 'echo 1 > /proc/sys/net/ipv4/conf/outer/promote_secondaries';
    await run(...this.inside(this.router, 'sh', '-c', promote));
    await change('add', address);
    await change('del', this.externalIp);
    return address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopMapper();
    for (const name of [this.lan, this.router, this.wan]) {
      await run('ip', ['netns', 'del', name]).catch(() => undefined);
    }
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #build(): Promise<void> {
    const { lan, router, wan } = this;
    const ip = (...args: readonly string[]): Promise<string> => run('ip', args);
    for (const name of [lan, router, wan]) {
      await ip('netns', 'add', name);
      await ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    for (const [side, namespace] of [
      ['inner', lan],
      ['outer', wan],
    ] as const) {
      await ip('-n', router, 'link', 'add', side, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    }
    const addresses = [
      [lan, 'eth0', LAN_HOST],
      [wan, 'eth0', this.outsideIp],
      [router, 'inner', LAN_ROUTER],
      [router, 'outer', this.externalIp],
    ] as const;
    for (const [namespace, device, address] of addresses) {
      await ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', device);
    }
    const ipv6Addresses = [
      [lan, 'eth0', LAN_IPV6],
      [wan, 'eth0', WAN_IPV6],
      [router, 'inner', LAN_LINK_ROUTER],
      [router, 'inner', LAN_ROUTER_IPV6],
      [router, 'outer', WAN_ROUTER_IPV6],
    ] as const;
    // It would have a second address of its link.
    await ip('-n', router, 'link', 'set', 'inner', 'addrgenmode', 'none');
    for (const [namespace, device, address] of ipv6Addresses) {
      // Nobody else can have it.
      await ip('-n', namespace, 'addr', 'add', `${address}/64`, 'dev', device, 'nodad');
    }
    for (const [namespace, device] of addresses) await ip('-n', namespace, 'link', 'set', device, 'up');
    await ip('-n', lan, 'route', 'add', 'default', 'via', LAN_ROUTER);
    await ip('-n', lan, 'route', 'add', 'default', 'via', LAN_LINK_ROUTER, 'dev', 'eth0');
    await ip('-n', wan, 'route', 'add', `${LAN_ROUTER_IPV6}/64`, 'via', WAN_ROUTER_IPV6);
    // On which link miniupnpd tells all hosts that it has begun anew, it leaves to the system.
    await ip('-n', router, 'route', 'add', 'multicast', 'ff02::1', 'dev', 'inner', 'table', 'local');
    for (const forward of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'])
      await run(...this.inside(router, 'sh', '-c', `echo 1 > /proc/sys/net/${forward}`));
    await this.#rule();
  }

  async #rule(): Promise<void> {
    const file = join(this.#directory, 'rules.nft');
    await writeFile(file, rulesOf(this.externalIp, this.#options.udp));
    await run(...this.inside(this.router, 'nft', '-f', file));
  }
}

/** What comes from outside is dropped unless a mapping lets it in; chains named `mapped-*` are the port mapper's. */
function rulesOf(externalIp: string, udp: NatLabOptions['udp']): string {
  const port = udp?.outside;
  const isFixed = udp !== undefined && port !== 'scattered';
  const into = isFixed ? `iifname "outer" udp dport ${port} dnat ip to ${LAN_HOST}:${udp.inside}` : '';
  const out = isFixed ? `oifname "outer" udp sport ${udp.inside} snat ip to ${externalIp}:${port}` : '';
  return `
table inet nat_lab {
  chain mapped_in {}
  chain mapped_out {}
  chain mapped_pass {}
  chain pass {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "inner" accept
    ${isFixed ? 'ct status dnat accept' : ''}
    jump mapped_pass
  }
  chain before {
    type nat hook prerouting priority -100; policy accept;
    ${into}
    jump mapped_in
  }
  chain after {
    type nat hook postrouting priority 100; policy accept;
    ${out}
    jump mapped_out
    meta nfproto ipv4 oifname "outer" masquerade ${port === 'scattered' ? 'fully-random' : ''}
  }
}
`;
}

const quiet = (port: number, connection: number): string => `
table inet quiet {
  chain asked {
    type filter hook input priority 0; policy accept;
    tcp dport ${port} ct state new ct mark set numgen inc mod 1000
  }
  chain answers {
    type filter hook output priority 0; policy accept;
    tcp sport ${port} ct mark ${connection} tcp flags & (psh | fin) != 0 drop
  }
}
`;

const CONFIG = [
  'ext_ifname=outer',
  'listening_ip=inner',
  'enable_natpmp=yes',
  'enable_upnp=yes',
  'secure_mode=yes',
  'upnp_table_name=nat_lab',
  'upnp_nat_table_name=nat_lab',
  'upnp_forward_chain=mapped_pass',
  'upnp_nat_chain=mapped_in',
  'upnp_nat_postrouting_chain=mapped_out',
  'uuid=6d1f4f0e-1111-4000-8000-000000000001',
  'allow 1024-65535 192.168.77.0/24 1024-65535',
  'deny 0-65535 0.0.0.0/0 0-65535',
];
