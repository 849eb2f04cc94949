/** Lists of nodes in DNS (EIP-1459; dnsdisc.md): a client, and the making of trees. */
export { DnsClient, type DnsLists } from './client.ts';
export {
  DEFAULT_CACHE_SIZE,
  DEFAULT_RATE,
  DEFAULT_TIMEOUT_MS,
  type DnsClientOptions,
  type Resolver,
  type SyncOptions,
  type WaitOptions,
} from './client-options.ts';
export { MAX_TREES } from './forest.ts';
export type { TreeRoot } from './root.ts';
export type { SyncProgress } from './sync.ts';
export { treeFromJson, treeToJson } from './text-records.ts';
export { MAX_TREE_ENTRIES, readTree, signTree, type Tree, type TreeContent, treeTexts } from './tree.ts';
export { canonicalDomain, formatTreeUrl, parseTreeUrl, type TreeUrl } from './tree-url.ts';
export { ENTRY_TTL, formatZone, ROOT_TTL, type ZoneOptions } from './zone.ts';
