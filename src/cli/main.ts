#!/usr/bin/env node
import { systemEnv } from '../base/env.ts';
import { toPeerlaneError } from '../base/errors.ts';
import { EXIT, watchStreams } from './command.ts';
import { Output } from './output.ts';

const args = process.argv.slice(2);
watchStreams();
try {
  // Loaded here and not above: the crypto backend is chosen at load time, which may fail.
  const { main } = await import('./program.ts');
  await main(args);
} catch (error) {
  process.exitCode = EXIT.failed;
  new Output(args.includes('--json'), systemEnv).error(toPeerlaneError(error));
}
