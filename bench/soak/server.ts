/**
 * The process under test of the endurance run: a server with eth over a small chain, which tells all its peers of
 * transactions and asks them for headers. What it keeps for itself does not grow.
 */
import { randomInt } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { systemEnv } from '../../src/base/env.ts';
import { backend, generateSecretKey } from '../../src/crypto/index.ts';
import { type EncodedMessage, type EthPeer, ethProtocols } from '../../src/eth/index.ts';
import { type Peer, Server } from '../../src/server/index.ts';
import {
  announcementMessage,
  Counts,
  codeOf,
  largePack,
  oneOf,
  openChain,
  Pace,
  pooledTransactions,
  smallPack,
  someHashes,
  takeOrders,
  transactionsMessage,
} from './traffic.ts';

const BURST = 8;
const HEADERS = 64;
const REQUEST_TIMEOUT_MS = 5000;
/** For those that come while others are leaving. */
const SPARE_SLOTS = 16;
const GC_ROUNDS = 3;
const GC_PAUSE_MS = 50;
/** How often the event loop is looked at; it is part of what Node says that the delay is. */
const DELAY_RESOLUTION_MS = 10;

const { values } = parseArgs({ options: { peers: { type: 'string' }, rate: { type: 'string' } } });
const [count, rate] = [Number(values.peers), Number(values.rate)];
const { store, network } = await openChain();
const counts = new Counts();
const ethPeers = new Set<EthPeer>();

const server = new Server({
  key: generateSecretKey(systemEnv),
  maxPeers: count + SPARE_SLOTS,
  listen: { host: '127.0.0.1', port: 0 },
  protocols: ethProtocols({
    network,
    chain: store,
    pooledTransactions,
    onPeer: (peer) => {
      ethPeers.add(peer);
      peer.signal.addEventListener('abort', () => ethPeers.delete(peer), { once: true });
    },
    onTransactions: (_, transactions) => {
      counts.add('transactions received');
      for (const transaction of transactions) transaction.hash();
    },
    onTransactionHashes: (_, { hashes }) => {
      counts.add('announcements received');
      for (const hash of hashes) if (hash.length !== 32) throw new Error('not a hash');
    },
    onBlockRange: () => counts.add('block ranges received'),
    onError: (error) => counts.add(`handler: ${codeOf(error)}`),
  }),
  onEvent: (event) => {
    if ('error' in event) counts.add(`${event.kind}: ${codeOf(event.error)}`);
    else counts.add(event.kind);
  },
});
await server.start();

function broadcast(name: string, { code, payload }: EncodedMessage, peers?: readonly Peer[]): void {
  server.broadcast({ protocol: 'eth', code, payload }, peers).then(
    ({ sent, skipped }) => {
      counts.add(name, sent.length);
      if (skipped.length > 0) counts.add(`${name}, skipped`, skipped.length);
    },
    (error: unknown) => counts.add(`${name}: ${codeOf(error)}`),
  );
}

function request(): void {
  const peer = oneOf([...ethPeers]);
  if (peer === undefined) return;
  const headers = randomInt(2) === 0;
  void counts.of('requests made', async () => {
    const options = { timeoutMs: REQUEST_TIMEOUT_MS };
    const items = headers
      ? await peer.getBlockHeaders({ start: randomInt(store.head().number), limit: HEADERS }, options)
      : await peer.getPooledTransactions(someHashes(), options);
    let length = 0;
    for (const item of items) length += 'extraData' in item ? item.extraData.length : item.size;
    if (length < 0) throw new Error('unreachable');
  });
}

function tellRange(): void {
  const peer = oneOf([...ethPeers]);
  if (peer === undefined || !peer.supports('BlockRangeUpdate')) return;
  const { number, hash } = store.head();
  const range = { earliest: 0, latest: number, latestHash: hash };
  void counts.of('block ranges sent', () => peer.sendBlockRangeUpdate(range));
}

const pace = new Pace(rate)
  .every(4, 1, () => {
    for (let i = 0; i < BURST; i++) broadcast('transactions sent', transactionsMessage(smallPack()));
  })
  .every(3, 1, () => {
    const peers = server.peers.filter(() => randomInt(4) === 0);
    broadcast('large packs sent', transactionsMessage(largePack()), peers);
  })
  .every(5, 1, () => broadcast('announcements sent', announcementMessage()))
  .every(20, count, request)
  .every(12, count, tellRange);

let hasBegun = false;
const delays = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });

/** Of the event loop's delay since the traffic began, without the collections that are forced. */
function delay() {
  const ms = (value: number) => Math.max(0, value / 1e6 - DELAY_RESOLUTION_MS);
  return { p50: ms(delays.percentile(50)), p99: ms(delays.percentile(99)), max: ms(delays.max) };
}

/** What is alive, and what has been done so far. */
async function sample() {
  delays.disable();
  for (let i = 0; i < GC_ROUNDS; i++) {
    await globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, GC_PAUSE_MS));
  }
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  if (hasBegun) delays.enable();
  const { user, system } = process.cpuUsage();
  return {
    memory: { rss, heapTotal, heapUsed, external, arrayBuffers },
    cpuSeconds: (user + system) / 1e6,
    peers: server.peers.length,
    handles: process.getActiveResourcesInfo().length,
    counts: counts.all(),
    delay: delay(),
  };
}

takeOrders({ enode: server.enode, backend: backend.name, pid: process.pid }, async ({ cmd, enodes }) => {
  switch (cmd) {
    case 'keep':
      for (const enode of Array.isArray(enodes) ? enodes : []) server.addPeer(String(enode));
      return {};
    case 'begin':
      pace.start();
      hasBegun = true;
      delays.enable();
      return {};
    case 'sample':
      return await sample();
  }
  throw new Error(`unknown order ${cmd}`);
});
