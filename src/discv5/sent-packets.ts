/** Packets of ours that a WHOAREYOU may name. */
import { toBareHex } from '../base/bytes.ts';
import { setLatest } from '../base/recent.ts';
import type { Remote } from './remote.ts';

/** How long a WHOAREYOU may come after the packet that it names, and how many packets are remembered for that. */
const CHALLENGED_FOR_MS = 2_000;
const MAX_SENT = 2_048;

/** A packet. It may be that of a request that nobody waits for any more. */
export interface SentPacket {
  readonly remote: Remote;
  /** Of the request, as text. */
  readonly id: string;
}

export class SentPackets {
  /** By nonce, the oldest first. */
  readonly #packets = new Map<string, SentPacket & { readonly until: number }>();

  add(nonce: Uint8Array, { remote, id }: SentPacket, now: number): void {
    for (const [oldest, { until }] of this.#packets) {
      if (until > now) break;
      this.#packets.delete(oldest);
    }
    setLatest(this.#packets, toBareHex(nonce), { remote, id, until: now + CHALLENGED_FOR_MS }, MAX_SENT);
  }

  get(nonce: Uint8Array, now: number): SentPacket | undefined {
    const sent = this.#packets.get(toBareHex(nonce));
    return sent !== undefined && sent.until > now ? sent : undefined;
  }
}
