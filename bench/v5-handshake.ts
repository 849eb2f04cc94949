/**
 * Handshakes of discovery v5, both sides in one thread, without sockets: a packet that does not open, WHOAREYOU, the handshake
 * packet with a record and a Ping in it. `v5-handshake`: how often a second of CPU time of the whole process, with a record that
 * the recipient has not verified before.
 */
import { systemEnv } from '../src/base/env.ts';
import { backend, generateSecretKey } from '../src/crypto/index.ts';
import { discv5Crypto } from '../src/discv5/crypto.ts';
import { DEFAULT_DISCV5_LIMITS, encodeMessage, identityOf } from '../src/discv5/index.ts';
import { MAX_KNOWN_RECORDS } from '../src/discv5/known-records.ts';
import { remoteOf } from '../src/discv5/remote.ts';
import { Wire } from '../src/discv5/wire.ts';
import { type NodeRecord, signRecord } from '../src/enr/index.ts';
import { kadNode, type UdpEndpoint } from '../src/kad/index.ts';
import { V5_KNOWN_UNLIMITED, V5_STRANGERS_UNLIMITED } from './discovery-orders.ts';
import { quick, rateOfCpu } from './measure.ts';
import type { BenchRow } from './row.ts';

const HANDSHAKES_BETWEEN_LOOKS = 20;
/** Before the clock starts: a round has few of them, and V8 compiles what it has seen often. */
const WARM_UP = quick ? 20 : 3_000;
const PING = encodeMessage({ kind: 'ping', requestId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), enrSeq: 7n });
const LIMITS = { ...DEFAULT_DISCV5_LIMITS, ...V5_KNOWN_UNLIMITED, ...V5_STRANGERS_UNLIMITED };

/** A side, and the packet that it has sent last. */
class Side {
  endpoint: UdpEndpoint;
  readonly wire: Wire;
  readonly node;
  readonly #records;
  #shown = 0;
  sent = new Uint8Array();

  constructor(port: number) {
    this.endpoint = { ip: '127.0.0.1', port };
    const secretKey = generateSecretKey(systemEnv);
    const identity = identityOf(secretKey);
    const { ip } = this.endpoint;
    // When the first comes again, the other side has forgotten it.
    this.#records = Array.from({ length: quick ? 1 : 2 * MAX_KNOWN_RECORDS }, (_, i) =>
      signRecord(secretKey, { seq: 1_700_000_000_000n + BigInt(i), entries: { ip, udp: port } }),
    );
    const [record] = this.#records;
    this.node = kadNode({ publicKey: identity.publicKey, ip, udpPort: port, tcpPort: 0, record });
    this.wire = new Wire({
      ...{
        identity,
        limits: LIMITS,
        localRecord: () => this.#nextRecord(),
        recordOf: () => undefined,
        crypto: discv5Crypto(),
      },
      clock: () => performance.now(),
      randomBytes: (length) => systemEnv.randomBytes(length),
      send: (packet) => {
        this.sent = packet.slice();
      },
    });
  }

  #nextRecord(): NodeRecord {
    const record = this.#records[this.#shown++ % this.#records.length];
    if (record === undefined) throw new Error('there is no record');
    return record;
  }
}

function shakeHands(initiator: Side, recipient: Side, now: number): void {
  // From one place there would be a session already.
  const { ip, port } = initiator.endpoint;
  initiator.endpoint = { ip, port: (port % 65_535) + 1 };
  const remote = remoteOf(recipient.node);
  initiator.wire.knock(remote);
  recipient.wire.receive(initiator.sent, initiator.endpoint, now);
  const challenged = initiator.wire.receive(recipient.sent, recipient.endpoint, now);
  if (challenged.kind !== 'whoareyou') throw new Error('no WHOAREYOU has come');
  initiator.wire.answer(recipient.node, remote, challenged.challenge, PING);
  const received = recipient.wire.receive(initiator.sent, initiator.endpoint, now);
  if (received.kind !== 'message' || !received.isNew) throw new Error('no session came about');
}

export async function v5Handshake(): Promise<BenchRow[]> {
  const [initiator, recipient] = [new Side(30303), new Side(30304)];
  for (let i = 0; i < WARM_UP; i++) shakeHands(initiator, recipient, performance.now());
  const figure = await rateOfCpu(
    () => shakeHands(initiator, recipient, performance.now()),
    HANDSHAKES_BETWEEN_LOOKS,
  );
  return [{ id: 'v5-handshake', subject: backend.name, unit: 'handshakes/s', ...figure }];
}
