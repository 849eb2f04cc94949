/** A network of discovery v5 in which only a part of the nodes takes part in topic discovery: real engines, and all packets. */
import type { Timer } from '../../../src/base/env.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { Discv5Engine } from '../../../src/discv5/index.ts';
import {
  type AdvertisementRun,
  F_LOOKUP,
  type TopicNode,
  takesPart,
} from '../../../src/discv5/topics/index.ts';
import type { UdpEndpoint } from '../../../src/kad/index.ts';
import { IdSpace } from '../id-space.ts';
import { Links } from '../links.ts';
import { madeUpNode } from '../made-up.ts';
import { Random } from '../random.ts';
import { cheapDiscv5Crypto, MadeUpRecords } from '../v5-crypto.ts';

const MINUTE_MS = 60_000;
const UDP_PORT = 30303;

export interface SparseOptions {
  readonly nodes: number;
  readonly seed: number;
  /** The part of the nodes that takes part. */
  readonly share: number;
  /** Nodes, of those, that advertise one topic; all the others search for it. */
  readonly advertisers: number;
  /** Virtual minutes until the searches. */
  readonly minutes: number;
}

export interface SparseSearch {
  readonly found: number;
  /** Milliseconds. */
  readonly ms: number;
  /** Packets that the searching node sent meanwhile, of whatever it does. */
  readonly packets: number;
}

export interface SparseFigures {
  readonly participants: number;
  /** Nodes that take part, in the table of one that does; on average. */
  readonly known: number;
  /** Registrars that have the advertisement of each advertiser. */
  readonly registrars: readonly number[];
  /** Packets that an advertiser sent in a minute, on average. */
  readonly packets: number;
  readonly searches: readonly SparseSearch[];
}

class SparseNode {
  readonly node: TopicNode;
  readonly engine: Discv5Engine;
  readonly #env: VirtualEnv;
  #timer: Timer | undefined;

  constructor(env: VirtualEnv, links: Links, node: TopicNode, crypto: ReturnType<typeof cheapDiscv5Crypto>) {
    this.node = node;
    this.#env = env;
    const port = links.attach({ ip: node.ip, port: node.udpPort }, this, { isNat: false });
    this.engine = new Discv5Engine({
      identity: { secretKey: new Uint8Array(32), publicKey: node.publicKey, id: node.id },
      ...{ env, seeds: [], crypto, topics: takesPart(node) ? {} : false },
      host: { send: (packet, to) => links.send(port, packet, to), localRecord: () => node.record },
    });
  }

  receive(packet: Uint8Array, from: UdpEndpoint): void {
    this.engine.receive(packet, from, this.#env.now());
    this.schedule();
  }

  schedule(): void {
    this.#timer?.cancel();
    const { deadline } = this.engine;
    if (deadline === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#env.setTimer(Math.max(0, deadline - this.#env.now()), () => {
      this.engine.tick(this.#env.now());
      this.schedule();
    });
  }
}

/** Tables are filled beforehand; who takes no part answers, and does nothing else. */
export function simulateSparse({ nodes, seed, share, advertisers, minutes }: SparseOptions): SparseFigures {
  const env = new VirtualEnv({ now: 1_700_000_000_000, seed });
  const random = new Random(seed ^ 0x59a45e);
  const links = new Links(env, { seed, loss: 0 });
  const records = new MadeUpRecords();
  const crypto = cheapDiscv5Crypto(records);
  const all = Array.from({ length: nodes }, (_, i) => {
    const endpoint = { ip: random.address(), port: UDP_PORT };
    const node = madeUpNode(random, endpoint, undefined, i < Math.round(nodes * share));
    records.add(node.record);
    return new SparseNode(env, links, node, crypto);
  });
  const ids = new IdSpace(
    all.map(({ node }) => node),
    new Random(seed ^ 0x1d5),
  );
  for (const { node, engine } of all) {
    for (const other of ids.tableOf(node)) {
      engine.table.addInbound(other, env.now());
      engine.table.proved(other.id, { ip: other.ip, port: other.udpPort });
    }
  }
  const participants = all.filter(({ node }) => takesPart(node));
  for (const each of participants) {
    each.engine.start(env.now());
    each.schedule();
  }
  env.advance(MINUTE_MS);
  const known = mean(participants.map(({ engine }) => engine.table.live().filter(takesPart).length));
  const topic = random.bytes(32);
  const advertising = participants.slice(0, advertisers);
  const before = advertising.map(({ engine }) => engine.stats().sent);
  const runs = advertising.map((each): AdvertisementRun => {
    const run = each.engine.advertise(topic, env.now());
    each.schedule();
    return run;
  });
  env.advance(minutes * MINUTE_MS);
  const packets = mean(advertising.map(({ engine }, i) => engine.stats().sent - (before[i] ?? 0))) / minutes;
  const registrars = runs.map(({ stats }) => stats.active);
  const searches = participants.slice(advertisers).map((each) => search(env, each, topic));
  return { participants: participants.length, known, registrars, packets, searches };
}

function search(env: VirtualEnv, node: SparseNode, topic: Uint8Array): SparseSearch {
  const { engine } = node;
  const beganAt = env.now();
  const before = engine.stats().sent;
  let found = 0;
  let ms = Number.NaN;
  const run = engine.search(topic, F_LOOKUP, {
    found: (nodes) => {
      found += nodes.length;
    },
    done: () => {
      ms = env.now() - beganAt;
    },
  });
  engine.resumeSearch(run, beganAt);
  node.schedule();
  for (let seconds = 0; seconds < 120 && Number.isNaN(ms); seconds++) env.advance(1_000);
  return { found, ms, packets: engine.stats().sent - before };
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}
