/** Packets to messages and back, by the sessions that there are (discv5-theory.md, "Sessions"). */
import { equalBytes } from '../base/bytes.ts';
import type { NodeRecord } from '../enr/index.ts';
import { type KadNode, type Origin, originOf, type UdpEndpoint } from '../kad/index.ts';
import { type Challenge, Challenges, HANDSHAKE_TIMEOUT_MS } from './challenges.ts';
import type { Discv5Crypto } from './crypto.ts';
import type { Discv5DropReason } from './drop-reason.ts';
import type { Identity } from './handshake.ts';
import { type Discv5Limits, Limits } from './limits.ts';
import { OwnPlaces } from './own-places.ts';
import {
  type HandshakePacket,
  ID_NONCE_LENGTH,
  MASKING_IV_LENGTH,
  type MessagePacket,
  NONCE_LENGTH,
  randomMessage,
  sealHandshake,
  sealMessage,
  sealWhoareyou,
  unmask,
  type WhoareyouPacket,
} from './packet.ts';
import { type Remote, remoteAt } from './remote.ts';
import { Sessions } from './sessions.ts';

/** Of the message of a packet that cannot be opened: the size of a Ping with its tag. */
const RANDOM_LENGTH = 27;

/** Who says that a packet is his, and where it came from. */
interface Sender {
  readonly remote: Remote;
  readonly origin: Origin;
}

/** What somebody with a session has sent. */
export interface ReceivedMessage extends Sender {
  readonly kind: 'message';
  readonly plaintext: Uint8Array;
  /** Of the sender, if it is known. */
  readonly record: NodeRecord | undefined;
  /** It came with the handshake: the sender has just proved that it is there. */
  readonly isNew: boolean;
  /** When it began to take time, by the clock. */
  readonly begunAt: number;
}

export type Received =
  | { readonly kind: 'dropped'; readonly reason: Discv5DropReason }
  | ReceivedMessage
  | { readonly kind: 'whoareyou'; readonly origin: Origin; readonly challenge: WhoareyouPacket };

export interface WireContext {
  readonly identity: Identity;
  readonly crypto: Pick<Discv5Crypto, 'begin' | 'accept'>;
  readonly limits: Discv5Limits;
  /** Milliseconds, which go on while a packet is worked on. */
  clock(): number;
  randomBytes(length: number): Uint8Array;
  send(packet: Uint8Array, to: UdpEndpoint): void;
  localRecord(): NodeRecord;
  /** The record of a node, as far as we know it. */
  recordOf(id: Uint8Array): NodeRecord | undefined;
}

export class Wire {
  readonly sessions = new Sessions();
  readonly #challenges = new Challenges();
  readonly limits: Limits;
  readonly #context: WireContext;
  readonly #places = new OwnPlaces();
  /** Packets and bytes that have left, and the WHOAREYOUs among them. */
  sent = 0;
  sentBytes = 0;
  challenged = 0;

  constructor(context: WireContext) {
    this.#context = context;
    this.limits = new Limits(context.limits, () => context.clock());
  }

  /** How many entries others can fill, beside sessions. */
  get sizes(): { readonly challenged: number; readonly rated: number } {
    return { challenged: this.#challenges.size, rated: this.limits.rated };
  }

  /** Takes in a datagram of any content. */
  receive(packet: Uint8Array, from: UdpEndpoint, now: number): Received {
    const { identity } = this.#context;
    const unmasked = unmask(packet, identity.id);
    const origin = originOf(from);
    if (unmasked === undefined || origin === undefined) return dropped('foreign');
    if (unmasked === 'malformed') return dropped('malformed');
    if (unmasked.kind === 'whoareyou') return { kind: 'whoareyou', origin, challenge: unmasked };
    if (equalBytes(unmasked.srcId, identity.id)) return dropped('own');
    const sender = { remote: remoteAt(unmasked.srcId, origin.endpoint), origin };
    return unmasked.kind === 'message'
      ? this.#message(unmasked, sender, now)
      : this.#handshake(unmasked, sender, now);
  }

  #message(packet: MessagePacket, sender: Sender, now: number): Received {
    const { remote, origin } = sender;
    const session = this.sessions.get(remote);
    if (session === undefined) return this.#challenge(packet, sender, now);
    const begunAt = this.#context.clock();
    if (!this.limits.known.admits(origin, now)) return dropped('shed');
    const plaintext = session.open(packet);
    if (plaintext === undefined) return this.#challenge(packet, sender, now);
    this.sessions.use(remote);
    const { record } = session;
    return { kind: 'message', remote, origin, plaintext, record, isNew: false, begunAt };
  }

  /** What a message asked for is done, which counts for so many of its sender's. */
  handled({ origin, begunAt }: ReceivedMessage, count: number, now: number): void {
    this.limits.known.spend(origin, count, this.#context.clock() - begunAt, now);
  }

  /** Step 2. */
  #challenge({ nonce }: MessagePacket, { remote, origin }: Sender, now: number): Received {
    if (!this.limits.admitsChallenge(origin, now)) return dropped('shed');
    const known = this.#challenges.get(remote, now);
    if (known === undefined && !this.#challenges.hasRoom(now)) return dropped('shed');
    const challenge = known ?? this.#newChallenge(remote, nonce, now);
    this.challenged++;
    this.#send(challenge.packet, remote);
    return dropped('challenged');
  }

  #newChallenge(remote: Remote, nonce: Uint8Array, now: number): Challenge {
    const { randomBytes, recordOf } = this.#context;
    const record = recordOf(remote.id);
    const { packet, challengeData } = sealWhoareyou({
      destId: remote.id,
      nonce,
      maskingIv: randomBytes(MASKING_IV_LENGTH),
      idNonce: randomBytes(ID_NONCE_LENGTH),
      enrSeq: record?.seq ?? 0n,
    });
    const challenge = { packet, challengeData, record, until: now + HANDSHAKE_TIMEOUT_MS };
    this.#challenges.add(remote, challenge);
    return challenge;
  }

  #handshake(packet: HandshakePacket, { remote, origin }: Sender, now: number): Received {
    const challenge = this.#challenges.get(remote, now);
    if (challenge === undefined) return dropped('handshake');
    if (!this.limits.admitsHandshake(origin, now)) return dropped('shed');
    const { identity, crypto } = this.#context;
    const accept = () => crypto.accept(identity, packet, challenge);
    const accepted = this.limits.check(origin, now, accept);
    if (accepted === undefined) return dropped('handshake');
    const { keys, record, plaintext } = accepted;
    this.#challenges.settle(remote);
    this.sessions.establish(remote, origin, keys, record, 'them', now);
    const begunAt = this.#context.clock();
    return { kind: 'message', remote, origin, plaintext, record, isNew: true, begunAt };
  }

  /** Sends a message to somebody with a session. The nonce of its packet; `undefined` without a session. */
  write(remote: Remote, plaintext: Uint8Array): Uint8Array | undefined {
    const { identity, randomBytes } = this.#context;
    const write = this.sessions.use(remote)?.nextWrite(randomBytes);
    if (write === undefined) return undefined;
    const { key, nonce } = write;
    const maskingIv = randomBytes(MASKING_IV_LENGTH);
    const packet = sealMessage({ destId: remote.id, srcId: identity.id, nonce, maskingIv, key, plaintext });
    this.#send(packet, remote);
    return nonce;
  }

  /**
   * As `write`, but for what the other side has to answer: nothing is sent where our record names other places than when it was
   * shown there. With a handshake it comes there again; few nodes ask for the record of somebody who is in no table of theirs.
   */
  writeQuestion(remote: Remote, plaintext: Uint8Array): Uint8Array | undefined {
    const shown = this.sessions.get(remote)?.shown;
    const isOutdated = shown !== undefined && shown !== this.#places.of(this.#context.localRecord());
    return isOutdated ? undefined : this.write(remote, plaintext);
  }

  /** Step 1: asks somebody without a session for a WHOAREYOU. The nonce of the packet. */
  knock(remote: Remote): Uint8Array {
    const { identity, randomBytes } = this.#context;
    const nonce = randomBytes(NONCE_LENGTH);
    const random = randomBytes(RANDOM_LENGTH);
    const maskingIv = randomBytes(MASKING_IV_LENGTH);
    this.#send(randomMessage({ destId: remote.id, srcId: identity.id, nonce, maskingIv, random }), remote);
    return nonce;
  }

  /**
   * Step 3: answers a WHOAREYOU, with a message behind it. There is a session from now on, as far as we are concerned.
   * @throws PeerlaneError `invalid-public-key`
   */
  answer(node: KadNode, remote: Remote, challenge: WhoareyouPacket, plaintext: Uint8Array): void {
    const { identity, crypto, randomBytes, localRecord } = this.#context;
    const record = localRecord();
    const begun = crypto.begin(identity, challenge, node, record, randomBytes);
    const shared = originOf(remote.endpoint);
    const session = this.sessions.establish(
      remote,
      shared,
      begun.keys,
      node.record,
      'us',
      this.#context.clock(),
    );
    session.shown = this.#places.of(record);
    const write = session.nextWrite(randomBytes);
    if (write === undefined) return;
    const packet = sealHandshake({
      destId: node.id,
      srcId: identity.id,
      nonce: write.nonce,
      maskingIv: randomBytes(MASKING_IV_LENGTH),
      key: write.key,
      plaintext,
      idSignature: begun.idSignature,
      ephemeralKey: begun.ephemeralKey,
      record: begun.record,
    });
    this.#send(packet, remote);
  }

  #send(packet: Uint8Array, { endpoint }: Remote): void {
    this.sent++;
    this.sentBytes += packet.length;
    this.#context.send(packet, endpoint);
  }
}

function dropped(reason: Discv5DropReason): Received {
  return { kind: 'dropped', reason };
}
