/** What a server counts of itself: to count is cheap, and who wants to see it pays for the rest. */
import type { Env } from '../base/env.ts';
import { CONSEQUENCES, type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import {
  CounterTable,
  clientFamily,
  type Direction,
  type DisconnectCount,
  Histogram,
  histogramOf,
  LANE_COUNTS,
  type MessageCount,
  OTHER,
  type PeerCount,
  type PeerDirection,
  type ProtocolPeers,
  REPUTATIONS,
  SECONDS,
  type ServerMetrics,
} from '../observe/index.ts';
import { DISCONNECT_REASONS, type PeerInfo, type Protocol } from '../p2p/index.ts';
import type { Budgets } from './budgets.ts';
import type { DiscoveryServices } from './discovery-services.ts';
import { LoopMeter } from './loop-meter.ts';
import type { NodeDatabase } from './node-db/index.ts';
import type { Peer } from './peer.ts';
import { Traffic } from './traffic.ts';

/** All codes of errors, and reasons of others. */
const MAX_CAUSES = 2 * Object.keys(CONSEQUENCES).length;
const CONNECTED = 'connected';

/** What of a server is looked at when somebody asks. */
export interface MeteredParts {
  readonly peers: readonly Peer[];
  readonly budgets: Budgets;
  readonly dials: number;
  readonly inbound: number;
  readonly connections: number;
  readonly lanes: number;
  readonly discovery: DiscoveryServices | undefined;
  readonly nodeDatabase: NodeDatabase | undefined;
  /** Of all peers, 0 for one of which nothing is known; where somebody keeps them. */
  readonly reputations?: (() => Iterable<number>) | undefined;
}

export interface ServerMeterOptions {
  readonly env: Env;
  readonly protocols: readonly Protocol[];
  readonly parts: () => MeteredParts;
}

export class ServerMeter {
  readonly traffic = new Traffic();
  readonly #options: ServerMeterOptions;
  readonly #handshakes = { inbound: new Histogram(SECONDS), outbound: new Histogram(SECONDS) };
  readonly #loop: LoopMeter;
  readonly #lanes = { in: new Histogram(LANE_COUNTS), out: new Histogram(LANE_COUNTS) };
  readonly #dialResults = new CounterTable(MAX_CAUSES);
  readonly #inboundFailures = new CounterTable(MAX_CAUSES);
  readonly #disconnects = {
    local: new CounterTable(MAX_CAUSES),
    remote: new CounterTable(MAX_CAUSES),
    network: new CounterTable(1),
  };
  #dials = 0;
  #inbound = 0;

  constructor(options: ServerMeterOptions) {
    this.#options = options;
    this.#loop = new LoopMeter(options.env);
  }

  lanesFilled(direction: Direction, lanes: number): void {
    this.#lanes[direction].observe(lanes);
  }

  /** Counts a dial, and how it ends. */
  async dialing(dial: () => Promise<Peer>): Promise<Peer> {
    this.#dials++;
    try {
      const peer = await dial();
      this.#dialResults.add(CONNECTED);
      return peer;
    } catch (error) {
      this.#dialResults.add(causeOf(toPeerlaneError(error)));
      throw error;
    }
  }

  /** A connection has come in. */
  accepted(): void {
    this.#inbound++;
  }

  inboundFailed(error: PeerlaneError): void {
    this.#inboundFailures.add(causeOf(error));
  }

  /** A connection has become a peer, so many milliseconds after its socket was open. */
  opened({ inbound }: PeerInfo, ms: number): void {
    this.#handshakes[directionOf(inbound)].observe(ms / 1000);
  }

  /** A peer is gone. */
  left(error: PeerlaneError): void {
    if (error.code === 'remote-disconnect') this.#disconnects.remote.add(reasonOf(error));
    else this.#disconnects[error.code === 'network-error' ? 'network' : 'local'].add(error.code);
  }

  close(): void {
    this.#loop[Symbol.dispose]();
  }

  snapshot(): ServerMetrics {
    const { env, protocols, parts } = this.#options;
    const { peers, budgets, dials, inbound, connections, lanes, ...more } = parts();
    const { discovery, nodeDatabase, reputations } = more;
    const messages = this.traffic.messages();
    return {
      at: env.unixTime(),
      peers: peerCounts(peers),
      peersOfProtocol: protocolPeers(peers, protocols),
      dials: this.#dials,
      dialResults: this.#dialResults.snapshot(),
      inbound: this.#inbound,
      inboundFailures: this.#inboundFailures.snapshot(),
      disconnects: this.#disconnectCounts(),
      handshakeSeconds: {
        inbound: this.#handshakes.inbound.snapshot(),
        outbound: this.#handshakes.outbound.snapshot(),
      },
      transfer: { in: this.#transferOf('in', messages), out: this.#transferOf('out', messages) },
      messages,
      requests: this.traffic.requests(),
      queues: {
        ...{ dials, inbound, connections, lanes },
        inputBytes: budgets.input.used,
        inputLimit: budgets.input.limit,
        outputBytes: budgets.output.used,
        outputLimit: budgets.output.limit,
      },
      lanes: { in: this.#lanes.in.snapshot(), out: this.#lanes.out.snapshot() },
      discovery: discovery?.v4?.metrics().discovery,
      discoveryV5: discovery?.v5?.metrics().discoveryV5,
      knownNodes: nodeDatabase?.size,
      reputations: reputations && histogramOf(REPUTATIONS, reputations()),
      eventLoopDelay: this.#loop.read(),
    };
  }

  #disconnectCounts(): DisconnectCount[] {
    return (['local', 'remote', 'network'] as const).flatMap((side) =>
      Object.entries(this.#disconnects[side].snapshot()).map(([reason, count]) => ({ side, reason, count })),
    );
  }

  #transferOf(direction: Direction, messages: readonly MessageCount[]) {
    let payloadBytes = 0;
    for (const message of messages) if (message.direction === direction) payloadBytes += message.bytes;
    return { wireBytes: this.traffic.wireBytes[direction], payloadBytes };
  }
}

const directionOf = (inbound: boolean): PeerDirection => (inbound ? 'inbound' : 'outbound');

/** The reason that a remote side gave: one of the specification, or `other`. */
function reasonOf({ details: { reason } }: PeerlaneError): string {
  return typeof reason === 'string' && Object.hasOwn(DISCONNECT_REASONS, reason) ? reason : OTHER;
}

function causeOf(error: PeerlaneError): string {
  return error.code === 'remote-disconnect' ? `remote-${reasonOf(error)}` : error.code;
}

function peerCounts(peers: readonly Peer[]): PeerCount[] {
  const counts = new Map<string, PeerCount & { count: number }>();
  for (const { info } of peers) {
    const [direction, client] = [directionOf(info.inbound), clientFamily(info.clientId)];
    const key = `${direction} ${client}`;
    const entry = counts.get(key) ?? { direction, client, count: 0 };
    entry.count++;
    counts.set(key, entry);
  }
  return [...counts.values()];
}

function protocolPeers(peers: readonly Peer[], protocols: readonly Protocol[]): ProtocolPeers[] {
  return protocols.map(({ name: protocol, version }) => {
    const count = peers.filter((peer) => peer.channel(protocol)?.version === version).length;
    return { protocol, version, count };
  });
}
