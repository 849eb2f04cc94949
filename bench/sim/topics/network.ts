import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import type { TopicNode, TopicParameters } from '../../../src/discv5/topics/index.ts';
import type { KadNode } from '../../../src/kad/index.ts';
import { IdSpace } from '../id-space.ts';
import { Links } from '../links.ts';
import { madeUpNode } from '../made-up.ts';
import { Random } from '../random.ts';
import type { TopicPacket } from './packets.ts';
import { HonestPeer, type Peer } from './peer.ts';

const HOUR_MS = 3_600_000;
const UDP_PORT = 30303;
/** Nodes that have left are out of a table after so long on average, and others in their places. */
const TABLE_CHECK_MS = 5 * 60_000;
const BEGIN_MS = 1_700_000_000_000;

export interface TopicNetworkOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly loss?: number;
  readonly parameters?: Partial<TopicParameters>;
}

/** Nodes with ordinary tables as they are in a network of that size, and nothing yet about topics. */
export class TopicNetwork {
  readonly env: VirtualEnv;
  readonly links: Links<TopicPacket>;
  readonly random: Random;
  /** Those that run. */
  readonly honest: HonestPeer[] = [];
  readonly #parameters: Partial<TopicParameters>;
  readonly #ids: IdSpace;
  /** Records are told by their bytes, which nobody copies. */
  readonly #nodes = new WeakMap<Uint8Array, TopicNode>();
  readonly #peers = new Map<Uint8Array, Peer>();
  /** Told of a node that has left, and of one that has come in its place. */
  onReplaced: (left: HonestPeer, come: HonestPeer) => void = () => undefined;

  constructor({ seed, nodes, loss = 0, parameters = {} }: TopicNetworkOptions) {
    this.env = new VirtualEnv({ now: BEGIN_MS, seed });
    this.random = new Random(seed ^ 0x70b1c);
    this.links = new Links(this.env, { seed, loss });
    this.#parameters = parameters;
    this.#ids = new IdSpace([], new Random(seed ^ 0x1d5));
    for (let i = 0; i < nodes; i++) this.#start();
  }

  readonly nodesOf = (records: readonly Uint8Array[]): TopicNode[] => {
    return records.flatMap((record) => this.#nodes.get(record) ?? []);
  };

  /** The peer of a node that was found; `undefined` if it has left. */
  peerOf({ record }: KadNode): Peer | undefined {
    return record && this.#peers.get(record.encoded);
  }

  /** One more that others may know. */
  enlist(peer: Peer): void {
    const { node } = peer;
    this.#nodes.set(node.record.encoded, node);
    this.#peers.set(node.record.encoded, peer);
    this.#ids.add(node);
  }

  /** Fills the ordinary tables. */
  acquaint(): void {
    for (const peer of this.honest) peer.table = this.#ids.tableOf(peer.node);
  }

  /** From now on this part of the nodes leaves in an hour, and as many come. */
  churn(rate: number): void {
    if (rate <= 0) return;
    for (const peer of this.honest) this.#check(peer);
    const next = (): void => {
      this.env.setTimer(this.random.exponential(HOUR_MS / (rate * this.honest.length)), () => {
        this.#replaceOne();
        next();
      });
    };
    next();
  }

  #start(): HonestPeer {
    const node = madeUpNode(this.random, { ip: this.random.address(), port: UDP_PORT });
    const peer = new HonestPeer(this, node, this.#parameters);
    this.honest.push(peer);
    this.enlist(peer);
    return peer;
  }

  #replaceOne(): void {
    const index = this.random.below(this.honest.length);
    const [left] = this.honest.splice(index, 1);
    if (left === undefined) return;
    left.stop();
    this.#ids.remove(left.node);
    this.#peers.delete(left.node.record.encoded);
    const come = this.#start();
    come.table = this.#ids.tableOf(come.node);
    this.#check(come);
    this.onReplaced(left, come);
  }

  /** Every now and then a node finds out who of its table has left. */
  #check(peer: HonestPeer): void {
    this.env.setTimer(this.random.fraction() * 2 * TABLE_CHECK_MS, () => {
      if (!peer.isRunning) return;
      const removed = peer.table.filter((node) => this.peerOf(node) === undefined);
      const left = peer.table.filter((node) => this.peerOf(node) !== undefined);
      peer.table = this.#ids.tableOf(peer.node, left);
      peer.tableChanged(peer.table.slice(left.length), removed);
      this.#check(peer);
    });
  }
}
