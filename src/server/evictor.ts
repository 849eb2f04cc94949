import { toBareHex } from '../base/bytes.ts';
import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { networksOf } from '../kad/index.ts';
import { EVICTION_INTERVAL_MS, planEviction } from './eviction.ts';
import { type PeerSet, tooManyPeers } from './peers.ts';
import { PENALTY_SCORE } from './reputation.ts';

export interface EvictorOptions {
  readonly env: Pick<Env, 'now' | 'setTimer'>;
  readonly peers: PeerSet;
  readonly score: (key: string) => number;
}

/** Makes room from time to time, while nodes that came in are refused for want of slots. */
export class Evictor {
  readonly #options: EvictorOptions;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: EvictorOptions) {
    this.#options = options;
  }

  /** A node that came in was refused. */
  refused(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#options.env.setTimer(EVICTION_INTERVAL_MS, () => {
      this.#timer = undefined;
      this.#makeRoom();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #makeRoom(): void {
    const { env, peers, score } = this.#options;
    // Somebody has left meanwhile.
    if (!peers.isFull) return;
    const entries = new Map(peers.entries().map((entry) => [toBareHex(entry.peer.info.id), entry]));
    const candidates = Array.from(entries, ([key, { peer, connection, isStatic }]) => ({
      ...{ key, isKept: isStatic, connectedAt: peer.connectedAt, score: score(key) },
      network: networksOf(connection.remoteAddress)?.ofBucket,
      usefulAt: connection.usedAt,
    }));
    for (const key of planEviction(candidates, env.now())) {
      entries
        .get(key)
        ?.connection.close(score(key) <= PENALTY_SCORE ? useless() : tooManyPeers('an idle peer makes room'));
    }
  }
}

function useless(): PeerlaneError {
  return new PeerlaneError('bad-reputation', 'the peer makes room for a better one');
}
