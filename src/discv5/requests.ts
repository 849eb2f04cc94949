/** Requests to others, and the handshakes that come before them where there is no session. */
import type { Agenda, Appointment } from '../base/agenda.ts';
import { toBareHex } from '../base/bytes.ts';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { type KadNode, RequestRoom, Silence, type UdpEndpoint } from '../kad/index.ts';
import { HANDSHAKE_TIMEOUT_MS } from './challenges.ts';
import { encodeMessage, MAX_REQUEST_ID_LENGTH, type Message } from './messages.ts';
import { MAX_FIRST_SIZE, MAX_PLAINTEXT_SIZE, type WhoareyouPacket } from './packet.ts';
import { type Remote, remoteOf } from './remote.ts';
import { SentPackets } from './sent-packets.ts';
import type { Wire } from './wire.ts';

/** How long an answer is awaited, and each further message of one (discv5-wire.md, "UDP Communication"). */
export const REQUEST_TIMEOUT_MS = 500;
/**
 * When a packet without an answer seems to be lost, and is sent once more: in time for the answer to come before the first one's is late,
 * and after those of most nodes have come.
 */
export const REPEAT_AFTER_MS: number = REQUEST_TIMEOUT_MS / 2;
/** Of the time that an answer of the same node has taken, where that is longer; the answer to a handshake has to be worked out. */
const RTT_SHARE = 1.5;
/** WHOAREYOUs that one call answers: another, where the first answer seems to be lost. */
const MAX_HANDSHAKES = 2;

/**
 * Nothing was sent to where nobody answers, or to whose address nobody does, or the error says what is wrong with the node or its
 * answer; `undefined`: no answer in time.
 */
export type RequestFailure = 'withheld-request' | 'withheld-address' | PeerlaneError;

/** What became of a message: `done` with the last one, `refused` for one that is no answer. */
export type Taken = 'done' | 'more' | 'refused';

/** What is asked, and what becomes of the answers. */
export interface Question {
  /** Whether to take it twice is as good as once. Only then it is sent again where it may have come. */
  readonly isRepeatable: boolean;
  /** The request, to be given an id. */
  message(requestId: Uint8Array): Message;
  /** The request goes out, in a packet that the node can read or ask to read. */
  left?(): void;
  /** A message with that id. */
  take(answer: Message, rtt: number): Taken;
  /** No more will come: after `done`, or too late, or for another reason. */
  ended(failure?: RequestFailure): void;
}

interface Call {
  readonly node: KadNode;
  readonly remote: Remote;
  readonly question: Question;
  /** Of the request, as text. */
  readonly id: string;
  readonly plaintext: Uint8Array;
  sentAt: number;
  /** When it is sent again, and after that when it is late. */
  timeout: Appointment | undefined;
  /** It has been in a packet, not only asked for a WHOAREYOU. */
  hasLeft: boolean;
  /** It has been sent again, in a session or before there was one; a handshake begins anew. */
  isRepeated: boolean;
  /** WHOAREYOUs that have been answered with it. */
  handshakes: number;
  isAnswered: boolean;
}

/** All calls to one remote. */
interface Line {
  readonly active: Map<string, Call>;
  /** Those that are sent when there is a session. */
  readonly waiting: Set<Call>;
  /** The one that is to bring it about. */
  shaking: Call | undefined;
  /** It has had its time: others are sent with the keys of its handshake, which the other side may have or asks for anew. */
  isShaken: boolean;
}

export interface RequestsContext {
  readonly agenda: Agenda;
  readonly wire: Wire;
  randomBytes(length: number): Uint8Array;
  /** A Ping that nobody waits for. */
  greeting(): Question;
  /** A node has left a request without an answer. */
  silent(node: KadNode): void;
}

export class Requests {
  readonly #context: RequestsContext;
  readonly #silence: Silence;
  readonly #lines = new Map<string, Line>();
  readonly #packets = new SentPackets();
  /** Those that wait for a handshake are in it, too. */
  readonly room = new RequestRoom();

  constructor(context: RequestsContext) {
    this.#context = context;
    const { sessions } = context.wire;
    this.#silence = new Silence(sessions);
  }

  /** Addresses that are remembered since nobody answered there. */
  get silent(): number {
    return this.#silence.size;
  }

  /**
   * As `ask`, of a node that others have named: somebody may be there who never asked for packets, and gets no more than a few.
   */
  askNamed(node: KadNode, question: Question): void {
    const { agenda, wire } = this.#context;
    const remote = remoteOf(node);
    const mayAsk = wire.sessions.get(remote) !== undefined || !this.#silence.isKept(remote, agenda.now);
    if (mayAsk) {
      this.ask(node, question);
      return;
    }
    const isSilent = this.#silence.isSilent(remote, agenda.now);
    agenda.in(0, () => question.ended(isSilent ? 'withheld-request' : 'withheld-address'));
  }

  /** @throws PeerlaneError `invalid-argument` for what does not fit into a packet */
  ask(node: KadNode, question: Question): void {
    const call = this.#call(node, question);
    const { key } = call.remote;
    const line = this.#lines.get(key) ?? {
      ...{ active: new Map(), waiting: new Set() },
      ...{ shaking: undefined, isShaken: false },
    };
    this.#lines.set(key, line);
    this.#sendOrWait(line, call);
  }

  #sendOrWait(line: Line, call: Call): void {
    if (line.shaking === undefined || line.isShaken) this.#send(line, call);
    else line.waiting.add(call);
  }

  #call(node: KadNode, question: Question): Call {
    const requestId = this.#context.randomBytes(MAX_REQUEST_ID_LENGTH);
    const plaintext = encodeMessage(question.message(requestId));
    if (plaintext.length > MAX_PLAINTEXT_SIZE) {
      throw new PeerlaneError(
        'invalid-argument',
        `the message is ${plaintext.length} bytes long with its type and its request id, and a packet takes ${MAX_PLAINTEXT_SIZE}`,
      );
    }
    this.room.enter();
    return {
      ...{ node, remote: remoteOf(node), question, id: toBareHex(requestId), plaintext },
      ...{ sentAt: 0, timeout: undefined, hasLeft: false, isRepeated: false },
      ...{ handshakes: 0, isAnswered: false },
    };
  }

  /** What is sent with a handshake: a Ping before a call that does not fit into one packet with it. */
  #opening(line: Line, call: Call): Call {
    if (call.plaintext.length <= MAX_FIRST_SIZE) return call;
    line.waiting.add(call);
    return this.#call(call.node, this.#context.greeting());
  }

  #send(line: Line, call: Call): void {
    const { wire } = this.#context;
    const { remote, plaintext } = call;
    const nonce = wire.writeQuestion(remote, plaintext);
    if (nonce !== undefined) {
      this.#leaves(call);
      this.#sent(line, call, nonce);
      return;
    }
    const opening = this.#opening(line, call);
    this.#shake(line, opening);
    this.#sent(line, opening, wire.knock(remote));
  }

  #shake(line: Line, call: Call): void {
    line.shaking = call;
    line.isShaken = false;
  }

  #sent(line: Line, call: Call, nonce: Uint8Array): void {
    const { agenda, wire } = this.#context;
    line.active.set(call.id, call);
    call.isRepeated = false;
    this.#packets.add(nonce, call, agenda.now);
    this.#await(line, call, REQUEST_TIMEOUT_MS, repeatAfterMs(wire.sessions.get(call.remote)?.rtt));
  }

  #await(line: Line, call: Call, ms: number, repeatMs: number): void {
    const { agenda } = this.#context;
    call.timeout?.cancel();
    call.sentAt = agenda.now;
    if (repeatMs >= ms) {
      call.timeout = agenda.in(ms, () => {
        this.#count(call);
        this.#late(line, call);
      });
      return;
    }
    call.timeout = agenda.in(repeatMs, () => {
      call.timeout = agenda.in(ms - repeatMs, () => this.#late(line, call));
      this.#repeat(line, call);
    });
  }

  /** What was sent seems to be lost. */
  #repeat(line: Line, call: Call): void {
    this.#sendAgain(line, call);
    if (line.shaking !== call || call.handshakes === 0) return;
    line.isShaken = true;
    this.#sendWaiting(line);
  }

  /** Where nobody has answered yet it is one of the few packets that may go there. */
  #sendAgain(line: Line, call: Call): void {
    const { agenda, wire } = this.#context;
    const { remote, plaintext, question } = call;
    const isThere = call.handshakes > 0;
    if (!isThere) this.#count(call);
    if (!isThere && this.#silence.isKept(remote, agenda.now)) return;
    const isKnock = line.shaking === call && !isThere;
    if (!isKnock && call.hasLeft && !question.isRepeatable) return;
    const nonce = isKnock ? wire.knock(remote) : wire.writeQuestion(remote, plaintext);
    if (nonce === undefined) return;
    call.isRepeated = true;
    if (!isKnock) this.#leaves(call);
    if (!isThere) this.#count(call);
    this.#packets.add(nonce, call, agenda.now);
  }

  #sendWaiting(line: Line): void {
    const waiting = [...line.waiting];
    line.waiting.clear();
    for (const call of waiting) this.#sendOrWait(line, call);
  }

  #leaves(call: Call): void {
    call.hasLeft = true;
    call.question.left?.();
  }

  #count({ remote }: Call): void {
    const { agenda, wire } = this.#context;
    this.#silence.add(remote, 1, agenda.now, wire.sessions.get(remote) !== undefined);
  }

  /** A WHOAREYOU has come from that endpoint: whether it was asked for. */
  challenged({ ip, port }: UdpEndpoint, challenge: WhoareyouPacket): boolean {
    const { now } = this.#context.agenda;
    const sent = this.#packets.get(challenge.nonce, now);
    if (sent === undefined) return false;
    const { endpoint, key } = sent.remote;
    if (endpoint.ip !== ip || endpoint.port !== port) return false;
    // Who answers when nobody waits any more is there all the same.
    this.#silence.break(sent.remote);
    const line = this.#lines.get(key);
    if (line === undefined) return false;
    const challenged = shakenFor(line, sent.id);
    if (challenged === undefined) return false;
    const rtt = now - challenged.sentAt;
    // Not sooner than the WHOAREYOU that a first packet may still bring when it was sent twice.
    const repeatMs = Math.min(repeatAfterMs(rtt), HANDSHAKE_TIMEOUT_MS - REPEAT_AFTER_MS);
    const call = this.#opening(line, challenged);
    for (const one of new Set([challenged, call])) {
      one.handshakes++;
      one.isRepeated = false;
    }
    this.#leaves(call);
    // What was sent with keys that are gone cannot be read: it is sent again when there are new ones. What went before that packet
    // may have been read.
    let isAfter = false;
    for (const [id, other] of line.active) {
      isAfter ||= other === challenged;
      const mayBeRead = !isAfter && other.hasLeft && !other.question.isRepeatable;
      if (other === call || other.isAnswered || mayBeRead) continue;
      other.timeout?.cancel();
      line.active.delete(id);
      line.waiting.add(other);
    }
    line.waiting.delete(call);
    line.active.set(call.id, call);
    this.#shake(line, call);
    this.#await(line, call, HANDSHAKE_TIMEOUT_MS, repeatMs);
    try {
      this.#context.wire.answer(call.node, call.remote, challenge, call.plaintext);
      const session = this.#context.wire.sessions.get(call.remote);
      if (session !== undefined) session.rtt ??= rtt;
    } catch (error) {
      if (!isPeerlaneError(error, 'invalid-public-key')) throw error;
      this.#fail(line, call, error);
    }
    return true;
  }

  /** A message of the remote has been opened: there is a session that both sides know of. */
  heard({ key }: Remote): void {
    const line = this.#lines.get(key);
    if (line?.shaking === undefined) return;
    line.shaking = undefined;
    this.#sendWaiting(line);
  }

  /** Whether a message was asked for. */
  take({ key }: Remote, message: Message): boolean {
    const line = this.#lines.get(key);
    const call = line?.active.get(toBareHex(message.requestId));
    if (line === undefined || call === undefined) return false;
    const rtt = this.#context.agenda.now - call.sentAt;
    const taken = call.question.take(message, rtt);
    if (taken === 'refused') return false;
    if (!call.isAnswered) this.#measured(call, rtt);
    call.isAnswered = true;
    this.#silence.break(call.remote);
    if (taken === 'done') this.#finish(line, call);
    else this.#awaitMore(line, call);
    return true;
  }

  #awaitMore(line: Line, call: Call): void {
    call.timeout?.cancel();
    call.timeout = this.#context.agenda.in(REQUEST_TIMEOUT_MS, () => this.#late(line, call));
  }

  #measured({ remote, question, isRepeated }: Call, rtt: number): void {
    const session = this.#context.wire.sessions.get(remote);
    // A handler takes its time.
    if (session === undefined || !question.isRepeatable) return;
    // Of what was sent twice nobody knows which one is answered: too long a time is soon forgotten, and one that has grown soon learned.
    session.rtt = isRepeated && session.rtt !== undefined ? (session.rtt + rtt) / 2 : rtt;
  }

  #late(line: Line, call: Call): void {
    if (!call.isAnswered) this.#context.silent(call.node);
    if (line.shaking === call && !line.isShaken) {
      this.#fail(line, call);
      return;
    }
    // Of what was sent behind it some may still be answered. Where the other side has not taken up the keys it asks for others.
    if (line.shaking === call) line.shaking = undefined;
    this.#finish(line, call);
  }

  /** There is no session with the remote, and nobody who asks for one. */
  #fail(line: Line, call: Call, failure?: RequestFailure): void {
    const waiting = [...line.waiting];
    line.waiting.clear();
    line.shaking = undefined;
    for (const other of [call, ...waiting]) this.#finish(line, other, failure);
  }

  #finish(line: Line, call: Call, failure?: RequestFailure): void {
    const { remote, id, question, timeout } = call;
    timeout?.cancel();
    line.active.delete(id);
    line.waiting.delete(call);
    // Whoever was told before may have asked again, by a line of its own.
    const isOver = line.active.size === 0 && line.waiting.size === 0 && this.#lines.get(remote.key) === line;
    if (isOver) this.#lines.delete(remote.key);
    this.room.leave(() => question.ended(failure));
  }
}

/** @param rtt to the node and back, as far as it is known */
function repeatAfterMs(rtt = 0): number {
  return Math.max(REPEAT_AFTER_MS, RTT_SHARE * rtt);
}

/**
 * The call that is sent behind a handshake: the one that was challenged or, when that is over, another that waits for one; the same again
 * when it has been repeated, or others were sent behind it, in vain, as then the other side may have missed the handshake.
 */
function shakenFor({ active, waiting, shaking, isShaken }: Line, id: string): Call | undefined {
  const challenged = active.get(id) ?? [...waiting].find((call) => call.id === id) ?? shaking;
  if (challenged?.handshakes === 0) return challenged;
  if (shaking === undefined || shaking.handshakes >= MAX_HANDSHAKES) return undefined;
  return shaking.isRepeated || (isShaken && active.size > 1) ? shaking : undefined;
}
