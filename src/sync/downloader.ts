import { onAbort } from '../base/abort.ts';
import { type Env, systemEnv } from '../base/env.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import type { ChainHead } from '../eth/chain-reader.ts';
import { BodiesStage } from './bodies.ts';
import type { ChainStore } from './chain-store.ts';
import { checkDownloaderOptions } from './downloader-options.ts';
import { HeadersStage } from './headers.ts';
import { type BlockSource, SourceSet } from './source.ts';
import {
  runStages,
  type Stage,
  type StageContext,
  type StageProgress,
  type StageResult,
  type Target,
} from './stages.ts';
import { holdersOf } from './target.ts';

export interface DownloaderOptions {
  readonly store: ChainStore;
  /** Default: the best head that the sources announce. */
  readonly target?: Target | undefined;
  /** Default: headers, then bodies. */
  readonly stages?: readonly Stage[] | undefined;
  readonly env?: Env | undefined;
  /** How long it waits while there is no source for what is wanted; default: for ever. */
  readonly noPeersTimeoutMs?: number | undefined;
  readonly onProgress?: ((report: StageProgress) => void) | undefined;
}

/** What a run of a downloader did. */
export interface DownloadSummary {
  /** The last whole block of the store. */
  readonly head: ChainHead;
  /** Stored in this run. */
  readonly headers: number;
  readonly bodies: number;
  /** Bytes of RLP of them. */
  readonly bytes: number;
  readonly seconds: number;
}

/**
 * Gives up headers of a target that was not given by its hash, to which nobody has the bodies, unless most sources have the headers too: then
 * somebody has invented them. False: there are none.
 */
async function forsakeHeaders(context: StageContext): Promise<boolean> {
  const { store, sources, target } = context;
  const [head, headers] = [store.head(), store.headerHead()];
  if (target.kind === 'hash' || head.number === headers.number) return false;
  const holders = await holdersOf(context, headers.hash);
  // Who would have the bodies may only be away.
  if (holders.size === 0 || 2 * holders.size > sources.size) return false;
  await store.rewind(head.number);
  const error = new PeerlaneError('chain-not-found', 'the peer has headers to which nobody has the bodies');
  for (const source of holders) if (sources.has(source)) sources.fail(source, error);
  return sources.size > 0;
}

/** The stages of a download when nothing else is said. */
export function defaultStages(): readonly Stage[] {
  return [new HeadersStage(), new BodiesStage()];
}

/**
 * Downloads a chain into a store from whatever sources there are. What was stored stays when a run is
 * interrupted, and the next run goes on from there.
 */
export class Downloader {
  readonly #options: DownloaderOptions;
  readonly #sources = new SourceSet();
  #isRunning = false;

  /** @throws PeerlaneError `invalid-argument` */
  constructor(options: DownloaderOptions) {
    checkDownloaderOptions(options);
    this.#options = options;
  }

  /** The sources in use; one leaves the set when it is gone, or has failed. */
  get sources(): SourceSet {
    return this.#sources;
  }

  /** Uses `source` from now on. @throws PeerlaneError `invalid-argument` */
  addSource(source: BlockSource): void {
    this.#sources.add(source);
  }

  removeSource(source: BlockSource): void {
    this.#sources.delete(source);
  }

  /**
   * Runs every stage once; one run at a time.
   * @throws PeerlaneError `invalid-argument` while another run is under way, `aborted`, `no-peers`, `chain-not-found`, `genesis-mismatch`, `store-...`
   */
  async run({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<DownloadSummary> {
    const { store, target = { kind: 'best' }, stages = defaultStages(), env = systemEnv } = this.#options;
    const { noPeersTimeoutMs, onProgress } = this.#options;
    if (this.#isRunning) throw new PeerlaneError('invalid-argument', 'the downloader is running already');
    this.#isRunning = true;
    const startedAt = env.now();
    const before = { headers: store.headerHead().number, bodies: store.head().number };
    const bytes = new Map<string, number>();
    const ended = new AbortController();
    const removeListener = onAbort(signal, () => ended.abort(signal?.reason));
    try {
      const context: StageContext = {
        store,
        sources: this.#sources,
        target,
        env,
        signal: ended.signal,
        noPeersTimeoutMs,
        progress: (report) => {
          bytes.set(report.stage, report.bytes);
          onProgress?.(report);
        },
      };
      // What was stored, and kept, before headers had to be given up.
      let kept = { headers: 0, bodies: 0, bytes: 0 };
      let results: ReadonlyMap<string, StageResult> | undefined;
      while (results === undefined) {
        try {
          results = await runStages(stages, context);
        } catch (error) {
          // Each time at least one source goes.
          if (!isPeerlaneError(error, 'chain-not-found') || !(await forsakeHeaders(context))) throw error;
          const { number } = store.head();
          kept = {
            headers: Math.max(0, number - before.headers),
            bodies: Math.max(0, number - before.bodies),
            bytes: kept.bytes + [...bytes.values()].reduce((sum, more) => sum + more, 0),
          };
        }
      }
      return {
        head: store.head(),
        headers: kept.headers + (results.get('headers')?.blocks ?? 0),
        bodies: kept.bodies + (results.get('bodies')?.blocks ?? 0),
        bytes: [...results.values()].reduce((sum, { bytes }) => sum + bytes, kept.bytes),
        seconds: (env.now() - startedAt) / 1000,
      };
    } finally {
      this.#isRunning = false;
      removeListener();
      // Ends the questions to sources that nobody waits for any more.
      ended.abort();
    }
  }
}
