/** One thing for many receivers, none of which is waited for. */
import { systemEnv } from '../base/env.ts';
import { inCircle } from '../base/in-circle.ts';
import { randomBelow } from '../base/random-numbers.ts';

export interface OfferOutcome<R> {
  readonly sent: readonly R[];
  readonly skipped: readonly R[];
}

/**
 * Offers to all receivers at once, and then again to those that refused, as long as somebody took it meanwhile: what
 * leaves for one makes room for the next. What comes of it is told in the order of the receivers.
 * @param offer as `ProtocolChannel.offer`; its first step is taken at once, so that all share a batch. Called again
 * for a receiver that refused
 * @param first which is offered it first, the others following in a circle. Default: any, for where not all can have it, the
 * first ones would have all of it for ever
 */
export async function offerToAll<R>(
  receivers: readonly R[],
  offer: (receiver: R) => Promise<boolean>,
  first = randomBelow(receivers.length, systemEnv.randomBytes),
): Promise<OfferOutcome<R>> {
  const skipped = new Set(receivers);
  for (let waiting = inCircle(receivers, first); ; ) {
    const taken = await Promise.all(waiting.map(offer));
    const refused = waiting.filter((_, i) => taken[i] !== true);
    for (const [i, receiver] of waiting.entries()) if (taken[i] === true) skipped.delete(receiver);
    const isStuck = refused.length === waiting.length;
    waiting = refused;
    if (!isStuck && refused.length > 0) continue;
    return { sent: receivers.filter((one) => !skipped.has(one)), skipped: [...skipped] };
  }
}
