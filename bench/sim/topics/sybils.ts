/** One attacker with many identities who wants to be all that a search for a topic finds. */
import { EMPTY } from '../../../src/base/bytes.ts';
import type { RegTopic } from '../../../src/discv5/messages.ts';
import { E, F_RETURN, type TopicNode } from '../../../src/discv5/topics/index.ts';
import { nodeIdOf } from '../../../src/enr/index.ts';
import { logDistance, networksOf } from '../../../src/kad/index.ts';
import { madeUpNode } from '../made-up.ts';
import type { Random } from '../random.ts';
import { noTally, type Request } from './calls.ts';
import type { TopicNetwork } from './network.ts';
import { type HonestPeer, Peer, type Reply } from './peer.ts';
import { confirmationOf, regTopic } from './requests.ts';

/** From the moment that a ticket is good, so that the registrar's clock agrees. */
const LATE_MS = 200;
/** After a request that was lost. */
const AGAIN_MS = 2_000;
/** An advertisement is asked for again when so much of its time is over. */
const RENEWAL = 0.11;
/** The first requests are spread over so long. */
const SPREAD_MS = 60_000;
const HOSTS = 254;
const FIRST_PORT = 20_000;

export interface AttackOptions {
  readonly identities: number;
  /** The /24 that they are in. */
  readonly networks: number;
  /** Registrars at which each identity registers. */
  readonly effort: number;
  /** Bits that their ids have in common with the topic: each costs twice as many keys to be tried. */
  readonly nearBits: number;
}

export class Sybils {
  readonly peers: readonly SybilPeer[];
  readonly topic: Uint8Array;
  readonly #random: Random;
  readonly #byDistance = new Map<number, TopicNode[]>();
  readonly #byNetwork = new Map<string, TopicNode[]>();

  constructor(network: TopicNetwork, topic: Uint8Array, options: AttackOptions) {
    const { identities, networks, nearBits } = options;
    this.topic = topic;
    this.#random = network.random;
    const prefixes = Array.from({ length: networks }, () => {
      const address = network.random.address();
      return address.slice(0, address.lastIndexOf('.'));
    });
    this.peers = Array.from({ length: identities }, (_, n) => {
      const ip = `${prefixes[n % networks]}.${1 + (Math.floor(n / networks) % HOSTS)}`;
      const key = nearKey(network.random, topic, nearBits);
      const peer = new SybilPeer(
        network,
        madeUpNode(network.random, { ip, port: FIRST_PORT + n }, key),
        this,
      );
      network.enlist(peer);
      put(this.#byDistance, logDistance(topic, peer.node.id), peer.node);
      put(this.#byNetwork, networksOf(ip)?.ofBucket ?? '', peer.node);
      return peer;
    });
  }

  /** Each identity asks so many registrars, and comes back in time, for ever. */
  attack(registrars: readonly HonestPeer[], effort: number): void {
    for (const peer of this.peers) {
      const chosen = new Set<HonestPeer>();
      const count = Math.min(effort, registrars.length);
      while (chosen.size < count) chosen.add(this.#random.pick(registrars));
      for (const registrar of chosen) peer.register(registrar.node, this.topic, this.#random);
    }
  }

  /** Ten of the identities, as many networks as there are in turn: who searches takes few of each. */
  some(): Uint8Array[] {
    const networks = [...this.#byNetwork.values()];
    const start = this.#random.below(networks.length);
    return Array.from({ length: F_RETURN }, (_, i) => {
      return this.#random.pick(networks[(start + i) % networks.length] ?? []).record.encoded;
    });
  }

  at(distances: readonly number[]): Uint8Array[] {
    return distances.flatMap((distance) => {
      const nodes = this.#byDistance.get(distance);
      return nodes === undefined ? [] : [this.#random.pick(nodes).record.encoded];
    });
  }
}

/** It answers every question with others of its kind, and takes every advertisement, to keep it from no one else. */
export class SybilPeer extends Peer {
  override readonly isSybil = true;
  readonly #all: Sybils;

  constructor(network: TopicNetwork, node: TopicNode, all: Sybils) {
    super(network, node);
    this.#all = all;
  }

  register(registrar: TopicNode, topic: Uint8Array, random: Random): void {
    const { env } = this.network;
    const ask = (ticket: Uint8Array): void => {
      const request: RegTopic = regTopic({ topic, ticket, distances: [] }, this.node);
      this.ask(registrar, request, noTally(), (messages) => {
        const answer = messages && confirmationOf(messages);
        if (answer === undefined) env.setTimer(AGAIN_MS, () => ask(ticket));
        else if (answer.kind === 'admitted') {
          env.setTimer(Math.min(answer.lifetimeMs, E) * RENEWAL, () => ask(EMPTY));
        } else env.setTimer(answer.waitMs + LATE_MS, () => ask(answer.ticket));
      });
    };
    env.setTimer(random.fraction() * SPREAD_MS, () => ask(EMPTY));
  }

  protected override reply({ kind, distances }: Request): Reply {
    const auxiliary = this.#all.at(distances);
    return kind === 'topicQuery'
      ? { advertisers: this.#all.some(), auxiliary }
      : { confirmation: { ticket: EMPTY, waitMs: E }, auxiliary };
  }
}

/** A key whose node id begins with as many bits of the topic; what stands for a key here is any 64 bytes. */
function nearKey(random: Random, topic: Uint8Array, bits: number): Uint8Array {
  for (;;) {
    const key = random.bytes(64);
    if (logDistance(nodeIdOf(key), topic) <= 256 - bits) return key;
  }
}

function put<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
