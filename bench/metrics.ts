/** What metrics cost a busy server: the CPU time of one that is asked for them each second, beside one that is not. */
import { setTimeout as pause } from 'node:timers/promises';
import { SAME_PAGE_MS } from '../src/server/serve-metrics.ts';
import { quick, summary } from './measure.ts';
import { Bench, type Node } from './node-harness.ts';
import type { BenchRow } from './row.ts';
import { transactionPayloads } from './transactions.ts';
import type { Worker } from './worker.ts';

const PEERS = 50;
const PAYLOADS = { length: 300, count: 8 };
/** Messages of each peer at a time: what the load has encoded waits in its memory. */
const MESSAGES = quick ? 200 : 2_500;
/** Turns of both servers in a round. */
const TURNS = quick ? 1 : 6;
const ROUNDS = quick ? 1 : 5;
/** Scrapes of a round whose own CPU time is measured, while nothing else is done. */
const SCRAPES = quick ? 2 : 20;

interface Busy {
  readonly node: Node;
  readonly load: Worker;
}

/**
 * Both servers take 300-byte messages of 50 peers, which is where counting is the largest part of the work. They take turns,
 * so that a slow moment of the machine falls on both. `metrics-ratio` is the CPU time of the one whose metrics are read once
 * in each second of it, divided by that of the other; `metrics-scrape` is what one reading takes, by itself: with less noise,
 * it says the same.
 */
export async function metricsCost(): Promise<BenchRow[]> {
  await using bench = new Bench('native');
  const [plain, scraped] = [await busyNode(bench, false), await busyNode(bench, true)];
  const { worker } = scraped.node;
  const { port } = await worker.ask({ cmd: 'metrics-port' });
  const scrape = async (): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${Number(port)}/metrics`);
    if (!(await response.text()).includes('peerlane_messages_total')) throw new Error('these are no metrics');
  };
  const [ratios, costs]: [number[], number[]] = [[], []];
  /** CPU seconds of the server since its metrics were read. */
  let since = 1;
  // The first round is the warm-up.
  for (let round = 0; round <= ROUNDS; round++) {
    let [without, withMetrics] = [0, 0];
    for (let turn = 0; turn < TURNS; turn++) {
      without += await cpuOfTurn(plain);
      const isDue = since >= 1;
      const taken = await cpuOfTurn(scraped, isDue ? scrape : undefined);
      since = isDue ? taken : since + taken;
      withMetrics += taken;
    }
    const before = await worker.cpu();
    for (let i = 0; i < SCRAPES; i++) {
      await scrape();
      // Sooner the same page would come again.
      await pause(2 * SAME_PAGE_MS);
    }
    const cost = ((await worker.cpu()) - before) / SCRAPES;
    if (round === 0) continue;
    ratios.push(withMetrics / without);
    costs.push(cost * 1000);
  }
  const row = { subject: 'native' } as const;
  return [
    { ...row, id: 'metrics-ratio', unit: 'x', ...summary(ratios) },
    { ...row, id: 'metrics-scrape', unit: 'CPU ms', ...summary(costs) },
  ];
}

async function busyNode(bench: Bench, metrics: boolean): Promise<Busy> {
  const node = await bench.node({ metrics });
  const load = await bench.connectedLoad(node, PEERS, transactionPayloads(PAYLOADS.length, PAYLOADS.count));
  return { node, load };
}

async function cpuOfTurn({ node: { worker }, load }: Busy, meanwhile?: () => Promise<void>): Promise<number> {
  await load.ask({ cmd: 'encode', messages: MESSAGES });
  await worker.ask({ cmd: 'expect', messages: MESSAGES * PEERS });
  const before = await worker.cpu();
  await Promise.all([load.ask({ cmd: 'blast' }), worker.ask({ cmd: 'reached' }), meanwhile?.()]);
  return (await worker.cpu()) - before;
}
