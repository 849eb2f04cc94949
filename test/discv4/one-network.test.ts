/** Many identities at the addresses of one network. */
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage, isPacket, type Message, packetHash } from '../../src/discv4/index.ts';
import { MAX_SUBNET_PROOFS } from '../../src/discv4/proofs.ts';
import {
  BUCKET_NETWORK_LIMIT,
  type KadNode,
  kadNode,
  logDistance,
  TABLE_NETWORK_LIMIT,
} from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { cheapCrypto, SimNode } from './network.ts';

const IDENTITIES = 20_000;
const HONEST = 10;
/** So many identities come, one after the other, between two looks at what there is. */
const STEP = 2_000;
/** What the limit of one network lets in: none is shed for coming too fast. */
const INTERVAL_MS = 5;
const PORT = 30_303;

/** Signs with what costs next to nothing, pings, and answers Pings. */
class Visitor {
  readonly node: KadNode;
  pongs = 0;
  readonly #network: Network;
  readonly #seal: (message: Message) => Uint8Array;

  constructor(network: Network, ip: string, port = PORT) {
    const publicKey = network.env.randomBytes(64);
    const crypto = cheapCrypto(publicKey);
    this.#network = network;
    this.#seal = (message) => crypto.seal([encodeMessage(message)])[0] ?? new Uint8Array(0);
    this.node = kadNode({ publicKey, ip, udpPort: port, tcpPort: PORT });
    network.attach({ ip, port }, this);
  }

  ping(to: SimNode): void {
    const { ip } = this.node;
    const endpoint = { ip, udpPort: PORT, tcpPort: PORT };
    this.#send(
      { kind: 'ping', from: endpoint, to: endpoint, expiration: this.#expiration, enrSeq: 0n },
      to.endpoint,
    );
  }

  receive(packet: Uint8Array, from: { ip: string; port: number }): void {
    const message = isPacket(packet) ? decodeMessage(packet) : undefined;
    if (message?.kind === 'pong') this.pongs++;
    if (message?.kind !== 'ping') return;
    const to = { ip: from.ip, udpPort: from.port, tcpPort: 0 };
    this.#send(
      { kind: 'pong', to, pingHash: packetHash(packet), expiration: this.#expiration, enrSeq: 0n },
      from,
    );
  }

  get #expiration(): number {
    return Math.floor(this.#network.env.unixTime() / 1000) + 20;
  }

  #send(message: Message, to: { ip: string; port: number }): void {
    const { ip, udpPort: port } = this.node;
    this.#network.send(this.#seal(message), { ip, port }, to);
  }
}

describe('20,000 identities in one /24, each of which signs, pings and answers', () => {
  it('take no more of table and memory than the shares of a network, and keep no honest node out', () => {
    const network = new Network();
    const node = new SimNode(network, { isCheap: true });
    const { engine } = node;
    const { table } = engine;
    const honest: Visitor[] = [];
    const welcome = () => {
      const visitor = new Visitor(network, `44.${honest.length}.1.1`);
      honest.push(visitor);
      visitor.ping(node);
    };
    for (let i = 0; i < HONEST; i++) welcome();
    network.env.advance(500);
    let answered = 0;
    const most = { table: 0, bucket: 0, proofs: 0, pingBacks: 0, debtors: 0 };
    for (let i = 0; i < IDENTITIES; i += STEP) {
      const hostile: Visitor[] = [];
      for (let n = i; n < i + STEP; n++) {
        const visitor = new Visitor(network, `66.6.6.${n % 256}`, 1_024 + n);
        hostile.push(visitor);
        visitor.ping(node);
        network.env.advance(INTERVAL_MS);
        const { proofs, pingBacks, debtors } = engine.sizes();
        most.proofs = Math.max(most.proofs, proofs);
        most.pingBacks = Math.max(most.pingBacks, pingBacks);
        most.debtors = Math.max(most.debtors, debtors);
      }
      welcome();
      network.env.advance(500);
      answered += hostile.filter(({ pongs }) => pongs > 0).length;
      const theirs = [...table.entries(), ...table.replacements()].filter(({ ip }) =>
        ip.startsWith('66.6.6.'),
      );
      const buckets = new Map<number, number>();
      for (const { id } of theirs) {
        const distance = logDistance(node.node.id, id);
        buckets.set(distance, (buckets.get(distance) ?? 0) + 1);
      }
      most.table = Math.max(most.table, theirs.length);
      most.bucket = Math.max(most.bucket, ...buckets.values());
    }
    // None was shed for its number: what keeps them out is the table alone.
    expect(answered).toBe(IDENTITIES);
    expect(most.table).toBe(TABLE_NETWORK_LIMIT);
    expect(most.bucket).toBeLessThanOrEqual(BUCKET_NETWORK_LIMIT);
    // All others are those of honest nodes.
    expect(most.proofs).toBeLessThanOrEqual(honest.length + MAX_SUBNET_PROOFS);
    // Those whose answers are on the way.
    expect(most.pingBacks).toBeLessThan(100);
    expect(most.debtors).toBeLessThan(100);

    // Those of before have stayed, and those who have come meanwhile have come in.
    expect(honest.filter(({ pongs }) => pongs === 0)).toEqual([]);
    expect(honest.filter(({ node: { id } }) => !table.isLive(id))).toEqual([]);
    expect(table.size).toBe(honest.length + TABLE_NETWORK_LIMIT - table.replacements().length);
  });
});
