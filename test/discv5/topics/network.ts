/** A network of registrars, advertisers and searches in virtual time, in which functions stand for packets. */
import { EMPTY, toBareHex } from '../../../src/base/bytes.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import {
  Advertiser,
  chooseAuxiliary,
  E,
  Exclusions,
  Registrar,
  Search,
  ServiceTable,
} from '../../../src/discv5/topics/index.ts';
import type { Answer } from '../../../src/discv5/topics/registration.ts';
import { signRecord } from '../../../src/enr/index.ts';
import {
  BUCKET_NETWORK_LIMIT,
  BUCKET_SIZE,
  type KadNode,
  logDistance,
  NetworkCounts,
  networksOf,
  nodeOfRecord,
  TABLE_NETWORK_LIMIT,
} from '../../../src/kad/index.ts';
import { shuffled } from '../../support/kad-nodes.ts';
import { type RecordedNode, topicNode } from './nodes.ts';

const ROUND_TRIP_MS = 100;
/** What an attacker tries to hit the window of a ticket by. */
const LATE_MS = 200;

export class SimNode {
  readonly node: RecordedNode;
  readonly isSybil: boolean;
  readonly registrar: Registrar;
  readonly exclusions = new Exclusions();
  /** The ordinary table: nodes that are live. */
  table: KadNode[] = [];

  constructor(node: RecordedNode, isSybil: boolean, env: VirtualEnv, capacity: number) {
    this.node = node;
    this.isSybil = isSybil;
    this.registrar = new Registrar({
      localId: node.id,
      randomBytes: (length) => env.randomBytes(length),
      // All that there are, to be counted.
      parameters: { c: capacity, fReturn: 16 },
    });
  }
}

export class TopicNetwork {
  readonly env: VirtualEnv;
  readonly honest: SimNode[];
  readonly sybils: SimNode[];
  readonly #byId = new Map<string, SimNode>();
  readonly #randomBytes: (length: number) => Uint8Array;
  /** Requests that each node was sent. */
  readonly load = new Map<SimNode, number>();

  /** @param sybils identities of one machine in one /24 */
  constructor({
    seed,
    honest,
    sybils = 0,
    capacity = 1_000,
  }: { seed: number; honest: number; sybils?: number; capacity?: number }) {
    const env = new VirtualEnv({ seed });
    this.env = env;
    this.#randomBytes = (length) => env.randomBytes(length);
    this.honest = Array.from(
      { length: honest },
      () => new SimNode(topicNode(env, this.#ip()), false, env, capacity),
    );
    this.sybils = Array.from({ length: sybils }, (_, i) => {
      const record = signRecord(env.randomBytes(32), {
        seq: 1n,
        entries: { ip: `66.66.66.${1 + (i % 250)}`, udp: 1_000 + i, ng: 1 },
      });
      const node = nodeOfRecord(record);
      if (node === undefined) throw new Error('the record names no place');
      return new SimNode({ ...node, record }, true, env, capacity);
    });
    for (const each of [...this.honest, ...this.sybils]) this.#byId.set(toBareHex(each.node.id), each);
    for (const each of this.honest) each.table = this.#tableOf(each);
  }

  /** Keeps a topic advertised, in all virtual time that follows. */
  advertise(of: SimNode, topic: Uint8Array): Advertiser {
    const table = this.#serviceTable(of, topic);
    const advertiser = new Advertiser({ table, randomBytes: this.#randomBytes });
    const pump = (): void => {
      const now = this.env.now();
      table.addLive(of.table, now);
      for (const { node, ticket, distances } of advertiser.next(now)) {
        this.env.setTimer(ROUND_TRIP_MS, () => {
          const answer = this.#register(of, node, topic, ticket);
          const at = this.env.now();
          if (answer === undefined) {
            if (advertiser.unanswered(node.id)) table.failed(node.id, at);
          } else {
            advertiser.answered(node.id, answer, at);
            const auxiliary = this.#auxiliary(of, node, topic, distances);
            if (table.addAuxiliary(auxiliary, at).length > 0) advertiser.tableChanged();
          }
          pump();
        });
      }
      schedule();
    };
    let timer = this.env.setTimer(0, pump);
    const schedule = (): void => {
      timer.cancel();
      const { deadline } = advertiser;
      if (deadline < Number.POSITIVE_INFINITY) {
        timer = this.env.setTimer(Math.max(0, deadline - this.env.now()), pump);
      }
    };
    return advertiser;
  }

  /** All identities of the attacker ask every honest registrar, and come back in time, for ever. */
  attack(topic: Uint8Array): void {
    for (const sybil of this.sybils) {
      for (const { node } of this.honest) {
        let ticket = EMPTY;
        const ask = (): void => {
          const answer = this.#register(sybil, node, topic, ticket);
          if (answer === undefined) return;
          ticket = answer.kind === 'wait' ? answer.ticket : EMPTY;
          this.env.setTimer((answer.kind === 'wait' ? answer.waitMs : answer.lifetimeMs / 2) + LATE_MS, ask);
        };
        this.env.setTimer(this.#below(60_000), ask);
      }
    }
  }

  /** Searches until the end, in no time. */
  search(
    of: SimNode,
    topic: Uint8Array,
    fLookup?: number,
  ): { readonly found: SimNode[]; readonly asked: number } {
    const table = this.#serviceTable(of, topic);
    const search = new Search({ table, localId: of.node.id, randomBytes: this.#randomBytes, fLookup });
    const found: KadNode[] = [];
    const now = this.env.now();
    for (let sent = search.next(now); sent.length > 0; sent = search.next(now)) {
      for (const { node, distances } of sent) {
        const target = this.#at(node);
        const advertisers = target.isSybil
          ? shuffled(this.sybils, this.env)
              .slice(0, 10)
              .map((each) => each.node.record)
          : target.registrar.query(topic, now);
        const auxiliary = this.#auxiliary(of, node, topic, distances);
        found.push(...search.answered(node.id, { advertisers, auxiliary }, now));
      }
    }
    return { found: found.map((each) => this.#at(each)), asked: search.asked };
  }

  /** Advertisements of a topic at honest registrars, of which no more than 16 of a registrar. */
  placed(topic: Uint8Array): { readonly honest: number; readonly sybils: number } {
    let [honest, sybils] = [0, 0];
    for (const { registrar } of this.honest) {
      for (const { nodeId } of registrar.query(topic, this.env.now())) {
        if (this.#byId.get(toBareHex(nodeId))?.isSybil) sybils++;
        else honest++;
      }
    }
    return { honest, sybils };
  }

  #register(of: SimNode, at: KadNode, topic: Uint8Array, ticket: Uint8Array): Answer | undefined {
    const target = this.#at(at);
    this.load.set(target, (this.load.get(target) ?? 0) + 1);
    if (target.isSybil) return { kind: 'admitted', lifetimeMs: E };
    const { id, ip, record } = of.node;
    const outcome = target.registrar.register({
      topic,
      record,
      ticket,
      sender: { id, ip },
      now: this.env.now(),
    });
    return outcome.kind === 'refused' ? undefined : outcome;
  }

  #auxiliary(of: SimNode, at: KadNode, topic: Uint8Array, distances: readonly number[]): KadNode[] {
    const target = this.#at(at);
    const nodes = target.isSybil ? this.sybils.map(({ node }) => node) : target.table;
    const records = chooseAuxiliary({ topic, distances, asker: of.node.id }, nodes, this.#randomBytes);
    return records.flatMap((record) => nodeOfRecord(record) ?? []);
  }

  #serviceTable(of: SimNode, topic: Uint8Array): ServiceTable {
    const table = new ServiceTable({ topic, localId: of.node.id, exclusions: of.exclusions });
    table.addLive(of.table, this.env.now());
    return table;
  }

  /** What a node that has been in the network for a while knows: of each bucket 16, of a network as many as the limits allow. */
  #tableOf({ node }: SimNode): KadNode[] {
    const ofTable = new NetworkCounts(TABLE_NETWORK_LIMIT);
    const ofBucket = new NetworkCounts(BUCKET_NETWORK_LIMIT);
    const sizes = new Map<number, number>();
    const others = shuffled([...this.#byId.values()], this.env).map((each) => each.node);
    return others.filter((other) => {
      const distance = logDistance(node.id, other.id);
      const size = sizes.get(distance) ?? 0;
      const networks = networksOf(other.ip);
      if (distance === 0 || size >= BUCKET_SIZE || networks === undefined) return false;
      const bucket = `${distance} ${networks.ofBucket}`;
      if (!ofTable.hasRoom(networks.ofTable) || !ofBucket.hasRoom(bucket)) return false;
      ofTable.add(networks.ofTable);
      ofBucket.add(bucket);
      sizes.set(distance, size + 1);
      return true;
    });
  }

  #at({ id }: KadNode): SimNode {
    const found = this.#byId.get(toBareHex(id));
    if (found === undefined) throw new Error('nobody has this id');
    return found;
  }

  #ip(): string {
    const [a = 0, b = 0, c = 0, d = 0] = this.env.randomBytes(4);
    return `${(a < 128 ? 20 : 130) + (a % 32)}.${b}.${c}.${1 + (d % 254)}`;
  }

  #below(n: number): number {
    const [a = 0, b = 0] = this.env.randomBytes(2);
    return Math.floor(((a * 256 + b) / 65_536) * n);
  }
}
