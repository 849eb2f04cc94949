/** The numbers of a node under the names that docs/metrics.md lists. */
import { OTHER } from './counter-table.ts';
import type { HistogramSnapshot } from './histogram.ts';
import type { Counts, DiscoveryMetrics, NodeMetrics, PeerCount } from './metrics.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: Labels;
  readonly histogram: HistogramSnapshot;
}

/** A metric with all its samples; the name of a counter is without the suffix `_total`. */
export type Family =
  | {
      readonly kind: 'gauge' | 'counter';
      readonly name: string;
      readonly help: string;
      readonly samples: readonly Sample[];
    }
  | {
      readonly kind: 'histogram';
      readonly name: string;
      readonly help: string;
      readonly samples: readonly HistogramSample[];
    };

type Read<S> = (metrics: NodeMetrics) => readonly S[];

const PREFIX = 'peerlane_';

const gauge = (name: string, help: string, read: Read<Sample>) =>
  ({ kind: 'gauge', name: PREFIX + name, help, read }) as const;
const counter = (name: string, help: string, read: Read<Sample>) =>
  ({ kind: 'counter', name: PREFIX + name, help, read }) as const;
const histogram = (name: string, help: string, read: Read<HistogramSample>) =>
  ({ kind: 'histogram', name: PREFIX + name, help, read }) as const;

/** One sample without labels, or none where there is no value. */
const one = (value: number | undefined): Sample[] => (value === undefined ? [] : [{ labels: {}, value }]);

/** A sample of each count. */
function each(counts: Counts | undefined, labelsOf: (name: string) => Labels): Sample[] {
  return Object.entries(counts ?? {}).map(([name, value]) => ({ labels: labelsOf(name), value }));
}

/** A sample of each number under a label. */
function named(label: string, values: Readonly<Record<string, number | undefined>>): Sample[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [{ labels: { [label]: name }, value }],
  );
}

function histograms(
  label: string,
  all: Readonly<Record<string, HistogramSnapshot>> | undefined,
): HistogramSample[] {
  return Object.entries(all ?? {}).map(([name, histogram]) => ({ labels: { [label]: name }, histogram }));
}

/** There is always a row of each direction: a sum that is missing where it is 0 raises no alarm. */
function peerRows(peers: readonly PeerCount[]): Sample[] {
  const rows = peers.map(({ direction, client, count }) => ({ labels: { direction, client }, value: count }));
  const missing = (['inbound', 'outbound'] as const).filter(
    (direction) => !peers.some((peer) => peer.direction === direction && peer.client === OTHER),
  );
  return [...rows, ...missing.map((direction) => ({ labels: { direction, client: OTHER }, value: 0 }))];
}

/** The samples of each version of discovery, under its label. */
function ofVersions(
  { discovery, discoveryV5 }: NodeMetrics,
  samplesOf: (metrics: DiscoveryMetrics) => Sample[],
): Sample[] {
  return Object.entries({ v4: discovery, v5: discoveryV5 }).flatMap(([version, metrics]) =>
    metrics === undefined
      ? []
      : samplesOf(metrics).map(({ labels, value }) => ({ labels: { version, ...labels }, value })),
  );
}

const FAMILIES = [
  gauge('peers', 'Peers that are connected.', ({ peers }) => (peers === undefined ? [] : peerRows(peers))),
  gauge('protocol_peers', 'Peers that share a protocol, at a version.', ({ peersOfProtocol = [] }) =>
    peersOfProtocol.map(({ protocol, version, count }) => ({
      labels: { protocol, version: String(version) },
      value: count,
    })),
  ),
  counter('dials', 'Dials that have begun.', ({ dials }) => one(dials)),
  counter('dial_results', 'Dials that have ended, by how.', ({ dialResults }) =>
    each(dialResults, (result) => ({ result })),
  ),
  counter('inbound_connections', 'Connections that came in.', ({ inbound }) => one(inbound)),
  counter(
    'inbound_failures',
    'Connections that came in and did not become peers, by cause.',
    ({ inboundFailures }) => each(inboundFailures, (cause) => ({ cause })),
  ),
  counter('disconnects', 'Peers that have left, by who ended it and why.', ({ disconnects = [] }) =>
    disconnects.map(({ side, reason, count }) => ({ labels: { side, reason }, value: count })),
  ),
  histogram(
    'handshake_seconds',
    'Time from the open socket to Hello, of connections that became peers.',
    ({ handshakeSeconds }) => histograms('direction', handshakeSeconds),
  ),
  counter('messages', 'Messages of peers, by protocol and message.', ({ messages = [] }) =>
    messages.map(({ direction, protocol, version, message, count }) => ({
      labels: { direction, protocol, version: String(version), message },
      value: count,
    })),
  ),
  counter(
    'message_bytes',
    'Bytes of payloads, not compressed, by protocol and message.',
    ({ messages = [] }) =>
      messages.map(({ direction, protocol, version, message, bytes }) => ({
        labels: { direction, protocol, version: String(version), message },
        value: bytes,
      })),
  ),
  counter('wire_bytes', 'Bytes on the wire, handshakes and frames.', ({ transfer }) =>
    named('direction', { in: transfer?.in.wireBytes, out: transfer?.out.wireBytes }),
  ),
  gauge(
    'compression_ratio',
    'Bytes of payloads for each byte on the wire, since the start.',
    ({ transfer }) =>
      Object.entries(transfer ?? {}).flatMap(([direction, { payloadBytes, wireBytes }]) =>
        wireBytes === 0 ? [] : [{ labels: { direction }, value: payloadBytes / wireBytes }],
      ),
  ),
  histogram('request_seconds', 'Time until the answer to a request of this node came.', ({ requests = [] }) =>
    requests.map(({ protocol, version, request, seconds }) => ({
      labels: { protocol, version: String(version), request },
      histogram: seconds,
    })),
  ),
  counter('request_failures', 'Requests of this node that got no answer, by cause.', ({ requests = [] }) =>
    requests.flatMap(({ protocol, version, request, failures }) =>
      each(failures, (cause) => ({ protocol, version: String(version), request, cause })),
    ),
  ),
  gauge('requests_pending', 'Requests of this node whose answers are waited for.', ({ requests = [] }) =>
    requests.map(({ protocol, version, request, pending }) => ({
      labels: { protocol, version: String(version), request },
      value: pending,
    })),
  ),
  gauge('queue_length', 'What waits, by queue.', ({ queues }) =>
    named('queue', {
      dials: queues?.dials,
      inbound: queues?.inbound,
      connections: queues?.connections,
      lanes: queues?.lanes,
    }),
  ),
  gauge('held_bytes', 'Bytes that peers make this node hold, by direction.', ({ queues }) =>
    named('direction', { in: queues?.inputBytes, out: queues?.outputBytes }),
  ),
  gauge('held_bytes_limit', 'The bound on held_bytes.', ({ queues }) =>
    named('direction', { in: queues?.inputLimit, out: queues?.outputLimit }),
  ),
  histogram('batch_lanes', 'Connections whose frames were worked in one call.', ({ lanes }) =>
    histograms('direction', lanes),
  ),
  counter('discovery_packets', 'Packets of discovery, by type.', (metrics) =>
    ofVersions(metrics, ({ received, sent }) => [
      ...each(received, (kind) => ({ direction: 'in', kind })),
      ...each(sent, (kind) => ({ direction: 'out', kind })),
    ]),
  ),
  counter('discovery_dropped', 'Packets of discovery that were dropped, by why.', (metrics) =>
    ofVersions(metrics, ({ dropped }) => each(dropped, (reason) => ({ reason }))),
  ),
  counter('discovery_sent_bytes', 'Bytes of packets of discovery that were sent.', (metrics) =>
    ofVersions(metrics, ({ sentBytes }) => one(sentBytes)),
  ),
  gauge('discovery_table_nodes', 'Nodes of the tables of discovery, by state.', (metrics) =>
    ofVersions(metrics, ({ tableEntries: entry, tableLive: live, tableReplacements: replacement }) =>
      named('state', { entry, live, replacement }),
    ),
  ),
  gauge('discovery_requests_pending', 'Requests of discovery that await an answer.', (metrics) =>
    ofVersions(metrics, ({ requests }) => one(requests)),
  ),
  gauge('discovery_proofs', 'Endpoints that have proved themselves to discovery v4.', (metrics) =>
    ofVersions(metrics, ({ proofs }) => one(proofs)),
  ),
  gauge('discovery_sessions', 'Sessions of discovery v5.', (metrics) =>
    ofVersions(metrics, ({ sessions }) => one(sessions)),
  ),
  gauge('discovery_topic_ads', 'Advertisements of topics that the node keeps for others.', (metrics) =>
    ofVersions(metrics, ({ topics }) => one(topics?.ads)),
  ),
  gauge('discovery_topics', 'Topics of these advertisements.', (metrics) =>
    ofVersions(metrics, ({ topics }) => one(topics?.topics)),
  ),
  counter('discovery_topic_requests', 'Requests of others about topics, by what became of them.', (metrics) =>
    ofVersions(metrics, ({ topics }) => each(topics?.answers, (result) => ({ result }))),
  ),
  gauge('discovery_topic_runs', 'Topics that the node advertises, and searches under way.', (metrics) =>
    ofVersions(metrics, ({ topics }) =>
      named('kind', { advertisement: topics?.advertisements, search: topics?.searches }),
    ),
  ),
  gauge('known_nodes', 'Nodes of the node database.', ({ knownNodes }) => one(knownNodes)),
  // A histogram would have to be one of counters, and these go down.
  gauge('reputation_peers', 'Peers whose reputation is at most so much.', ({ reputations }) =>
    reputations === undefined
      ? []
      : [...reputations.bounds.map(String), '+Inf'].map((bound, i) => ({
          labels: { at_most: bound },
          value: reputations.counts[i] ?? reputations.count,
        })),
  ),
  gauge(
    'event_loop_delay_seconds',
    'By how much the event loop was late, over 10 seconds or more.',
    ({ eventLoopDelay }) => named('stat', { ...eventLoopDelay }),
  ),
];

/** All metrics, those without samples too. */
export function familiesOf(metrics: NodeMetrics): Family[] {
  return FAMILIES.map((family): Family => {
    const { name, help } = family;
    return family.kind === 'histogram'
      ? { kind: family.kind, name, help, samples: family.read(metrics) }
      : { kind: family.kind, name, help, samples: family.read(metrics) };
  });
}
