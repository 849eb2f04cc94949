/** Who the nodes of a simulated network are, and the engines that they run, by the version of discovery. */
import type { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { Discv4Engine, type PacketCrypto, packetCrypto } from '../../src/discv4/index.ts';
import { type Discv5Crypto, Discv5Engine, identityOf } from '../../src/discv5/index.ts';
import { type NodeRecord, nodeIdOf, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode, nodeOfRecord, type UdpEndpoint } from '../../src/kad/index.ts';
import { madeUpNode } from './made-up.ts';
import type { Identity, SimEngine } from './node.ts';
import { Random } from './random.ts';
import { cheapCrypto } from './signer.ts';
import { cheapDiscv5Crypto, MadeUpRecords } from './v5-crypto.ts';

const TCP_PORT = 30303;

export interface IdentityOptions {
  readonly endpoint: UdpEndpoint;
  readonly isNat?: boolean;
  /** With real signatures, keys and records. */
  readonly isReal?: boolean;
}

export interface EngineOptions {
  readonly env: VirtualEnv;
  readonly seeds: readonly KadNode[];
  send(packet: Uint8Array, to: UdpEndpoint): void;
}

/** One version of discovery, for all nodes of a network. */
export interface Protocol<I extends Identity = Identity> {
  readonly version: 4 | 5;
  newIdentity(env: VirtualEnv, options: IdentityOptions): I;
  engine(identity: I, options: EngineOptions): SimEngine;
  /** Bytes of the target of a lookup, and the node id that it stands for. */
  readonly targetLength: number;
  idOf(target: Uint8Array): Uint8Array;
}

export interface V4Identity extends Identity {
  readonly crypto: PacketCrypto;
}

/**
 * Nobody asks for a record with the sequence number 0. It is that of all nodes with cheap signatures: records cannot be
 * signed cheaply.
 */
let unaskedRecord: NodeRecord | undefined;

export const V4: Protocol<V4Identity> = {
  version: 4,
  newIdentity(env, { endpoint, isNat = false, isReal = false }) {
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
  },
  engine({ endpoint: { ip, port }, crypto, record, node: { publicKey } }, { env, seeds, send }) {
    const engine = new Discv4Engine({
      ...{ publicKey, crypto, env, seeds },
      host: {
        send,
        localRecord: () => record,
        localEndpoint: () => ({ ip, udpPort: port, tcpPort: TCP_PORT }),
      },
    });
    return {
      ...common(engine),
      receive: (packet, from, now) => engine.receive(packet, from, now) === 'queued',
      get deadline() {
        return engine.deadline;
      },
      get proofs() {
        return engine.stats().proofs;
      },
    };
  },
  targetLength: 64,
  idOf: nodeIdOf,
};

export interface V5Identity extends Identity {
  readonly secretKey: Uint8Array;
}

/** Without real signatures all nodes share what they know of records: so does whoever compares two runs, or is at it alone. */
export function v5(seed: number): Protocol<V5Identity> {
  const random = new Random(seed ^ 0x0d15c5);
  const records = new MadeUpRecords();
  const cheap = cheapDiscv5Crypto(records);
  const crypto = new WeakMap<V5Identity, Discv5Crypto>();
  return {
    version: 5,
    newIdentity(env, { endpoint, isNat = false, isReal = false }) {
      const { ip, port } = endpoint;
      if (isReal) {
        const secretKey = generateSecretKey(env);
        const record = signRecord(secretKey, { seq: 1n, entries: { ip, udp: port, tcp: TCP_PORT } });
        const node = nodeOfRecord(record);
        if (node === undefined) throw new Error('the record names no place');
        return { endpoint, isNat, record, node, secretKey };
      }
      const node = madeUpNode(random, endpoint);
      records.add(node.record);
      const identity = { endpoint, isNat, record: node.record, node, secretKey: new Uint8Array(32) };
      crypto.set(identity, cheap);
      return identity;
    },
    engine(identity, { env, seeds, send }) {
      const { record, secretKey, node } = identity;
      const own = crypto.get(identity);
      const engine = new Discv5Engine({
        identity:
          own === undefined ? identityOf(secretKey) : { secretKey, publicKey: node.publicKey, id: node.id },
        ...{ env, seeds, host: { send, localRecord: () => record } },
        ...(own === undefined ? {} : { crypto: own }),
      });
      return {
        ...common(engine),
        receive(packet, from, now) {
          engine.receive(packet, from, now);
          return false;
        },
        get deadline() {
          return engine.deadline;
        },
        get proofs() {
          return engine.stats().sessions;
        },
      };
    },
    targetLength: 32,
    idOf: (target) => target,
  };
}

function common(
  engine: Discv4Engine | Discv5Engine,
): Pick<SimEngine, 'table' | 'start' | 'tick' | 'lookup' | 'resumeLookup'> {
  return {
    table: engine.table,
    start: (now) => engine.start(now),
    tick: (now) => engine.tick(now),
    lookup: (target, events) => engine.lookup(target, events),
    resumeLookup: (run, now) => engine.resumeLookup(run, now),
  };
}
