/** One attacker with many identities in few networks, who names nobody but itself. */
import { equalBytes, toBareHex } from '../../src/base/bytes.ts';
import { formatIpv4, parseIpv4 } from '../../src/base/ip.ts';
import {
  decodeMessage,
  encodeMessage,
  isPacket,
  MAX_NEIGHBORS,
  type Message,
  packetHash,
} from '../../src/discv4/index.ts';
import { nodeIdOf } from '../../src/enr/index.ts';
import { BUCKET_SIZE, compareDistance, type KadNode, type UdpEndpoint } from '../../src/kad/index.ts';
import { V4, type V4Identity } from './engines.ts';
import type { Port, Receiver } from './links.ts';
import type { SimNetwork } from './network.ts';

const LIFETIME_S = 20;

/** Answers Pings and FindNodes, and Pings whom it is told to. */
class AttackerNode implements Receiver {
  readonly identity: V4Identity;
  readonly #network: SimNetwork;
  readonly #port: Port;
  readonly #closest: (target: Uint8Array) => readonly KadNode[];

  constructor(
    network: SimNetwork,
    identity: V4Identity,
    closest: (target: Uint8Array) => readonly KadNode[],
  ) {
    this.identity = identity;
    this.#network = network;
    this.#port = network.links.attach(identity.endpoint, this);
    this.#closest = closest;
  }

  receive(packet: Uint8Array, from: UdpEndpoint): void {
    const message = isPacket(packet) ? decodeMessage(packet) : undefined;
    const expiration = this.#expiration;
    if (message?.kind === 'ping') {
      const to = { ip: from.ip, udpPort: from.port, tcpPort: 0 };
      this.#send({ kind: 'pong', to, pingHash: packetHash(packet), expiration, enrSeq: 0n }, from);
    } else if (message?.kind === 'findNode') {
      const nodes = this.#closest(message.target);
      for (let at = 0; at < nodes.length; at += MAX_NEIGHBORS) {
        this.#send({ kind: 'neighbors', nodes: nodes.slice(at, at + MAX_NEIGHBORS), expiration }, from);
      }
    }
  }

  ping({ ip, udpPort }: KadNode): void {
    const own = { ip: this.identity.endpoint.ip, udpPort: this.identity.endpoint.port, tcpPort: 30303 };
    const to = { ip, udpPort, tcpPort: 0 };
    const message: Message = { kind: 'ping', from: own, to, expiration: this.#expiration, enrSeq: 0n };
    this.#send(message, { ip, port: udpPort });
  }

  get #expiration(): number {
    return Math.floor(this.#network.env.unixTime() / 1000) + LIFETIME_S;
  }

  #send(message: Message, to: UdpEndpoint): void {
    const [packet] = this.identity.crypto.seal([encodeMessage(message)]);
    if (packet !== undefined) this.#network.links.send(this.#port, packet, to);
  }
}

export class Attacker {
  readonly #network: SimNetwork;
  readonly #nodes: readonly AttackerNode[];
  readonly #prefixes: readonly Uint8Array[];

  constructor(network: SimNetwork, { identities, networks }: { identities: number; networks: number }) {
    const { env } = network;
    const closest = (target: Uint8Array) => this.#closest(target);
    this.#network = network;
    this.#prefixes = Array.from({ length: networks }, () => {
      return (parseIpv4(network.freshEndpoint().ip) ?? new Uint8Array(4)).slice(0, 3);
    });
    this.#nodes = Array.from({ length: identities }, (_, n) => {
      const prefix = this.#prefixes[n % networks] ?? new Uint8Array(3);
      const host = 1 + (Math.floor(n / networks) % 254);
      const endpoint = { ip: formatIpv4(Uint8Array.of(...prefix, host)), port: 30303 + n };
      return new AttackerNode(network, V4.newIdentity(env, { endpoint }), closest);
    });
  }

  owns({ ip }: KadNode): boolean {
    const address = parseIpv4(ip)?.subarray(0, 3);
    return address !== undefined && this.#prefixes.some((prefix) => equalBytes(prefix, address));
  }

  get ids(): ReadonlySet<string> {
    return new Set(this.#nodes.map(({ identity }) => toBareHex(identity.node.id)));
  }

  /** Each identity pings each victim, evenly over a time, which goes by. */
  press(victims: readonly KadNode[], durationMs: number): void {
    for (const node of this.#nodes) {
      for (const victim of victims) node.ping(victim);
      this.#network.env.advance(durationMs / this.#nodes.length);
    }
  }

  #closest(target: Uint8Array): KadNode[] {
    const id = nodeIdOf(target);
    const nodes = this.#nodes.map(({ identity }) => identity.node);
    return nodes.toSorted((a, b) => compareDistance(id, a.id, b.id)).slice(0, BUCKET_SIZE);
  }
}
