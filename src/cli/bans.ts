import type { Command } from 'commander';
import { fromHex, toBareHex, toHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { nodeIdOf } from '../enr/index.ts';
import type { Ban } from '../server/ban-codec.ts';
import { banTarget } from '../server/ban-target.ts';
import { formatTime } from '../server/node-times.ts';
import { type StoredBan, StoredBans } from '../server/stored-bans.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { formatCount, formatDuration, printable } from './format.ts';
import type { Fields, Output } from './output.ts';

interface BansOptions extends CommonOptions {
  readonly nodedb: string;
}

interface RemoveOptions extends BansOptions {
  readonly all?: boolean;
}

/** Whom a text of the command line means. */
interface Meant {
  readonly text: string;
  readonly matches: (ban: Ban) => boolean;
}

export function addBansCommands(program: Command, run: RunAction): void {
  const bans = program
    .command('bans')
    .description('list the nodes and addresses that are refused, or take them back');
  withNodeDatabase(bans.command('list', { isDefault: true }))
    .description('list the bans in a node database')
    .action((options: BansOptions) => run(options, (context) => list(context, options)));
  withNodeDatabase(bans.command('remove [node...]'))
    .description('take back nodes (enode URL, public key or node id) and IP addresses')
    .option('--all', 'take back all of them')
    .action((nodes: string[], options: RemoveOptions, command: Command) => {
      if (options.all === true ? nodes.length > 0 : nodes.length === 0) {
        command.error('error: expected whom to take back, or --all');
      }
      const meant = nodes.map((text) => meantBy(text, command));
      return run(options, (context) => remove(context, options, meant));
    });
}

function withNodeDatabase(command: Command): Command {
  return withCommonOptions(command).requiredOption('--nodedb <dir>', 'node database of `serve` or `sync`');
}

function meantBy(text: string, command: Command): Meant {
  const id = /^(?:0x)?([0-9a-f]{64})$/i.exec(text)?.[1]?.toLowerCase();
  if (id !== undefined) return { text, matches: (ban) => nodeIdText(ban) === id };
  try {
    const { kind, name } = banTarget(text);
    return { text, matches: (ban) => ban.kind === kind && ban.name === name };
  } catch {
    const message = 'expected an enode URL, a public key or node id in hexadecimal digits, or an IP address';
    return command.error(`error: command-argument value '${printable(text)}' is invalid. ${message}`);
  }
}

/** In hexadecimal; undefined for what is stored as a name and is no key. */
function nodeIdText({ kind, name }: Ban): string | undefined {
  if (kind !== 'node' || !/^[0-9a-f]{128}$/.test(name)) return undefined;
  return toBareHex(nodeIdOf(fromHex(name)));
}

async function list({ env, output }: Context, { nodedb }: BansOptions): Promise<void> {
  await using stored = await StoredBans.open(nodedb, env);
  const { all } = stored;
  tellDamaged(output, stored.damaged);
  const now = env.unixTime();
  if (output.mode === 'json') for (const one of all) output.event('ban', fieldsOf(one, now), '');
  output.event('bans', { count: all.length }, all.length === 0 ? 'nobody is banned' : tableOf(all, now));
}

async function remove(
  { env, output }: Context,
  { nodedb }: BansOptions,
  meant: readonly Meant[],
): Promise<void> {
  await using stored = await StoredBans.open(nodedb, env);
  tellDamaged(output, stored.damaged);
  const isMeant = (ban: Ban): boolean => meant.length === 0 || meant.some(({ matches }) => matches(ban));
  const removed = await stored.remove(isMeant);
  const now = env.unixTime();
  for (const one of removed) {
    output.event('unbanned', fieldsOf(one, now), `${nameOf(one.ban)} is no longer banned`);
  }
  const others = meant.filter(({ matches }) => !removed.some(({ ban }) => matches(ban)));
  if (others.length > 0) {
    const names = others.map(({ text }) => text).join(', ');
    throw new PeerlaneError('invalid-argument', `not banned: ${names}`);
  }
  output.event('bans', { count: stored.all.length }, `${formatCount(stored.all.length, 'ban')} left`);
}

function tellDamaged(output: Output, count: number): void {
  if (count === 0) return;
  const text = `warning: ${formatCount(count, 'ban')} could not be read: damaged`;
  output.event('bans-damaged', { count }, text);
}

function fieldsOf({ ban, local }: StoredBan, now: number): Fields {
  const { kind, name, until, reason } = ban;
  const node = kind === 'node' ? { node: name, nodeId: hexOrNothing(nodeIdText(ban)) } : { ip: name };
  return {
    kind,
    ...node,
    until: formatTime(until),
    leftMs: Math.ceil(until - now),
    reason,
    by: ban.by,
    local: `0x${local}`,
  };
}

const hexOrNothing = (text: string | undefined): string | undefined => text && toHex(fromHex(text));

const nameOf = ({ kind, name }: Ban): string =>
  kind === 'node' ? `node ${printable(name)}` : printable(name);

/** What is longest comes last. */
function tableOf(all: readonly StoredBan[], now: number): string {
  const rows = all.map(({ ban }) => {
    const left = formatDuration(Math.max(0, ban.until - now) / 1000);
    return [
      formatTime(Math.ceil(ban.until / 1000) * 1000),
      left,
      ban.by,
      printable(ban.reason),
      nameOf(ban),
    ] as const;
  });
  const lines = [['until', 'left', 'by', 'reason', 'who'] as const, ...rows];
  const width = (column: number) => Math.max(...lines.map((line) => line[column]?.length ?? 0));
  const widths = [width(0), width(1), width(2), width(3)];
  return lines.map((line) => line.map((text, i) => text.padEnd(widths[i] ?? 0)).join('  ')).join('\n');
}
