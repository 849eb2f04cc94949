/** Packets of ours that a WHOAREYOU may name. */
import { toBareHex } from '../base/bytes.ts';
import { LatestMap } from '../base/recent.ts';
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
  /** By nonce. */
  readonly #packets = new LatestMap<SentPacket & { readonly until: number }>(MAX_SENT);

  add(nonce: Uint8Array, { remote, id }: SentPacket, now: number): void {
    this.#packets.forgetWhile(({ until }) => until <= now);
    this.#packets.set(toBareHex(nonce), { remote, id, until: now + CHALLENGED_FOR_MS });
  }

  get(nonce: Uint8Array, now: number): SentPacket | undefined {
    const sent = this.#packets.get(toBareHex(nonce));
    return sent !== undefined && sent.until > now ? sent : undefined;
  }
}
