/** One simulation from its beginning to its figures. */
import { type LookupFigures, runLookups } from './lookups.ts';
import { SimNetwork } from './network.ts';
import { type TableFigures, tableFigures } from './quality.ts';

const MINUTE_MS = 60_000;

export interface SimulationOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly lookups: number;
  /** Virtual minutes in which the nodes join, one after the other, and in which they are then left alone. */
  readonly joinMinutes: number;
  readonly settleMinutes: number;
  /** From the beginning of one lookup to that of the next; default `LOOKUP_GAP_MS`. */
  readonly gapMs?: number;
  /** From the end of the joining on: the part of the packets that is lost. */
  readonly loss?: number;
  /** From then on: the part of the nodes that leaves in an hour. */
  readonly churn?: number;
  /** The part of the nodes that is behind NAT. */
  readonly nat?: number;
  readonly isReal?: boolean;
  /**
   * Nodes do not join: they have tables as after a while, and this part of them has just left. Unless they are `awake` they
   * do nothing by themselves from then on, so there is no time for settling either.
   */
  readonly settled?: { readonly gone: number; readonly awake: boolean } | undefined;
  /** The version of discovery. Default: 4. */
  readonly version?: 4 | 5;
}

export interface SimulationFigures {
  readonly nodes: number;
  readonly lookups: LookupFigures;
  readonly tables: TableFigures;
  /** Sent by a node in a minute of the last half of the time for settling. */
  readonly traffic: { readonly packets: number; readonly bytes: number };
  /** Bytes of the process beyond those before, by the number of nodes; when there was a `collect`. */
  readonly memory: number | undefined;
}

export interface Observation {
  /** Collects the garbage and gives the bytes in use. */
  collect?(): number;
  /** Told often. */
  progress?(text: string): void;
}

export function simulate(
  options: SimulationOptions,
  { collect, progress = () => undefined }: Observation = {},
): SimulationFigures {
  const {
    nodes,
    seed,
    joinMinutes,
    settleMinutes,
    loss = 0,
    churn = 0,
    nat = 0,
    isReal = false,
    version = 4,
    settled,
  } = options;
  const before = collect?.();
  const network = new SimNetwork({ seed, nat, isReal, version });
  const { env, links } = network;
  if (settled === undefined) {
    network.grow(nodes, joinMinutes * MINUTE_MS, (count) =>
      progress(`${count} of ${nodes} nodes have joined`),
    );
  } else network.settle(nodes, settled);
  links.loss = loss;
  network.churn(churn);
  const isIdle = settled?.awake === false;
  const traffic = isIdle ? { packets: Number.NaN, bytes: Number.NaN } : settle();
  const memory = before === undefined ? undefined : ((collect?.() ?? 0) - before) / nodes;
  const tables = tableFigures(network);
  const lookups = runLookups(network, {
    ...{ count: options.lookups, seed, gapMs: options.gapMs },
    begun: (count) => progress(`${count} of ${options.lookups} lookups have begun`),
  });
  return { nodes, lookups, tables, traffic, memory };

  /** Lets the network settle. What a node sends in a minute of the last half of that time. */
  function settle(): { packets: number; bytes: number } {
    const half = settleMinutes / 2;
    const pass = (from: number): void => {
      for (let minute = 0; minute < half; minute++) {
        env.advance(Math.min(1, half - minute) * MINUTE_MS);
        progress(`minute ${Math.ceil(from + minute + 1)} of ${settleMinutes} is over`);
      }
    };
    pass(0);
    const { packets, bytes } = links.sent;
    pass(half);
    return {
      packets: (links.sent.packets - packets) / network.nodes.length / half,
      bytes: (links.sent.bytes - bytes) / network.nodes.length / half,
    };
  }
}
