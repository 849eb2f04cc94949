import { Budget, type BudgetHolder, type BudgetShare } from '../base/budget.ts';
import type { Env } from '../base/env.ts';
import { Gate } from '../base/gate.ts';
import { type Bandwidth, type BandwidthOptions, bandwidthOf } from './bandwidth.ts';

/** Decompressed bytes of messages of 1 MiB and more that are with handlers at a time. */
export const LARGE_PAYLOADS_LIMIT = 16 * 1024 * 1024;
/** What of the budget is for input, whose one frame beyond the limit may be larger than all of that. */
const INPUT_PART = 0.25;
/** A frame arrives with at least 16 KiB a second, if others wait; ... */
const INPUT = { leastProgress: 8 * 1024, looks: 2 } as const;
/** ... with 256 KiB where it takes what is not there, unless it is us who do not read as fast. */
const LEAST_PROGRESS_BEYOND: number = 128 * 1024;
/**
 * Output moves within ten seconds, if others wait: a system that has much in its own buffers takes more only when a
 * good part of that has gone, so a slow peer seems to stand still for long.
 */
const OUTPUT = { leastProgress: 1, looks: 20 } as const;

/** What all connections together may make a server hold. */
export interface Budgets {
  /** Unfinished frames, and messages that no handler has taken. */
  readonly input: Budget;
  /** What has been sent and not been taken. */
  readonly output: Budget;
  /** The part of `output` that is payloads compressed once for several connections. */
  readonly blocks: BudgetShare;
  /** Decompressed bytes of large messages that are with handlers. */
  readonly gate: Gate;
  /** How fast they may send and be read. */
  readonly bandwidth: Bandwidth;
}

/** Blocks never wait for memory; they go when the connections have taken them that hold the payloads. */
const BLOCKS: BudgetHolder = {
  moved: 0,
  isBlocked: false,
  couldMove: () => false,
  giveUp: () => undefined,
  granted: () => undefined,
};

export function budgetsOf({
  memoryBudget,
  bandwidth = {},
  env,
}: {
  readonly memoryBudget: number;
  readonly bandwidth?: BandwidthOptions;
  readonly env: Env;
}): Budgets {
  const output = new Budget({ ...OUTPUT, limit: memoryBudget * (1 - INPUT_PART), env });
  const throttles = bandwidthOf(bandwidth, env);
  const beyond = throttles.down === undefined ? { leastProgressBeyond: LEAST_PROGRESS_BEYOND } : {};
  return {
    input: new Budget({ ...INPUT, ...beyond, limit: memoryBudget * INPUT_PART, env }),
    output,
    blocks: output.share(BLOCKS),
    bandwidth: throttles,
    // A handler that answers with a large message keeps it until the answer is taken.
    gate: new Gate(LARGE_PAYLOADS_LIMIT, (isWaitedAt) => {
      output.isPressed = isWaitedAt;
    }),
  };
}
