/** Many links at once: one call of the crypto backend for what all of them received, one for what they send. */
import { decodeSessions, encodeMessages, type RlpxSession } from '../rlpx/index.ts';
import type { Link } from './link.ts';

/**
 * Works a batch of links: everything that has arrived for any of them goes through the crypto backend together,
 * a step at a time, and then everything that they want to send.
 */
export function runLinks(links: Iterable<Link>): void {
  const batch = [...links];
  for (let ready = decodable(batch); ready.length > 0; ready = decodable(ready.map(({ link }) => link))) {
    const steps = decodeSessions(ready.map(({ session }) => session));
    for (const [index, step] of steps.entries()) ready[index]?.link.afterDecode(step);
  }
  encodeOutboxes(batch);
}

function decodable(links: readonly Link[]): { link: Link; session: RlpxSession }[] {
  return links.flatMap((link) => {
    const { session } = link;
    return link.decodable && session !== undefined ? [{ link, session }] : [];
  });
}

function encodeOutboxes(links: readonly Link[]): void {
  const owners: Link[] = [];
  const outgoing: { session: RlpxSession; code: number; payload: Uint8Array }[] = [];
  for (const link of links) {
    const { session } = link;
    if (session === undefined || link.state === 'closed') continue;
    for (const message of link.takeOutbox()) {
      owners.push(link);
      outgoing.push({ session, ...message });
    }
  }
  const steps = encodeMessages(outgoing);
  for (let first = 0; first < steps.length; ) {
    const link = owners[first];
    let end = first;
    while (end < steps.length && owners[end] === link) end++;
    if (link !== undefined) writeFrames(link, steps.slice(first, end));
    first = end;
  }
}

/** Frames of one link lie one behind the other in the slab, so they leave as one piece. */
function writeFrames(link: Link, steps: ReturnType<typeof encodeMessages>): void {
  const failed = steps.find(({ error }) => error !== undefined)?.error;
  const whole = steps.filter(({ error }) => error === undefined);
  const [head] = whole;
  if (head !== undefined && link.state !== 'closed') {
    const length = whole.reduce((sum, { frame }) => sum + frame.length, 0);
    link.written(new Uint8Array(head.frame.buffer, head.frame.byteOffset, length));
  }
  if (failed !== undefined) link.close(failed);
}
