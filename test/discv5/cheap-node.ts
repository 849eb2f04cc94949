/** A node that verifies no handshake, so that thousands of them take no time. */
import type { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { discv5Crypto } from '../../src/discv5/crypto.ts';
import { Discv5Engine, type Discv5Limits, encodeMessage, identityOf } from '../../src/discv5/index.ts';
import { randomMessage, sealHandshake, sealMessage } from '../../src/discv5/packet.ts';
import { signRecord } from '../../src/enr/index.ts';
import type { UdpEndpoint } from '../../src/kad/index.ts';

/** More than any test sends. */
const MUCH = { perSecond: 1e6, burst: 1e6 };
export const NO_LIMITS = { ip: MUCH, subnet: MUCH, strangers: MUCH } satisfies Partial<Discv5Limits>;

const KEY = new Uint8Array(16).fill(1);
const PING = encodeMessage({ kind: 'ping', requestId: Uint8Array.of(1), enrSeq: 1n });

/** Somebody with an id, at a place. */
export interface Stranger {
  readonly id: Uint8Array;
  readonly endpoint: UdpEndpoint;
}

export interface CheapNodeOptions {
  readonly limits?: Partial<Discv5Limits>;
  /** What becomes of handshakes. Default: all prove who has sent them. */
  readonly believes?: boolean;
}

export class CheapNode {
  readonly engine: Discv5Engine;
  readonly id: Uint8Array;
  /** Handshakes of which the proof was looked at. */
  checked = 0;
  readonly #env: VirtualEnv;

  constructor(env: VirtualEnv, { limits = {}, believes = true }: CheapNodeOptions = {}) {
    this.#env = env;
    const identity = identityOf(generateSecretKey(env));
    // It names no place, so that nobody gets into the table by it.
    const record = signRecord(identity.secretKey, { seq: 1n, entries: {} });
    const accept = () => {
      this.checked++;
      return believes ? { keys: { write: KEY, read: KEY }, record, plaintext: PING } : undefined;
    };
    this.id = identity.id;
    this.engine = new Discv5Engine({
      ...{ identity, env, limits, topics: false, crypto: { ...discv5Crypto(), accept } },
      host: { send: () => undefined, localRecord: () => record },
    });
  }

  #fields(srcId: Uint8Array) {
    const nonce = this.#env.randomBytes(12);
    return { destId: this.id, srcId, nonce, maskingIv: this.#env.randomBytes(16) };
  }

  #receive(packet: Uint8Array, { endpoint }: Stranger): void {
    this.engine.receive(packet, endpoint, this.#env.now());
  }

  /** A packet comes in that does not open. */
  knock(from: Stranger): void {
    this.#receive(randomMessage({ ...this.#fields(from.id), random: new Uint8Array(16) }), from);
  }

  /** A handshake packet comes in. */
  shake(from: Stranger): void {
    const proof = { idSignature: new Uint8Array(64), ephemeralKey: new Uint8Array(33) };
    this.#receive(sealHandshake({ ...this.#fields(from.id), ...proof, key: KEY, plaintext: PING }), from);
  }

  /** Somebody comes as it should be. */
  meet(from: Stranger): void {
    this.knock(from);
    this.shake(from);
  }

  /** A message comes in of somebody with a session: whether it is answered. */
  answers(from: Stranger): boolean {
    const { received } = this.engine.stats();
    const sealed = sealMessage({ ...this.#fields(from.id), key: KEY, plaintext: PING });
    this.#receive(sealed, from);
    return this.engine.stats().received > received;
  }
}
