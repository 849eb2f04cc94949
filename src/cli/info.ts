import type { Command } from 'commander';
import { backend } from '../crypto/index.ts';
import { VERSION } from '../version.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';

export function addInfoCommand(program: Command, run: RunAction): void {
  withCommonOptions(program.command('info'))
    .description('print versions and the crypto backend in use, and why it is that one')
    .action((options: CommonOptions) => run(options, info));
}

/** The licences of what runs, for people. */
function licences(): string {
  const { addon } = backend;
  if (addon === undefined) return 'MIT';
  const parts = ['libsecp256k1 and node-addon-api (MIT)'];
  if (addon.prebuilt) parts.push('libc++ (Apache-2.0 with LLVM exceptions); see prebuilds/LICENSES.txt');
  return `MIT; in the addon also ${parts.join(', ')}`;
}

async function info({ output }: Context): Promise<void> {
  const { name, detail, reason, addon } = backend;
  const platform = `${process.platform}-${process.arch}`;
  const licence = licences();
  const lines = [
    `peerlane ${VERSION}`,
    `node     ${process.version}, ${platform}`,
    `backend  ${name} (${detail})`,
    `why      ${reason}`,
  ];
  if (addon !== undefined) {
    lines.push(`addon    ${addon.file}, ${addon.prebuilt ? 'came with the package' : 'built here'}`);
  }
  lines.push(`licence  ${licence}`);
  const fields = {
    version: VERSION,
    node: process.version,
    platform,
    backend: name,
    detail,
    reason,
    licence,
  };
  const origin = addon === undefined ? {} : { addon: addon.file, prebuilt: addon.prebuilt };
  output.event('info', { ...fields, ...origin }, lines.join('\n'));
}
