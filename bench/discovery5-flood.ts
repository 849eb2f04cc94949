/** A node of discovery v5 to which hostile packets come: how fast it answers who has a session, and what it sends and keeps. */
import { quick } from './measure.ts';
import { apart, compare, type Figures, type NodeSubject, residentKib } from './node-harness.ts';
import type { Worker } from './worker.ts';

const SUBJECTS: readonly NodeSubject[] = ['native', 'go-ethereum'];
/** So many packets a second, from so many sockets in as many networks of /24. */
const FLOOD = { rate: 20_000, count: quick ? 64 : 1024, subnets: 50 };
/** Some of everything; and handshakes with wrong signatures only, which cost most, each behind a packet that asks for WHOAREYOU. */
const FLOODS = ['mixed', 'handshakes'] as const;
const PINGING_MS = quick ? 500 : 6000;
const PINGS_AT_A_TIME = 10;
const PING_GAP_MS = 2;
/** When the load gives up a Ping; one that was lost took at least so long. */
const REPLY_TIMEOUT_MS = 500;

interface Pinged {
  readonly p50: number;
  readonly p99: number;
  /** Of all Pings, in %. */
  readonly answered: number;
}

export const v5Flood = () =>
  compare({
    unit: {
      'v5-ping-idle': 'ms',
      ...Object.fromEntries(FLOODS.flatMap((name) => Object.entries(unitsOf(name)))),
    },
    subjects: SUBJECTS,
    rounds: 3,
    async prepare(bench) {
      const node = await bench.discovery5();
      const { port, id, worker } = node;
      const known = await bench.discovery5Load();
      await known.ask({ cmd: 'bond', port, id, count: 1, subnets: 1 });
      const flood = await bench.discovery5Load();
      apart(node, [known, flood]);
      return async () => {
        const figures: Record<string, number> = { 'v5-ping-idle': (await pings(known)).p99 };
        for (const kind of FLOODS) {
          await worker.ask({ cmd: 'gc' });
          const before = residentKib(worker);
          await flood.ask({ cmd: 'flood', port, id, kind, ...FLOOD });
          const pinged = await pings(known);
          const growth = residentKib(worker) - before;
          Object.assign(figures, figuresOf(kind, pinged, growth, await flood.ask({ cmd: 'stop' })));
        }
        return figures;
      };
    },
  });

function unitsOf(kind: string): Record<string, string> {
  return {
    [`v5-ping-${kind}-p50`]: 'ms',
    [`v5-ping-${kind}`]: 'ms',
    [`v5-ping-${kind}-answered`]: '%',
    [`v5-flood-${kind}`]: 'packets/s',
    [`v5-flood-${kind}-sent`]: '% of bytes',
    [`v5-flood-${kind}-memory`]: 'KiB',
  };
}

function figuresOf(
  kind: string,
  { p50, p99, answered }: Pinged,
  growth: number,
  { sent, seconds, sentBytes, receivedBytes }: Readonly<Record<string, unknown>>,
): Figures {
  return {
    [`v5-ping-${kind}-p50`]: p50,
    [`v5-ping-${kind}`]: p99,
    [`v5-ping-${kind}-answered`]: answered,
    [`v5-flood-${kind}`]: Number(sent) / Number(seconds),
    [`v5-flood-${kind}-sent`]: (100 * Number(receivedBytes)) / Number(sentBytes),
    [`v5-flood-${kind}-memory`]: growth,
  };
}

async function pings(known: Worker): Promise<Pinged> {
  const end = performance.now() + PINGING_MS;
  const times: number[] = [];
  let lost = 0;
  while (performance.now() < end) {
    const answer = await known.ask({ cmd: 'ping', count: PINGS_AT_A_TIME, gap: PING_GAP_MS });
    times.push(...(answer.times as number[]));
    lost += Number(answer.lost);
  }
  const answered = (100 * times.length) / (times.length + lost);
  times.push(...Array.from({ length: lost }, () => REPLY_TIMEOUT_MS));
  times.sort((a, b) => a - b);
  const share = (part: number) => times[Math.ceil(times.length * part) - 1] ?? Number.NaN;
  return { p50: share(0.5), p99: share(0.99), answered };
}
