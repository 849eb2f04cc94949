/** What commands say that run a server of nodes that behave badly. */
import type { ServerEvent } from '../server/index.ts';
import { formatDuration, printable } from './format.ts';
import type { Output } from './output.ts';

export type ConductEvent = Extract<ServerEvent, { readonly kind: 'reputation' | 'bans-failed' }>;

export function isConductEvent(event: ServerEvent): event is ConductEvent {
  return event.kind === 'reputation' || event.kind === 'bans-failed';
}

/** Tells of nodes that are disconnected or refused for how they behave, and of bans that could not be kept. */
export function reportConduct(output: Output, event: ConductEvent): void {
  if (event.kind === 'bans-failed') {
    const { code, message } = event.error;
    output.event(
      event.kind,
      { code, message },
      `warning: bans were lost, or are not kept: ${printable(message)} (${code})`,
    );
    return;
  }
  // A public key, or an address.
  const { node, decision } = event;
  if (decision.kind === 'disconnect') {
    const { kind, reason } = decision;
    output.event(
      'reputation',
      { node, decision: kind, reason },
      `${node} is disconnected: ${printable(reason)}`,
    );
  } else if (decision.kind === 'ban') {
    const { kind, reason, forMs } = decision;
    const text = `${node} is banned for ${formatDuration(forMs / 1000)}: ${printable(reason)}`;
    output.event('reputation', { node, decision: kind, reason, forMs }, text);
  }
}
