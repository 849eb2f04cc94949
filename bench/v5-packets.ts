/**
 * Packets of discovery v5 in a session, from a message to the datagram and back: `v5-packet-encode-*` and
 * `v5-packet-decode-*`, of a Ping and of a Nodes with three records. Nonce and masking-iv are drawn for each packet. The
 * rate is that of a second of CPU time of the whole process, with all that its threads do.
 *
 * Records are not verified: by us and by go-ethereum they are not when a message is read. @chainsafe/discv5 does that
 * in the same step, so of its Nodes it is the plaintext that is read.
 */
import { ENR } from '@chainsafe/enr';
import { systemEnv } from '../src/base/env.ts';
import { backend, generateSecretKey, publicKeyOf } from '../src/crypto/index.ts';
import { decodeMessage, encodeMessage } from '../src/discv5/index.ts';
import { openMessage, sealMessage, unmask } from '../src/discv5/packet.ts';
import { Session } from '../src/discv5/sessions.ts';
import { nodeIdOf, signRecord } from '../src/enr/index.ts';
import { goEthereumV5Packets } from './go-ethereum.ts';
import { rateOfCpu } from './measure.ts';
import type { BenchRow, BenchSubject } from './row.ts';

const REQUEST_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const RECORDS = [30310, 30311, 30312].map((udp) =>
  signRecord(generateSecretKey(systemEnv), { seq: 1_700_000_000_000n, entries: { ip: '127.0.0.1', udp } }),
);
const [srcId, destId] = [srcIdOf(), srcIdOf()];
const key = systemEnv.randomBytes(16);
const session = new Session({ write: key, read: key }, undefined, 'us', 0);

/** Packets between two looks at the clock. */
const BATCH = 500;

type Kind = 'ping' | 'nodes';
const KINDS: readonly Kind[] = ['ping', 'nodes'];

function srcIdOf(): Uint8Array {
  return nodeIdOf(publicKeyOf(generateSecretKey(systemEnv)));
}

function plaintextOf(kind: Kind): Uint8Array {
  const requestId = REQUEST_ID;
  if (kind === 'ping') return encodeMessage({ kind, requestId, enrSeq: 7n });
  return encodeMessage({ kind, requestId, total: 5, records: RECORDS.map(({ encoded }) => encoded) });
}

function seal(kind: Kind): Uint8Array {
  const write = session.nextWrite(systemEnv.randomBytes);
  if (write === undefined) throw new Error('the key has been used up');
  const { nonce } = write;
  const maskingIv = systemEnv.randomBytes(16);
  return sealMessage({ destId, srcId, nonce, maskingIv, key, plaintext: plaintextOf(kind) });
}

function open(packet: Uint8Array): number {
  const found = unmask(packet, destId);
  if (typeof found !== 'object' || found.kind !== 'message') throw new Error('not a message');
  const plaintext = openMessage(found, key);
  if (plaintext === undefined) throw new Error('a packet does not open');
  const message = decodeMessage(plaintext);
  if (message?.kind === 'ping') return Number(message.enrSeq);
  if (message?.kind !== 'nodes') throw new Error('another message than was sent');
  return message.records.reduce((sum, { length }) => sum + length, 0);
}

async function rowsOf(
  subject: BenchSubject,
  encode: (kind: Kind) => Uint8Array,
  read: (packet: Uint8Array, kind: Kind) => unknown,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const kind of KINDS) {
    const packet = encode(kind);
    const runs = { encode: () => encode(kind), decode: () => read(packet, kind) };
    for (const [name, run] of Object.entries(runs)) {
      const id = `v5-packet-${name}-${kind}`;
      rows.push({ id, subject, unit: 'packets/s', ...(await rateOfCpu(run, BATCH)) });
    }
  }
  return rows;
}

export async function v5Packets(): Promise<BenchRow[]> {
  return await rowsOf(backend.name, seal, open);
}

/** Parts of @chainsafe/discv5 that its package does not export by name. */
interface Chainsafe {
  readonly packets: typeof import('@chainsafe/discv5/packet');
  readonly messages: {
    encode(message: object): Uint8Array;
    decode(plaintext: Uint8Array): object;
  };
  readonly session: {
    encryptMessage(srcId: string, destId: string, plaintext: Uint8Array): ChainsafePacket;
    decryptMessage(nonce: Uint8Array, message: Uint8Array, authData: Uint8Array): Uint8Array;
  };
}
type ChainsafePacket = import('@chainsafe/discv5/packet').IPacket;

async function chainsafe(): Promise<Chainsafe> {
  const inside = (path: string): string => new URL(path, import.meta.resolve('@chainsafe/discv5')).href;
  const { Session } = (await import('@chainsafe/discv5')) as unknown as {
    Session: new (options: object) => Chainsafe['session'];
  };
  return {
    packets: await import('@chainsafe/discv5/packet'),
    messages: (await import(inside('./message/index.js'))) as Chainsafe['messages'],
    session: new Session({ keys: { encryptionKey: key, decryptionKey: key } }),
  };
}

async function chainsafePackets(): Promise<BenchRow[]> {
  const { packets, messages, session } = await chainsafe();
  const [from, to] = [Buffer.from(srcId).toString('hex'), Buffer.from(destId).toString('hex')];
  const id = Buffer.from(REQUEST_ID).readBigUInt64BE();
  const enrs = RECORDS.map(({ encoded }) => ENR.decode(encoded));
  const given: Readonly<Record<Kind, object>> = {
    ping: { type: 1, id, enrSeq: 7n },
    nodes: { type: 4, id, total: 5, enrs },
  };
  const encode = (kind: Kind): Uint8Array =>
    packets.encodePacket(to, session.encryptMessage(from, to, messages.encode(given[kind])));
  const read = (packet: Uint8Array, kind: Kind): unknown => {
    const { header, message, messageAd } = packets.decodePacket(to, packet);
    packets.decodeMessageAuthdata(header.authdata);
    const plaintext = session.decryptMessage(header.nonce, message, messageAd ?? new Uint8Array(0));
    return kind === 'ping' ? messages.decode(plaintext) : plaintext;
  };
  for (const kind of KINDS) {
    // What one of the two makes the other must read, or they would not do the same.
    open(encode(kind));
    read(seal(kind), kind);
  }
  return await rowsOf('npm', encode, read);
}

export const v5PacketsOfOthers = async () => [...(await chainsafePackets()), ...goEthereumV5Packets()];
