import { type MetricsSource, serveMetrics } from '../server/index.ts';
import type { ListenAddress } from './arguments.ts';
import { listenOn } from './hosts.ts';
import type { Output } from './output.ts';

/** Serves metrics where the user wants it, and says so; nowhere without an address. */
export async function metricsAt(
  address: ListenAddress | undefined,
  source: MetricsSource,
  output: Output,
): Promise<AsyncDisposable | undefined> {
  if (address === undefined) return undefined;
  const endpoint = await serveMetrics(source, await listenOn(address));
  const { url } = endpoint;
  output.event('metrics', { url }, `metrics  ${url}`);
  return endpoint;
}
