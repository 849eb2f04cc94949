/**
 * All peers of the endurance run, in one process: they send, ask and answer, leave and come back under the same key
 * or another, and strangers come that never become peers. The first ones listen, and are kept connected by the
 * server under test.
 */
import { randomInt } from 'node:crypto';
import { setPriority } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { type EthPeer, ethProtocols } from '../../src/eth/index.ts';
import { Server } from '../../src/server/index.ts';
import { DROPPED } from './report.ts';
import { stranger } from './strangers.ts';
import {
  Counts,
  codeOf,
  largePack,
  oneOf,
  openChain,
  Pace,
  pooledTransactions,
  smallPack,
  someAnnounced,
  someHashes,
  takeOrders,
} from './traffic.ts';

const BURST = 8;
const HEADERS = 128;
const BODIES = 16;
const REQUEST_TIMEOUT_MS = 5000;
/** One in so many listens; one in so many takes its time with what it is sent, and speaks eth/68 only. */
const LISTENING = 10;
const SLOW = 20;
const OLD = 4;
const SLOWNESS_MS = 500;
const RETURN_MS = 1000;
const STRANGER_SECONDS = 400;
/** As for `nice`: behind the server. */
const PRIORITY = 5;
const CONNECTING_AT_A_TIME = 8;

const { values } = parseArgs({
  options: {
    ...{ peers: { type: 'string' }, rate: { type: 'string' } },
    ...{ churn: { type: 'string' }, enode: { type: 'string' } },
  },
});
const [count, rate, churn] = [Number(values.peers), Number(values.rate), Number(values.churn)];
const target = String(values.enode);
const { store, network } = await openChain();
const context = { store, network, target };
const counts = new Counts();

class SoakPeer {
  readonly isListening: boolean;
  readonly #index: number;
  #server: Server;
  #isLeaving = false;
  /** While it is connected and has had the Status of the server. */
  eth: EthPeer | undefined;

  constructor(index: number) {
    this.#index = index;
    this.isListening = index % LISTENING === 0;
    this.#server = this.#newServer();
  }

  /** For the server to dial; else it is this side that dials. */
  async start(): Promise<string | undefined> {
    await this.#server.start();
    if (this.isListening) return this.#server.enode;
    await this.#dial();
    return undefined;
  }

  /** Leaves, for a second, under the same key or for good, another coming in its place. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    const isBack = this.isListening || randomInt(2) === 0;
    if (isBack) {
      for (const peer of this.#server.peers) peer.disconnect();
    } else {
      await this.#server.close();
      this.#server = this.#newServer();
      await this.#server.start();
    }
    counts.add(isBack ? 'left under the same key' : 'left for good');
    if (this.isListening) return;
    await pause(RETURN_MS);
    await this.#dial();
  }

  async #dial(): Promise<void> {
    for (let isThere = false; !isThere; ) {
      await counts.of('dials', async () => {
        await this.#server.dial(target);
        isThere = true;
      });
      if (!isThere) await pause(RETURN_MS);
    }
  }

  #newServer(): Server {
    const slowly = async () => {
      if (this.#index % SLOW === 1) await pause(SLOWNESS_MS);
    };
    return new Server({
      key: generateSecretKey(systemEnv),
      ...(this.isListening ? { listen: { host: '127.0.0.1', port: 0 } } : {}),
      protocols: ethProtocols({
        network,
        chain: store,
        versions: this.#index % OLD === 0 ? [68] : [68, 69],
        pooledTransactions,
        onPeer: (peer) => {
          this.eth = peer;
          peer.signal.addEventListener('abort', () => {
            if (this.eth === peer) this.eth = undefined;
          });
        },
        onTransactions: slowly,
      }),
      onEvent: (event) => {
        // From its Hello on: whoever is lost before its Status is dropped, too.
        if (event.kind === 'peer-connected') this.#isLeaving = false;
        else if (event.kind === 'peer-disconnected' && !this.#isLeaving) this.#dropped(event.error);
      },
    });
  }

  #dropped(error: unknown): void {
    counts.add(`${DROPPED}${codeOf(error)}`);
    if (!this.isListening) void pause(RETURN_MS).then(() => this.#dial());
  }
}

// Elsewhere they would have machines of their own.
setPriority(PRIORITY);

const all = Array.from({ length: count }, (_, index) => new SoakPeer(index));

/** Does something with one of the peers that are connected. */
function withOne(name: string, run: (peer: EthPeer) => Promise<unknown>): void {
  const peer = oneOf(all)?.eth;
  if (peer !== undefined) void counts.of(name, () => run(peer));
}

async function ask(peer: EthPeer): Promise<number> {
  const options = { timeoutMs: REQUEST_TIMEOUT_MS };
  const head = store.head().number;
  const from = randomInt(Math.max(1, head - HEADERS));
  switch (randomInt(4)) {
    case 0:
      return (await peer.getPooledTransactions(someHashes(), options)).length;
    case 1: {
      const hashes = await Promise.all(Array.from({ length: BODIES }, (_, i) => store.hashOf(from + i)));
      const known = hashes.filter((hash) => hash !== undefined);
      return (await peer.getBlockBodies(known, options)).length;
    }
    default:
      return (await peer.getBlockHeaders({ start: from, limit: HEADERS }, options)).length;
  }
}

const pace = new Pace(rate)
  .every(32, count, () => {
    withOne('bursts', async (peer) => {
      await Promise.all(Array.from({ length: BURST }, () => peer.sendTransactions(smallPack())));
    });
  })
  .every(60, count, () => withOne('large packs', (peer) => peer.sendTransactions(largePack())))
  .every(5, count, () => withOne('announcements', (peer) => peer.announceTransactions(someAnnounced())))
  .every(10, count, () => withOne('requests made', ask))
  .every(60, count, () => {
    withOne('block ranges', async (peer) => {
      const { number, hash } = store.head();
      if (!peer.supports('BlockRangeUpdate')) return;
      await peer.sendBlockRangeUpdate({ earliest: 0, latest: number, latestHash: hash });
    });
  })
  .every(STRANGER_SECONDS, count, () => {
    void counts.of('strangers gone', async () => counts.add(`stranger: ${await stranger(context)}`));
  });

/** Comings and goings do not follow the rate. */
const leaving = new Pace(1).every(6000 / churn, count, () => {
  const peer = oneOf(all);
  if (peer?.eth !== undefined) void counts.of('leaves', () => peer.leave());
});

/** The enodes of those that listen, once the others are connected. */
async function connectAll(): Promise<string[]> {
  const enodes: string[] = [];
  for (let at = 0; at < all.length; at += CONNECTING_AT_A_TIME) {
    const batch = all.slice(at, at + CONNECTING_AT_A_TIME);
    for (const enode of await Promise.all(batch.map((peer) => peer.start()))) {
      if (enode !== undefined) enodes.push(enode);
    }
  }
  return enodes;
}

takeOrders({}, async ({ cmd }) => {
  switch (cmd) {
    case 'connect':
      return { enodes: await connectAll() };
    case 'begin':
      pace.start();
      leaving.start();
      return {};
    case 'stop':
      pace.stop();
      leaving.stop();
      return {};
    case 'counts':
      return { counts: counts.all() };
  }
  throw new Error(`unknown order ${cmd}`);
});
