/** What is written of metrics, read by the parsers of Prometheus' own client for Python. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type MetricsEndpoint, serveMetrics } from '../../src/server/index.ts';
import { EthNode } from '../support/eth-node.ts';
import { SMALL_CHAIN } from './chains.ts';
import { run } from './child.ts';
import { toolPath } from './tools.ts';

/** Reads a page from a URL with one of the two parsers, and prints what it is as JSON. */
const PROGRAM = `
import json, sys, urllib.request
sys.path.insert(0, sys.argv[1])
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
accept, parse = {"openmetrics": ("application/openmetrics-text; version=1.0.0", openmetrics),
                 "prometheus": ("text/plain", prometheus)}[sys.argv[3]]
request = urllib.request.Request(sys.argv[2], headers={"Accept": accept})
text = urllib.request.urlopen(request, timeout=10).read().decode()
print(json.dumps([{"name": f.name, "type": f.type, "samples": [[s.name, s.labels, s.value] for s in f.samples]}
                  for f in parse(text)]))
`;

interface Family {
  readonly name: string;
  readonly type: string;
  readonly samples: readonly (readonly [string, Readonly<Record<string, string>>, number])[];
}

let nodes: readonly EthNode[] = [];
let endpoint: MetricsEndpoint;

beforeAll(async () => {
  const asked = await EthNode.start(SMALL_CHAIN);
  const asking = await EthNode.start(SMALL_CHAIN, { discovery: (chain) => chain });
  nodes = [asked, asking];
  await asking.server.dial(asked.server.enode);
  const peer = await asking.nextPeer();
  await peer.getBlockHeaders({ start: 1, limit: 10 });
  endpoint = await serveMetrics(asking.server, { host: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await endpoint?.close();
  for (const node of nodes) await node[Symbol.asyncDispose]();
});

it.each(['openmetrics', 'prometheus'])('a busy server is read by the parser of %s', async (format) => {
  const packages = toolPath(join('python', 'prometheus_client'));
  const output = await run('python3', ['-c', PROGRAM, join(packages, '..'), endpoint.url, format]);
  const families: readonly Family[] = JSON.parse(output);
  const family = (name: string) => families.find((one) => one.name === `peerlane_${name}`);
  expect(family('messages')?.type).toBe('counter');
  expect(family('messages')?.samples).toContainEqual([
    'peerlane_messages_total',
    { direction: 'out', protocol: 'eth', version: '69', message: 'GetBlockHeaders' },
    1,
  ]);
  expect(family('request_seconds')?.type).toBe('histogram');
  expect(family('request_seconds')?.samples).toContainEqual([
    'peerlane_request_seconds_count',
    { protocol: 'eth', version: '69', request: 'GetBlockHeaders' },
    1,
  ]);
  expect(family('peers')?.samples).toEqual([
    ['peerlane_peers', { direction: 'outbound', client: 'peerlane' }, 1],
    ['peerlane_peers', { direction: 'inbound', client: 'other' }, 0],
    ['peerlane_peers', { direction: 'outbound', client: 'other' }, 0],
  ]);
  expect(families.every(({ name }) => name.startsWith('peerlane_'))).toBe(true);
});
