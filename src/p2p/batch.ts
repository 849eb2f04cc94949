/** Many links at once: one call of the crypto backend for what all of them received, one for what they send. */
import { type Slab, Slabs } from '../base/slabs.ts';
import {
  decodeSessions,
  type EncodedMessages,
  encodeMessages,
  type OutgoingMessage,
  type RlpxSession,
} from '../rlpx/index.ts';
import type { Link } from './link.ts';

/** Backends work this many streams side by side; a slice that ends in between wastes a part of the last round. */
const LANES = 8;
/** Bytes of a slice, at least when they are there, in each direction; see `runSlice`. */
const SLICE_LENGTH = 768 * 1024;
const MAX_SLICE_LENGTH = 2 * SLICE_LENGTH;
/** Messages that are decoded in a slice, about: what handlers do with them counts too. */
const SLICE_MESSAGES = 512;
/** What one link sends in a slice, in bytes, or a single message. */
const SHARE_LENGTH = 128 * 1024;

/**
 * Works a part of what there is to do for `links`, worth a millisecond or so: first what has arrived, through the
 * crypto backend together, then what is to be sent, the base protocol's first, answers next, gossip last. Links that
 * are done leave the set; those that were worked and are not done go to its end.
 * @param slabs where the memory for frames comes from; default: it is made anew
 */
export function runSlice(links: Set<Link>, slabs?: Slabs): void {
  decodeSlice(links);
  encodeSlice(links, slabs);
  for (const link of links) if (!link.decodable && link.outbox.isEmpty) links.delete(link);
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

function decodeSlice(links: Set<Link>): void {
  let [messages, length] = [SLICE_MESSAGES, 0];
  while (messages > 0 && !isFull(length, 0)) {
    const lanes: Link[] = [];
    const sessions: RlpxSession[] = [];
    for (const link of links) {
      const { session } = link;
      if (session === undefined || !link.decodable) continue;
      if (isFull(length, lanes.length)) break;
      lanes.push(link);
      sessions.push(session);
      length += session.pendingLength;
    }
    if (lanes.length === 0) return;
    const steps = decodeSessions(sessions, Math.max(messages, 4 * lanes.length));
    for (const [index, step] of steps.entries()) {
      messages -= step.messages.length;
      lanes[index]?.afterDecode(step);
    }
    for (const link of lanes) toEnd(links, link);
  }
}

function encodeSlice(links: Set<Link>, slabs: Slabs | undefined): void {
  const lanes: { readonly link: Link; readonly count: number }[] = [];
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
  const taken: Slab[] = [];
  const memory = (wanted: number): Uint8Array => {
    const slab = (slabs ?? new Slabs()).take(wanted);
    taken.push(slab);
    return slab.bytes;
  };
  const encoded = encodeMessages(outgoing, memory);
  const [slab] = taken;
  let first = 0;
  for (const { link, count } of lanes) {
    writeFrames(link, encoded, first, first + count, slab);
    first += count;
    toEnd(links, link);
    link.outbox.encoded();
  }
  slab?.release();
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
  const failed = encoded.errorIn(first, end);
  if (failed !== undefined) link.close(failed);
}
