/** Metrics as text that Prometheus reads. */
import type { Registry } from 'prom-client';
import { invalidArgument, reading } from '../base/checks.ts';
import { type Family, familiesOf } from './families.ts';
import type { NodeMetrics } from './metrics.ts';

/** The text format of Prometheus, and OpenMetrics. */
export type ExpositionFormat = 'prometheus' | 'openmetrics';

export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

const WANTS_OPENMETRICS = 'application/openmetrics-text';

/** The format that a client takes, by its header Accept: OpenMetrics when it names that and does not refuse it. */
export function formatFor(accept: string): ExpositionFormat {
  const range = accept.split(',').find((part) => part.trim().toLowerCase().startsWith(WANTS_OPENMETRICS));
  return range === undefined || /;\s*q=0(?:\.0*)?\s*(?:;|$)/i.test(range) ? 'prometheus' : 'openmetrics';
}

/**
 * The package that writes it is loaded by the first call.
 * @throws PeerlaneError `invalid-argument` for metrics of somebody else's that are none
 */
export async function expose(metrics: NodeMetrics, format: ExpositionFormat): Promise<Exposition> {
  // It takes longer to load than all the rest of this folder, and few programs want it.
  const { default: prometheus } = await import('prom-client');
  const { Registry } = prometheus;
  const contentType =
    format === 'openmetrics' ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
  const registry = new Registry<typeof contentType>();
  registry.setContentType(contentType);
  for (const family of reading('the metrics', () => familiesOf(metrics))) {
    checkNumbers(family);
    if (family.samples.length > 0) registry.registerMetric(asMetric(family, format));
  }
  const text = await registry.metrics();
  // Without any metric there would be an empty line, which OpenMetrics does not have.
  return { contentType, text: text.startsWith('\n#') ? text.slice(1) : text };
}

/** What is no number would be written as one. */
function checkNumbers(family: Family): void {
  const { name, kind } = family;
  const numbers: readonly unknown[] =
    family.kind === 'histogram'
      ? family.samples.flatMap(({ histogram: { counts, count, sum } }) => [...counts, count, sum])
      : family.samples.map(({ value }) => value);
  for (const number of numbers) {
    if (!(typeof number === 'number' && Number.isFinite(number))) {
      throw invalidArgument(`the metrics: of ${name} there is a value that is no finite number`);
    }
    if (kind === 'counter' && number < 0) throw invalidArgument(`the metrics: ${name} counts ${number}`);
  }
}

type PromMetric = Parameters<Registry['registerMetric']>[0];

/**
 * A registry asks its metrics for their values when it is read. Those of the package can only count themselves; this one
 * has been counted.
 */
function asMetric(family: Family, format: ExpositionFormat): PromMetric {
  const { kind, help } = family;
  const name = kind === 'counter' && format === 'prometheus' ? `${family.name}_total` : family.name;
  const values =
    family.kind === 'histogram'
      ? family.samples.flatMap(({ labels, histogram }) => [
          ...histogram.bounds.map((bound, i) => ({
            metricName: `${name}_bucket`,
            labels: { ...labels, le: bound },
            value: histogram.counts[i] ?? 0,
          })),
          { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: histogram.count },
          { metricName: `${name}_sum`, labels, value: histogram.sum },
          { metricName: `${name}_count`, labels, value: histogram.count },
        ])
      : family.samples.map(({ labels, value }) => ({ labels, value }));
  const get = () => Promise.resolve({ name, help, type: kind, values, aggregator: 'omit' });
  return { name, help, type: kind, get } as unknown as PromMetric;
}
