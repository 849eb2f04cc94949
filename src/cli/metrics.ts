import { type MetricsEndpoint, type MetricsSource, serveMetrics } from '../server/serve-metrics.ts';
import type { ListenAddress } from './arguments.ts';
import { listenOn } from './hosts.ts';
import type { Output } from './output.ts';

/**
 * Serves metrics where the user wants it; nowhere without an address. It is told later, by `reportMetrics`: what cannot be
 * served is said before anything is told.
 */
export async function metricsAt(
  address: ListenAddress | undefined,
  source: MetricsSource,
): Promise<MetricsEndpoint | undefined> {
  return address && (await serveMetrics(source, await listenOn(address)));
}

export function reportMetrics(output: Output, endpoint: MetricsEndpoint | undefined): void {
  if (endpoint === undefined) return;
  const { url } = endpoint;
  output.event('metrics', { url }, `metrics  ${url}`);
}
