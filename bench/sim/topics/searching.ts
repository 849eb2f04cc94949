import { Search, ServiceTable } from '../../../src/discv5/topics/index.ts';
import type { KadNode } from '../../../src/kad/index.ts';
import { noTally, type Tally } from './calls.ts';
import type { HonestPeer } from './peer.ts';
import { recordsOf, topicQuery } from './requests.ts';

export interface SearchOutcome {
  readonly found: readonly KadNode[];
  /** Milliseconds until the first was found, if any was, and until the end. */
  readonly firstMs: number | undefined;
  readonly ms: number;
  /** What it took. */
  readonly tally: Tally;
}

export interface SearchRunOptions {
  readonly topic: Uint8Array;
  /** Default: as a `Search` has it. */
  readonly fLookup?: number | undefined;
  readonly done: (outcome: SearchOutcome) => void;
}

/** Searches for a topic once, as a node that has not done so before. */
export function runSearch(peer: HonestPeer, { topic, fLookup, done }: SearchRunOptions): void {
  const { env, nodesOf } = peer.network;
  const localId = peer.node.id;
  const table = new ServiceTable({ topic, localId, exclusions: peer.exclusions });
  table.addLive(peer.table, env.now());
  const search = new Search({
    ...{ table, localId, fLookup },
    randomBytes: (length) => env.randomBytes(length),
  });
  const tally = noTally();
  const found: KadNode[] = [];
  const beganAt = env.now();
  let firstMs: number | undefined;
  let isOver = false;
  const pump = (): void => {
    if (isOver) return;
    for (const query of search.next(env.now())) {
      const { node } = query;
      peer.ask(node, topicQuery(query), tally, (messages) => {
        const now = env.now();
        if (messages === undefined) {
          if (search.unanswered(node.id)) table.failed(node.id, now);
        } else {
          const advertisers = nodesOf(recordsOf(messages, 'topicNodes')).map(({ record }) => record);
          const auxiliary = nodesOf(recordsOf(messages, 'nodes'));
          found.push(...search.answered(node.id, { advertisers, auxiliary }, now));
          if (found.length > 0) firstMs ??= now - beganAt;
        }
        pump();
      });
    }
    if (!search.isDone) return;
    isOver = true;
    // What comes for it later does not count.
    done({ found, firstMs, ms: env.now() - beganAt, tally: { ...tally } });
  };
  pump();
}
