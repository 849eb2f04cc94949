import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import type { Closing } from '../base/closing.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { LookupRun, LookupRunEvents } from '../discv4/index.ts';
import type { KadNode } from '../kad/index.ts';

export interface LookupNodesOptions {
  begin(events: LookupRunEvents): LookupRun;
  resume(run: LookupRun): void;
  /** Ends when nothing will come any more. */
  readonly closing: Closing;
}

/** The nodes of one lookup, which goes on only while somebody waits for the next. */
export class LookupNodes {
  readonly #options: LookupNodesOptions;
  readonly #run: LookupRun;
  /** What the answers that were on their way have brought: bounded by the nodes that are asked at once. */
  readonly #nodes: KadNode[] = [];
  #wake: () => void = () => undefined;

  constructor(options: LookupNodesOptions) {
    this.#options = options;
    this.#run = options.begin({
      found: (nodes) => {
        this.#nodes.push(...nodes);
        this.#run.pause();
        this.#wake();
      },
      done: () => this.#wake(),
    });
  }

  /** The closest nodes that have answered so far. */
  get closest(): KadNode[] {
    return this.#run.result;
  }

  /** The next node; `undefined` at the end. @throws PeerlaneError `aborted`, `closed` */
  async next(signal: AbortSignal | undefined): Promise<KadNode | undefined> {
    const { closing, resume } = this.#options;
    for (;;) {
      throwIfAborted(signal);
      if (closing.isClosed) throw new PeerlaneError('closed', 'discovery is not running');
      const node = this.#nodes.shift();
      if (node !== undefined || this.#run.isDone) return node;
      const woken = this.#woken(signal);
      resume(this.#run);
      await woken;
    }
  }

  stop(): void {
    this.#run.stop();
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
