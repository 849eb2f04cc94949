import type { Discv4Stats } from '../discv4/index.ts';
import type { TableStats } from '../kad/index.ts';
import type { DiscoveryMetrics } from '../observe/index.ts';

export function discoveryMetrics(stats: Discv4Stats, table: TableStats): DiscoveryMetrics {
  const { receivedOf: received, dropped, sentOf: sent, sentBytes, requests, proofs } = stats;
  const { entries, live, replacements } = table;
  return {
    ...{ received, dropped, sent, sentBytes, requests, proofs },
    ...{ tableEntries: entries, tableLive: live, tableReplacements: replacements },
  };
}
