/** The figures of go-ethereum's own packages, measured by the Go program in bench/peers. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { quick } from './measure.ts';
import type { BenchRow } from './row.ts';

/** Rows whose ids begin with one of these. */
function ask(prefixes: readonly string[]): BenchRow[] {
  const tools = process.env.PEERLANE_TOOLS ?? join(homedir(), '.cache', 'peerlane-tools');
  const program = join(tools, 'bench-go');
  if (!existsSync(program)) {
    process.stderr.write('go-ethereum is left out: run scripts/setup-interop.sh to build its benchmark\n');
    return [];
  }
  return prefixes.flatMap((prefix) => {
    const args = [...(quick ? ['--quick'] : []), '--only', prefix];
    const child = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 24 });
    if (child.status !== 0) throw new Error(`bench-go: ${child.stderr}`);
    return child.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => {
        const { id, subject, unit, value, spread } = JSON.parse(line) as BenchRow;
        return { id, subject, unit, value, spread };
      });
  });
}

export const goEthereum = async () => ask(['frame-']);

export const goEthereumHandshake = async () => ask(['handshake']);

export const goEthereumV5Packets = () => ask(['v5-packet-']);

export const goEthereumV5Handshake = async () => ask(['v5-handshake']);

/** A question of its own, to be asked right after ours. */
export const goEthereumTcp = async () => ask(['tcp-']);
