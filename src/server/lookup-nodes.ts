import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import type { Closing } from '../base/closing.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { KadNode } from '../kad/index.ts';

/** A lookup, or another search for nodes, that goes on as long as it is told to. */
export interface NodesRun {
  readonly isDone: boolean;
  /** Nobody more is asked, until it is resumed. */
  pause(): void;
  stop(): void;
}

export interface NodesRunEvents {
  found(nodes: readonly KadNode[]): void;
  done(): void;
}

export interface LookupNodesOptions<Run extends NodesRun> {
  /** Resolves, when it is the lookup's turn, with what ends that. @throws PeerlaneError `aborted`, `closed` */
  enter(signal: AbortSignal | undefined): Promise<() => void>;
  begin(events: NodesRunEvents): Run;
  resume(run: Run): void;
  /** Ends when nothing will come any more. */
  readonly closing: Closing;
}

/**
 * The nodes of one lookup, which goes on only while somebody waits for the next. Then it has a turn among the others: one
 * that its caller has left where it stands keeps nobody else waiting.
 */
export class LookupNodes<Run extends NodesRun> {
  readonly run: Run;
  readonly #options: LookupNodesOptions<Run>;
  /** What the answers that were on their way have brought: bounded by the nodes that are asked at once. */
  readonly #nodes: KadNode[] = [];
  #wake: () => void = () => undefined;

  constructor(options: LookupNodesOptions<Run>) {
    this.#options = options;
    this.run = options.begin({
      found: (nodes) => {
        this.#nodes.push(...nodes);
        this.run.pause();
        this.#wake();
      },
      done: () => this.#wake(),
    });
  }

  /** The next node; `undefined` at the end. @throws PeerlaneError `aborted`, `closed` */
  async next(signal: AbortSignal | undefined): Promise<KadNode | undefined> {
    const { closing, enter } = this.#options;
    for (;;) {
      throwIfAborted(signal);
      if (closing.isClosed) throw new PeerlaneError('closed', 'discovery is not running');
      const node = this.#nodes.shift();
      if (node !== undefined || this.run.isDone) return node;
      const leave = await enter(signal);
      try {
        await this.#advance(signal);
      } finally {
        leave();
      }
    }
  }

  /** Goes on until there is a node, or the end. */
  async #advance(signal: AbortSignal | undefined): Promise<void> {
    // What was on its way may have come while it waited for its turn.
    if (this.#nodes.length > 0 || this.run.isDone) return;
    const woken = this.#woken(signal);
    this.#options.resume(this.run);
    await woken;
  }

  stop(): void {
    this.run.stop();
  }

  #woken(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const offs: (() => void)[] = [];
      const settle = (run: () => void) => () => {
        for (const off of offs) off();
        run();
      };
      this.#wake = settle(resolve);
      offs.push(
        onAbort(
          signal,
          settle(() => reject(abortedError(signal))),
        ),
      );
      offs.push(this.#options.closing.onClose(settle(resolve)));
    });
  }
}
