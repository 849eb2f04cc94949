import { expect, it, onTestFinished } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { type MetricsSource, type ServeMetricsOptions, serveMetrics } from '../../src/server/index.ts';
import { SAME_PAGE_MS } from '../../src/server/serve-metrics.ts';
import { rejectionOf } from '../support/errors.ts';
import { readExposition } from '../support/exposition.ts';
import { LOOPBACK, startedServer } from '../support/servers.ts';

async function served(source: MetricsSource, options: Partial<ServeMetricsOptions> = {}) {
  const endpoint = await serveMetrics(source, { ...LOOPBACK, ...options });
  onTestFinished(() => endpoint.close());
  return endpoint;
}

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0';

it('serves the metrics of a server in the format that is asked for', async () => {
  const [listener, dialer] = [await startedServer(), await startedServer({ discovery: {} })];
  await dialer.dial(listener.enode);
  const { url } = await served(dialer);
  const plain = await fetch(url);
  expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const open = await fetch(url, { headers: { accept: OPENMETRICS } });
  expect(open.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
  const [asText, asOpen] = [
    readExposition(await plain.text(), false),
    readExposition(await open.text(), true),
  ];
  const samples = [
    asText.get('peerlane_dial_results_total')?.samples,
    asOpen.get('peerlane_dial_results')?.samples,
  ];
  for (const found of samples) {
    expect(found).toEqual([
      { name: 'peerlane_dial_results_total', labels: { result: 'connected' }, value: 1 },
    ]);
  }
  expect([...asText.keys()].map((name) => name.replace(/_total$/, ''))).toEqual([...asOpen.keys()]);
  expect([...asOpen.keys()]).toContain('peerlane_event_loop_delay_seconds');
  expect([...asOpen.keys()]).toContain('peerlane_discovery_packets');
});

it('makes one page for those who ask at once, and another one later', async () => {
  let asked = 0;
  const { url } = await served({ metrics: () => ({ dials: ++asked }) });
  await Promise.all(Array.from({ length: 8 }, () => fetch(url).then((response) => response.text())));
  const few = asked;
  expect(few).toBeLessThan(8);
  const read = async () => readExposition(await (await fetch(url)).text(), false).get('peerlane_dials_total');
  const until = performance.now() + 50 * SAME_PAGE_MS;
  let value = 0;
  while (value <= few && performance.now() < until) value = (await read())?.samples[0]?.value ?? 0;
  expect(value).toBeGreaterThan(few);
});

it('goes on when its source fails, and tells of it', async () => {
  const errors: unknown[] = [];
  const error = new PeerlaneError('internal', 'a bug');
  const source = {
    metrics: () => {
      throw error;
    },
  };
  const { url } = await served(source, { onError: (one) => errors.push(one) });
  expect((await fetch(url)).status).toBe(500);
  expect((await fetch(url)).status).toBe(500);
  expect(errors).toEqual([error, error]);
});

it.each([
  ['a promise', async () => ({ dials: 1 }), /promise/],
  ['a promise that fails', async () => Promise.reject(new Error('later')), /promise/],
  ['nothing', () => undefined, /not an object/],
  ['a text', () => 'dials 1', /not an object/],
])('says that its source gives %s, and no metrics', async (_, metrics, says) => {
  const errors: unknown[] = [];
  const source = { metrics } as unknown as MetricsSource;
  const { url } = await served(source, { onError: (one) => errors.push(one) });
  expect((await fetch(url)).status).toBe(500);
  expect(errors).toMatchObject([{ code: 'invalid-argument', message: expect.stringMatching(says) }]);
});

it('names its own options in errors', async () => {
  const source = { metrics: () => ({}) };
  for (const options of [{ host: '' }, { host: '127.1' }, { port: -1 }]) {
    const failure = await served(source, options).catch((error: Error) => error.message);
    expect(failure).toMatch(/^(host|port) /);
  }
});

it('is over when its signal aborts, or it is closed', async () => {
  const abort = new AbortController();
  const source = { metrics: () => ({}) };
  const { url } = await served(source, { signal: abort.signal });
  expect((await fetch(url)).status).toBe(200);
  abort.abort();
  await expect(fetch(url)).rejects.toThrow();
  expect(await rejectionOf(served(source, { signal: AbortSignal.abort() }))).toBe('aborted');
  const closed = await served(source);
  await closed.close();
  await closed.close();
  await expect(fetch(closed.url)).rejects.toThrow();
});

it('refuses what it cannot serve, or listen on', async () => {
  const good = { metrics: () => ({}) };
  const bad: readonly (readonly [unknown, object, string])[] = [
    [undefined, {}, 'invalid-argument'],
    [{}, {}, 'invalid-argument'],
    [good, { port: 65_536 }, 'invalid-argument'],
    [good, { host: '' }, 'invalid-argument'],
    [good, { host: '224.0.0.1' }, 'invalid-argument'],
    [good, { host: '[::1]' }, 'invalid-argument'],
    [good, { prot: 1 }, 'invalid-argument'],
    [good, { onError: 1 }, 'invalid-argument'],
    [good, { signal: 1 }, 'invalid-argument'],
    [good, { host: '192.0.2.1' }, 'listen-failed'],
  ];
  for (const [source, options, code] of bad) {
    expect(await rejectionOf(served(source as MetricsSource, options)), JSON.stringify(options)).toBe(code);
  }
  const { port } = await served(good);
  expect(await rejectionOf(served(good, { port }))).toBe('port-in-use');
});
