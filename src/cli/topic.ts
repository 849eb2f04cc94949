import { type Command, InvalidArgumentError } from 'commander';
import { onAbort } from '../base/abort.ts';
import { fromHex, toHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { F_LOOKUP, topicId } from '../discv5/index.ts';
import type { KadNode } from '../kad/index.ts';
import type { Advertisement } from '../server/advertisement.ts';
import type { Discv5ServiceEvent } from '../server/discv5-options.ts';
import { Discv5Service } from '../server/discv5-service.ts';
import { checkedExternalIps } from '../server/listen-endpoints.ts';
import {
  collected,
  count,
  EXTIP_HELP,
  hostIp,
  LISTEN_HELP,
  listenAddress,
  port,
  readWith,
} from './arguments.ts';
import {
  requireOthers,
  type SearchOptions,
  sendFrom,
  startAskingBy,
  withAskingOptions,
  withBootnodes,
} from './asking.ts';
import { type Context, type RunAction, withCommonOptions } from './command.ts';
import { within } from './deadline.ts';
import { durationOption, durationText } from './durations.ts';
import { formatCount, formatDuration, formatNumber, rounded } from './format.ts';
import { lookupFrom } from './hosts.ts';
import { nodeKey } from './node.ts';
import { enodeOf, nobodyToAsk, readBootnodes } from './nodes.ts';
import type { Fields, Output } from './output.ts';
import { repeated } from './repeated.ts';
import { type AskingEvent, isAnswer } from './services.ts';

const DEFAULT_TIMEOUT_MS = 120_000;
const DEFAULT_STATS_MS = 60_000;
const ADVERTISE_FROM = `${LISTEN_HELP}; default: all addresses, at any free port`;
const MAX_COUNT = 1_000;
const TOPIC = 'a text, or the 32 bytes of a topic as 0x and 64 hexadecimal digits';
const NO_BOOTNODE = 'give a --bootnode';
const UNHEARD = 'none of the nodes to begin with has answered';
const NO_ADDRESS =
  'the record names no address, so nobody finds the node; it is learnt from the Pongs of others, and --extip says it at once';

interface TopicSearchOptions extends SearchOptions {
  readonly count: number;
}

interface AdvertiseOptions extends Omit<SearchOptions, 'timeout'> {
  readonly extip?: readonly string[];
  readonly tcpPort?: number;
  /** Milliseconds. */
  readonly stats: number;
}

export function addTopicCommands(program: Command, run: RunAction): void {
  const topic = program
    .command('topic')
    .description('say that this node offers something, or find nodes that do, by discovery v5');
  withBootnodes(withCommonOptions(topic.command('advertise')))
    .description('advertise a topic until Ctrl-C, and print which nodes keep the advertisement')
    .argument('<topic>', TOPIC, topicOf)
    .option('--listen <host:port>', ADVERTISE_FROM, collected(listenAddress))
    .option('--key <file>', 'node key; default: a new one')
    .option('--extip <address>', EXTIP_HELP, collected(hostIp))
    .option('--tcp-port <port>', 'TCP port for the record, where what is advertised is served', port)
    .addOption(durationOption('--stats <duration>', 'how often to print figures', DEFAULT_STATS_MS))
    .action((topic: Uint8Array, options: AdvertiseOptions) =>
      run(options, (context) => advertise(context, topic, options)),
    );
  withBootnodes(withAskingOptions(topic.command('search'), DEFAULT_TIMEOUT_MS))
    .description('print nodes that advertise a topic')
    .argument('<topic>', TOPIC, topicOf)
    .option('--count <n>', 'nodes that are enough', searchCount, F_LOOKUP)
    .action((topic: Uint8Array, options: TopicSearchOptions) =>
      run(options, (context) => search(context, topic, options)),
    );
}

function topicOf(text: string): Uint8Array {
  if (!/^0x/i.test(text)) return readWith(topicId, text);
  const digits = /^0x([0-9a-f]{64})$/i.exec(text)?.[1];
  if (digits !== undefined) return fromHex(digits);
  // Its hash would be a topic that nobody else has.
  throw new InvalidArgumentError('expected 64 hexadecimal digits behind 0x');
}

function searchCount(text: string): number {
  const value = count(text);
  if (value >= 1 && value <= MAX_COUNT) return value;
  throw new InvalidArgumentError(`expected a number from 1 to ${MAX_COUNT}`);
}

async function advertise(context: Context, topic: Uint8Array, options: AdvertiseOptions): Promise<void> {
  const { env, output, signal } = context;
  const { stats, tcpPort = 0, extip: externalIp } = options;
  const key = await nodeKey(options.key, env);
  const asking = { output, lookup: await lookupFrom(options.listen) };
  const { nodes: seeds, failure } = await readBootnodes(options.bootnode, asking, signal);
  if (seeds.length === 0) throw nobodyToAsk(failure, NO_BOOTNODE);
  requireOthers(seeds, key);
  const listen = await sendFrom(options.listen, seeds, true);
  checkedExternalIps(
    externalIp,
    listen.map(({ host }) => host),
    '--extip',
  );
  const ended = new AbortController();
  let advertisement: Advertisement | undefined;
  let isHeard = false;
  await using service = new Discv5Service({
    ...{ key, listen, externalIp, tcpPort, seeds, env },
    onEvent: (event) => {
      if (event.kind === 'listener-failed') ended.abort(event.error);
      if (isAnswer(event)) isHeard = true;
      if (advertisement !== undefined) reportAdvertised(output, event, advertisement);
    },
  });
  await service.start();
  const enr = service.record.toString();
  const { ip, ip6 } = service.record.entries();
  const note = ip === undefined && ip6 === undefined ? NO_ADDRESS : undefined;
  const lines = [
    `topic  ${toHex(topic)}`,
    `enr    ${enr}`,
    ...(note === undefined ? [] : [`note   ${note}`]),
  ];
  output.event('advertising', { version: 'v5', topic: toHex(topic), enr, note }, lines.join('\n'));
  advertisement = service.advertise(topic);
  const report = (): void => printStats(output, service, advertisement, isHeard ? undefined : UNHEARD);
  const stop = repeated(env, stats, report);
  try {
    await new Promise<void>((resolve) => {
      for (const one of [signal, ended.signal]) onAbort(one, () => resolve());
    });
  } finally {
    stop();
  }
  if (ended.signal.aborted && !signal.aborted) throw ended.signal.reason;
}

function reportAdvertised(output: Output, event: Discv5ServiceEvent, advertisement: Advertisement): void {
  if (event.kind === 'endpoint-changed') {
    const enr = event.record.toString();
    output.event('endpoint-changed', { enr }, `enr    ${enr}`);
  }
  if (event.kind !== 'topic-admitted') return;
  const { topic, node, lifetimeMs } = event;
  const { active, pending } = advertisement.stats();
  output.event(
    'admitted',
    { topic: toHex(topic), ...foundFields(node), lifetimeMs, active, pending },
    `kept for ${formatDuration(lifetimeMs / 1_000)} by ${enodeOf(node)}; ${stateText(advertisement)}`,
  );
}

function printStats(
  output: Output,
  { table }: Discv5Service,
  advertisement: Advertisement | undefined,
  note: string | undefined,
): void {
  if (advertisement === undefined) return;
  const { entries, live } = table.stats();
  const { active, pending } = advertisement.stats();
  const text = `${stateText(advertisement)}; table ${formatNumber(entries)}, of which ${formatNumber(live)} live`;
  const fields = { version: 'v5', active, pending, table: entries, live, note };
  output.event('stats', fields, note === undefined ? text : `${text}; ${note}`);
}

function stateText(advertisement: Advertisement): string {
  const { active, pending } = advertisement.stats();
  return `${formatCount(active, 'node')} with it, ${formatNumber(pending)} asked`;
}

async function search(context: Context, topic: Uint8Array, options: TopicSearchOptions): Promise<void> {
  const { env, output } = context;
  const { timeout } = options;
  const late = new PeerlaneError(
    'lookup-timeout',
    `the search has not ended within ${durationText(timeout)}`,
  );
  const begunAt = env.now();
  await within(context, timeout, late, async (work) => {
    const { signal } = work;
    const asking = { output, lookup: await lookupFrom(options.listen) };
    const { nodes: seeds, failure } = await readBootnodes(options.bootnode, asking, signal);
    if (seeds.length === 0) throw nobodyToAsk(failure, NO_BOOTNODE);
    let isHeard = false;
    const onEvent = (event: AskingEvent): void => {
      if (isAnswer(event)) isHeard = true;
    };
    const how = { nodes: seeds, seeds, topics: true, onEvent };
    await using running = await startAskingBy(['v5'], context, options, how, work);
    const found = new Set<string>();
    try {
      for await (const node of running.v5?.search(topic, { signal, count: options.count }) ?? []) {
        found.add(toHex(node.id));
        output.event('node', foundFields(node), enodeOf(node));
      }
    } finally {
      const { sent = 0, received = 0 } = running.v5?.stats() ?? {};
      const seconds = rounded((env.now() - begunAt) / 1_000);
      output.event(
        'summary',
        { version: 'v5', topic: toHex(topic), found: found.size, sent, received, seconds },
        `${formatCount(found.size, 'node')} with the topic ${toHex(topic)}; ${formatCount(sent, 'packet')} sent in ${formatDuration(seconds)}`,
      );
    }
    if (!isHeard) throw new PeerlaneError('request-timeout', UNHEARD);
  });
}

function foundFields(node: KadNode): Fields {
  return { nodeId: toHex(node.id), enode: enodeOf(node), enr: node.record?.toString() };
}
