import { type Command, Option } from 'commander';
import { toBareHex } from '../base/bytes.ts';
import type { Cidr } from '../base/cidr.ts';
import { enodeOfRecord, formatEnode, NodeRecord } from '../enr/index.ts';
import { PRESETS, type PresetName } from '../eth/index.ts';
import { bestOf, formatNodeSet, type NodeSet, type NodeSetEntry } from '../server/node-set.ts';
import { formatTime } from '../server/node-times.ts';
import { cidr, count } from './arguments.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { duration, durationOption } from './durations.ts';
import { formatCount, formatNumber, jsonInteger, printable } from './format.ts';
import { followsChain, inNetwork, type NodeFilter, offersSnap, olderThan } from './node-filters.ts';
import { clientsOf, entriesOf, networksOf, timesOf } from './node-set-facts.ts';
import { readNodeSet, writeNodeSet } from './node-set-file.ts';
import type { Fields } from './output.ts';

/** Kinds of entries that are listed for people; anybody may invent more. */
const LISTED_ENTRIES = 40;

interface FilterOptions extends CommonOptions {
  readonly limit?: number;
  readonly ip?: Cidr;
  readonly minAge?: number;
  readonly ethNetwork?: PresetName;
  readonly snap?: boolean;
  readonly out?: string;
}

export function addNodesetCommands(program: Command, run: RunAction): void {
  const nodeset = program.command('nodeset').description('look into a file of nodes, or choose from it');
  withCommonOptions(nodeset.command('info <file>'))
    .description('count the nodes of a set, their networks and the entries of their records')
    .action((file: string, options: CommonOptions) => run(options, (context) => info(context, file)));
  withCommonOptions(nodeset.command('filter <file>'))
    .description('print the nodes of a set that fulfil all that is asked')
    .option('--limit <n>', 'the n nodes with the highest scores', count)
    .option('--ip <network>', 'nodes with an address in the network, such as 10.0.0.0/8', cidr)
    .addOption(durationOption('--min-age <duration>', 'nodes that answered for so long', undefined, duration))
    .addOption(
      new Option('--eth-network <name>', 'nodes that follow the chain of a public network').choices(
        Object.keys(PRESETS),
      ),
    )
    .option('--snap', 'nodes that offer the snap protocol')
    .option('--out <file>', 'write the set into a file, which may be the one that was read')
    .action((file: string, options: FilterOptions) =>
      run(options, (context) => filter(context, file, options)),
    );
}

async function filter(context: Context, file: string, options: FilterOptions): Promise<void> {
  const { output } = context;
  const set = await readNodeSet(file, context);
  const filters = filtersOf(options);
  const passed: NodeSet = new Map([...set].filter(([, entry]) => filters.every((passes) => passes(entry))));
  const chosen = options.limit === undefined ? passed : bestOf(passed, options.limit);
  const fields = { nodes: chosen.size, of: set.size };
  if (options.out !== undefined) {
    await writeNodeSet(options.out, chosen);
    const text = `wrote ${formatNumber(chosen.size)} of ${formatCount(set.size, 'node')} to ${options.out}`;
    output.event('nodeset', { ...fields, file: options.out }, text);
  } else if (output.mode === 'json') {
    for (const [id, entry] of chosen) output.event('node', nodeFields(id, entry), '');
    output.event('nodeset', fields, '');
  } else {
    output.event('nodeset', fields, formatNodeSet(chosen).trimEnd());
  }
}

function filtersOf({ ip, minAge, ethNetwork, snap }: FilterOptions): NodeFilter[] {
  const filters: NodeFilter[] = [];
  if (ip !== undefined) filters.push(inNetwork(ip));
  if (minAge !== undefined) filters.push(olderThan(minAge));
  if (ethNetwork !== undefined) filters.push(followsChain(PRESETS[ethNetwork]));
  if (snap === true) filters.push(offersSnap);
  return filters;
}

function nodeFields(id: string, { node, score, hello, ...times }: NodeSetEntry): Fields {
  const isRecord = node instanceof NodeRecord;
  const enode = isRecord ? enodeOfRecord(node) : node;
  const forkId = isRecord ? node.get('eth') : undefined;
  return {
    id: `0x${id}`,
    seq: isRecord ? node.seq.toString() : undefined,
    record: isRecord ? node.toString() : undefined,
    enode: enode === undefined ? undefined : formatEnode(enode),
    forkHash: forkId === undefined ? undefined : `0x${toBareHex(forkId.hash)}`,
    forkNext: forkId === undefined ? undefined : jsonInteger(forkId.next),
    score,
    client: hello?.clientId,
    capabilities: hello?.capabilities,
    helloTime: hello === undefined ? undefined : formatTime(hello.at),
    ...timeFields(times),
  };
}

type Times = Pick<NodeSetEntry, 'firstResponse' | 'lastResponse' | 'lastCheck'>;

function timeFields({ firstResponse, lastResponse, lastCheck }: Times): Fields {
  const text = (ms: number | undefined) => (ms === undefined ? undefined : formatTime(ms));
  return {
    firstResponse: text(firstResponse),
    lastResponse: text(lastResponse),
    lastCheck: text(lastCheck),
  };
}

async function info(context: Context, file: string): Promise<void> {
  const set = await readNodeSet(file, context);
  const networks = networksOf(set);
  const entries = entriesOf(set);
  const clients = clientsOf(set);
  const times = timesOf(set);
  const lines = [`nodes      ${formatNumber(set.size)}`];
  if (times.firstResponse !== undefined && times.lastResponse !== undefined) {
    lines.push(`answered   ${formatTime(times.firstResponse)} to ${formatTime(times.lastResponse)}`);
  }
  lines.push('networks', ...listed(networks), 'entries of records', ...listed(entries));
  if (clients.length > 0) lines.push('clients', ...listed(clients));
  const fields = {
    nodes: set.size,
    networks: Object.fromEntries(networks),
    entries: Object.fromEntries(entries),
    clients: Object.fromEntries(clients),
    ...timeFields(times),
  };
  context.output.event('nodeset', fields, lines.join('\n'));
}

function listed(counts: readonly (readonly [string, number])[]): string[] {
  const lines = counts
    .slice(0, LISTED_ENTRIES)
    .map(([name, number]) => `  ${printable(name, 40).padEnd(12)} ${formatNumber(number)}`);
  const more = counts.length - lines.length;
  return more === 0 ? lines : [...lines, `  and ${formatNumber(more)} more`];
}
