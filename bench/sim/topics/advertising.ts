import type { Timer } from '../../../src/base/env.ts';
import { Advertiser, type RegistrationToSend, ServiceTable } from '../../../src/discv5/topics/index.ts';
import { noTally } from './calls.ts';
import type { HonestPeer } from './peer.ts';
import { confirmationOf, recordsOf, regTopic } from './requests.ts';

/** A registration that has had no answer is sent once more. */
const ATTEMPTS = 2;

/** One node that keeps a topic advertised. */
export class Advertising {
  readonly peer: HonestPeer;
  readonly advertiser: Advertiser;
  readonly tally = noTally();
  readonly beganAt: number;
  /** When the first registrar had the advertisement, and when all that it wanted to have it did for the first time. */
  firstAt: number | undefined;
  allAt: number | undefined;
  readonly #table: ServiceTable;
  #timer: Timer | undefined;

  constructor(peer: HonestPeer, topic: Uint8Array) {
    const { env } = peer.network;
    this.peer = peer;
    this.beganAt = env.now();
    this.#table = new ServiceTable({ topic, localId: peer.node.id, exclusions: peer.exclusions });
    this.advertiser = new Advertiser({
      table: this.#table,
      randomBytes: (length) => env.randomBytes(length),
    });
    this.#table.addLive(peer.table, env.now());
    peer.tableChanged = (added, removed) => {
      for (const { id } of removed) this.#table.remove(id);
      this.#table.addLive(added, env.now());
      this.advertiser.tableChanged();
      this.#pump();
    };
    this.#pump();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #pump(): void {
    if (!this.peer.isRunning) return;
    const { env } = this.peer.network;
    for (const registration of this.advertiser.next(env.now())) this.#ask(registration);
    this.#timer?.cancel();
    const { deadline } = this.advertiser;
    if (deadline === Number.POSITIVE_INFINITY) return;
    this.#timer = env.setTimer(Math.max(0, deadline - env.now()), () => this.#pump());
  }

  #ask(registration: RegistrationToSend, attempts = ATTEMPTS): void {
    const { env, nodesOf } = this.peer.network;
    const { node } = registration;
    this.peer.ask(node, regTopic(registration, this.peer.node), this.tally, (messages) => {
      const now = env.now();
      const answer = messages && confirmationOf(messages);
      if (messages === undefined || answer === undefined) {
        if (attempts > 1) {
          this.#ask(registration, attempts - 1);
          return;
        }
        if (this.advertiser.unanswered(node.id)) this.#table.failed(node.id, now);
      } else {
        this.advertiser.answered(node.id, answer, now);
        const auxiliary = nodesOf(recordsOf(messages, 'nodes'));
        if (this.#table.addAuxiliary(auxiliary, now).length > 0) this.advertiser.tableChanged();
        if (answer.kind === 'admitted') this.#admitted(now);
      }
      this.#pump();
    });
  }

  #admitted(now: number): void {
    this.firstAt ??= now;
    if (this.advertiser.stats.pending === 0) this.allAt ??= now;
  }
}
