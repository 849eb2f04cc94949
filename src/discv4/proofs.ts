/** Endpoint proofs (discv4.md, "Endpoint Proof"): who has answered a Ping, and whose Pings were answered. */
import { equalBytes } from '../base/bytes.ts';
import { isLocal } from '../base/ip-class.ts';
import { addressBytes, endpointKey, siteOf, subnetOf, type UdpEndpoint } from '../kad/index.ts';

/** How long a proof is good for: longer than the text's 12 h, as go-ethereum has it. */
export const PROOF_LIFETIME_MS = 24 * 60 * 60 * 1000;
/** Endpoints whose proofs are remembered, and those of one /24 or /48; more of a LAN are. */
export const MAX_PROOFS = 8192;
export const MAX_SUBNET_PROOFS = 256;

interface Proof {
  readonly publicKey: Uint8Array;
  /** The last Pong that answered a Ping of ours. */
  pongAt: number;
  /** The last Ping of theirs that was answered: then they have a proof of us. */
  pingAt: number;
  /** Since when both have one of the other. */
  mutualSince: number;
}

/** The keys that `Proofs.accountOf` may have given for an endpoint. */
export function accountsOf(endpoint: UdpEndpoint): readonly string[] {
  return [siteOf(endpoint), endpointKey(endpoint)];
}

export class Proofs {
  /** By endpoint, the one that was heard of last at the end. An endpoint is that of one node at a time. */
  readonly #proofs = new Map<string, Proof>();
  /** The same keys by subnet. */
  readonly #subnets = new Map<string, Set<string>>();
  /** By address: proofs of endpoints there, and the latest Pong that made one. */
  readonly #addresses = new Map<string, { count: number; pongAt: number }>();

  get size(): number {
    return this.#proofs.size;
  }

  /** Whether somebody at that endpoint has proved it. */
  knows(key: string, now: number): boolean {
    const proof = this.#proofs.get(key);
    return proof !== undefined && now - proof.pongAt < PROOF_LIFETIME_MS;
  }

  /**
   * Under which key to count what goes to an endpoint that has proved nothing: that of its address, which may be a victim's;
   * its own where somebody has proved another endpoint of the address, and on this machine.
   */
  accountOf(endpoint: UdpEndpoint, now: number): string {
    return this.knowsAddress(endpoint.ip, now) ? endpointKey(endpoint) : siteOf(endpoint);
  }

  /** Whether somebody at that address has proved any endpoint of it. */
  knowsAddress(ip: string, now: number): boolean {
    const address = this.#addresses.get(ip);
    return address !== undefined && now - address.pongAt < PROOF_LIFETIME_MS;
  }

  /** Whether the node has proved that endpoint. */
  has(key: string, publicKey: Uint8Array, now: number): boolean {
    return this.#of(key, publicKey, now) !== undefined;
  }

  /** Since when, beside that, the node has a proof of us, as far as can be known; `undefined`: it has none. */
  mutualSince(key: string, publicKey: Uint8Array, now: number): number | undefined {
    const proof = this.#of(key, publicKey, now);
    return proof !== undefined && isMutual(proof, now) ? proof.mutualSince : undefined;
  }

  /**
   * A Pong has come that answers a Ping of ours.
   * @param pingAt when a Ping of theirs was last answered; `-Infinity` for never
   */
  add(endpoint: UdpEndpoint, publicKey: Uint8Array, now: number, pingAt: number): void {
    const key = endpointKey(endpoint);
    const known = this.#proofs.get(key);
    const isSame = known !== undefined && equalBytes(known.publicKey, publicKey);
    this.#remove(key);
    this.#makeRoom(endpoint.ip);
    this.#proofs.set(key, {
      // A copy: it may be a view of what came of a whole batch.
      publicKey: isSame ? known.publicKey : publicKey.slice(),
      pongAt: now,
      pingAt: isSame ? Math.max(known.pingAt, pingAt) : pingAt,
      mutualSince: isSame && isMutual(known, now) ? known.mutualSince : now,
    });
    this.#addresses.set(endpoint.ip, {
      count: (this.#addresses.get(endpoint.ip)?.count ?? 0) + 1,
      pongAt: now,
    });
    const subnet = subnetOf(endpoint.ip);
    const keys = this.#subnets.get(subnet) ?? new Set();
    keys.add(key);
    this.#subnets.set(subnet, keys);
  }

  /** A Ping of theirs has been answered. */
  pinged(key: string, publicKey: Uint8Array, now: number): void {
    const proof = this.#of(key, publicKey, now);
    if (proof === undefined) return;
    if (!isMutual(proof, now)) proof.mutualSince = now;
    proof.pingAt = now;
  }

  /** A request that takes a proof of us was not answered: the node may have been restarted, and have forgotten it. */
  doubt(key: string, publicKey: Uint8Array, now: number): void {
    const proof = this.#of(key, publicKey, now);
    if (proof !== undefined) proof.pingAt = Number.NEGATIVE_INFINITY;
  }

  #of(key: string, publicKey: Uint8Array, now: number): Proof | undefined {
    const proof = this.#proofs.get(key);
    if (proof === undefined || now - proof.pongAt >= PROOF_LIFETIME_MS) return undefined;
    return equalBytes(proof.publicKey, publicKey) ? proof : undefined;
  }

  #makeRoom(ip: string): void {
    const keys = this.#subnets.get(subnetOf(ip));
    // Nobody's many identities in one network take the place of others.
    if (keys !== undefined && keys.size >= MAX_SUBNET_PROOFS && !isLocal(addressBytes(ip))) {
      for (const oldest of keys) {
        this.#remove(oldest);
        return;
      }
    }
    if (this.#proofs.size < MAX_PROOFS) return;
    for (const oldest of this.#proofs.keys()) {
      this.#remove(oldest);
      return;
    }
  }

  #remove(key: string): void {
    if (!this.#proofs.delete(key)) return;
    const ip = key.slice(0, key.indexOf(' '));
    const address = this.#addresses.get(ip);
    if (address !== undefined && --address.count === 0) this.#addresses.delete(ip);
    const subnet = subnetOf(ip);
    const keys = this.#subnets.get(subnet);
    keys?.delete(key);
    if (keys?.size === 0) this.#subnets.delete(subnet);
  }
}

function isMutual({ pingAt }: Proof, now: number): boolean {
  return now - pingAt < PROOF_LIFETIME_MS;
}
