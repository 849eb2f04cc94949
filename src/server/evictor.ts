import { toBareHex } from '../base/bytes.ts';
import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { networksOf } from '../kad/index.ts';
import type { Conduct } from './conduct.ts';
import { EVICTION_INTERVAL_MS, MAX_EVICTION_INTERVAL_MS, planEviction } from './eviction.ts';
import { type PeerSet, tooManyPeers } from './peers.ts';

export interface EvictorOptions {
  readonly env: Pick<Env, 'now' | 'setTimer'>;
  readonly peers: PeerSet;
  readonly conduct: Pick<Conduct, 'score' | 'isPenalised'>;
  /** Whether there may be other nodes to be dialed than those that are connected. */
  readonly hasOthersToDial: () => boolean;
}

/** For nodes that come in, or for those that are dialed. */
export type SlotKind = 'inbound' | 'dialed';

/** Makes room from time to time, while there are other nodes that want a slot. */
export class Evictor {
  readonly #options: EvictorOptions;
  readonly #timers = new Map<SlotKind, Timer>();
  /** Dialed nodes that made room last; when they are back, nobody else wanted it. */
  #wentLast: readonly string[] = [];
  /** How soon a dialed node makes room next. */
  #dialedMs = EVICTION_INTERVAL_MS;
  #isClosed = false;

  constructor(options: EvictorOptions) {
    this.#options = options;
  }

  /** The dialer has looked whom to dial: when there are others, nobody keeps a slot for having been the first alone. */
  dialsPlanned(): void {
    if (this.#options.peers.freeDialSlots <= 0) this.wanted('dialed');
  }

  /** A node could not have a slot. */
  wanted(kind: SlotKind): void {
    if (this.#isClosed || this.#timers.has(kind)) return;
    const round = () => {
      this.#timers.delete(kind);
      this.#makeRoom(kind);
    };
    const afterMs = kind === 'dialed' ? this.#dialedMs : EVICTION_INTERVAL_MS;
    this.#timers.set(kind, this.#options.env.setTimer(afterMs, round));
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #makeRoom(kind: SlotKind): void {
    const { peers, hasOthersToDial } = this.#options;
    // Somebody has left meanwhile, or else room is made.
    if (kind === 'inbound') {
      if (peers.isFullForInbound) this.#evict(true);
      return;
    }
    if (peers.freeDialSlots > 0) return;
    // Those that could be dialed may be gone: better an idle peer than none.
    if (peers.size > 1 && hasOthersToDial()) this.#makeDialRoom();
    this.dialsPlanned();
  }

  /** Those that are known may all be of no use: where all who went last are there again, nobody goes, and the next after twice the time. */
  #makeDialRoom(): void {
    const { peers } = this.#options;
    const wentLast = this.#wentLast;
    const areBack = wentLast.length > 0 && wentLast.every((key) => peers.get(key) !== undefined);
    if (areBack) this.#dialedMs = Math.min(MAX_EVICTION_INTERVAL_MS, 2 * this.#dialedMs);
    else if (wentLast.length > 0) this.#dialedMs = EVICTION_INTERVAL_MS;
    this.#wentLast = areBack ? [] : this.#evict(false);
  }

  /** @returns the keys of those that go */
  #evict(inbound: boolean): readonly string[] {
    const { env, peers, conduct } = this.#options;
    const alike = peers.entries().filter(({ connection }) => connection.inbound === inbound);
    const entries = new Map(alike.map((entry) => [toBareHex(entry.peer.info.id), entry]));
    const candidates = Array.from(entries, ([key, { peer, connection, isStatic }]) => ({
      ...{ key, isKept: isStatic, connectedAt: peer.connectedAt },
      ...{ score: conduct.score(key), isPenalised: conduct.isPenalised(key) },
      // Whom we have chosen ourselves need not be of many networks.
      network: inbound ? networksOf(connection.remoteAddress)?.ofBucket : undefined,
      usefulAt: connection.usedAt,
    }));
    const leaving = planEviction(candidates, env.now());
    for (const key of leaving) {
      entries
        .get(key)
        ?.connection.close(conduct.isPenalised(key) ? useless() : tooManyPeers('an idle peer makes room'));
    }
    return leaving;
  }
}

function useless(): PeerlaneError {
  return new PeerlaneError('bad-reputation', 'the peer makes room for a better one');
}
