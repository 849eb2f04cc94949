/**
 * The process under test when whole nodes are compared: a server with the protocol bench/1, or with `--bare` only
 * a listener up to Hello. Takes orders as JSON lines on stdin, and ends when stdin does. Its counterpart on
 * go-ethereum's packages is bench/peers/node.go, which takes the same orders.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { toBareHex } from '../src/base/bytes.ts';
import { systemEnv } from '../src/base/env.ts';
import { generateSecretKey } from '../src/crypto/index.ts';
import { parseEnode } from '../src/enr/index.ts';
import { listenTcp, type Wire } from '../src/io/tcp.ts';
import { Link, P2P_VERSION, type Protocol, type ProtocolChannel, runLinks } from '../src/p2p/index.ts';
import { accept, freshRandomness, identityOf } from '../src/rlpx/index.ts';
import { Server, serveMetrics } from '../src/server/index.ts';
import { returnMemory } from './return-memory.ts';

/** Nobody waits for a benchmark that takes longer. */
const MAX_LIFE_MS = 300_000;

interface Order {
  readonly ref: number;
  readonly cmd: string;
  readonly count?: number;
  readonly messages?: number;
  readonly burst?: number;
  readonly data?: readonly string[];
  readonly enode?: string;
}

const channels: ProtocolChannel[] = [];
let channelsChanged: () => void = () => undefined;
let payloads: Uint8Array[] = [];
/** Messages that are still to come. */
let expected = 0;
let arrived: () => void = () => undefined;
let allArrived: Promise<void> = Promise.resolve();
let flooding = false;
let flood: Promise<void> = Promise.resolve();

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The one place where messages leave: the same ones to all of these peers, in order. */
async function broadcast(to: readonly ProtocolChannel[], messages: readonly Uint8Array[]): Promise<void> {
  const sends: Promise<void>[] = [];
  for (const channel of to) for (const payload of messages) sends.push(channel.send(0, payload));
  await Promise.all(sends);
}

/** A burst a turn of the event loop, so that what is sent in different bursts is not sent together. */
async function send(to: readonly ProtocolChannel[], messages: number, burst: number): Promise<void> {
  for (let sent = 0; sent < messages; sent += burst) {
    const batch: Uint8Array[] = [];
    for (let i = sent; i < Math.min(sent + burst, messages); i++) {
      const payload = payloads[i % payloads.length];
      if (payload !== undefined) batch.push(payload);
    }
    await broadcast(to, batch);
    await nextTurn();
  }
}

async function floodUntilStopped(to: readonly ProtocolChannel[]): Promise<void> {
  while (flooding) await send(to, payloads.length, 1);
}

const protocol: Protocol = {
  name: 'bench',
  version: 1,
  length: 1,
  async handler(channel) {
    channels.push(channel);
    channelsChanged();
    try {
      for await (const message of channel) if (message.code === 0 && --expected === 0) arrived();
    } finally {
      channels.splice(channels.indexOf(channel), 1);
      channelsChanged();
    }
  },
};

async function handle({ cmd, count = 0, messages = 0, burst = 1, data = [], enode = '' }: Order) {
  switch (cmd) {
    case 'payloads':
      payloads = data.map((text) => new Uint8Array(Buffer.from(text, 'base64')));
      return {};
    case 'peers':
      while (channels.length !== count) {
        await new Promise<void>((resolve) => {
          channelsChanged = resolve;
        });
      }
      return {};
    case 'send':
      await send([...channels], messages, burst);
      return {};
    case 'flood':
      flooding = true;
      flood = floodUntilStopped(channels.slice(0, count));
      return {};
    case 'stop':
      flooding = false;
      await flood;
      return {};
    case 'expect':
      expected = messages;
      allArrived = new Promise((resolve) => {
        arrived = resolve;
      });
      return {};
    case 'reached':
      await allArrived;
      return {};
    case 'cpu': {
      const { user, system } = process.cpuUsage();
      return { seconds: (user + system) / 1e6 };
    }
    case 'gc':
      await returnMemory();
      return {};
    case 'metrics-port':
      return { port: metricsPort };
    case 'dial':
      await server?.dial(enode);
      return {};
  }
  throw new Error(`unknown order ${cmd}`);
}

/** Takes connections through handshake and Hello, without what a server adds. */
async function listenBare(key: Uint8Array): Promise<{ port: number; id: Uint8Array }> {
  const identity = identityOf(key);
  const hello = {
    version: P2P_VERSION,
    clientId: 'bench',
    capabilities: [protocol],
    listenPort: 0,
    id: identity.publicKey,
  };
  const waiting = new Set<Link>();
  const run = () => {
    const links = [...waiting];
    waiting.clear();
    runLinks(links);
  };
  const take = (wire: Wire) => {
    const link = new Link({
      handshake: accept({ identity, randomness: freshRandomness(systemEnv) }),
      hello,
      protocols: [protocol],
      host: {
        write: (bytes) => wire.write(bytes),
        schedule(scheduled) {
          if (waiting.size === 0) setImmediate(run);
          waiting.add(scheduled);
        },
        identified: () => undefined,
        opened: () => undefined,
        message: () => undefined,
        decoded: () => undefined,
        congested: false,
        closed: () => wire.destroy(),
      },
    });
    wire.attach({
      data: (chunk) => link.receive(chunk, systemEnv.now()),
      drained: () => undefined,
      ended: () => wire.destroy(),
      closed: (error) => link.abandon(error),
    });
    link.start(systemEnv.now());
  };
  const listener = await listenTcp({ host: '127.0.0.1', port: 0 }, { accept: take, failed: () => undefined });
  return { port: listener.port, id: identity.publicKey };
}

async function listenAsServer(key: Uint8Array, maxPeers: number) {
  const node = new Server({
    key,
    maxPeers,
    protocols: [protocol],
    listen: { host: '127.0.0.1', port: 0 },
  });
  await node.start();
  server = node;
  if (values.metrics) metricsPort = (await serveMetrics(node, { host: '127.0.0.1', port: 0 })).port;
  return { port: parseEnode(node.enode).tcpPort, id: node.id };
}

let server: Server | undefined;
let metricsPort = 0;
const { values } = parseArgs({
  options: {
    bare: { type: 'boolean', default: false },
    'max-peers': { type: 'string', default: '50' },
    metrics: { type: 'boolean', default: false },
  },
});
const reply = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const key = generateSecretKey(systemEnv);
const { port, id } = await (values.bare ? listenBare(key) : listenAsServer(key, Number(values['max-peers'])));
setTimeout(() => process.exit(3), MAX_LIFE_MS).unref();
createInterface(process.stdin)
  .on('line', (line) => {
    const order = JSON.parse(line) as Order;
    handle(order).then(
      (answer) => reply({ ref: order.ref, ...answer }),
      (error: unknown) => reply({ ref: order.ref, error: String(error) }),
    );
  })
  .on('close', () => process.exit(0));
reply({ ready: true, port, id: toBareHex(id) });
