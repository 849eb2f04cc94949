/** The work on signatures, which is most of all work: at once, or in batches beside this thread. */
import type { Incoming, Intake } from './intake.ts';
import type { Outbox, Outgoing } from './outbox.ts';
import { OPENED_AT_ONCE, type PacketBatch, type PacketCrypto, type PacketResults } from './packet.ts';

/** Packets of a batch: few enough that an answer does not wait for long, and enough that the way there costs little. */
const MAX_BATCH = 32;
/** What a thread takes longer to be woken for than to do. */
const SMALL_BATCH = 2;
/** Batches that are done, or under way, and whose results have not been handled: they are in order. */
const MAX_BATCHES = 8;
/** While so many packets wait to be signed, none is opened that might want another answer. */
const MAX_UNSIGNED = 256;

interface Job {
  readonly batch: PacketBatch;
  readonly incoming: readonly Incoming[];
  readonly outgoing: readonly Outgoing[];
  /** When the oldest packet of somebody known in it came. */
  readonly oldestKnown: number;
  results: PacketResults | undefined;
}

export interface SignaturesContext {
  readonly crypto: PacketCrypto;
  readonly intake: Intake;
  readonly outbox: Outbox;
  /** Told of each packet, in the order in which they were taken in; without a key its signature is bad. */
  opened(incoming: Incoming, publicKey: Uint8Array | undefined): void;
}

export class Signatures {
  readonly #context: SignaturesContext;
  readonly #jobs: Job[] = [];

  constructor(context: SignaturesContext) {
    this.#context = context;
  }

  /** Whether there is something that `run` would do. */
  get isDue(): boolean {
    const { intake, outbox } = this.#context;
    return (intake.size > 0 || outbox.size > 0) && this.#freeLanes > 0;
  }

  /**
   * When the oldest packet of somebody known came that has not been handled; `Infinity` for none. Until it has been, it is
   * not known what was in time.
   */
  get oldestKnown(): number {
    let oldest = this.#context.intake.oldestKnown;
    // Not the first one's: networks take turns.
    for (const { oldestKnown } of this.#jobs) oldest = Math.min(oldest, oldestKnown);
    return oldest;
  }

  get #freeLanes(): number {
    const { beside } = this.#context.crypto;
    if (beside === undefined) return 1;
    if (this.#jobs.length >= MAX_BATCHES) return 0;
    return beside.lanes - this.#jobs.filter(({ results }) => results === undefined).length;
  }

  /** Opens what is next, if that is done at once. */
  open(): void {
    const { crypto, intake } = this.#context;
    if (crypto.beside !== undefined || intake.size === 0) return;
    const { known, strangers } = intake.take(crypto.openedAtOnce ?? OPENED_AT_ONCE);
    const incoming = [...known, ...strangers];
    const publicKeys = crypto.open(incoming.map(({ packet }) => packet));
    for (const [i, one] of incoming.entries()) this.#context.opened(one, publicKeys[i]);
  }

  /** Does what can be done at once, and begins with as much of the rest as may be under way. */
  run(): void {
    const { crypto, outbox } = this.#context;
    if (crypto.beside === undefined) {
      if (outbox.size > 0) this.#seal(outbox.take(Number.POSITIVE_INFINITY));
      return;
    }
    for (let lanes = this.#freeLanes; lanes > 0; lanes = this.#freeLanes) {
      const job = this.#next(lanes);
      if (job === undefined) return;
      const size = job.incoming.length + job.outgoing.length;
      if (size <= SMALL_BATCH && this.#jobs.length === 0) {
        this.#seal(job.outgoing);
        const publicKeys = crypto.open(job.batch.packets);
        for (const [i, one] of job.incoming.entries()) this.#context.opened(one, publicKeys[i]);
      } else {
        this.#jobs.push(job);
        crypto.beside.begin(job.batch);
      }
    }
  }

  /** Takes the results of a batch that was begun with; what is nobody's batch is ignored. */
  complete(batch: PacketBatch, results: PacketResults): void {
    const done = this.#jobs.find((job) => job.batch === batch);
    if (done === undefined) return;
    done.results = results;
    for (let job = this.#jobs[0]; job?.results !== undefined; job = this.#jobs[0]) {
      this.#jobs.shift();
      this.#context.outbox.send(job.outgoing, job.results.sealed);
      for (const [i, one] of job.incoming.entries()) this.#context.opened(one, job.results.publicKeys[i]);
    }
  }

  /** What one of so many free lanes gets: answers first, since whoever waits for them has waited for longer. */
  #next(lanes: number): Job | undefined {
    const { intake, outbox } = this.#context;
    const share = Math.min(MAX_BATCH, Math.ceil((intake.size + outbox.size) / lanes));
    const outgoing = outbox.take(share);
    const isOpening = outgoing.length < share && outbox.size < MAX_UNSIGNED;
    const { known, strangers } = intake.take(isOpening ? share - outgoing.length : 0);
    const incoming = [...known, ...strangers];
    if (incoming.length + outgoing.length === 0) return undefined;
    const batch = {
      packets: incoming.map(({ packet }) => packet),
      contents: outgoing.map(({ content }) => content),
    };
    const oldestKnown = Math.min(...known.map(({ at }) => at));
    return { batch, incoming, outgoing, oldestKnown, results: undefined };
  }

  #seal(outgoing: readonly Outgoing[]): void {
    if (outgoing.length === 0) return;
    const { crypto, outbox } = this.#context;
    outbox.send(outgoing, crypto.seal(outgoing.map(({ content }) => content)));
  }
}
