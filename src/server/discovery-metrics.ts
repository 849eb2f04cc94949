import type { Discv4Stats } from '../discv4/index.ts';
import type { Discv5Stats } from '../discv5/index.ts';
import type { TableStats } from '../kad/index.ts';
import type { DiscoveryMetrics, TopicMetrics } from '../observe/index.ts';

export function discoveryMetrics(stats: Discv4Stats, table: TableStats): DiscoveryMetrics {
  const { receivedOf: received, dropped, sentOf: sent, sentBytes, requests, proofs } = stats;
  return { received, dropped, sent, sentBytes, requests, proofs, ...tableMetrics(table) };
}

export function discoveryV5Metrics(stats: Discv5Stats, table: TableStats): DiscoveryMetrics {
  const { receivedOf: received, dropped, sentBytes, requests, sessions, challenges } = stats;
  // What is in those that are not challenges only the other side can read.
  const sent = { message: stats.sent - challenges, whoareyou: challenges };
  return {
    received,
    dropped,
    sent,
    sentBytes,
    requests,
    sessions,
    ...topicMetrics(stats),
    ...tableMetrics(table),
  };
}

function topicMetrics({ topics }: Discv5Stats): { readonly topics?: TopicMetrics } {
  return topics === undefined ? {} : { topics: { ...topics, answers: { ...topics.answers } } };
}

function tableMetrics({ entries, live, replacements }: TableStats) {
  return { tableEntries: entries, tableLive: live, tableReplacements: replacements };
}
