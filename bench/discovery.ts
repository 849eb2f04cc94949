/** Discovery v4 nodes: Pings that they answer, and how fast while hostile packets come beside them. */
import { quick } from './measure.ts';
import { apart, compare, type NodeSubject } from './node-harness.ts';
import type { Worker } from './worker.ts';

/** Signatures in JavaScript say nothing of the protocol; of them there are figures of their own. */
const SUBJECTS: readonly NodeSubject[] = ['native', 'go-ethereum'];
const ROUNDS = 5;
/** Who pings, and how many Pings of each are on the way at any time: what fits into a socket's buffer. */
const CLIENTS = 16;
const ON_THE_WAY = 8;
const PINGS = quick ? 100 : 2000;

/** From so many sockets in four networks of /24, so many packets a second. */
const FLOOD = { rate: 20_000, count: 64, subnets: 4 };
/** Some of everything; and Pings only, each of which costs a recovery: every second one gives a key of nobody. */
const FLOODS = { mixed: 'mixed', pings: 'ping' };
const PINGING_MS = quick ? 500 : 4000;
const PINGS_AT_A_TIME = 10;
const PING_GAP_MS = 2;
/** When the load gives up a Ping; one that was lost took at least so long. */
const REPLY_TIMEOUT_MS = 500;

/** Pings of nodes that have proved their endpoints, as fast as they are answered, on all cores. */
export const discoveryPings = () =>
  compare({
    unit: {
      'discovery-pings': 'Pongs/s',
      'discovery-pings-cpu': 'CPU us',
      'discovery-pings-main': 'CPU us',
    },
    subjects: SUBJECTS,
    rounds: ROUNDS,
    async prepare(bench) {
      const node = await bench.discovery();
      const load = await bench.discoveryLoad(node, CLIENTS);
      return async () => {
        await load.ask({ cmd: 'sign', messages: PINGS });
        const before = await node.worker.ask({ cmd: 'cpu' });
        const { answered, seconds } = await load.ask({ cmd: 'pings', parallel: ON_THE_WAY });
        const after = await node.worker.ask({ cmd: 'cpu' });
        const eachUs = (field: string) =>
          ((Number(after[field]) - Number(before[field])) * 1e6) / Number(answered);
        const figures = {
          'discovery-pings': Number(answered) / Number(seconds),
          'discovery-pings-cpu': eachUs('seconds'),
        };
        if (typeof after.thread !== 'number') return figures;
        return { ...figures, 'discovery-pings-main': eachUs('thread') };
      };
    },
  });

/** The 99th percentile of the times from Ping to Pong of a node that is known: without, and with a flood beside it. */
export const discoveryFlood = () =>
  compare({
    unit: {
      'discovery-ping-idle': 'ms',
      'discovery-ping-mixed': 'ms',
      'discovery-ping-pings': 'ms',
      'discovery-flood-mixed': 'packets/s',
      'discovery-flood-pings': 'packets/s',
    },
    subjects: SUBJECTS,
    rounds: 3,
    async prepare(bench) {
      const node = await bench.discovery();
      // On addresses of their own: what is done about those of the flood must not be about theirs.
      const known = await bench.discoveryLoad(node, 1, 1);
      const flood = await bench.discoveryLoad(node, 0);
      apart(node, [known, flood]);
      return async () => {
        const figures: Record<string, number> = { 'discovery-ping-idle': await pings(known) };
        for (const [name, kind] of Object.entries(FLOODS)) {
          await flood.ask({ cmd: 'flood', port: node.port, kind, ...FLOOD });
          figures[`discovery-ping-${name}`] = await pings(known);
          const { sent, seconds } = await flood.ask({ cmd: 'stop' });
          figures[`discovery-flood-${name}`] = Number(sent) / Number(seconds);
        }
        return figures;
      };
    },
  });

async function pings(known: Worker): Promise<number> {
  const end = performance.now() + PINGING_MS;
  const times: number[] = [];
  while (performance.now() < end) {
    const answer = await known.ask({ cmd: 'ping', count: PINGS_AT_A_TIME, gap: PING_GAP_MS });
    times.push(...(answer.times as number[]));
    for (let i = 0; i < Number(answer.lost); i++) times.push(REPLY_TIMEOUT_MS);
  }
  times.sort((a, b) => a - b);
  return times[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN;
}
