/** Where `scripts/setup-interop.sh` puts the programs that the interoperability tests run. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const TOOLS_DIRECTORY = process.env.PEERLANE_TOOLS ?? join(homedir(), '.cache', 'peerlane-tools');

/** The path of an installed program, for example `geth-v1.17.5/geth`. */
export function toolPath(name: string): string {
  const path = join(TOOLS_DIRECTORY, name);
  if (!existsSync(path)) throw new Error(`${path} is missing: run scripts/setup-interop.sh`);
  return path;
}
