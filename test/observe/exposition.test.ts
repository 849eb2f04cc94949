import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expose, formatFor, histogramOf, type NodeMetrics } from '../../src/observe/index.ts';
import { readExposition } from '../support/exposition.ts';

const FORMATS = ['prometheus', 'openmetrics'] as const;

const metrics: NodeMetrics = {
  peers: [{ direction: 'inbound', client: 'geth', count: 3 }],
  dials: 7,
  dialResults: { connected: 5, 'dial-timeout': 2 },
  handshakeSeconds: { inbound: histogramOf([0.1, 1], [0.05, 2]), outbound: histogramOf([0.1, 1], []) },
  transfer: { in: { wireBytes: 50, payloadBytes: 100 }, out: { wireBytes: 0, payloadBytes: 0 } },
  reputations: histogramOf([-1, 0], [-5, 0, 0, 9]),
  eventLoopDelay: { mean: 0.001, p50: 0.001, p90: 0.002, p99: 0.003, max: 0.5 },
};

it.each(FORMATS)('writes metrics that a strict reader takes (%s)', async (format) => {
  const { text } = await expose(metrics, format);
  const families = readExposition(text, format === 'openmetrics');
  const suffix = format === 'openmetrics' ? '' : '_total';
  const family = (name: string) => families.get(`peerlane_${name}`);
  expect(family('peers')).toMatchObject({
    type: 'gauge',
    samples: [
      { labels: { direction: 'inbound', client: 'geth' }, value: 3 },
      { labels: { direction: 'inbound', client: 'other' }, value: 0 },
      { labels: { direction: 'outbound', client: 'other' }, value: 0 },
    ],
  });
  expect(family(`dial_results${suffix}`)).toMatchObject({
    type: 'counter',
    samples: [
      { name: 'peerlane_dial_results_total', labels: { result: 'connected' }, value: 5 },
      { name: 'peerlane_dial_results_total', labels: { result: 'dial-timeout' }, value: 2 },
    ],
  });
  expect(family('compression_ratio')?.samples).toEqual([
    { name: 'peerlane_compression_ratio', labels: { direction: 'in' }, value: 2 },
  ]);
  expect(family('handshake_seconds')?.samples.map(({ value }) => value)).toEqual([
    1, 1, 2, 2.05, 2, 0, 0, 0, 0, 0,
  ]);
  expect(family('reputation_peers')?.samples.map(({ labels, value }) => [labels.at_most, value])).toEqual([
    ['-1', 1],
    ['0', 3],
    ['+Inf', 4],
  ]);
  // What a node does not have is not there.
  expect(family('known_nodes')).toBeUndefined();
});

it.each(FORMATS)(
  'has rows of both directions where there is no peer, so that sums are 0 (%s)',
  async (format) => {
    const { text } = await expose({ peers: [] }, format);
    const samples = readExposition(text, format === 'openmetrics').get('peerlane_peers')?.samples;
    expect(samples?.map(({ labels, value }) => [labels.direction, labels.client, value])).toEqual([
      ['inbound', 'other', 0],
      ['outbound', 'other', 0],
    ]);
  },
);

it.each(FORMATS)('writes nothing as a text that is read too (%s)', async (format) => {
  const { text } = await expose({}, format);
  expect(readExposition(text, format === 'openmetrics').size).toBe(0);
});

it('keeps any label in its place', async () => {
  const text = fc.string({ unit: 'binary', maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...FORMATS),
      fc.uniqueArray(text, { maxLength: 5 }),
      async (format, names) => {
        const dialResults = Object.fromEntries(names.map((name, i) => [`x${name}`, i]));
        const page = await expose({ dialResults }, format);
        const read = [...readExposition(page.text, format === 'openmetrics').values()];
        const found = read.flatMap(({ samples }) =>
          samples.map(({ labels, value }) => [labels.result, value]),
        );
        expect(found).toEqual(Object.entries(dialResults));
      },
    ),
  );
});

it.each([
  ['no number', { dials: '7' }, 'of peerlane_dials there is a value that is no finite number'],
  ['less than none', { dials: -1 }, 'peerlane_dials counts -1'],
  ['no end', { dials: Number.POSITIVE_INFINITY }, 'no finite number'],
  ['no list', { peers: 5 }, 'the metrics cannot be read'],
])('refuses metrics with %s', async (_, wrong, message) => {
  const exposed = expose(wrong as unknown as NodeMetrics, 'openmetrics');
  await expect(exposed).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringContaining(message),
  });
});

it.each([
  ['', 'prometheus'],
  ['*/*', 'prometheus'],
  ['text/plain;version=0.0.4', 'prometheus'],
  ['application/openmetrics-text;version=1.0.0,text/plain;q=0.5', 'openmetrics'],
  ['text/plain;q=0.5, application/openmetrics-text; version=1.0.0; q=0.9', 'openmetrics'],
  ['application/openmetrics-text;q=0', 'prometheus'],
  ['application/openmetrics-text;q=0.0, text/plain', 'prometheus'],
])('answers Accept: %s with %s', (accept, format) => {
  expect(formatFor(accept)).toBe(format);
});
