/**
 * How near one stream of frames comes to what bounds it: with K and A the rates of one Keccak state and of AES-256-CTR,
 * 1 / (1 / K + 1 / A). Both are those of the addon's own code, measured right before each figure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeRate, encodeRate, SIZES } from '../src/bench/frames.ts';
import { backend } from '../src/crypto/index.ts';
import { pace } from './measure.ts';
import type { BenchRow } from './row.ts';

/** What node-gyp leaves of a build; those that this CPU's architecture lacks are not there. */
const LIBRARIES = [
  'algorithms',
  'keccak_bmi2',
  'keccak_avx2',
  'keccak_avx512',
  'keccak_neon',
  'aes',
  'aes_vaes',
];

interface Limit {
  /** MB/s. */
  readonly keccak: number;
  readonly aes: number;
}

/** Compiles bench/limit.c with the addon's libraries; `undefined`, with a line of why, if that does not work. */
function compile(directory: string): string | undefined {
  const built = LIBRARIES.map((name) => join('build', 'Release', `${name}.a`)).filter((file) =>
    existsSync(file),
  );
  const program = join(directory, 'limit');
  const args = ['-O2', '-std=c11', '-Inative', join('bench', 'limit.c'), ...built, ...built, '-o', program];
  const child = spawnSync(process.env.CC || 'cc', args, { encoding: 'utf8' });
  if (backend.name === 'native' && child.status === 0) return program;
  process.stderr.write(`the limit of one stream is left out: ${child.stderr || 'there is no addon'}\n`);
  return undefined;
}

function measure(program: string): Limit {
  const { status, stdout } = spawnSync(program, { encoding: 'utf8' });
  const [, keccak, aes] = stdout.split(' ').map(Number);
  if (status !== 0 || keccak === undefined || aes === undefined) throw new Error('bench/limit.c failed');
  return { keccak, aes };
}

/** `frame-limit`: K, A, and for each size the share of the limit that one stream reaches. To be run in a clone. */
export async function frameLimit(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'peerlane-limit-'));
  try {
    const program = compile(directory);
    if (program === undefined) return [];
    process.stderr.write(`${backend.detail}\n`);
    const row = (id: string, unit: string, value: number, spread = 0): BenchRow => {
      return { id: `frame-limit-${id}`, subject: 'native', unit, value, spread };
    };
    const { keccak, aes } = measure(program);
    const rows = [row('keccak', 'MB/s', keccak), row('aes', 'MB/s', aes)];
    for (const [name, size] of Object.entries(SIZES)) {
      if (size < SIZES['16k']) continue;
      for (const [verb, rate] of [
        ['encode', encodeRate],
        ['decode', decodeRate],
      ] as const) {
        const limit = measure(program);
        const { value, spread } = await rate(pace, size, 1);
        rows.push(
          row(`${verb}-${name}-x1`, '% of limit', 100 * value * (1 / limit.keccak + 1 / limit.aes), spread),
        );
      }
    }
    return rows;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
