/** What the commands that open connections share. */
import { InvalidArgumentError } from 'commander';
import type { Env } from '../base/env.ts';
import { generateSecretKey } from '../crypto/index.ts';
import { ETH_VERSIONS, type EthVersion } from '../eth/messages.ts';
import { VERSION } from '../version.ts';
import { readKeyFile } from './key-file.ts';

/** What Hello says of us. */
export function clientId(): string {
  return `peerlane/v${VERSION}/${process.platform}-${process.arch}/node${process.versions.node}`;
}

/** The key in `file`, or a new one for this run. @throws PeerlaneError `key-unreadable` */
export async function nodeKey(file: string | undefined, env: Env): Promise<Uint8Array> {
  return file === undefined ? generateSecretKey(env) : await readKeyFile(file);
}

/** Reads `eth/68` and the like. */
export function ethVersion(text: string): EthVersion {
  const found = ETH_VERSIONS.find(({ version }) => text === `eth/${version}`);
  if (found === undefined) {
    throw new InvalidArgumentError(
      `expected ${ETH_VERSIONS.map(({ version }) => `eth/${version}`).join(' or ')}`,
    );
  }
  return found.version;
}
