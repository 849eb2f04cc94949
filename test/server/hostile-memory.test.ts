import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { MemoryKv } from '../../src/base/kv.ts';
import { backend, compress } from '../../src/crypto/index.ts';
import { parseEnode } from '../../src/enr/index.ts';
import { encodeMessage, type LocalStatus, localStatus, parseGenesis } from '../../src/eth/index.ts';
import { ChainStore } from '../../src/sync/index.ts';
import { Attacker } from '../support/attacker.ts';
import { MB, MemoryServer } from '../support/memory-child.ts';
import { snappyBomb } from '../support/raw-frames.ts';

const MAX_FRAME = 0xffffff;
/** MB that bombs may cost: V8 leaves up to 64 MB of buffers that nobody holds to be collected later. */
const OF_BOMBS = 100;
const genesis = parseGenesis(readFileSync(new URL('../../data/small/genesis.json', import.meta.url), 'utf8'));
const { networkId, hash: genesisHash, schedule } = genesis;
const chain = await ChainStore.over(new MemoryKv(), { genesis });
const status: LocalStatus = localStatus(69, { networkId, genesisHash, schedule }, chain);

let server: MemoryServer;
let attackers: Attacker[] = [];
let silent: Socket[] = [];

beforeAll(async () => {
  server = await MemoryServer.start();
  // What a server at work has anyway: its code compiled, its heap at its usual size.
  for (let i = 0; i < 2; i++) {
    const peers = await opened(20, 'echo');
    await Promise.all(peers.map((peer) => echoes(peer, 50_000)));
    for (let sent = 0; sent < 4; sent++) {
      await Promise.all(peers.map((peer) => peer.send(0x11, systemEnv.randomBytes(500_000))));
    }
    await Promise.all(peers.map((peer) => echoes(peer, 1)));
    for (const peer of peers) peer.destroy();
    await Promise.all(Array.from({ length: 10 }, () => headers()));
  }
});
afterAll(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  attackers = [];
  silent = [];
  await server.reset();
});
afterEach(() => {
  for (const attacker of attackers) attacker.destroy();
  for (const socket of silent) socket.destroy();
});

async function one(name: 'echo' | 'eth'): Promise<Attacker> {
  const peer = await Attacker.connect(server.enode);
  attackers.push(peer);
  return peer.open({ capabilities: [{ name, version: name === 'eth' ? 69 : 1 }] });
}

async function opened(count: number, name: 'echo' | 'eth'): Promise<Attacker[]> {
  const peers: Attacker[] = [];
  while (peers.length < count) {
    const some = Math.min(10, count - peers.length);
    peers.push(...(await Promise.all(Array.from({ length: some }, () => one(name)))));
  }
  return peers;
}

async function withStatus(count: number): Promise<Attacker[]> {
  const peers = await opened(count, 'eth');
  await Promise.all(
    peers.map(async (peer) => {
      void peer.send(0x10, encodeMessage(69, 'Status', status).payload);
      expect((await peer.until(0x10))?.code).toBe(0x10);
    }),
  );
  return peers;
}

/** A message goes to the server and comes back. */
async function echoes(peer: Attacker, length: number): Promise<void> {
  const payload = systemEnv.randomBytes(length);
  void peer.send(0x15, payload);
  expect((await peer.until(0x15))?.payload).toEqual(payload);
}

/** A new peer asks for headers and has them. */
async function headers(): Promise<void> {
  const [peer] = await withStatus(1);
  const query = { start: 1n, limit: 192n, skip: 0n, reverse: false };
  void peer?.send(0x13, encodeMessage(69, 'GetBlockHeaders', { id: 9n, query }).payload);
  expect((await peer?.until(0x14))?.payload.length).toBeGreaterThan(90_000);
  peer?.destroy();
}

/** Two hundred connections that never say a word, and behind them an honest peer that wants to be served. */
async function honestBehindSilence(): Promise<void> {
  const { host, tcpPort } = parseEnode(server.enode);
  silent.push(...Array.from({ length: 200 }, () => connect(tcpPort, host).on('error', () => undefined)));
  await Promise.all(
    silent.map((socket) => new Promise<void>((resolve) => void socket.once('connect', () => resolve()))),
  );
  await echoes(await one('echo'), 1000);
  await headers();
}

/** The growth of the server stays under the bound. */
async function costs(what: string, bound: number): Promise<void> {
  const growth = await server.growth();
  console.log(`${server.backend}: ${what}: ${(growth / MB).toFixed(1)} MB of ${bound}`);
  if (growth >= bound * MB) console.log(JSON.stringify(await server.report()));
  expect(growth).toBeLessThan(bound * MB);
}

const QUERY = { start: 1n, limit: 1024n, skip: 0n, reverse: false };
const HASHES = Array.from({ length: 1024 }, () => genesisHash);

/** A GetBlockBodies of almost 10 MiB: the same hash 310,000 times. */
function hugeRequest(): Uint8Array {
  const count = 310_000;
  const list = 33 * count;
  const header = (length: number) => [0xfa, length >>> 16, (length >>> 8) & 0xff, length & 0xff];
  const start = Uint8Array.from([...header(list + 5), 9, ...header(list), 0xa0]);
  return snappyBomb(list + 9, concatBytes(start, genesisHash), 33);
}

/** Requests whose answers nobody reads: their blocks, how many a peer sends, and MB that they may cost. */
const REQUESTS = {
  headers: {
    code: 0x13,
    block: compress(encodeMessage(69, 'GetBlockHeaders', { id: 9n, query: QUERY }).payload),
    times: 150,
    bound: 60,
  },
  bodies: {
    code: 0x15,
    block: compress(encodeMessage(69, 'GetBlockBodies', { id: 9n, hashes: HASHES }).payload),
    times: 150,
    bound: 60,
  },
  'bodies, in bombs of 10 MiB,': { code: 0x15, block: hugeRequest(), times: 3, bound: OF_BOMBS },
} as const;

describe('what peers cost the server:', () => {
  it.each(['echo', 'eth'] as const)('a hundred that declare 16 MB on %s and fall silent', async (name) => {
    const peers = await opened(100, name);
    await Promise.all(peers.map((peer) => peer.write(peer.frames.header(MAX_FRAME))));
    await honestBehindSilence();
    await costs(`a hundred frames declared on ${name}`, 20);
  });

  it('ten that trickle 16 MB each', async () => {
    const peers = await opened(10, 'echo');
    const piece = systemEnv.randomBytes(1_000_000);
    await Promise.all(peers.map((peer) => peer.write(peer.frames.header(MAX_FRAME))));
    for (let round = 0; round < 15; round++) {
      await Promise.all(peers.filter(({ over }) => !over).map((peer) => peer.write(piece)));
      if (round % 5 === 0) await echoes(await one('echo'), 1000);
    }
    await honestBehindSilence();
    await costs('ten frames trickled', 30);
  });

  it('twenty that trickle 16 MB each in pieces of a few bytes', async () => {
    const peers = await opened(20, 'echo');
    await Promise.all(peers.map((peer) => peer.write(peer.frames.header(MAX_FRAME))));
    const piece = new Uint8Array(2);
    for (let round = 0; round < 1000; round++) {
      await Promise.all(peers.map((peer) => peer.write(piece)));
    }
    await honestBehindSilence();
    await costs('twenty frames trickled by the byte', 20);
  });

  it('twenty that send a snappy bomb and fall silent', async () => {
    const bomb = snappyBomb(MAX_FRAME - 1);
    expect(bomb.length).toBeLessThan(800_000);
    const peers = await opened(20, 'echo');
    await Promise.all(
      peers.map(async (peer) => {
        // The answer to the message before shows that the handler is at the bomb.
        void peer.send(0x1f, new Uint8Array());
        await peer.plain(0x12, bomb);
        await peer.until(0x1f);
      }),
    );
    await honestBehindSilence();
    await costs('twenty snappy bombs', OF_BOMBS);
  });

  it('twenty snappy bombs on eth', async () => {
    const bomb = snappyBomb(MAX_FRAME - 1);
    const peers = await withStatus(20);
    const endings = peers.map((peer) => {
      void peer.plain(0x12, bomb);
      return peer.ending();
    });
    expect(new Set(await Promise.all(endings))).toEqual(new Set(['breach-of-protocol']));
    await honestBehindSilence();
    await costs('twenty snappy bombs on eth', OF_BOMBS);
  });

  // Answers that wait are the same with either backend, and these wait for a minute.
  const unread = ['headers', 'bodies', 'bodies, in bombs of 10 MiB,'] as const;
  it.each(backend.name === 'native' ? unread : [])('twenty that ask for %s and never read', async (what) => {
    const peers = await withStatus(20);
    const { code, block, times, bound } = REQUESTS[what];
    for (const peer of peers) {
      peer.stopReading();
      for (let i = 0; i < times; i++) void peer.plain(code, block);
    }
    for (let round = 0; round < 10; round++) await headers();
    await honestBehindSilence();
    await costs(`twenty that ask for ${what} and never read`, bound);
  });
});
