/** Chain download in stages, the store that it fills, and the import of chain files. */

export type { KeyValueStore, KvChange } from '../base/kv.ts';
export { type BodiesOptions, BodiesStage } from './bodies.ts';
export { type ChainFileBlock, type ChainFileOptions, readChain, readChainFile } from './chain-file.ts';
export { ChainStore } from './chain-store.ts';
export { Downloader, type DownloaderOptions, type DownloadSummary, defaultStages } from './downloader.ts';
export { MAX_REORG } from './header-descent.ts';
export { type HeadersOptions, HeadersStage } from './headers.ts';
export { type ImportOptions, type ImportProgress, importBlocks, importChain } from './import-chain.ts';
export type { PendingHeaders, StoredHeader } from './records.ts';
export {
  type BlockSource,
  type HeadersRequest,
  MAX_SOURCES,
  peerSource,
  type SourceHead,
  SourceSet,
} from './source.ts';
export {
  runStages,
  type Stage,
  type StageContext,
  StageMeter,
  type StageProgress,
  type StageResult,
  type Target,
} from './stages.ts';
export type { BlockEntry, BodyEntry, HeaderEntry, HeaderLinks, StoreGenesis } from './store-state.ts';
export { type ResolvedTarget, resolveTarget } from './target.ts';
export { type VerifyProgress, verifyChain } from './verify-chain.ts';
