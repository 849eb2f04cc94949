import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import {
  checkFunction,
  checkNames,
  checkObject,
  checkPort,
  checkSignal,
  type NamesOf,
  reading,
  refuseThenable,
} from '../base/checks.ts';
import { systemEnv } from '../base/env.ts';
import { hostBeforePort } from '../base/ip.ts';
import { detached } from '../base/observer.ts';
import { type HttpPage, type HttpPageServer, serveHttpPage } from '../io/http-page.ts';
import { type ExpositionFormat, expose, formatFor, type NodeMetrics } from '../observe/index.ts';
import { checkedListenHost } from './listen-host.ts';

export const METRICS_PATH = '/metrics';
/** Whoever asks again within so many milliseconds gets the same page: many who ask cost no more than a few. */
export const SAME_PAGE_MS = 100;

/** What has metrics: a server, a discovery service, or an object of one's own. */
export interface MetricsSource {
  /** Called for each page; not async. */
  metrics(): NodeMetrics;
}

export interface ServeMetricsOptions {
  /** An IP address, or a host name. Whoever reaches it may read the metrics. */
  readonly host: string;
  /** TCP; 0: any free one. */
  readonly port: number;
  /** Closes the endpoint when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Told what went wrong with a page, also `invalid-argument` when `metrics()` gives none, or with the listener; the endpoint
   * goes on. For observation only.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
}

const OPTIONS: NamesOf<ServeMetricsOptions> = { host: true, port: true, signal: true, onError: true };

/** An endpoint that serves metrics until it is closed. */
export class MetricsEndpoint implements AsyncDisposable {
  readonly host: string;
  /** The TCP port in use. */
  readonly port: number;
  readonly #server: HttpPageServer;
  readonly #off: () => void;

  /** @internal */
  constructor(server: HttpPageServer, signal: AbortSignal | undefined) {
    this.host = server.host;
    this.port = server.port;
    this.#server = server;
    this.#off = onAbort(signal, () => void server.close());
  }

  /** `http://HOST:PORT/metrics` */
  get url(): string {
    return `http://${hostBeforePort(this.host)}:${this.port}${METRICS_PATH}`;
  }

  /** Ends all connections; resolves when the port is free. May be called twice. */
  close(): Promise<void> {
    this.#off();
    return this.#server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Pages of metrics, made when they are asked for, and kept for a moment. */
class MetricsPages {
  readonly #source: MetricsSource;
  readonly #kept = new Map<ExpositionFormat, { readonly at: number; readonly page: Promise<HttpPage> }>();

  constructor(source: MetricsSource) {
    this.#source = source;
  }

  page(accept: string): Promise<HttpPage> {
    const format = formatFor(accept);
    const now = systemEnv.now();
    const kept = this.#kept.get(format);
    if (kept !== undefined && now - kept.at < SAME_PAGE_MS) return kept.page;
    const page = this.#make(format);
    this.#kept.set(format, { at: now, page });
    return page;
  }

  async #make(format: ExpositionFormat): Promise<HttpPage> {
    const metrics = this.#source.metrics();
    refuseThenable('metrics() of the source', metrics);
    checkObject('what metrics() of the source gives', metrics);
    const { contentType, text } = await expose(metrics, format);
    // Once, for all who ask.
    return { contentType, body: Buffer.from(text) };
  }
}

/**
 * Serves the metrics of a node for Prometheus, over HTTP at `/metrics`, in the text format or as OpenMetrics, whichever is
 * asked for. The library opens no port for them unless this is called.
 *
 * ```js
 * const endpoint = await serveMetrics(server, { host: '127.0.0.1', port: 9464 });
 * // At the end:
 * await endpoint.close();
 * ```
 * @throws PeerlaneError `invalid-argument`, `port-in-use`, `listen-failed`, `aborted`
 */
export async function serveMetrics(
  source: MetricsSource,
  options: ServeMetricsOptions,
): Promise<MetricsEndpoint> {
  const { host, port, signal, onError } = checkedOptions(source, options);
  throwIfAborted(signal);
  const pages = new MetricsPages(source);
  const failed = onError && detached(onError);
  const server = await serveHttpPage({
    ...{ host, port, failed, path: METRICS_PATH },
    page: (accept) => pages.page(accept),
  });
  if (signal?.aborted) {
    await server.close();
    throw abortedError(signal);
  }
  return new MetricsEndpoint(server, signal);
}

function checkedOptions(source: MetricsSource, options: ServeMetricsOptions): ServeMetricsOptions {
  return reading('the options of serveMetrics', () => {
    checkObject('the source of metrics', source);
    checkFunction('metrics of the source', source.metrics);
    checkNames('the options of serveMetrics', options, OPTIONS);
    const { host, port, signal, onError } = options;
    const checked = checkedListenHost(host, 'host');
    checkPort('port', port);
    checkSignal(signal);
    if (onError !== undefined) checkFunction('onError', onError);
    return { host: checked, port, signal, onError };
  });
}
