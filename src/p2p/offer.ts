/** One thing for many receivers, none of which is waited for. */

export interface OfferOutcome<R> {
  readonly sent: readonly R[];
  readonly skipped: readonly R[];
}

/**
 * Offers to all receivers at once, and then again to those that refused, as long as somebody took it meanwhile: what
 * leaves for one makes room for the next.
 * @param offer as `ProtocolChannel.offer`; its first step is taken at once, so that all share a batch. Called again
 * for a receiver that refused
 */
export async function offerToAll<R>(
  receivers: readonly R[],
  offer: (receiver: R) => Promise<boolean>,
): Promise<OfferOutcome<R>> {
  const sent: R[] = [];
  let waiting = receivers;
  for (;;) {
    const taken = await Promise.all(waiting.map(offer));
    const refused = waiting.filter((_, i) => taken[i] !== true);
    sent.push(...waiting.filter((_, i) => taken[i] === true));
    const isStuck = refused.length === waiting.length;
    waiting = refused;
    if (isStuck || refused.length === 0) return { sent, skipped: refused };
  }
}
