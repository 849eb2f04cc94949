import { throwIfAborted } from '../base/abort.ts';
import { checkInteger, reading, signalOf } from '../base/checks.ts';
import {
  type Discv5Engine,
  F_LOOKUP,
  type TopicSearchRun,
  type TopicSource,
  topicId,
} from '../discv5/index.ts';
import type { KadNode } from '../kad/index.ts';
import { Advertisement } from './advertisement.ts';
import type { CallOptions } from './discovery-calls.ts';
import type { ServiceCore } from './service-core.ts';

/** Advertisers that a search can be told to find. */
const MAX_COUNT = 1_000;
const SEARCH_OPTIONS = { signal: true, count: true } as const;

export interface TopicSearchOptions extends CallOptions {
  /** How many different advertisers are enough, 1 to 1,000. Default: 30 (`F_LOOKUP` of the specification). */
  readonly count?: number | undefined;
}

/** What a service of discovery v5 advertises and searches: its docstrings say what each does. */
export class ServiceTopics {
  readonly #core: ServiceCore<Discv5Engine>;

  constructor(core: ServiceCore<Discv5Engine>) {
    this.#core = core;
  }

  advertise(topic: TopicSource, options: CallOptions): Advertisement {
    const id = topicId(topic);
    const signal = signalOf(options);
    throwIfAborted(signal);
    const core = this.#core;
    core.checkRunning();
    const begin = (admitted: () => void) => core.engine.advertise(id, core.now, { admitted });
    const advertisement = new Advertisement({ begin, signal, onClose: (run) => core.onClose(run) });
    core.schedule();
    return advertisement;
  }

  search(topic: TopicSource, options: TopicSearchOptions): AsyncGenerator<KadNode, void, undefined> {
    const id = topicId(topic);
    const signal = signalOf(options, SEARCH_OPTIONS);
    const { count = F_LOOKUP } = reading('the options of the call', () => ({ count: options.count }));
    checkInteger('count', count, 1, MAX_COUNT);
    const core = this.#core;
    core.engine.checkTopics();
    return core.nodesOf(
      {
        begin: (events) => core.engine.search(id, count, events),
        resume: (run: TopicSearchRun) => core.engine.resumeSearch(run, core.now),
        result: () => undefined,
      },
      signal,
    );
  }
}
