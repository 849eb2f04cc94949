import { type Command, InvalidArgumentError } from 'commander';
import { toHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { publicKeyOf } from '../crypto/index.ts';
import {
  canonicalDomain,
  DEFAULT_RATE,
  DnsClient,
  ENTRY_TTL,
  formatTreeUrl,
  formatZone,
  parseTreeUrl,
  ROOT_TTL,
  signTree,
  type Tree,
  type TreeUrl,
  treeTexts,
  treeToJson,
} from '../dnsdisc/index.ts';
import type { NodeRecord } from '../enr/index.ts';
import { DNS_TIMEOUT_MS, DnsResolver } from '../io/dns.ts';
import { collected, dnsServer, readWith } from './arguments.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { duration, durationOption } from './durations.ts';
import { formatCount, printable } from './format.ts';
import { readKeyFile } from './key-file.ts';
import type { Fields, Output } from './output.ts';
import {
  readOldTreeFile,
  readRecordsFile,
  readTreeFile,
  replaceFile,
  replaceTreeFile,
  requireReplaceable,
} from './tree-files.ts';

/** Whoever asks for more asks somebody else's servers too much. */
const MAX_RATE = 1_000;
const MAX_SEQ = 2n ** 64n - 1n;

interface SyncOptions extends CommonOptions {
  readonly dnsServer?: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly rate: number;
  readonly out?: string;
}

interface SignOptions extends CommonOptions {
  readonly key: string;
  readonly domain: string;
  readonly seq?: bigint;
  readonly link?: readonly TreeUrl[];
  readonly empty?: boolean;
  readonly newKey?: boolean;
  readonly out?: string;
}

interface ZoneOptions extends CommonOptions {
  readonly url?: TreeUrl;
  readonly ns?: string;
  /** Milliseconds, as `ttl`. */
  readonly rootTtl: number;
  readonly ttl: number;
  readonly out?: string;
}

export function addDnsCommands(program: Command, run: RunAction): void {
  const dns = program.command('dns').description('read, make and publish lists of nodes in DNS (EIP-1459)');
  withCommonOptions(dns.command('sync <url>'))
    .description('read a whole tree and print its records, or write it into a file')
    .option('--out <file>', 'write the tree as JSON, from names to TXT records')
    .option(
      '--dns-server <address>',
      'DNS server, with its port if it is not 53; may be repeated',
      collected(dnsServer),
    )
    .addOption(durationOption('--timeout <duration>', 'how long an answer may take', DNS_TIMEOUT_MS))
    .option('--rate <number>', 'lookups in a second', rate, DEFAULT_RATE)
    .action((url: string, options: SyncOptions) => run(options, (context) => sync(context, url, options)));
  withCommonOptions(dns.command('sign <records>'))
    .description('make a tree of the records in a file, and sign it')
    .requiredOption('--key <file>', 'key that signs')
    .requiredOption('--domain <name>', 'where the tree will be published', domain)
    .option('--seq <number>', 'sequence number; default: one more than in the file of --out, or 1', sequence)
    .option('--link <url>', 'another tree to refer to; may be repeated', collected(treeUrl))
    .option('--empty', 'publish a list without any record')
    .option('--new-key', 'take the place of a tree that another key has signed, and so has another URL')
    .option('--out <file>', 'write the tree as JSON, from names to TXT records')
    .action((records: string, options: SignOptions) =>
      run(options, (context) => sign(context, records, options)),
    );
  withCommonOptions(dns.command('to-zone <tree>'))
    .description('verify a tree in a file, and print it as a zone file')
    .option('--url <url>', 'whose tree it has to be; default: that of whoever signed it', treeUrl)
    .option('--ns <name>', 'name server of the domain: makes a zone of its own, with SOA and NS', domain)
    .addOption(
      durationOption('--root-ttl <duration>', 'how long the root may be cached', ROOT_TTL * 1_000, ttl),
    )
    .addOption(durationOption('--ttl <duration>', 'how long all else may be cached', ENTRY_TTL * 1_000, ttl))
    .option('--out <file>', 'write the zone into a file')
    .action((tree: string, options: ZoneOptions) =>
      run(options, (context) => toZone(context, tree, options)),
    );
}

async function sync({ output, env, signal }: Context, url: string, options: SyncOptions): Promise<void> {
  const { dnsServer: servers, timeout: timeoutMs, rate, out } = options;
  const key = formatTreeUrl(parseTreeUrl(url));
  const resolver = new DnsResolver({ timeoutMs, ...(servers === undefined ? {} : { servers }) });
  const old = out === undefined ? undefined : await readOldTreeFile(out);
  // That it cannot be written is said before the tree is read, not after it.
  if (out !== undefined) await requireReplaceable(out);
  const minSeq = old !== undefined && formatTreeUrl(old.url) === key ? old.root.seq : 0n;
  const client = new DnsClient({ resolver, env, timeoutMs, rate });
  // Where the records are the output, what else is said is for people.
  const stage = out === undefined && output.mode === 'plain' ? '# entries' : 'entries';
  const records: NodeRecord[] = [];
  const tree = await client.sync(url, {
    ...{ signal, minSeq },
    onProgress: ({ done, known }) => output.progress(stage, done, known),
    onRecord: (record) => {
      if (out === undefined) printRecord(output, record);
      else records.push(record);
    },
    onMissing: (problem, name) => {
      output.endProgress();
      // There will be no file: that is what there is in its place.
      for (const record of records.splice(0)) printRecord(output, record);
      const { code, message } = problem;
      output.event('missing', { name, code, message }, `# missing: ${name}: ${printable(message)}`);
    },
  });
  output.endProgress();
  if (out !== undefined) await replaceTreeFile(out, tree);
  const wrote = out === undefined ? '#' : `wrote ${out}:`;
  const fields = { ...fieldsOf(tree), ignored: tree.ignored.length, file: out };
  output.event('tree', fields, `${wrote} ${describe(tree)}`);
}

async function sign({ output }: Context, path: string, options: SignOptions): Promise<void> {
  const { key, domain, link: links = [], out } = options;
  const secretKey = await readKeyFile(key);
  const records = await readRecordsFile(path);
  if (records.length === 0 && options.empty !== true) {
    const message = `${path} has no records: with --empty a list without any is signed`;
    throw new PeerlaneError('invalid-argument', message);
  }
  const old = out === undefined ? undefined : await readOldTreeFile(out);
  if (old !== undefined && old.url.domain !== domain) {
    throw new PeerlaneError('invalid-argument', `${out} is the tree of ${old.url.domain}, not of ${domain}`);
  }
  const url = formatTreeUrl({ publicKey: publicKeyOf(secretKey), domain });
  if (old !== undefined && formatTreeUrl(old.url) !== url && options.newKey !== true) {
    const message = `${out} is ${formatTreeUrl(old.url)}, and this key makes it ${url}, which nobody knows who reads the old one: with --new-key it is replaced`;
    throw new PeerlaneError('invalid-argument', message);
  }
  const seq = options.seq ?? (old === undefined ? 1n : old.root.seq + 1n);
  if (old !== undefined && seq <= old.root.seq) {
    throw new PeerlaneError(
      'invalid-argument',
      `clients know the sequence number ${old.root.seq}, and take none that is not above it`,
    );
  }
  if (seq > MAX_SEQ) {
    const message = `${out} has the highest sequence number there is: no tree can take its place`;
    throw new PeerlaneError('invalid-argument', message);
  }
  const tree = signTree({ domain, seq, records, links }, secretKey);
  if (out === undefined) {
    const texts = Object.fromEntries(treeTexts(tree));
    output.event('tree', { ...fieldsOf(tree), texts }, treeToJson(tree).trimEnd());
    return;
  }
  await replaceTreeFile(out, tree);
  output.event('tree', { ...fieldsOf(tree), file: out }, `wrote ${out}: ${describe(tree)}`);
}

async function toZone({ output }: Context, path: string, options: ZoneOptions): Promise<void> {
  const { url, ns, rootTtl, ttl: entryTtl, out } = options;
  const tree = await readTreeFile(path, url);
  const zone = formatZone(tree, {
    ...{ rootTtl: rootTtl / 1_000, entryTtl: entryTtl / 1_000 },
    ...(ns === undefined ? {} : { nameServer: ns }),
  });
  if (out === undefined) {
    output.event('zone', { ...fieldsOf(tree), zone }, zone.trimEnd());
    return;
  }
  await replaceFile(out, zone);
  output.event('zone', { ...fieldsOf(tree), file: out }, `wrote ${out}: ${describe(tree)}`);
}

function printRecord(output: Output, record: NodeRecord): void {
  const text = record.toString();
  output.event('record', { record: text, nodeId: toHex(record.nodeId) }, text);
}

function fieldsOf({ url, root, records, links, entries }: Tree): Fields {
  const { seq } = root;
  return {
    url: formatTreeUrl(url),
    seq: seq.toString(),
    records: records.length,
    links: links.map(formatTreeUrl),
    entries: entries.size,
  };
}

function describe({ url, root, records, links }: Tree): string {
  const parts = [
    formatTreeUrl(url),
    `sequence number ${root.seq}`,
    `${formatCount(records.length, 'record')}`,
    `${formatCount(links.length, 'link')}`,
  ];
  return parts.join(', ');
}

function sequence(text: string): bigint {
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : -1n;
  if (value < 0n || value > MAX_SEQ) throw new InvalidArgumentError('expected a number below 2^64');
  return value;
}

function ttl(text: string): number {
  const ms = duration(text);
  if (ms % 1_000 === 0 && ms < 2 ** 31 * 1_000) return ms;
  throw new InvalidArgumentError('expected a whole number of seconds below 2^31, or a duration of as many');
}

function rate(text: string): number {
  const value = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (value <= 0 || value > MAX_RATE) {
    throw new InvalidArgumentError(`expected a number above zero, and at most ${MAX_RATE}`);
  }
  return value;
}

function domain(text: string): string {
  return readWith(canonicalDomain, text);
}

function treeUrl(text: string): TreeUrl {
  return readWith(parseTreeUrl, text);
}
