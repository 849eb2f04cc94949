import { toBareHex } from '../base/bytes.ts';
import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { networksOf } from '../kad/index.ts';
import type { Conduct } from './conduct.ts';
import { EVICTION_INTERVAL_MS, planEviction } from './eviction.ts';
import { type PeerSet, tooManyPeers } from './peers.ts';

export interface EvictorOptions {
  readonly env: Pick<Env, 'now' | 'setTimer'>;
  readonly peers: PeerSet;
  readonly conduct: Pick<Conduct, 'history' | 'isPenalised'>;
  /** Whether there may be other nodes to be dialed than those that are connected. */
  readonly hasOthersToDial: () => boolean;
}

/** For nodes that come in, or for those that are dialed. */
export type SlotKind = 'inbound' | 'dialed';

/** Makes room from time to time, while there are other nodes that want a slot. */
export class Evictor {
  readonly #options: EvictorOptions;
  readonly #timers = new Map<SlotKind, Timer>();
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
    this.#timers.set(kind, this.#options.env.setTimer(EVICTION_INTERVAL_MS, round));
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #makeRoom(kind: SlotKind): void {
    const { peers, hasOthersToDial } = this.#options;
    const inbound = kind === 'inbound';
    // Somebody has left meanwhile.
    if (inbound ? !peers.isFullForInbound : peers.freeDialSlots > 0) return;
    // Those that could be dialed may be gone: better an idle peer than none.
    if (inbound || (peers.size > 1 && hasOthersToDial())) this.#evict(inbound);
    if (!inbound) this.dialsPlanned();
  }

  #evict(inbound: boolean): void {
    const { env, peers, conduct } = this.#options;
    const alike = peers.entries().filter(({ connection }) => connection.inbound === inbound);
    const entries = new Map(alike.map((entry) => [toBareHex(entry.peer.info.id), entry]));
    const candidates = Array.from(entries, ([key, { peer, connection, isStatic }]) => ({
      ...{ key, isKept: isStatic, connectedAt: peer.connectedAt },
      ...{ score: conduct.history(key).score, isPenalised: conduct.isPenalised(key) },
      // Whom we have chosen ourselves need not be of many networks.
      network: inbound ? networksOf(connection.remoteAddress)?.ofBucket : undefined,
      usefulAt: connection.usedAt,
    }));
    for (const key of planEviction(candidates, env.now())) {
      entries
        .get(key)
        ?.connection.close(conduct.isPenalised(key) ? useless() : tooManyPeers('an idle peer makes room'));
    }
  }
}

function useless(): PeerlaneError {
  return new PeerlaneError('bad-reputation', 'the peer makes room for a better one');
}
