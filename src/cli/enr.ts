import type { Command } from 'commander';
import { throwIfAborted } from '../base/abort.ts';
import { PeerlaneError } from '../base/errors.ts';
import {
  type EntryChanges,
  firstSeq,
  inspectRecord,
  LocalRecord,
  type NodeRecord,
  parseEnode,
  parseRecord,
  type RecordForkId,
  TOPIC_DISCOVERY_VERSION,
  topicDiscoveryEntries,
} from '../enr/index.ts';
import { readStandardInput, readTextFile } from '../io/text-file.ts';
import { port } from './arguments.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { type Changes, change, forkId, ip, ip6, NO_CHANGES, seq } from './enr-changes.ts';
import { type View, viewEnode, viewRecord, viewWrongEnode } from './enr-view.ts';
import { readKeyFile } from './key-file.ts';
import type { Output } from './output.ts';
import { textsOfLines } from './tree-files.ts';

interface NewOptions extends CommonOptions {
  readonly key: string;
  readonly seq?: bigint;
  readonly ip?: string;
  readonly ip6?: string;
  readonly tcp?: number;
  readonly tcp6?: number;
  readonly udp?: number;
  readonly udp6?: number;
  readonly eth?: RecordForkId;
  readonly snap?: true;
  readonly topicDiscovery?: true;
}

interface SetOptions extends CommonOptions {
  readonly key: string;
}

const CHANGES = 'KEY=VALUE; KEY= takes an entry out; for others a text, 0x and bytes, or rlp:0x and RLP';

export function addEnrCommands(program: Command, run: RunAction): void {
  const enr = program.command('enr').description('look at node records, make them, and change them');
  withCommonOptions(enr.command('show'))
    .description('decode and verify records and enode URLs, and say what is wrong with them')
    .argument('<source>', 'enr:..., enode://..., a file with one of them a line, or - for the standard input')
    .action((source: string, options: CommonOptions) => run(options, (context) => show(context, source)));
  withCommonOptions(enr.command('new'))
    .description('make a record, signed with the key in a file')
    .argument('[change...]', CHANGES, change)
    .requiredOption('--key <file>', 'node key')
    .option('--seq <number>', 'sequence number; default: the time in milliseconds', seq)
    .option('--ip <address>', 'IPv4 address', ip)
    .option('--ip6 <address>', 'IPv6 address', ip6)
    .option('--tcp <port>', 'TCP port', port)
    .option('--tcp6 <port>', 'TCP port on IPv6', port)
    .option('--udp <port>', 'discovery port', port)
    .option('--udp6 <port>', 'discovery port on IPv6', port)
    .option('--eth <hash/next>', 'fork id (EIP-2124), such as 0xaef1f653 or 0xaef1f653/1681338455', forkId)
    .option('--snap', 'say that the node offers the snap protocol')
    .option('--topic-discovery', 'say that the node takes part in topic discovery')
    .action((changes: Changes | undefined, options: NewOptions) =>
      run(options, (context) => create(context, changes, options)),
    );
  withCommonOptions(enr.command('set'))
    .description(
      'change entries of a record: it is signed anew, with the next sequence number, unless nothing changes',
    )
    .argument('<record>', 'enr:..., a file that holds one, or - for the standard input')
    .argument('<change...>', CHANGES, change)
    .requiredOption('--key <file>', 'node key; that of the record')
    .action((source: string, changes: Changes, options: SetOptions) =>
      run(options, (context) => set(context, source, changes, options)),
    );
}

/** More belong into a node set. */
const MAX_LINES = 10_000;
const MAX_BYTES = 1024 * 1024;

/** The lines of `source` that hold records or URLs. */
async function linesOf(source: string, signal: AbortSignal): Promise<string[]> {
  if (/^(enr:|enode:)/.test(source)) return [source];
  const text = await (source === '-'
    ? readStandardInput(MAX_BYTES, signal)
    : readTextFile(source, 'the file', MAX_BYTES, signal));
  const given = textsOfLines(text);
  if (given.length === 0) throw new PeerlaneError('invalid-record', 'there is no record in it');
  if (given.length > MAX_LINES) {
    throw new PeerlaneError('invalid-record', `expected at most ${MAX_LINES} records, found ${given.length}`);
  }
  return given;
}

async function show({ env, output, signal }: Context, source: string): Promise<void> {
  const lines = await linesOf(source, signal);
  const errors: PeerlaneError[] = [];
  for (const [i, line] of lines.entries()) {
    // Each takes its time: Ctrl-C is heard in between.
    if (i > 0) await new Promise<void>((resolve) => void env.setImmediate(resolve));
    throwIfAborted(signal);
    const { name, view, error } = look(line);
    output.event(name, view.fields, i === 0 ? view.text : `\n${view.text}`);
    if (error !== undefined) errors.push(error);
  }
  const [first] = errors;
  if (first === undefined) return;
  throw lines.length === 1
    ? first
    : new PeerlaneError(first.code, `${errors.length} of ${lines.length} are not valid`);
}

function look(line: string): { name: string; view: View; error?: PeerlaneError } {
  if (!line.startsWith('enode:')) {
    const inspection = inspectRecord(line);
    const { error } = inspection;
    return { name: 'record', view: viewRecord(line, inspection), ...(error === undefined ? {} : { error }) };
  }
  try {
    return { name: 'enode', view: viewEnode(parseEnode(line)) };
  } catch (error) {
    if (!(error instanceof PeerlaneError)) throw error;
    return { name: 'enode', view: viewWrongEnode(line, error), error };
  }
}

async function create(
  { env, output }: Context,
  { entries, others }: Changes = NO_CHANGES,
  options: NewOptions,
): Promise<void> {
  const key = await readKeyFile(options.key);
  const { seq: number = firstSeq(env.unixTime()) } = options;
  const local = new LocalRecord(key, {
    seq: number,
    entries: { ...optionEntries(options), ...entries },
    others,
  });
  print(output, local.record);
}

function optionEntries(options: NewOptions): EntryChanges {
  const { ip: v4, ip6: v6, tcp, tcp6, udp, udp6, eth, snap, topicDiscovery } = options;
  const topics = topicDiscoveryEntries(topicDiscovery && TOPIC_DISCOVERY_VERSION);
  return { ip: v4, ip6: v6, tcp, tcp6, udp, udp6, eth, snap, ...topics };
}

async function set(
  { output, signal }: Context,
  source: string,
  { entries, others }: Changes,
  options: SetOptions,
): Promise<void> {
  const lines = await linesOf(source, signal);
  if (lines.length > 1)
    throw new PeerlaneError('invalid-record', `expected one record, found ${lines.length} lines`);
  const record = parseRecord(lines[0] ?? '');
  const local = LocalRecord.from(await readKeyFile(options.key), record);
  local.update(entries, others);
  print(output, local.record);
}

/** For people the record alone, as the next command takes it. */
function print(output: Output, record: NodeRecord): void {
  const text = record.toString();
  output.event('record', viewRecord(text, inspectRecord(text)).fields, text);
}
