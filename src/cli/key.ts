import type { Command } from 'commander';
import { toBareHex, toHex } from '../base/bytes.ts';
import { systemEnv } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { generateSecretKey, publicKeyOf } from '../crypto/index.ts';
import { formatEnode, nodeIdOf, parseEnode } from '../enr/index.ts';
import { port } from './arguments.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { readKeyFile, writeKeyFile } from './key-file.ts';

interface GenerateOptions extends CommonOptions {
  readonly out?: string;
}

interface ToEnodeOptions extends CommonOptions {
  readonly ip: string;
  readonly port: number;
  readonly udp?: number;
}

export function addKeyCommands(program: Command, run: RunAction): void {
  const key = program.command('key').description('make a node key, or show what node it belongs to');
  withCommonOptions(key.command('generate'))
    .description('make a secret key, and print it unless it goes to a file')
    .option('--out <file>', 'write the key into a new file that only you can read')
    .action((options: GenerateOptions) => run(options, (context) => generate(context, options)));
  withCommonOptions(key.command('to-enode <file>'))
    .description('print the enode URL of the key in a file')
    .option('--ip <address>', 'address or host name of the node', '127.0.0.1')
    .option('--port <port>', 'TCP port of the node', port, 30_303)
    .option('--udp <port>', 'discovery port, if it is another one', port)
    .action((file: string, options: ToEnodeOptions) =>
      run(options, (context) => toEnode(context, file, options)),
    );
}

async function generate({ output }: Context, { out }: GenerateOptions): Promise<void> {
  const secretKey = generateSecretKey(systemEnv);
  const id = publicKeyOf(secretKey);
  const names = { publicKey: toHex(id), nodeId: toHex(nodeIdOf(id)) };
  if (out === undefined) {
    output.event('key', { ...names, secretKey: toHex(secretKey) }, toBareHex(secretKey));
    return;
  }
  await writeKeyFile(out, secretKey);
  output.event('key', { ...names, file: out }, `wrote ${out}, public key ${toBareHex(id)}`);
}

async function toEnode({ output }: Context, file: string, options: ToEnodeOptions): Promise<void> {
  const { ip: host, port: tcpPort, udp: udpPort = tcpPort } = options;
  const publicKey = publicKeyOf(await readKeyFile(file));
  const enode = formatEnode({ publicKey, host, tcpPort, udpPort });
  // Reading it back is the check of the host.
  if (formatEnode(parseEnode(enode)) !== enode) {
    throw new PeerlaneError('invalid-argument', `${host} is not an address in its canonical form`);
  }
  output.event('enode', { enode, nodeId: toHex(nodeIdOf(publicKey)) }, enode);
}
