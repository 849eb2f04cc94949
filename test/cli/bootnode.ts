/** A bootnode of the command line, and what commands say of it. */
import { onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatEnode } from '../../src/enr/index.ts';
import type { Discv4ServiceOptions } from '../../src/server/discv4-options.ts';
import { Discv4Service } from '../../src/server/discv4-service.ts';
import type { Discv5ServiceOptions } from '../../src/server/discv5-options.ts';
import { Discv5Service } from '../../src/server/discv5-service.ts';
import { Cli, InnerCli, type JsonEvent, type Running } from './cli.ts';

export interface Bootnode<Run extends Running = Running> {
  readonly cli: Run;
  readonly enode: string;
  readonly enr: string;
}

const LISTEN = ['--listen', '127.0.0.1:0'];

/** Starts `listen --json` in this process, on a free port unless `--listen` says where. */
export function bootnode(...args: readonly string[]): Promise<Bootnode> {
  return listening(new InnerCli(listen(args)));
}

/** The same in a process of its own. */
export function bootnodeProcess(...args: readonly string[]): Promise<Bootnode<Cli>> {
  return listening(new Cli(listen(args)));
}

function listen(args: readonly string[]): string[] {
  return ['listen', ...(args.includes('--listen') ? [] : LISTEN), '--json', ...args];
}

async function listening<Run extends Running>(cli: Run): Promise<Bootnode<Run>> {
  const { enode, enr } = await cli.event(({ event }) => event === 'listening');
  return { cli, enode: String(enode), enr: String(enr) };
}

/** A node in this process until the test is over. */
export async function ownNode(options: Partial<Discv4ServiceOptions> = {}): Promise<Discv4Service> {
  const key = generateSecretKey(systemEnv);
  const service = new Discv4Service({ key, listen: { host: '127.0.0.1', port: 0 }, ...options });
  await service.start();
  onTestFinished(() => service.close());
  return service;
}

/** One that speaks v5 only. */
export async function ownNode5(options: Partial<Discv5ServiceOptions> = {}): Promise<Discv5Service> {
  const key = generateSecretKey(systemEnv);
  const service = new Discv5Service({ key, listen: { host: '127.0.0.1', port: 0 }, ...options });
  await service.start();
  onTestFinished(() => service.close());
  return service;
}

export function enodeOf({ publicKey, port }: Discv4Service | Discv5Service, host = '127.0.0.1'): string {
  return formatEnode({ publicKey, host, tcpPort: 0, udpPort: port });
}

/** A node that nobody answers for. */
export async function silentNode(): Promise<string> {
  const service = await ownNode();
  const enode = enodeOf(service);
  await service.close();
  return enode;
}

export function ofKind(kind: string, events: readonly JsonEvent[]): JsonEvent[] {
  return events.filter(({ event }) => event === kind);
}
