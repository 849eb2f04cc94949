/** NSD, an authoritative DNS server, on loopback: https://nlnetlabs.nl/projects/nsd/. */
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { start, stop } from './child.ts';

/** Between finding a free port and taking it another process may be faster. */
const MAX_PORTS = 5;
const STARTED = /nsd started/;

export class Nsd implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly address: string;

  private constructor(child: ChildProcess, directory: string, port: number) {
    this.#child = child;
    this.#directory = directory;
    this.address = `127.0.0.1:${port}`;
  }

  /** @param zones zone files by their domains */
  static async serve(zones: Readonly<Record<string, string>>): Promise<Nsd> {
    const directory = await mkdtemp(join(tmpdir(), 'peerlane-nsd-'));
    let said = '';
    for (let i = 0; i < MAX_PORTS; i++) {
      const port = await freePort();
      await writeFile(join(directory, 'nsd.conf'), configuration(directory, port, Object.keys(zones)));
      for (const [domain, zone] of Object.entries(zones)) await writeFile(join(directory, domain), zone);
      const child = start(nsdPath(), ['-d', '-c', join(directory, 'nsd.conf')], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      said = await untilStarted(child);
      // What it could not read of a zone it says, and goes on without it.
      if (STARTED.test(said) && !/error/.test(said)) return new Nsd(child, directory, port);
      await stop(child, 'SIGTERM', 2_000);
      if (!/in use/i.test(said)) break;
    }
    await rm(directory, { recursive: true, force: true });
    throw new Error(`nsd does not run:\n${said}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stop(this.#child, 'SIGTERM', 5_000);
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function configuration(directory: string, port: number, domains: readonly string[]): string {
  const lines = [
    'server:',
    `  ip-address: 127.0.0.1@${port}`,
    '  server-count: 1',
    '  username: ""',
    '  pidfile: ""',
    `  zonesdir: "${directory}"`,
    `  zonelistfile: "${join(directory, 'zone.list')}"`,
    `  xfrdfile: "${join(directory, 'xfrd.state')}"`,
    `  xfrdir: "${directory}"`,
    'remote-control:',
    '  control-enable: no',
  ];
  for (const domain of domains) lines.push('zone:', `  name: "${domain}"`, `  zonefile: "${domain}"`);
  return `${lines.join('\n')}\n`;
}

/** What it said until it runs, or has ended. */
async function untilStarted(child: ChildProcess): Promise<string> {
  let said = '';
  return new Promise((resolve, reject) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (STARTED.test(said)) resolve(said);
    });
    child.once('error', reject);
    child.once('close', () => resolve(said));
  });
}

/** Debian puts it where only root looks. */
function nsdPath(): string {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin'];
  for (const directory of directories) {
    const path = join(directory, 'nsd');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Elsewhere, then.
    }
  }
  throw new Error('nsd is missing: run scripts/setup-interop.sh');
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}
