import { type Command, InvalidArgumentError, Option } from 'commander';
import { onAbort } from '../base/abort.ts';
import { isPeerlaneError, type PeerlaneError } from '../base/errors.ts';
import { formatIp, parseIp, parseIpv4 } from '../base/ip.ts';
import { isHostAddress } from '../base/ip-class.ts';
import { sleep } from '../base/sleep.ts';
import { publicKeyOf } from '../crypto/index.ts';
import type { Discv4Stats } from '../discv4/index.ts';
import { type EntryChanges, formatEnode, type NodeRecord, signRecord } from '../enr/index.ts';
import type { TableStats } from '../kad/index.ts';
import { Discv4Service, type NodeDatabaseEvent } from '../server/index.ts';
import { type ListenAddress, listenAddress, seconds } from './arguments.ts';
import { withBootnodes } from './asking.ts';
import { BootnodeDatabase } from './bootnode-database.ts';
import { type CommonOptions, type Context, runAction, withCommonOptions } from './command.ts';
import { formatBytes, formatNumber } from './format.ts';
import { listenOn } from './hosts.ts';
import { nodeKey } from './node.ts';
import { readBootnodes } from './nodes.ts';
import type { Output } from './output.ts';

const DEFAULT_LISTEN = '0.0.0.0:30303';
const DEFAULT_STATS_S = 60;

interface ListenOptions extends CommonOptions {
  readonly listen: ListenAddress;
  readonly key?: string;
  readonly nodedb?: string;
  readonly bootnode?: readonly string[];
  readonly extip?: string;
  readonly stats: number;
}

export function addListenCommand(program: Command): void {
  withBootnodes(withCommonOptions(program.command('listen')))
    .description('run a bootnode, which other nodes begin with, until Ctrl-C')
    .addOption(
      new Option('--listen <host:port>', 'where to listen; port 0 is any free one')
        .argParser(listenAddress)
        .default(listenAddress(DEFAULT_LISTEN), DEFAULT_LISTEN),
    )
    .option('--key <file>', 'node key; default: a new one')
    .option('--nodedb <dir>', 'keep nodes that have answered here, for the next start')
    .option('--extip <address>', 'address that the record names; default: the one that it listens on', hostIp)
    .option('--stats <seconds>', 'how often to print figures', seconds, DEFAULT_STATS_S)
    .action((options: ListenOptions) => runAction(options, (context) => listen(context, options)));
}

async function listen(context: Context, options: ListenOptions): Promise<void> {
  const { env, output, signal } = context;
  const key = await nodeKey(options.key, env);
  const publicKey = publicKeyOf(key);
  const address = await listenOn(options.listen);
  const bootnodes = await readBootnodes(options.bootnode, signal);
  const warnings = new Warnings(output);
  try {
    await using database = await BootnodeDatabase.open({
      ...{ path: options.nodedb, publicKey, env, signal },
      onEvent: (event) => warnings.tell(event),
    });
    const seeds = [...bootnodes, ...(await database.seeds(signal))];
    const seq = await database.nextSeq();
    const failure = new AbortController();
    let record: NodeRecord | undefined;
    const announced = (port: number): NodeRecord => {
      record ??= signRecord(key, {
        seq,
        entries: entriesOf(options.extip ?? address.host, address.host, port),
      });
      return record;
    };
    await using service: Discv4Service = new Discv4Service({
      ...{ key, listen: address, seeds, env },
      record: () => announced(service.port),
      onEvent: (event) => {
        if (event.kind === 'listener-failed') failure.abort(event.error);
        else database.note(event);
      },
    });
    await service.start();
    database.keepOwn(service.record);
    await database.flush();
    printListening(output, service, options.extip ?? address.host);
    warnings.release();
    const stop = new AbortController();
    for (const one of [signal, failure.signal]) onAbort(one, () => stop.abort(one.reason));
    await report(context, service, database, options.stats, stop.signal);
    if (failure.signal.aborted && !signal.aborted) throw failure.signal.reason;
  } finally {
    warnings.release();
  }
}

/** A bootnode takes no connections. Without an own port in it, discovery of either family is at `udp`. */
function entriesOf(announced: string, listening: string, port: number): EntryChanges {
  if (isUnspecifiedText(announced)) return { udp: port };
  if (parseIpv4(announced) !== undefined) return { ip: announced, udp: port };
  return listening === '::' ? { ip6: announced, udp: port } : { ip6: announced, udp6: port };
}

function printListening(output: Output, { publicKey, port, record }: Discv4Service, announced: string): void {
  const host = announced === '0.0.0.0' ? '127.0.0.1' : announced === '::' ? '::1' : announced;
  const enode = formatEnode({ publicKey, host, tcpPort: 0, udpPort: port });
  const enr = record.toString();
  const lines = [`enode    ${enode}`, `enr      ${enr}`];
  if (isUnspecifiedText(announced)) {
    lines.push('note     the record names no address: --extip says where others reach this node');
  }
  output.event('listening', { enode, enr }, lines.join('\n'));
}

/** Prints figures again and again. */
async function report(
  { env, output }: Context,
  service: Discv4Service,
  database: BootnodeDatabase,
  intervalS: number,
  signal: AbortSignal,
): Promise<void> {
  let before = { at: env.now(), received: service.stats().received };
  while (!signal.aborted) {
    try {
      await sleep(env, intervalS * 1_000, signal);
    } catch (error) {
      if (isPeerlaneError(error, 'aborted')) return;
      throw error;
    }
    database.keepOwn(service.record);
    const stats = service.stats();
    const now = env.now();
    const perSecond = ((stats.received - before.received) * 1_000) / Math.max(1, now - before.at);
    before = { at: now, received: stats.received };
    printStats(output, stats, service.table.stats(), { perSecond, known: database.size });
  }
}

function printStats(
  output: Output,
  { received, dropped, sent, sentBytes }: Discv4Stats,
  { entries, live, replacements }: TableStats,
  { perSecond, known }: { readonly perSecond: number; readonly known: number },
): void {
  output.event(
    'stats',
    {
      ...{ table: entries, live, replacements, known },
      packetsPerSecond: Math.round(perSecond * 10) / 10,
      ...{ received, dropped: { ...dropped }, shed: dropped.shed, sent, sentBytes },
    },
    [
      `table ${formatNumber(entries)}, of which ${formatNumber(live)} live`,
      `${formatNumber(known)} known`,
      `${formatNumber(Math.round(perSecond * 10) / 10)} packets/s`,
      `${formatNumber(dropped.shed)} shed`,
      `sent ${formatBytes(sentBytes)}`,
    ].join(', '),
  );
}

/** Warnings wait until it has been said where the bootnode listens, which comes first. */
class Warnings {
  readonly #output: Output;
  #waiting: NodeDatabaseEvent[] | undefined = [];

  constructor(output: Output) {
    this.#output = output;
  }

  /** Before the release there are two at most, of the opening. */
  tell(event: NodeDatabaseEvent): void {
    if (this.#waiting === undefined) printWarning(this.#output, event);
    else this.#waiting.push(event);
  }

  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const event of waiting) printWarning(this.#output, event);
  }
}

function printWarning(output: Output, event: NodeDatabaseEvent): void {
  switch (event.kind) {
    case 'node-database-set-aside': {
      const { kind, path, movedTo, error } = event;
      const text = `warning: ${error.message}; it is at ${movedTo} now, and a new one has begun`;
      output.event(kind, { path, movedTo, ...reasonOf(error) }, text);
      return;
    }
    case 'node-database-values-dropped': {
      const { kind, count } = event;
      const text = `warning: ${formatNumber(count)} nodes of the database were damaged, and are gone`;
      output.event(kind, { count }, text);
      return;
    }
    case 'node-database-failed':
      output.event(
        event.kind,
        reasonOf(event.error),
        `warning: ${event.error.message} (${event.error.code})`,
      );
  }
}

function reasonOf({ code, message }: PeerlaneError): { code: string; message: string } {
  return { code, message };
}

function isUnspecifiedText(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function hostIp(text: string): string {
  const address = parseIp(text);
  if (address === undefined || !isHostAddress(address)) {
    throw new InvalidArgumentError('expected the IP address of a host');
  }
  return formatIp(address);
}
