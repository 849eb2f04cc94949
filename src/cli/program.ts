import { Command, CommanderError } from 'commander';
import { systemEnv } from '../base/env.ts';
import { addBansCommands } from './bans.ts';
import { addBenchCommand } from './bench.ts';
import { EXIT } from './command.ts';
import { addCrawlCommand } from './crawl.ts';
import { addDialCommand } from './dial.ts';
import { addDnsCommands } from './dns.ts';
import { addEnrCommands } from './enr.ts';
import { addEnrRequestCommand } from './enr-request.ts';
import { addInfoCommand, packageVersion } from './info.ts';
import { addKeyCommands } from './key.ts';
import { addListenCommand } from './listen.ts';
import { addLookupCommand } from './lookup.ts';
import { addNodesetCommands } from './nodeset.ts';
import { Output } from './output.ts';
import { addPingCommand } from './ping.ts';
import { addResolveCommand } from './resolve.ts';
import { addServeCommand } from './serve.ts';
import { addSyncCommand } from './sync.ts';
import { addTopicCommands } from './topic.ts';

const STATUS_HELP = `Exit status: ${EXIT.ok} when it is done, ${EXIT.failed} when it failed, ${EXIT.usage} when the command line is wrong,
${EXIT.interrupted} when it was ended by Ctrl-C, or nobody reads its output any more.`;

/** The command line with all its commands. */
export function createProgram(): Command {
  const program = new Command('peerlane')
    .description("Ethereum's peer-to-peer stack: look at peers, serve a chain, download one")
    .version(packageVersion())
    .addHelpText('after', `\n${STATUS_HELP}`)
    .exitOverride()
    // The one line about a usage error is written where all errors are.
    .configureOutput({ outputError: () => undefined });
  addKeyCommands(program);
  addEnrCommands(program);
  addInfoCommand(program);
  addDialCommand(program);
  addDnsCommands(program);
  addServeCommand(program);
  addSyncCommand(program);
  addBansCommands(program);
  addCrawlCommand(program);
  addNodesetCommands(program);
  addPingCommand(program);
  addEnrRequestCommand(program);
  addResolveCommand(program);
  addLookupCommand(program);
  addListenCommand(program);
  addTopicCommands(program);
  addBenchCommand(program);
  for (const command of allCommands(program)) command.copyInheritedSettings(program);
  return program;
}

function allCommands(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...allCommands(child)]);
}

/** Runs the command line; the exit status is left in `process.exitCode`. @param args without node and script */
export async function main(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    process.exitCode = EXIT.usage;
    // Without a command, commander has printed the help.
    if (error.code === 'commander.help') return;
    const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    new Output(args.includes('--json'), systemEnv).error({ code: 'invalid-argument', message });
  }
}
