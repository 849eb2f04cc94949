import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import { signalOf } from '../base/checks.ts';
import { Closing } from '../base/closing.ts';
import { PeerlaneError } from '../base/errors.ts';
import type { AdvertisementRun, AdvertiserStats } from '../discv5/index.ts';
import type { CallOptions } from './discovery-calls.ts';

export interface AdvertisementOptions {
  /** @param admitted told whenever a registrar has let the advertisement in */
  begin(admitted: () => void): AdvertisementRun;
  readonly signal: AbortSignal | undefined;
  /** Calls `run` when the service closes; returns what takes that back. */
  onClose(run: () => void): () => void;
}

/**
 * A topic that a `Discv5Service` advertises, until this is closed, its signal aborts, or the service is closed. Registrars give the
 * advertisement away for a quarter of an hour at most after that.
 */
export class Advertisement implements AsyncDisposable {
  /** 32 bytes. */
  readonly topic: Uint8Array;
  readonly #run: AdvertisementRun;
  readonly #ended = new Closing();
  readonly #admitted = new Closing();

  /** @internal */
  constructor({ begin, signal, onClose }: AdvertisementOptions) {
    const run = begin(() => this.#admitted.close());
    this.#run = run;
    this.topic = run.topic;
    const end = (): void => this.#end();
    for (const off of [onAbort(signal, end), onClose(end)]) this.#ended.onClose(off);
  }

  /** Whether it goes on. */
  get isActive(): boolean {
    return !this.#ended.isClosed;
  }

  stats(): AdvertiserStats {
    return this.#run.stats;
  }

  /**
   * Resolves as soon as a registrar has let the advertisement in.
   * @throws PeerlaneError `aborted`, `closed` when it has ended before, `invalid-argument`
   */
  async placed(options: CallOptions = {}): Promise<void> {
    const signal = signalOf(options);
    throwIfAborted(signal);
    if (this.#admitted.isClosed) return;
    if (this.#ended.isClosed) throw endedError();
    await new Promise<void>((resolve, reject) => {
      const offs: (() => void)[] = [];
      const settle = (run: () => void) => () => {
        for (const off of offs.splice(0)) off();
        run();
      };
      offs.push(this.#admitted.onClose(settle(resolve)));
      offs.push(
        this.#ended.onClose(settle(() => reject(signal?.aborted ? abortedError(signal) : endedError()))),
      );
      const aborted = settle(() => reject(abortedError(signal)));
      offs.push(onAbort(signal, aborted));
    });
  }

  /** Ends it. May be called twice. */
  async close(): Promise<void> {
    this.#end();
    await Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(): void {
    this.#run.stop();
    this.#ended.close();
  }
}

function endedError(): PeerlaneError {
  return new PeerlaneError('closed', 'the advertisement has ended before a registrar let it in');
}
