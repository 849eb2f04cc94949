import { Command, CommanderError } from 'commander';
import { systemEnv } from '../base/env.ts';
import { VERSION } from '../version.ts';
import { EXIT, type Host, type RunAction, runAction } from './command.ts';
import { Output } from './output.ts';

const STATUS_HELP = `Exit status: ${EXIT.ok} when it is done, ${EXIT.failed} when it failed, ${EXIT.usage} when the command line is wrong,
${EXIT.interrupted} when it was ended by Ctrl-C, or nobody reads its output any more.`;

/** Adds a command, with those below it. */
type Add = (program: Command, run: RunAction) => void;

/** The commands by their names, in the order of the help. The code of one is read when it is named: all of it takes most of a second. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  key: async () => (await import('./key.ts')).addKeyCommands,
  enr: async () => (await import('./enr.ts')).addEnrCommands,
  info: async () => (await import('./info.ts')).addInfoCommand,
  dial: async () => (await import('./dial.ts')).addDialCommand,
  dns: async () => (await import('./dns.ts')).addDnsCommands,
  serve: async () => (await import('./serve.ts')).addServeCommand,
  sync: async () => (await import('./sync.ts')).addSyncCommand,
  bans: async () => (await import('./bans.ts')).addBansCommands,
  crawl: async () => (await import('./crawl.ts')).addCrawlCommand,
  nodeset: async () => (await import('./nodeset.ts')).addNodesetCommands,
  ping: async () => (await import('./ping.ts')).addPingCommand,
  'enr-request': async () => (await import('./enr-request.ts')).addEnrRequestCommand,
  resolve: async () => (await import('./resolve.ts')).addResolveCommand,
  lookup: async () => (await import('./lookup.ts')).addLookupCommand,
  listen: async () => (await import('./listen.ts')).addListenCommand,
  topic: async () => (await import('./topic.ts')).addTopicCommands,
  bench: async () => (await import('./bench.ts')).addBenchCommand,
};

/** The command line with all its commands, or with the one of that name. @param host runs it; default the process */
export async function createProgram(name?: string, host: Host = process): Promise<Command> {
  const program = new Command('peerlane')
    .description("Ethereum's peer-to-peer stack: look at peers, serve a chain, download one")
    .version(VERSION)
    .addHelpText('after', `\n${STATUS_HELP}`)
    .exitOverride()
    // The one line about a usage error is written where all errors are.
    .configureOutput({
      outputError: () => undefined,
      writeOut: (text) => void host.stdout.write(text),
      writeErr: (text) => void host.stderr.write(text),
    });
  const one = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const loaders = one === undefined ? Object.values(COMMANDS) : [one];
  const run: RunAction = (options, action) => runAction(host, options, action);
  for (const add of await Promise.all(loaders.map((load) => load()))) add(program, run);
  for (const command of allCommands(program)) command.copyInheritedSettings(program);
  return program;
}

function allCommands(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...allCommands(child)]);
}

/** Runs the command line; the exit status is left in `host.exitCode`. @param args without node and script */
export async function main(args: readonly string[], host: Host = process): Promise<void> {
  try {
    const program = await createProgram(args[0], host);
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    host.exitCode = EXIT.usage;
    // Without a command, commander has printed the help.
    if (error.code === 'commander.help') return;
    const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    new Output(args.includes('--json'), systemEnv, host).error({ code: 'invalid-argument', message });
  }
}
