/** What a downloader is made with, checked: callers in JavaScript have no types. */
import { checkNames, invalidArgument as invalid } from '../base/checks.ts';
import { isEnv } from '../base/env.ts';

const OPTIONS = {
  ...{ store: true, target: true, stages: true, env: true, noPeersTimeoutMs: true, onProgress: true },
} as const;

type Unchecked = { readonly [K in keyof typeof OPTIONS]?: unknown };

/** @throws PeerlaneError `invalid-argument` */
export function checkDownloaderOptions(options: Unchecked): void {
  checkNames('the options of a downloader', options, OPTIONS);
  const { store, target, stages, env, noPeersTimeoutMs, onProgress } = options;
  if (typeof store !== 'object' || store === null) throw invalid('options.store is not a chain store');
  if (target !== undefined) checkTarget(target);
  if (stages !== undefined && !Array.isArray(stages)) throw invalid('stages is not an array');
  if (env !== undefined && !isEnv(env)) throw invalid('env is not an Env');
  if (noPeersTimeoutMs !== undefined && !(typeof noPeersTimeoutMs === 'number' && noPeersTimeoutMs >= 0)) {
    throw invalid('noPeersTimeoutMs is not a number of milliseconds');
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalid('onProgress is not a function');
  }
}

function checkTarget(target: unknown): void {
  const { kind, number, hash }: { kind?: unknown; number?: unknown; hash?: unknown } = Object(target);
  if (kind === 'best') return;
  if (kind === 'number') {
    if (Number.isSafeInteger(number) && Number(number) >= 0) return;
    throw invalid('target.number is not the number of a block');
  }
  if (kind === 'hash') {
    if (hash instanceof Uint8Array && hash.length === 32) return;
    throw invalid('target.hash is not a Uint8Array of 32 bytes');
  }
  throw invalid("target.kind is not 'hash', 'number' or 'best'");
}
