import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  type BlockSource,
  ChainStore,
  runStages,
  SourceSet,
  type Stage,
  type StageContext,
  type StageProgress,
  type Target,
} from '../../src/sync/index.ts';
import { smallChain, type TestChain } from './chains.ts';
import { entries } from './entries.ts';
import { drive, type SimOptions, SimSource } from './sim-source.ts';

/** A download in virtual time into a store in memory. */
export class TestDownload {
  readonly env = new VirtualEnv();
  readonly sources = new SourceSet();
  readonly store: ChainStore;
  readonly reports: StageProgress[] = [];
  /** Called with each report. */
  onProgress: ((report: StageProgress) => void) | undefined;

  constructor(store: ChainStore) {
    this.store = store;
  }

  static async create(): Promise<TestDownload> {
    return new TestDownload(await ChainStore.inMemory({ genesis: smallChain().genesis }));
  }

  /** A download that finds blocks 1 to `number` of `chain` in its store. */
  static async above(chain: TestChain, number: number): Promise<TestDownload> {
    const download = await TestDownload.create();
    await download.store.appendBlocks(entries(chain, 1, number));
    return download;
  }

  /** A download that finds the headers of `chain` in its store, but no bodies. */
  static async withHeaders(chain: TestChain): Promise<TestDownload> {
    const download = await TestDownload.create();
    await download.store.addPending(entries(chain, chain.blocks.length - 1, 1));
    await download.store.adopt();
    return download;
  }

  add(id: string, chain: TestChain, options: SimOptions = {}): SimSource {
    const source = new SimSource(id, chain, this.env, options);
    this.sources.add(source);
    return source;
  }

  context(target: Target, fields: Partial<StageContext> = {}): StageContext {
    const { store, sources, env } = this;
    const progress = (report: StageProgress) => {
      this.reports.push(report);
      this.onProgress?.(report);
    };
    return { store, sources, target, env, signal: new AbortController().signal, progress, ...fields };
  }

  async run(stage: Stage, target: Target, fields: Partial<StageContext> = {}): Promise<void> {
    await drive(this.env, runStages([stage], this.context(target, fields)));
  }
}

/** Calls `run` after `ms` of virtual time. */
export function later(env: VirtualEnv, ms: number, run: () => void): void {
  env.setTimer(ms, run);
}

export const idsOf = (sources: Iterable<BlockSource>): string[] => Array.from(sources, ({ id }) => id);
