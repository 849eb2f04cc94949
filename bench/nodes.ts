/**
 * Whole nodes beside go-ethereum's: a process under test with many peers, all of them in one process of Go that is
 * the same for every subject. Figures are CPU time and memory of the process under test only.
 */
import { randomFillSync } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { quick } from './measure.ts';
import {
  apart,
  Bench,
  base64,
  compare,
  HANDSHAKES_AT_A_TIME,
  type Node,
  type NodeSubject,
  residentKib,
} from './node-harness.ts';
import { transactionPayloads } from './transactions.ts';
import type { Worker } from './worker.ts';

const PEERS = 50;
const ROUNDS = 5;
/** Payloads of either size; what is sent to a peer goes round them. */
const LARGE = { length: 100_000, count: 4 };
const SMALL = { length: 300, count: 8 };
/** Rounds before those that count: V8 compiles what has run often, and until then code takes twice as long. */
const WARM_UP_ACCEPTS = quick ? 0 : 10;
const WARM_UP_TRANSFERS = quick ? 0 : 3;
/** For what happens on the way to 1,000 idle peers to come to rest. */
const SETTLE_MS = quick ? 100 : 1000;
/** Messages that a sender has ready at a time for its one peer. */
const TCP_BURST = 8;
const PING_MS = quick ? 200 : 1000;
const PINGS_AT_A_TIME = 10;
const PING_GAP_MS = 1;
const FLOOD_START_MS = 200;

/** How much a subject does in a round: the js backend does less, or it would take minutes. */
const amount = ({ subject }: Bench, full: number, js: number) => {
  const count = subject === 'js' ? js : full;
  return quick ? Math.ceil(count / 10) : count;
};

/** CPU seconds of the process under test while something happens. */
async function cpuOf(worker: Worker, run: () => Promise<void>): Promise<number> {
  const before = await worker.cpu();
  await run();
  return (await worker.cpu()) - before;
}

/**
 * A node that sends to peers which drop what they get. The first payloads are decoded and compared, so that the
 * peers know how many bytes the same ones take from then on.
 */
async function sender(bench: Bench, { length, count }: { length: number; count: number }) {
  const node = await bench.node();
  const load = await bench.connectedLoad(node, PEERS, transactionPayloads(length, count));
  await load.ask({ cmd: 'learn', messages: count });
  await node.worker.ask({ cmd: 'send', messages: count, burst: 1 });
  const { bytes } = await load.ask({ cmd: 'learnt' });
  return async (cycles: number, burst: number) => {
    await load.ask({ cmd: 'expect', bytes: Number(bytes) * cycles });
    return await cpuOf(node.worker, async () => {
      await node.worker.ask({ cmd: 'send', messages: cycles * count, burst });
      await load.ask({ cmd: 'reached' });
    });
  };
}

/** 100 KB to each of 50 peers, compression included: CPU seconds for 10^9 bytes of payload. */
export const broadcastLarge = () =>
  compare({
    unit: 'CPU s/GB',
    rounds: ROUNDS,
    async prepare(bench) {
      const run = await sender(bench, LARGE);
      const cycles = amount(bench, 20, 1);
      const gigabytes = (cycles * LARGE.count * LARGE.length * PEERS) / 1e9;
      return async () => ({ 'broadcast-100k-x50': (await run(cycles, 1)) / gigabytes });
    },
  });

/** 300 bytes to each of 50 peers, in bursts of eight to each, and one to each: CPU seconds for 10^6 messages. */
export const broadcastSmall = () =>
  compare({
    unit: 'CPU s/M',
    rounds: ROUNDS,
    async prepare(bench) {
      const run = await sender(bench, SMALL);
      const cycles = amount(bench, 250, 25);
      const millions = (cycles * SMALL.count * PEERS) / 1e6;
      return async () => ({
        'broadcast-300-x50': (await run(cycles, SMALL.count)) / millions,
        'broadcast-300-single-x50': (await run(cycles, 1)) / millions,
      });
    },
  });

/** 50 peers that each send 300-byte messages, written 16 KB at a time: CPU seconds for 10^6 messages. */
export const receiveSmall = () =>
  compare({
    unit: 'CPU s/M',
    rounds: ROUNDS,
    async prepare(bench) {
      const node = await bench.node();
      const { worker } = node;
      const load = await bench.connectedLoad(node, PEERS, transactionPayloads(SMALL.length, SMALL.count));
      const messages = amount(bench, 2500, 250);
      return async () => {
        await load.ask({ cmd: 'encode', messages });
        await worker.ask({ cmd: 'expect', messages: messages * PEERS });
        const cpu = await cpuOf(worker, async () => {
          await Promise.all([load.ask({ cmd: 'blast' }), worker.ask({ cmd: 'reached' })]);
        });
        return { 'receive-300-x50': (cpu * 1e6) / (messages * PEERS) };
      };
    },
  });

/** One connection between two nodes in processes of their own: MB of payload a second, from the first to the last. */
export const tcpApart = () =>
  compare({
    unit: 'MB/s',
    rounds: ROUNDS,
    async prepare(bench) {
      const [listener, dialer] = [await bench.node(), await bench.node()];
      await dialer.worker.ask({
        cmd: 'dial',
        enode: `enode://${listener.id}@127.0.0.1:${listener.port}`,
      });
      for (const { worker } of [listener, dialer]) await worker.ask({ cmd: 'peers', count: 1 });
      // Bytes that do not compress, as in `tcp-100k`.
      await dialer.worker.ask({
        cmd: 'payloads',
        data: base64([randomFillSync(new Uint8Array(LARGE.length))]),
      });
      const messages = amount(bench, 2000, 100);
      const transfer = async () => {
        await listener.worker.ask({ cmd: 'expect', messages });
        const start = performance.now();
        await Promise.all([
          dialer.worker.ask({ cmd: 'send', messages, burst: TCP_BURST }),
          listener.worker.ask({ cmd: 'reached' }),
        ]);
        return { 'tcp-100k-apart': (messages * LARGE.length) / 1e3 / (performance.now() - start) };
      };
      for (let i = 0; i < WARM_UP_TRANSFERS; i++) await transfer();
      return transfer;
    },
  });

/** Connections taken up to Hello: by a bare listener, and by a server that makes peers of them. CPU ms for each. */
export const accept = () =>
  compare({
    unit: 'CPU ms',
    rounds: ROUNDS,
    async prepare(bench) {
      const [bare, server, load] = [await bench.node({ bare: true }), await bench.node(), await bench.load()];
      const count = amount(bench, 1000, 30);
      const measured = async ({ worker, port, id }: Node) => {
        const cpu = await cpuOf(worker, async () => {
          await load.ask({ cmd: 'handshakes', port, id, count, parallel: HANDSHAKES_AT_A_TIME });
          await worker.ask({ cmd: 'peers', count: 0 });
        });
        return (cpu * 1000) / count;
      };
      for (let i = 0; i < WARM_UP_ACCEPTS; i++) for (const node of [bare, server]) await measured(node);
      return async () => ({ accept: await measured(bare), 'accept-server': await measured(server) });
    },
  });

/**
 * Growth of an empty server's resident memory when so many idle peers have connected, in KiB a peer: of a fresh
 * process, and of one through which as many have gone, so that what the run time keeps for itself (compiled code, pages
 * of its heap that are not empty) is there already. Both times the run time gives back to the system what it can.
 */
export const memory = () => {
  const peers = quick ? 200 : 1000;
  return compare({
    unit: 'KiB',
    rounds: 3,
    warmUp: false,
    async prepare({ subject }) {
      let rounds = 0;
      return async () => {
        // Handshakes of the js backend take their time: it is measured once, and fresh.
        if (subject === 'js' && rounds++ > 0) return {};
        const fresh = { 'memory-1000': await growthKib(subject, peers, false) };
        return subject === 'js'
          ? fresh
          : { ...fresh, 'memory-1000-warm': await growthKib(subject, peers, true) };
      };
    },
  });
};

async function growthKib(subject: NodeSubject, peers: number, warm: boolean): Promise<number> {
  await using bench = new Bench(subject);
  const node = await bench.node({ maxPeers: peers });
  if (warm) {
    const visitors = await bench.load();
    const { port, id } = node;
    await visitors.ask({ cmd: 'handshakes', port, id, count: peers, parallel: HANDSHAKES_AT_A_TIME });
    await node.worker.ask({ cmd: 'peers', count: 0 });
  }
  const before = await settledKib(node.worker);
  await bench.connectedLoad(node, peers, []);
  await pause(SETTLE_MS);
  return ((await settledKib(node.worker)) - before) / peers;
}

async function settledKib(worker: Worker): Promise<number> {
  await worker.ask({ cmd: 'gc' });
  return residentKib(worker);
}

/**
 * The 99th percentile of the times from Ping to Pong of one peer: while 49 others are idle, while they are sent
 * 100 KB messages as fast as they take them, and while they send 300-byte messages as fast as these are taken.
 */
export const tailPing = () =>
  compare({
    unit: 'ms',
    rounds: 3,
    async prepare(bench) {
      const node = await bench.node();
      const others = PEERS - 1;
      const load = await bench.connectedLoad(node, others, transactionPayloads(LARGE.length, LARGE.count), {
        isInBackground: true,
      });
      await load.ask({ cmd: 'learn', messages: LARGE.count });
      await node.worker.ask({ cmd: 'send', messages: LARGE.count, burst: 1 });
      await load.ask({ cmd: 'learnt' });
      await load.ask({ cmd: 'payloads', data: base64(transactionPayloads(SMALL.length, SMALL.count)) });
      // In a process of its own, so that a Ping does not wait for what the other peers do.
      const pinger = await bench.load();
      await bench.connect(pinger, node, 1);
      apart(node, [load, pinger]);
      await node.worker.ask({ cmd: 'peers', count: PEERS });
      const messages = amount(bench, 3000, 200);
      return async () => {
        const idle = await pings(pinger, pause(PING_MS));
        await node.worker.ask({ cmd: 'flood', count: others });
        await pause(FLOOD_START_MS);
        const sending = await pings(pinger, pause(PING_MS));
        await node.worker.ask({ cmd: 'stop' });
        await load.ask({ cmd: 'encode', messages });
        await node.worker.ask({ cmd: 'expect', messages: messages * others });
        const blast = Promise.all([load.ask({ cmd: 'blast' }), node.worker.ask({ cmd: 'reached' })]);
        const receiving = await pings(pinger, blast);
        return { 'tail-ping-idle': idle, 'tail-ping': sending, 'tail-ping-receiving': receiving };
      };
    },
  });

/** Pings one after the other until something is over. Gives the 99th percentile of their times in ms. */
async function pings(pinger: Worker, end: Promise<unknown>): Promise<number> {
  const times: number[] = [];
  let over = false;
  const ended = () => {
    over = true;
  };
  end.then(ended, ended);
  while (!over) {
    const answer = await pinger.ask({ cmd: 'ping', count: PINGS_AT_A_TIME, gap: PING_GAP_MS });
    times.push(...(answer.times as number[]));
  }
  await end;
  times.sort((a, b) => a - b);
  return times[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN;
}
