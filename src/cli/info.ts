import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { backend } from '../crypto/index.ts';
import { type CommonOptions, type Context, runAction, withCommonOptions } from './command.ts';

export function addInfoCommand(program: Command): void {
  withCommonOptions(program.command('info'))
    .description('print versions and the crypto backend in use, and why it is that one')
    .action((options: CommonOptions) => runAction(options, info));
}

/** The version in the package's own package.json. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const { version } = manifest as { readonly version: string };
  return version;
}

async function info({ output }: Context): Promise<void> {
  const { name, detail, reason } = backend;
  const version = packageVersion();
  const platform = `${process.platform}-${process.arch}`;
  output.event(
    'info',
    { version, node: process.version, platform, backend: name, detail, reason },
    [
      `peerlane ${version}`,
      `node     ${process.version}, ${platform}`,
      `backend  ${name} (${detail})`,
      `why      ${reason}`,
    ].join('\n'),
  );
}
