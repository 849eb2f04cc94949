import type { Timer } from '../../src/base/env.ts';
import type { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { Discv4Engine, type PacketCrypto, packetCrypto } from '../../src/discv4/index.ts';
import { type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode, type LookupRun, type UdpEndpoint } from '../../src/kad/index.ts';
import type { Links, Port } from './links.ts';
import { cheapCrypto } from './signer.ts';

const TCP_PORT = 30303;

/** What a node is, whether it runs or not. */
export interface Identity {
  readonly endpoint: UdpEndpoint;
  readonly isNat: boolean;
  readonly crypto: PacketCrypto;
  readonly record: NodeRecord;
  readonly node: KadNode;
}

export interface IdentityOptions {
  readonly endpoint: UdpEndpoint;
  readonly isNat?: boolean;
  readonly isReal?: boolean;
}

/**
 * Nobody asks for a record with the sequence number 0. It is that of all nodes with cheap signatures: records cannot be
 * signed cheaply.
 */
let unaskedRecord: NodeRecord | undefined;

export function newIdentity(
  env: VirtualEnv,
  { endpoint, isNat = false, isReal = false }: IdentityOptions,
): Identity {
  const key = isReal ? generateSecretKey(env) : undefined;
  const publicKey = key === undefined ? env.randomBytes(64) : publicKeyOf(key);
  const { ip, port } = endpoint;
  unaskedRecord ??= signRecord(new Uint8Array(32).fill(1), { seq: 0n, entries: {} });
  return {
    ...{ endpoint, isNat },
    crypto: key === undefined ? cheapCrypto(publicKey) : packetCrypto(key),
    record:
      key === undefined
        ? unaskedRecord
        : signRecord(key, { seq: 1n, entries: { ip, udp: port, tcp: TCP_PORT } }),
    node: kadNode({ publicKey, ip, udpPort: port, tcpPort: TCP_PORT }),
  };
}

/** An engine with an endpoint and one timer. */
export class SimNode {
  readonly identity: Identity;
  readonly engine: Discv4Engine;
  readonly port: Port;
  readonly startedAt: number;
  readonly #env: VirtualEnv;
  readonly #links: Links;
  isRunning = true;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(env: VirtualEnv, links: Links, identity: Identity, seeds: readonly KadNode[]) {
    const { endpoint, isNat, crypto, record, node } = identity;
    this.identity = identity;
    this.#env = env;
    this.#links = links;
    this.startedAt = env.now();
    this.port = links.attach(endpoint, this, { isNat });
    const { ip, port } = endpoint;
    this.engine = new Discv4Engine({
      ...{ publicKey: node.publicKey, crypto, env, seeds },
      host: {
        send: (packet, to) => links.send(this.port, packet, to),
        localRecord: () => record,
        localEndpoint: () => ({ ip, udpPort: port, tcpPort: TCP_PORT }),
      },
    });
    this.engine.start(env.now());
    this.#schedule();
  }

  /** Leaves without a word. */
  stop(): void {
    this.isRunning = false;
    this.#links.detach(this.port);
    this.#timer?.cancel();
  }

  receive(packet: Uint8Array, from: UdpEndpoint): void {
    if (this.engine.receive(packet, from, this.#env.now()) === 'queued') this.#tick();
  }

  /** Begins a lookup, told to go on by itself. */
  lookup(target: Uint8Array, done: (run: LookupRun) => void): void {
    const run: LookupRun = this.engine.lookup(target, { done: () => done(run) });
    this.engine.resumeLookup(run, this.#env.now());
    this.#schedule();
  }

  #tick(): void {
    do this.engine.tick(this.#env.now());
    while (this.engine.deadline === Number.NEGATIVE_INFINITY);
    this.#schedule();
  }

  /** A timer that comes too early costs less than one that is set anew for each packet. */
  #schedule(): void {
    const { deadline } = this.engine;
    if (deadline >= this.#timerAt || deadline === Number.POSITIVE_INFINITY) return;
    this.#timer?.cancel();
    const now = this.#env.now();
    this.#timerAt = Math.max(now, deadline);
    this.#timer = this.#env.setTimer(this.#timerAt - now, () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#tick();
    });
  }
}
