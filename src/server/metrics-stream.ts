import { onAbort, throwIfAborted } from '../base/abort.ts';
import { checkDuration, checkNames, checkSignal, type NamesOf, reading } from '../base/checks.ts';
import type { Closing } from '../base/closing.ts';
import { Endable } from '../base/endable.ts';
import type { Env } from '../base/env.ts';
import { sleep } from '../base/sleep.ts';
import type { ServerMetrics } from '../observe/index.ts';

export const DEFAULT_METRICS_INTERVAL_MS = 1_000;

export interface MetricsStreamOptions {
  /** Milliseconds from one to the next; default 1,000. */
  readonly intervalMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS: NamesOf<MetricsStreamOptions> = { intervalMs: true, signal: true };

export interface MetricsStreamContext {
  readonly env: Env;
  readonly closing: Closing;
  readonly snapshot: () => ServerMetrics;
}

/**
 * The first at once, the next ones after the interval, and none that nobody waits for; ends when the server does.
 * @throws PeerlaneError `invalid-argument`; from `next`: `aborted`
 */
export function metricsStream(
  context: MetricsStreamContext,
  options: MetricsStreamOptions = {},
): AsyncGenerator<ServerMetrics, void, undefined> {
  const { intervalMs, signal } = reading('the options of metricsStream', () => {
    checkNames('the options of metricsStream', options, OPTIONS);
    const { intervalMs = DEFAULT_METRICS_INTERVAL_MS, signal } = options;
    checkDuration('intervalMs', intervalMs);
    checkSignal(signal);
    return { intervalMs, signal };
  });
  return new Endable((ended) => snapshots(context, intervalMs, ended), signal);
}

async function* snapshots(
  { env, closing, snapshot }: MetricsStreamContext,
  intervalMs: number,
  signal: AbortSignal,
): AsyncGenerator<ServerMetrics, void, undefined> {
  throwIfAborted(signal);
  while (!closing.isClosed) {
    yield snapshot();
    await untilNext(env, closing, intervalMs, signal);
  }
}

/** Nothing holds a stream but what waits for its next: it may be left where it stands. @throws PeerlaneError `aborted` */
async function untilNext(env: Env, closing: Closing, ms: number, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const offs = [onAbort(signal, () => stop.abort(signal.reason)), closing.onClose(() => stop.abort())];
  try {
    await sleep(env, ms, stop.signal);
  } catch (error) {
    if (!closing.isClosed) throw error;
  } finally {
    for (const off of offs) off();
  }
}
