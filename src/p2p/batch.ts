/** Many links at once: one call of the crypto backend for what all of them received, one for what they send. */
import type { BudgetShare } from '../base/budget.ts';
import { PeerlaneError } from '../base/errors.ts';
import { type Slab, Slabs } from '../base/slabs.ts';
import {
  decodeSessions,
  type EncodedMessages,
  encodeMessages,
  type OutgoingMessage,
  type RlpxSession,
} from '../rlpx/index.ts';
import type { Link } from './link.ts';
import { sharedBlock } from './shared-payloads.ts';

/** What one link has in a batch. */
interface Lane {
  readonly link: Link;
  /** Messages. */
  readonly count: number;
}

/** Backends work this many streams side by side; a slice that ends in between wastes a part of the last round. */
const LANES = 8;
/** Bytes of a slice, at least when they are there, in each direction; see `runSlice`. */
const SLICE_LENGTH = 768 * 1024;
const MAX_SLICE_LENGTH = 2 * SLICE_LENGTH;
/**
 * Bytes of a call that decodes, at least when they are there: the backend makes room for what all of them may give, and
 * more of eight links are more small messages than a slice has.
 */
const DECODE_LENGTH = 128 * 1024;
/** Messages that are decoded in a slice, about: what handlers do with them, which comes after it, counts too. */
const SLICE_MESSAGES = 256;
/** What one link sends in a slice, in bytes, or a single message. */
const SHARE_LENGTH = 128 * 1024;

/** Memory for what many links send. */
export interface BatchMemory {
  /** For frames. */
  readonly slabs: Slabs;
  /** What compressed payloads are charged to that wait at several links. */
  readonly blocks: BudgetShare;
}

/** Told how many links there were in a call of the crypto backend. */
export type LanesFilled = (direction: 'in' | 'out', lanes: number) => void;

/**
 * Works a part of what there is to do for `links`, worth a millisecond or so: first what has arrived, through the
 * crypto backend together, then what is to be sent, the base protocol's first and by itself, answers next, gossip last.
 * Links that are done leave the set; those that were worked and are not done go to its end.
 * @param memory default: it is made anew, and charged to nobody
 */
export function runSlice(links: Set<Link>, memory?: BatchMemory, filled?: LanesFilled): void {
  decodeSlice(links, filled);
  encodeControl(links, filled);
  encodeSlice(links, memory, filled);
  for (const link of links) {
    link.isWaiting = link.decodable;
    if (!link.decodable && link.outbox.isEmpty) links.delete(link);
  }
}

/** Works a batch of links until all is done. */
export function runLinks(links: Iterable<Link>): void {
  for (const waiting = new Set(links); waiting.size > 0; ) runSlice(waiting);
}

function isFull(length: number, lanes: number): boolean {
  return length >= MAX_SLICE_LENGTH || (length >= SLICE_LENGTH && lanes % LANES === 0);
}

function toEnd(links: Set<Link>, link: Link): void {
  if (links.delete(link)) links.add(link);
}

/**
 * Whoever has waited longest, then those that have come since the last slice, then the others that wait: so a peer that
 * sends little does not wait for those that send without end, and these go on however many others come.
 */
function inTurn(links: Set<Link>): Link[] {
  const ready = [...links].filter(({ decodable }) => decodable);
  const first = ready.findIndex(({ isWaiting }) => isWaiting);
  const [oldest] = first < 0 ? [] : ready.splice(first, 1);
  const fresh = ready.filter(({ isWaiting }) => !isWaiting);
  const others = ready.filter(({ isWaiting }) => isWaiting);
  return [...(oldest === undefined ? [] : [oldest]), ...fresh, ...others];
}

function decodeSlice(links: Set<Link>, filled: LanesFilled | undefined): void {
  let [messages, length] = [SLICE_MESSAGES, 0];
  while (messages >= SLICE_MESSAGES / 2 && length < SLICE_LENGTH) {
    const lanes: Link[] = [];
    const sessions: RlpxSession[] = [];
    let called = 0;
    for (const link of inTurn(links)) {
      const { session } = link;
      if (session === undefined) continue;
      if (lanes.length > 0 && lanes.length % LANES === 0 && called >= DECODE_LENGTH) break;
      if (length + called >= MAX_SLICE_LENGTH) break;
      lanes.push(link);
      sessions.push(session);
      called += session.pendingLength;
    }
    if (lanes.length === 0) return;
    length += called;
    filled?.('in', lanes.length);
    const steps = decodeSessions(sessions, Math.max(messages, 4 * lanes.length));
    for (const [index, step] of steps.entries()) {
      messages -= step.messages.length;
      lanes[index]?.afterDecode(step);
    }
    for (const link of lanes) {
      link.isWaiting = true;
      toEnd(links, link);
    }
  }
}

/** The base protocol's messages leave before anything else is encoded: a Pong does not wait for megabytes. */
function encodeControl(links: Set<Link>, filled: LanesFilled | undefined): void {
  const lanes: Lane[] = [];
  const outgoing: OutgoingMessage[] = [];
  for (const link of links) {
    const { session, outbox, state } = link;
    if (!outbox.hasControl || session === undefined || state === 'closed') continue;
    const messages = outbox.takeControl();
    for (const { code, payload } of messages) outgoing.push({ session, code, payload });
    lanes.push({ link, count: messages.length });
  }
  if (lanes.length === 0) return;
  filled?.('out', lanes.length);
  const encoded = encodeMessages(outgoing);
  let first = 0;
  for (const { link, count } of lanes) {
    writeFrames(link, encoded, first, first + count, undefined);
    first += count;
  }
  closeFailed(lanes, encoded);
}

function encodeSlice(
  links: Set<Link>,
  { slabs = new Slabs(), blocks }: Partial<BatchMemory> = {},
  filled: LanesFilled | undefined,
): void {
  const lanes: Lane[] = [];
  const outgoing: OutgoingMessage[] = [];
  let length = 0;
  const waiting = [...links].filter(({ outbox }) => !outbox.isEmpty);
  for (const link of waiting.sort((a, b) => a.outbox.rank - b.outbox.rank)) {
    const { session } = link;
    if (session === undefined || link.state === 'closed') continue;
    if (isFull(length, lanes.length)) break;
    const messages = link.outbox.take(SHARE_LENGTH);
    for (const { code, payload } of messages) {
      length += payload.length;
      outgoing.push({ session, code, payload });
    }
    lanes.push({ link, count: messages.length });
  }
  if (lanes.length > 0) filled?.('out', lanes.length);
  const taken: Slab[] = [];
  const memory = (wanted: number): Uint8Array => {
    const slab = slabs.take(wanted);
    taken.push(slab);
    return slab.bytes;
  };
  const encoded = encodeMessages(
    outgoing.map((message) => withSharedBlock(message, blocks)),
    memory,
  );
  const [slab] = taken;
  let first = 0;
  for (const { link, count } of lanes) {
    writeFrames(link, encoded, first, first + count, slab);
    first += count;
    toEnd(links, link);
  }
  slab?.release();
  closeFailed(lanes, encoded);
  for (const { link } of lanes) link.outbox.encoded();
}

/** What others will be sent in later slices is compressed for them too. */
function withSharedBlock(message: OutgoingMessage, memory: BudgetShare | undefined): OutgoingMessage {
  const block = message.session.snappy ? sharedBlock(message.payload, memory) : undefined;
  return block === undefined ? message : { ...message, payload: block, isBlock: true };
}

/** Frames of one link, those of the messages from `first` on, lie one behind the other: they leave as one piece. */
function writeFrames(
  link: Link,
  encoded: EncodedMessages,
  first: number,
  end: number,
  slab: Slab | undefined,
): void {
  const frames = encoded.frames(first, end);
  if (frames.length > 0 && link.state !== 'closed') {
    link.written(frames, slab?.bytes.buffer === frames.buffer ? slab?.hold() : undefined);
  }
}

/**
 * Ends the links that have a message without a frame, when the frames of all others have been written: whoever is told of
 * the end may end other links too, whose last word must not come before what was encoded for them.
 */
function closeFailed(lanes: readonly Lane[], encoded: EncodedMessages): void {
  let first = 0;
  for (const { link, count } of lanes) {
    const cause = encoded.errorIn(first, first + count);
    first += count;
    if (cause === undefined) continue;
    // Not the peer's doing.
    const message = `a message could not be sent: ${cause.message}`;
    link.fail(cause.code === 'closed' ? cause : new PeerlaneError('handler-failed', message, { cause }));
  }
}
