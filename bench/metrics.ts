/** What metrics cost a busy server: to count each message, and to be asked for them each second. */
import { setTimeout as pause } from 'node:timers/promises';
import { overRounds } from '../src/bench/measure.ts';
import { Histogram, LANE_COUNTS } from '../src/observe/index.ts';
import { SAME_PAGE_MS } from '../src/server/serve-metrics.ts';
import { Traffic } from '../src/server/traffic.ts';
import { pace, quick } from './measure.ts';
import { Bench, type Node } from './node-harness.ts';
import type { BenchRow } from './row.ts';
import { transactionPayloads } from './transactions.ts';
import type { Worker } from './worker.ts';

const PEERS = 50;
const PAYLOADS = { length: 300, count: 8 };
/** Messages of each peer at a time: what the load has encoded waits in its memory. */
const MESSAGES = quick ? 200 : 2_500;
/** Pairs of turns, one with readings and one without. Those of the warm-up do not count. */
const [PAIRS, WARM_UP] = quick ? [2, 1] : [40, 4];
/** Readings in a turn: what is looked for is the larger in the noise of a turn, which is divided by them. */
const READINGS = quick ? 1 : 4;
/** Readings whose own CPU time is measured, while nothing else is done. */
const IDLE_READINGS = quick ? 2 : 50;
/** What metrics may cost a busy server that is asked for them each second, in percent. */
const ALLOWED = 2;

interface Busy {
  readonly node: Node;
  readonly load: Worker;
  /** Reads the metrics so many times, each time a page of its own. */
  readonly read: (times: number) => Promise<void>;
}

/**
 * A server takes 300-byte messages of 50 peers, which is where counting is the largest part of the work: always the same
 * messages, in turns with readings of its metrics and in turns without, one after the other, so that a slow moment of the
 * machine falls on both. All figures of CPU
 * are means.
 *
 * - `metrics-count`: to count a message, by itself: that it has come, its bytes on the wire, and the lanes of its batch.
 * - `metrics-message`: all that a message costs the server.
 * - `metrics-reading`, `metrics-reading-idle`: one reading over HTTP, by how much longer the turns with readings take; and
 *   where nothing else is done.
 * - `metrics-share`: counting, as a part of what messages cost, and a reading for each second of CPU time.
 */
export async function metricsCost(): Promise<BenchRow[]> {
  await using bench = new Bench('native');
  const busy = await busyNode(bench);
  const { worker } = busy.node;
  const [plain, more]: [number[], number[]] = [[], []];
  for (let pair = -WARM_UP; pair < PAIRS; pair++) {
    // Whichever comes first: what the one leaves to collect falls on the other.
    const readFirst = pair % 2 === 0;
    const first = await cpuOfTurn(busy, readFirst ? READINGS : 0);
    const second = await cpuOfTurn(busy, readFirst ? 0 : READINGS);
    if (pair < 0) continue;
    plain.push(readFirst ? second : first);
    more.push(((readFirst ? first - second : second - first) / READINGS) * 1000);
  }
  const idle: number[] = [];
  for (let i = 0; i < IDLE_READINGS; i++) {
    const before = await worker.cpu();
    await busy.read(1);
    idle.push(((await worker.cpu()) - before) * 1000);
  }
  const count = await nanosecondsToCount();
  const message = meanOf(plain.map((seconds) => (seconds / (MESSAGES * PEERS)) * 1e6));
  const reading = meanOf(more);
  const total = count.value / message.value / 10 + reading.value / 10;
  const share = { value: total, spread: (reading.spread * Math.abs(reading.value)) / 10 / Math.abs(total) };
  if (!quick && share.value > ALLOWED) {
    process.stderr.write(
      `metrics cost a busy server ${share.value.toFixed(2)} %, and may cost ${ALLOWED} %\n`,
    );
    process.exitCode = 1;
  }
  const row = { subject: 'native' } as const;
  return [
    { ...row, id: 'metrics-count', unit: 'ns', ...count },
    { ...row, id: 'metrics-message', unit: 'CPU us', ...message },
    { ...row, id: 'metrics-reading', unit: 'CPU ms', ...reading },
    { ...row, id: 'metrics-reading-idle', unit: 'CPU ms', ...meanOf(idle) },
    { ...row, id: 'metrics-share', unit: '%', ...share },
  ];
}

async function busyNode(bench: Bench): Promise<Busy> {
  const node = await bench.node({ metrics: true });
  const load = await bench.connectedLoad(node, PEERS, transactionPayloads(PAYLOADS.length, PAYLOADS.count));
  const { port } = await node.worker.ask({ cmd: 'metrics-port' });
  const read = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const response = await fetch(`http://127.0.0.1:${Number(port)}/metrics`);
      if (!(await response.text()).includes('peerlane_messages_total')) {
        throw new Error('these are no metrics');
      }
      // Sooner the same page would come again.
      await pause(1.1 * SAME_PAGE_MS);
    }
  };
  return { node, load, read };
}

/** CPU seconds of the server until it has all messages, and has been read so often. */
async function cpuOfTurn({ node: { worker }, load, read }: Busy, readings: number): Promise<number> {
  await load.ask({ cmd: 'encode', messages: MESSAGES });
  await worker.ask({ cmd: 'expect', messages: MESSAGES * PEERS });
  const before = await worker.cpu();
  await Promise.all([load.ask({ cmd: 'blast' }), worker.ask({ cmd: 'reached' }), read(readings)]);
  return (await worker.cpu()) - before;
}

const COUNTED = 1_000_000;
/** Messages that come together in a chunk, and in a batch of the lanes: fewer than they are. */
const BATCH = 16;

/** What a connection does for each message, and it and the lanes for those that come together. */
function nanosecondsToCount() {
  const traffic = new Traffic();
  const counts = traffic.of({ name: 'bench', version: 1, length: 16, handler: () => Promise.resolve() });
  const lanes = new Histogram(LANE_COUNTS);
  return overRounds(pace, () => {
    const start = performance.now();
    for (let i = 0; i < COUNTED; i++) {
      counts.received(i & 15, PAYLOADS.length + (i & 7));
      if (i % BATCH > 0) continue;
      traffic.wireBytes.in += BATCH * PAYLOADS.length;
      lanes.observe(i & 63);
    }
    return ((performance.now() - start) / COUNTED) * 1e6;
  });
}

/** The mean, and as a part of it how far it may be off with 95 % of confidence. */
function meanOf(values: readonly number[]): { value: number; spread: number } {
  const value = values.reduce((sum, one) => sum + one, 0) / values.length;
  const squares = values.reduce((sum, one) => sum + (one - value) ** 2, 0);
  const error = 1.96 * Math.sqrt(squares / (values.length - 1) / values.length);
  return { value, spread: error / Math.abs(value) };
}
