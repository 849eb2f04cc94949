import { type Command, InvalidArgumentError } from 'commander';
import { equalBytes } from '../base/bytes.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { hostBeforePort } from '../base/ip.ts';
import { sleep } from '../base/sleep.ts';
import type { KadNode } from '../kad/index.ts';
import { type AskingOptions, NODE, startAsking, withDiscoveryOptions } from './asking.ts';
import type { Context, RunAction } from './command.ts';
import { within } from './deadline.ts';
import { durationOption, timerDuration } from './durations.ts';
import { formatNumber, rounded } from './format.ts';
import { lookupFrom } from './hosts.ts';
import { readNode } from './nodes.ts';
import type { Output } from './output.ts';
import type { AskingEvent, AskingService } from './services.ts';
import { type DiscoveryVersion, versionOf } from './versions.ts';

const DEFAULT_COUNT = 4;
const MAX_COUNT = 10_000;
/** Shorter ones are an attack. */
const MIN_INTERVAL_MS = 100;
const DEFAULT_INTERVAL_MS = 1_000;
/** How long a node that has just answered for the first time has to ask for our proof in turn. */
const BOND_MS = 500;

/** Why there is no Pong. */
const SILENT: Readonly<Record<DiscoveryVersion, string>> = {
  v4: 'the node has not answered; one that has left v4 is asked with --v5',
  v5: 'the node has not answered; it may speak v4 only',
};

interface PingOptions extends AskingOptions {
  readonly count: number;
  /** Milliseconds, as `timeout`. */
  readonly interval: number;
  readonly timeout?: number;
}

export function addPingCommand(program: Command, run: RunAction): void {
  withDiscoveryOptions(program.command('ping'))
    .description('ping a node, and print where it sees us')
    .argument('<node>', NODE)
    .option('--count <n>', 'how many times', count, DEFAULT_COUNT)
    .addOption(
      durationOption('--interval <duration>', 'from one Ping to the next', DEFAULT_INTERVAL_MS, interval),
    )
    .action((node: string, options: PingOptions) => run(options, (context) => ping(context, node, options)));
}

async function ping(context: Context, text: string, options: PingOptions): Promise<void> {
  const { output } = context;
  const version = versionOf(options);
  const tally = new Tally();
  const late = new PeerlaneError('request-timeout', 'the time is over');
  try {
    await within(context, options.timeout, late, async (work) => {
      const node = await readNode(text, await lookupFrom(options.listen), work.signal);
      const bond = new Bond(node);
      await using service = await startAsking(
        context,
        options,
        { nodes: [node], onEvent: bond.onEvent },
        work,
      );
      await pingAll(context, service, node, tally, { ...options, version, signal: work.signal });
      // Whoever leaves before it has given its proof must begin anew when it comes again. By v5 a handshake comes first.
      if (version === 'v4' && tally.received > 0) await bond.within(BOND_MS, context, work.signal);
    });
  } catch (error) {
    if (error !== late) throw error;
  } finally {
    if (tally.sent > 0) tally.print(output, version);
  }
  if (tally.received > 0) return;
  throw new PeerlaneError('request-timeout', tally.sent === 0 ? late.message : SILENT[version]);
}

interface PingRun {
  readonly version: DiscoveryVersion;
  readonly signal: AbortSignal;
}

type Pong = Awaited<ReturnType<AskingService['ping']>>;

async function pingAll(
  { env, output }: Context,
  service: AskingService,
  node: KadNode,
  tally: Tally,
  { count, interval, version, signal }: PingOptions & PingRun,
): Promise<void> {
  const begunAt = env.now();
  for (let i = 0; i < count; i++) {
    await sleep(env, Math.max(0, begunAt + i * interval - env.now()), signal);
    tally.sent++;
    const pong = await pongOrNone(service, node, signal);
    tally.add(pong?.rtt);
    printPong(output, version, i + 1, pong);
  }
}

async function pongOrNone(
  service: AskingService,
  node: KadNode,
  signal: AbortSignal,
): Promise<Pong | undefined> {
  try {
    return await service.ping(node, { signal });
  } catch (error) {
    if (isPeerlaneError(error, 'request-timeout')) return undefined;
    throw error;
  }
}

function printPong(output: Output, version: DiscoveryVersion, number: number, pong: Pong | undefined): void {
  if (pong === undefined) {
    output.event('no-pong', { version, number }, `ping ${number}: no answer`);
    return;
  }
  const { rtt, seenAs, enrSeq } = pong;
  const record = enrSeq === undefined ? 'it has no record' : `its record has seq ${enrSeq}`;
  output.event(
    'pong',
    {
      version,
      number,
      rttMs: rounded(rtt),
      seenAs: endpointText(seenAs),
      enrSeq: enrSeq?.toString(),
    },
    `pong ${number}: ${milliseconds(rtt)}, it sees us at ${endpointText(seenAs)}, ${record}`,
  );
}

/** Round-trip times of all Pongs, of which few are kept. */
class Tally {
  /** The one that is under way included: when the time is over it has no answer. */
  sent = 0;
  received = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  /** What came of a Ping. @param rtt milliseconds; `undefined` when there was no answer */
  add(rtt: number | undefined): void {
    if (rtt === undefined) return;
    this.received++;
    this.#sum += rtt;
    this.#min = Math.min(this.#min, rtt);
    this.#max = Math.max(this.#max, rtt);
  }

  print(output: Output, version: DiscoveryVersion): void {
    const { sent, received } = this;
    const lost = (100 * (sent - received)) / sent;
    const [min, mean, max] = [this.#min, this.#sum / received, this.#max];
    const text = `${sent} sent, ${received} answered, ${formatNumber(Math.round(lost))} % lost`;
    output.event(
      'summary',
      {
        ...{ version, sent, received, lossPercent: rounded(lost) },
        ...(received > 0 && { minMs: rounded(min), avgMs: rounded(mean), maxMs: rounded(max) }),
      },
      received === 0
        ? text
        : `${text}; min ${milliseconds(min)}, avg ${milliseconds(mean)}, max ${milliseconds(max)}`,
    );
  }
}

/** Tells when the node has asked for our proof: from then on it is in our table. */
class Bond {
  readonly #done: Promise<void>;
  readonly onEvent: (event: AskingEvent) => void;

  constructor({ id }: KadNode) {
    let resolve = (): void => undefined;
    this.#done = new Promise((done) => {
      resolve = done;
    });
    this.onEvent = (event) => {
      if (event.kind === 'node-added' && equalBytes(event.node.id, id)) resolve();
    };
  }

  async within(ms: number, { env }: Pick<Context, 'env'>, signal: AbortSignal): Promise<void> {
    await Promise.race([this.#done, sleep(env, ms, signal)]);
  }
}

function endpointText({ ip, udpPort }: Pong['seenAs']): string {
  if (ip === undefined) return `no address, port ${udpPort}`;
  return `${hostBeforePort(ip)}:${udpPort}`;
}

function milliseconds(value: number): string {
  return `${formatNumber(rounded(value))} ms`;
}

function count(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > MAX_COUNT)
    throw new InvalidArgumentError(`expected a number from 1 to ${MAX_COUNT}`);
  return value;
}

function interval(text: string): number {
  const ms = timerDuration(text);
  if (ms < MIN_INTERVAL_MS) throw new InvalidArgumentError(`expected at least ${MIN_INTERVAL_MS}ms`);
  return ms;
}
