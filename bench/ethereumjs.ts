/**
 * The same questions put to @ethereumjs/devp2p: handshake, frames of one stream, one connection over loopback.
 *
 * Frames are measured at its ECIES class with snappy around it, as its Peer and ETH classes use them, without
 * what those add: an RLP encoding, a copy for each socket chunk.
 */
import { randomBytes, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo, Socket } from 'node:net';
import { Common, Mainnet } from '@ethereumjs/common';
import { type Capabilities, ECIES, ETH, genPrivateKey, type Peer, pk2id, RLPx } from '@ethereumjs/devp2p';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { SIZES } from '../src/bench/frames.ts';
import { MESSAGE_LENGTH } from '../src/bench/tcp.ts';
import { measure, quick, summary } from './measure.ts';
import type { BenchRow } from './row.ts';

/** The package has no types. */
const snappy = createRequire(import.meta.url)('snappyjs') as {
  compress(input: Uint8Array): Uint8Array;
  uncompress(input: Uint8Array): Uint8Array;
};

const MESSAGE_CODE = 0x10;
const ROUNDS = quick ? 3 : 7;
/** Payload bytes of a round, and at most so many frames. */
const ROUND_BYTES = quick ? 256 * 1024 : 4 << 20;
const ROUND_FRAMES = quick ? 200 : 4000;
const TCP_MESSAGES = quick ? 20 : 100;

/** ECIES set to the handshake of EIP-8, which its Peer does by writing these two fields. */
class Eip8 extends ECIES {
  constructor(privateKey: Uint8Array, id: Uint8Array, remoteId: Uint8Array | null) {
    // The library passes null for an unknown remote side, though its types do not say so.
    super(privateKey, id, remoteId as Uint8Array);
    this._gotEIP8Auth = true;
    this._gotEIP8Ack = true;
  }
}

interface Identity {
  readonly key: Uint8Array;
  readonly id: Uint8Array;
}

function identity(): Identity {
  const key = genPrivateKey();
  return { key, id: pk2id(secp256k1.getPublicKey(key, false)) };
}

function some<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('the library gave nothing');
  return value;
}

/** Both sides of a handshake. */
function connect(a: Identity, b: Identity): [ECIES, ECIES] {
  const initiator = new Eip8(a.key, a.id, b.id);
  const recipient = new Eip8(b.key, b.id, null);
  recipient.parseAuthEIP8(some(initiator.createAuthEIP8()));
  initiator.parseAckEIP8(some(recipient.createAckEIP8()));
  return [initiator, recipient];
}

export async function ethereumjsHandshake(): Promise<BenchRow[]> {
  const [a, b] = [identity(), identity()];
  const run = () => {
    connect(a, b);
  };
  return [await measure({ id: 'handshake', subject: 'ethereumjs', unit: 'handshakes/s', amount: 1, run })];
}

interface Frame {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

function encodeFrame(session: ECIES, payload: Uint8Array): Frame {
  const compressed = snappy.compress(payload);
  const message = new Uint8Array(1 + compressed.length);
  message[0] = MESSAGE_CODE;
  message.set(compressed, 1);
  return { header: some(session.createBlockHeader(message.length)), body: some(session.createBody(message)) };
}

function decodeFrame(session: ECIES, { header, body }: Frame): Uint8Array {
  session.parseHeader(header);
  return snappy.uncompress(some(session.parseBody(body)).subarray(1));
}

/** `payload`: random bytes, which do not compress, or zeros, which do. */
export async function ethereumjsFrames(payload: 'random' | 'zero' = 'random'): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [name, size] of Object.entries(SIZES)) {
    const data = new Uint8Array(size);
    if (payload === 'random') randomFillSync(data);
    const [sender, receiver] = connect(identity(), identity());
    const count = Math.min(ROUND_FRAMES, Math.max(1, ROUND_BYTES / size));
    const [encoding, decoding]: [number[], number[]] = [[], []];
    for (let round = 0; round <= ROUNDS; round++) {
      const encoded: Frame[] = [];
      const start = performance.now();
      for (let i = 0; i < count; i++) encoded.push(encodeFrame(sender, data));
      const between = performance.now();
      let decoded = 0;
      for (const frame of encoded) decoded += decodeFrame(receiver, frame).length;
      const end = performance.now();
      if (decoded !== count * size) throw new Error('the stream did not decode');
      // The first round warms up.
      if (round === 0) continue;
      encoding.push(decoded / 1e3 / (between - start));
      decoding.push(decoded / 1e3 / (end - between));
    }
    const common = { subject: 'ethereumjs', unit: 'MB/s' } as const;
    rows.push({ id: `frame-encode-${name}-x1`, ...common, ...summary(encoding) });
    rows.push({ id: `frame-decode-${name}-x1`, ...common, ...summary(decoding) });
  }
  return rows;
}

/** A protocol without meaning, on the only class of protocols that the library exports. */
class Sink extends ETH {
  received = 0;
  wanted = 0;
  done: () => void = () => undefined;

  constructor(...parameters: ConstructorParameters<typeof ETH>) {
    super(...parameters);
    // The base class ends the connection when no Status comes.
    clearTimeout(this._statusTimeoutId);
  }

  override _handleMessage(_code: number, data: Uint8Array): void {
    this.received += data.length;
    if (this.received === this.wanted) this.done();
  }

  send(data: Uint8Array): void {
    this._send(0, snappy.compress(data));
  }
}

/** A network whose connections tell their sink and their socket. */
class SinkNetwork extends RLPx {
  constructor() {
    const capability: Capabilities = { name: 'sink', version: 1, length: 16, constructor: Sink };
    super(new Uint8Array(randomBytes(32)), {
      capabilities: [capability],
      common: new Common({ chain: Mainnet }),
      listenPort: null,
    });
  }

  async start(): Promise<number> {
    const server = some(this._server);
    this.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async added(): Promise<{ sink: Sink; socket: Socket }> {
    const peer = await new Promise<Peer>((resolve) => {
      this.events.once('peer:added', resolve);
    });
    const sink = peer.getProtocols()[0];
    if (!(sink instanceof Sink)) throw new Error('the connection has no sink');
    // biome-ignore lint/complexity/useLiteralKeys: only so can a protected member of another class be read
    return { sink, socket: peer['_socket'] };
  }
}

/** Both sides in this process, as in `tcp.ts`. The library has no backpressure; this sender waits for `drain`. */
export async function ethereumjsTcp(): Promise<BenchRow[]> {
  const [listener, dialer] = [new SinkNetwork(), new SinkNetwork()];
  const port = await listener.start();
  const both = Promise.all([listener.added(), dialer.added()]);
  await dialer.connect({ id: listener.id, address: '127.0.0.1', tcpPort: port });
  const [to, from] = await both;
  const payload = randomFillSync(new Uint8Array(MESSAGE_LENGTH));
  const total = TCP_MESSAGES * MESSAGE_LENGTH;
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    to.sink.received = 0;
    to.sink.wanted = total;
    const arrived = new Promise<void>((resolve) => {
      to.sink.done = resolve;
    });
    const start = performance.now();
    for (let sent = 0; sent < TCP_MESSAGES; sent++) {
      from.sink.send(payload);
      if (from.socket.writableNeedDrain) await once(from.socket, 'drain');
    }
    await arrived;
    // The first round warms up.
    if (round > 0) rates.push(total / 1e3 / (performance.now() - start));
  }
  for (const network of [listener, dialer]) network.destroy();
  for (const { socket } of [to, from]) socket.destroy();
  return [{ id: 'tcp-100k', subject: 'ethereumjs', unit: 'MB/s', ...summary(rates) }];
}

/** All questions. */
export async function ethereumjs(): Promise<BenchRow[]> {
  return [...(await ethereumjsHandshake()), ...(await ethereumjsFrames()), ...(await ethereumjsTcp())];
}
