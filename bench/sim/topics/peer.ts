/** A node of a network of topics: it answers as a registrar, and asks for whoever advertises or searches on it. */
import { EMPTY } from '../../../src/base/bytes.ts';
import type { Message } from '../../../src/discv5/messages.ts';
import { spreadRecords } from '../../../src/discv5/spread-records.ts';
import {
  chooseAuxiliary,
  Exclusions,
  Registrar,
  type TopicNode,
  type TopicParameters,
} from '../../../src/discv5/topics/index.ts';
import type { KadNode, UdpEndpoint } from '../../../src/kad/index.ts';
import type { Port, Receiver } from '../links.ts';
import { type Answered, Calls, type Request, type Tally } from './calls.ts';
import type { TopicNetwork } from './network.ts';
import { messagePacket, type TopicPacket, whoareyou } from './packets.ts';

const REQUEST_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const MAX_GROUPS = 5;

/** What a request is answered with. */
export interface Reply {
  readonly confirmation?: { readonly ticket: Uint8Array; readonly waitMs: number };
  readonly advertisers?: readonly Uint8Array[];
  readonly auxiliary: readonly Uint8Array[];
}

export abstract class Peer implements Receiver<TopicPacket> {
  readonly node: TopicNode;
  abstract readonly isSybil: boolean;
  readonly network: TopicNetwork;
  readonly port: Port<TopicPacket>;
  /** Requests that it was sent. */
  readonly served = { regTopic: 0, topicQuery: 0 };
  isRunning = true;
  readonly #calls: Calls;

  constructor(network: TopicNetwork, node: TopicNode) {
    this.network = network;
    this.node = node;
    this.port = network.links.attach({ ip: node.ip, port: node.udpPort }, this);
    this.#calls = new Calls({
      node,
      setTimer: (ms, run) => network.env.setTimer(ms, run),
      send: (packet, to) => network.links.send(this.port, packet, to),
    });
  }

  ask(to: TopicNode, request: Request, tally: Tally, done: Answered): void {
    this.#calls.ask(to, request, tally, done);
  }

  receive(packet: TopicPacket, from: UdpEndpoint): void {
    if (packet.kind === 'whoareyou') this.#calls.challenged(packet);
    else if (packet.kind === 'knock') this.#send(whoareyou(packet.call), from);
    else if (packet.message.kind !== 'regTopic' && packet.message.kind !== 'topicQuery') {
      this.#calls.answered(packet);
    } else if (!packet.isFirst && !this.#calls.hasSession(from)) this.#send(whoareyou(packet.call), from);
    else {
      this.#calls.establish(from);
      this.served[packet.message.kind]++;
      const reply = this.reply(packet.message, packet.sender);
      if (reply !== undefined) this.#answer(packet.call, reply, from);
    }
  }

  /** Leaves without a word. */
  stop(): void {
    this.isRunning = false;
    this.network.links.detach(this.port);
    this.#calls.stop();
  }

  protected abstract reply(request: Request, sender: TopicNode): Reply | undefined;

  #answer(call: number, { confirmation, advertisers, auxiliary }: Reply, to: UdpEndpoint): void {
    const ofNodes = auxiliary.length === 0 ? [] : spreadRecords(auxiliary, MAX_GROUPS);
    const ofTopic = advertisers === undefined ? [] : spreadRecords(advertisers, MAX_GROUPS);
    const total = ofNodes.length + ofTopic.length + (confirmation === undefined ? 0 : 1);
    const common = { requestId: REQUEST_ID, total };
    const messages: Message[] = [
      ...(confirmation === undefined
        ? []
        : [{ kind: 'regConfirmation' as const, ...common, ...confirmation }]),
      ...ofTopic.map((records) => ({ kind: 'topicNodes' as const, ...common, records })),
      ...ofNodes.map((records) => ({ kind: 'nodes' as const, ...common, records })),
    ];
    for (const message of messages) this.#send(messagePacket(call, message, this.node), to);
  }

  #send(packet: TopicPacket, to: UdpEndpoint): void {
    this.network.links.send(this.port, packet, to);
  }
}

export class HonestPeer extends Peer {
  override readonly isSybil = false;
  readonly registrar: Registrar;
  readonly exclusions = new Exclusions();
  /** Its ordinary table. */
  table: readonly KadNode[] = [];
  /** Told of what has come to the table, and what has gone. */
  tableChanged: (added: readonly KadNode[], removed: readonly KadNode[]) => void = () => undefined;

  constructor(network: TopicNetwork, node: TopicNode, parameters: Partial<TopicParameters> = {}) {
    super(network, node);
    const randomBytes = (length: number) => network.env.randomBytes(length);
    this.registrar = new Registrar({ localId: node.id, randomBytes, parameters });
  }

  protected override reply(request: Request, sender: TopicNode): Reply | undefined {
    const { env } = this.network;
    const { topic, distances } = request;
    const randomBytes = (length: number) => env.randomBytes(length);
    const auxiliary = chooseAuxiliary({ topic, distances, asker: sender.id }, this.table, randomBytes);
    const records = auxiliary.map(({ encoded }) => encoded);
    if (request.kind === 'topicQuery') {
      const ads = this.registrar.query(topic, env.now());
      return { advertisers: ads.map(({ encoded }) => encoded), auxiliary: records };
    }
    const { id, ip, record } = sender;
    const { ticket } = request;
    const outcome = this.registrar.register({ topic, record, ticket, sender: { id, ip }, now: env.now() });
    switch (outcome.kind) {
      case 'refused':
        return undefined;
      case 'admitted':
        return { confirmation: { ticket: EMPTY, waitMs: outcome.lifetimeMs }, auxiliary: records };
      case 'wait':
        return { confirmation: { ticket: outcome.ticket, waitMs: outcome.waitMs }, auxiliary: records };
    }
  }
}
