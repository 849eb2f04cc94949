/** Session keys, and whose they are (discv5-theory.md, "Session Cache"). */
import { Counts } from '../base/counts.ts';
import { LatestMap } from '../base/recent.ts';
import { Tallies, type Tally } from '../base/tallies.ts';
import type { NodeRecord } from '../enr/index.ts';
import { newestRecord, type Origin } from '../kad/index.ts';
import { NONCE_LENGTH, openMessage, type SealedMessage } from './packet.ts';
import type { Remote } from './remote.ts';

type Keyed = Pick<Remote, 'key'>;

/** Sessions that are kept, those that were used last; ... */
export const MAX_SESSIONS = 2_000;
/**
 * ... of one /24 (IPv6: /48), but in a LAN and on this machine, at most so many: a key costs nothing, and whoever has many would
 * else have all others shake hands again and again.
 */
export const MAX_SESSIONS_OF_NETWORK = 200;

/** Of a nonce so many bytes are a count, and the others are random. */
const COUNT_LENGTH = 4;
/** What a count of 4 bytes can count. No key is used for more. */
const MAX_MESSAGES = 2 ** 32;

/** Handshakes that both sides begin cross on their way; one that has had no answer for longer than that in ms was lost. */
const CROSSING_MS = 5_000;
const NOT_AWAITED = Number.NEGATIVE_INFINITY;

/** The keys that one handshake gives, as one of both sides uses them: 16 bytes each. */
export interface DirectedKeys {
  readonly write: Uint8Array;
  readonly read: Uint8Array;
}

interface Generation extends DirectedKeys {
  /** Messages that were written with these keys. */
  written: number;
  /** They are of a handshake of ours, and until then what the other side writes with them may be on its way. */
  awaitedUntil: number;
}

/** Who began a handshake. */
export type Initiator = 'us' | 'them';

/** What two nodes agreed on. */
export class Session {
  /** The record of the other side, as far as it is known. */
  record: NodeRecord | undefined;
  /** Where our record said that we are when we began the last handshake; `undefined`: the other side has found us by itself. */
  shown: string | undefined;
  /** How long the last answer took to come, in ms. */
  rtt: number | undefined;
  /**
   * Those of the last two handshakes, the ones to write with first. When both sides begin one at the same time, each holds the
   * other's for the later one: both are read, and the ones that the other side was last seen to use are written with. Until
   * then, for a few seconds, they are those of our own: it left before what we write now, so that whoever keeps but one pair has them.
   */
  #generations: readonly Generation[] = [];

  constructor(keys: DirectedKeys, record: NodeRecord | undefined, initiator: Initiator, now: number) {
    this.record = record;
    this.renew(keys, record, initiator, now);
  }

  /** The keys of one more handshake. */
  renew(keys: DirectedKeys, record: NodeRecord | undefined, initiator: Initiator, now: number): void {
    const [latest] = this.#generations;
    const isOurs = initiator === 'us';
    const { write, read } = keys;
    const generation = { write, read, written: 0, awaitedUntil: isOurs ? now + CROSSING_MS : NOT_AWAITED };
    if (latest === undefined) this.#generations = [generation];
    else {
      const isCrossing = !isOurs && latest.awaitedUntil > now;
      this.#generations = isCrossing ? [latest, generation] : [generation, latest];
    }
    this.record = record ?? this.record;
  }

  /** The other side has shown its record. */
  learn(record: NodeRecord): void {
    this.record = newestRecord(this.record, record);
  }

  /** Whether there are keys left to write with: each only serves for so many messages. */
  get isUsable(): boolean {
    return (this.#generations[0]?.written ?? MAX_MESSAGES) < MAX_MESSAGES;
  }

  /** The key for the next message, and its nonce, which never comes again. */
  nextWrite(randomBytes: (length: number) => Uint8Array): { key: Uint8Array; nonce: Uint8Array } | undefined {
    const [latest] = this.#generations;
    if (latest === undefined || !this.isUsable) return undefined;
    const count = latest.written++;
    const nonce = new Uint8Array(NONCE_LENGTH);
    for (let i = 0; i < COUNT_LENGTH; i++) nonce[i] = count >>> (8 * (COUNT_LENGTH - 1 - i));
    nonce.set(randomBytes(NONCE_LENGTH - COUNT_LENGTH), COUNT_LENGTH);
    return { key: latest.write, nonce };
  }

  /** The plaintext of a packet; `undefined` if none of the keys opens it. */
  open(packet: SealedMessage): Uint8Array | undefined {
    for (const generation of this.#generations) {
      const plaintext = openMessage(packet, generation.read);
      if (plaintext === undefined) continue;
      generation.awaitedUntil = NOT_AWAITED;
      if (generation !== this.#generations[0]) this.#generations = this.#generations.toReversed();
      return plaintext;
    }
    return undefined;
  }
}

interface Kept {
  readonly session: Session;
  readonly ip: string;
  readonly network: string | undefined;
  /** Of who shares with others what there is, as in `Origin`, ... */
  readonly ofSharer: Tally;
  /** ... and of the part of it; the same if it has none. */
  readonly ofPart: Tally;
}

/** Sessions by node and endpoint. */
export class Sessions {
  readonly #kept = new LatestMap<Kept>(MAX_SESSIONS);
  readonly #sharers = new Tallies();
  /** How many there are of each address. */
  readonly #addresses = new Counts<string>();

  get size(): number {
    return this.#kept.size;
  }

  /** One that is used from now on. */
  use({ key }: Keyed): Session | undefined {
    return this.#kept.use(key)?.session;
  }

  /** Without any sign of its use. */
  get({ key }: Keyed): Session | undefined {
    return this.#kept.get(key)?.session;
  }

  /** Whether there is a session with somebody at that address. */
  knowsAddress(ip: string): boolean {
    return this.#addresses.of(ip) > 0;
  }

  /** @param shared with whom it shares limits; `undefined` where no host can be */
  establish(
    { key, endpoint: { ip } }: Pick<Remote, 'key' | 'endpoint'>,
    shared: Pick<Origin, 'network' | 'sharer'> | undefined,
    keys: DirectedKeys,
    record: NodeRecord | undefined,
    initiator: Initiator,
    now: number,
  ): Session {
    const known = this.use({ key });
    if (known !== undefined) {
      known.renew(keys, record, initiator, now);
      return known;
    }
    const { network, sharer } = shared ?? { network: undefined, sharer: ip };
    if (network !== undefined && this.#ofNetwork(network, sharer) >= MAX_SESSIONS_OF_NETWORK) {
      this.#dropKey(this.#kept.oldest((kept) => kept.network === network));
    } else if (this.#kept.size >= MAX_SESSIONS) {
      // Of networks that come with hundreds each, however many, none takes that of one who has but one.
      this.#dropKey(this.#kept.oldest((kept) => this.#hasMost(kept)));
    }
    const session = new Session(keys, record, initiator, now);
    const ofSharer = this.#sharers.add(sharer);
    let ofPart = ofSharer;
    if (network !== undefined && network !== sharer) {
      ofSharer.parts ??= new Tallies();
      ofPart = ofSharer.parts.add(network);
    }
    this.#kept.set(key, { session, ip, network, ofSharer, ofPart });
    this.#addresses.add(ip);
    return session;
  }

  drop({ key }: Keyed): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    const { ip, ofSharer, ofPart } = kept;
    this.#sharers.remove(ofSharer.key);
    ofSharer.parts?.remove(ofPart.key);
    this.#addresses.remove(ip);
  }

  #ofNetwork(network: string, sharer: string): number {
    const tally = this.#sharers.get(sharer);
    const ofNetwork = network === sharer ? tally : tally?.parts?.get(network);
    return ofNetwork?.count ?? 0;
  }

  /** Who has most gives one up, and of its parts the one that has most. */
  #hasMost({ ofSharer, ofPart }: Kept): boolean {
    return this.#sharers.isFirst(ofSharer) && ofSharer.parts?.isFirst(ofPart) !== false;
  }

  #dropKey(key: string | undefined): void {
    if (key !== undefined) this.drop({ key });
  }
}
