/** The same told to many eth peers, over sockets. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import {
  type AnnouncedTransaction,
  announceBlocks,
  announceTransactions,
  broadcastBlockRangeUpdate,
  broadcastNewBlock,
  broadcastTransactions,
  type EthHandlers,
  type EthPeer,
  type EthVersion,
  encodeMessage,
  ethProtocols,
  headerCodec,
  localStatus,
  MAX_ANNOUNCED,
  Transaction,
} from '../../src/eth/index.ts';
import { decode } from '../../src/rlp/index.ts';
import { MIN_BANDWIDTH } from '../../src/server/bandwidth.ts';
import { Channel } from '../../src/server/channel.ts';
import { OUTPUT_HIGH_WATER } from '../../src/server/output.ts';
import { rejectionOf } from '../support/errors.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { endOf, manual, TestServer } from '../support/servers.ts';
import { chain, network } from './sessions.ts';

const hash = chain.hashAt(7);

const open: TestServer[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function started(options: ConstructorParameters<typeof TestServer>[0]): Promise<TestServer> {
  const server = new TestServer(options);
  open.push(server);
  await server.start();
  return server;
}

/** What the node at the other end of a peer was told, as it came. */
class Told {
  readonly heard: string[] = [];
  readonly bytes: Uint8Array[] = [];
  #wake: () => void = () => undefined;

  readonly handlers: EthHandlers = {
    onTransactions: (_, list) => {
      for (const { encoded } of list) this.bytes.push(encoded.slice());
      this.#note(`transactions ${list.length}`);
    },
    onTransactionHashes: (_, { types, sizes, hashes }) => {
      for (const each of hashes) this.bytes.push(each.slice());
      this.#note(`hashes ${types.length} ${sizes.length} ${hashes.length}`);
    },
    onNewBlockHashes: (_, blocks) => this.#note(`blocks ${blocks.length}`),
    onNewBlock: (_, { totalDifficulty }) => this.#note(`block ${totalDifficulty}`),
    onBlockRange: (_, { earliest, latest }) => this.#note(`range ${earliest} ${latest}`),
  };

  #note(what: string): void {
    this.heard.push(what);
    this.#wake();
  }

  async until(count: number): Promise<string[]> {
    while (this.heard.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.heard;
  }
}

/** A node whose eth peers are kept as they come. */
async function hub(
  options: ConstructorParameters<typeof TestServer>[0] = {},
): Promise<{ readonly server: TestServer; readonly nextPeer: () => Promise<EthPeer> }> {
  const peers: EthPeer[] = [];
  const waiting: ((peer: EthPeer) => void)[] = [];
  const onPeer = (peer: EthPeer): void => {
    const take = waiting.shift();
    if (take === undefined) peers.push(peer);
    else take(peer);
  };
  const server = await started({ ...options, protocols: ethProtocols({ network, chain, onPeer }) });
  const nextPeer = async (): Promise<EthPeer> =>
    peers.shift() ?? (await new Promise((resolve) => waiting.push(resolve)));
  return { server, nextPeer };
}

/** A node with a peer of each of these versions, and what each of them is told. */
async function connected(
  versions: readonly EthVersion[],
  options: ConstructorParameters<typeof TestServer>[0] = {},
): Promise<{ readonly peers: EthPeer[]; readonly told: Told[] }> {
  const { server, nextPeer } = await hub(options);
  const peers: EthPeer[] = [];
  const told: Told[] = [];
  for (const version of versions) {
    const heard = new Told();
    const node = await started({
      listen: undefined,
      protocols: ethProtocols({ network, chain, versions: [version], ...heard.handlers }),
    });
    await node.dial(server.enode);
    peers.push(await nextPeer());
    told.push(heard);
  }
  return { peers, told };
}

function transactions(count: number, length = 100): Transaction[] {
  return Array.from({ length: count }, (_, i) => {
    const encoded = systemEnv.randomBytes(length);
    encoded[0] = i % 2 === 0 ? 2 : 4;
    return new Transaction(encoded);
  });
}

function announcements(count: number): AnnouncedTransaction[] {
  return Array.from({ length: count }, (_, i) => {
    const hash = new Uint8Array(32);
    new DataView(hash.buffer).setUint32(28, i);
    return { type: i % 4, size: i, hash };
  });
}

const newBlock = {
  block: { header: decode(headerCodec, chain.blocks[7]?.header ?? hash), transactions: [], ommers: [] },
  totalDifficulty: 9n,
};

describe('what is broadcast over eth', () => {
  it('reaches every peer once, as the same bytes for both versions', async () => {
    const { peers, told } = await connected([68, 69, 68, 69, 69]);
    const offer = vi.spyOn(Channel.prototype, 'offer');
    const sent = transactions(20);
    expect(await broadcastTransactions([...peers, ...peers], sent)).toEqual({ sent: peers, skipped: [] });
    expect(offer).toHaveBeenCalledTimes(peers.length);
    expect(new Set(offer.mock.calls.map(([, payload]) => payload)).size).toBe(1);
    for (const each of told) {
      expect(await each.until(1)).toEqual(['transactions 20']);
      expect(each.bytes).toEqual(sent.map(({ encoded }) => encoded));
    }
  });

  it('skips peers whose version does not have the message', async () => {
    const { peers, told } = await connected([68, 69]);
    const [old, young] = peers;
    const toOld = { sent: [old], skipped: [young] };
    expect(await announceBlocks(peers, [{ hash, number: 7 }])).toEqual(toOld);
    expect(await broadcastNewBlock(peers, newBlock)).toEqual(toOld);
    const range = { earliest: 1, latest: 7, latestHash: hash };
    expect(await broadcastBlockRangeUpdate(peers, range)).toEqual({ sent: [young], skipped: [old] });
    expect(await announceTransactions(peers, announcements(3))).toEqual({ sent: peers, skipped: [] });
    expect(await told[0]?.until(3)).toEqual(['blocks 1', 'block 9', 'hashes 3 3 3']);
    expect(await told[1]?.until(2)).toEqual(['range 1 7', 'hashes 3 3 3']);
  });

  it('skips peers that are gone', async () => {
    const { peers, told } = await connected([69, 69]);
    const [gone, there] = peers;
    if (gone === undefined) throw new Error('a peer is missing');
    gone.disconnect(new PeerlaneError('disconnect-requested', 'enough'));
    await endOf(gone);
    expect(await broadcastTransactions(peers, transactions(1))).toEqual({ sent: [there], skipped: [gone] });
    expect(await told[1]?.until(1)).toEqual(['transactions 1']);
  });

  it('skips a peer that takes nothing, and goes on to the others', async () => {
    const { server, nextPeer } = await hub();
    const quick = new Told();
    const slow = manual('eth', 69, 18);
    const nodes = [ethProtocols({ network, chain, ...quick.handlers }), [slow.protocol]];
    const peers: EthPeer[] = [];
    for (const protocols of nodes) {
      await (await started({ listen: undefined, protocols })).dial(server.enode);
      if (protocols[0] === slow.protocol) {
        const { code, payload } = encodeMessage(69, 'Status', localStatus(69, network, chain));
        await (await slow.next()).send(code, payload);
      }
      peers.push(await nextPeer());
    }
    const large = transactions(8, 16 * 1024);
    let rounds = 0;
    let skipped: readonly EthPeer[] = [];
    while (skipped.length === 0 && rounds < 1000) {
      ({ skipped } = await broadcastTransactions(peers, large));
      rounds++;
      await quick.until(rounds);
    }
    expect(skipped).toEqual([peers[1]]);
    expect(rounds * 128 * 1024).toBeGreaterThan(OUTPUT_HIGH_WATER);
    expect((await announceTransactions(peers, announcements(1))).sent).toEqual([peers[0]]);
    expect(peers[1]?.signal.aborted).toBe(false);
  });
});

describe('a long list of announced transactions', () => {
  const parts = [`hashes ${'4096 '.repeat(3)}`.trim(), `hashes ${'4096 '.repeat(3)}`.trim(), 'hashes 1 1 1'];
  const long = announcements(2 * MAX_ANNOUNCED + 1);
  const hashes = Buffer.concat(long.map((announced) => announced.hash));

  it('goes out in messages of 4,096, in order, to many', async () => {
    const { peers, told } = await connected([68, 69, 69]);
    expect(await announceTransactions(peers, long)).toEqual({ sent: peers, skipped: [] });
    for (const each of told) {
      expect(await each.until(3)).toEqual(parts);
      expect(hashes.equals(Buffer.concat(each.bytes))).toBe(true);
    }
  });

  it('goes on, for a peer that refused a message, with that one', async () => {
    const { peers, told } = await connected([69, 69]);
    const { offer } = Channel.prototype;
    const offered: Uint8Array[] = [];
    vi.spyOn(Channel.prototype, 'offer').mockImplementation(function (this: Channel, code, payload) {
      if (this.peer !== peers[0]?.info) return offer.call(this, code, payload);
      offered.push(payload);
      return offered.length === 2 ? Promise.resolve(false) : offer.call(this, code, payload);
    });
    expect(await announceTransactions(peers, long)).toEqual({ sent: peers, skipped: [] });
    expect(offered).toHaveLength(4);
    expect(offered[2]).toBe(offered[1]);
    for (const each of told) {
      expect(await each.until(3)).toEqual(parts);
      expect(hashes.equals(Buffer.concat(each.bytes))).toBe(true);
    }
  });

  it('goes out the same way to one', async () => {
    const { peers, told } = await connected([69]);
    await peers[0]?.announceTransactions(long);
    expect(await told[0]?.until(3)).toEqual(parts);
    expect(hashes.equals(Buffer.concat(told[0]?.bytes ?? []))).toBe(true);
  });
});

it('waits for the bandwidth of gossip when it is told to one peer, too', async () => {
  const env = new ManualEnv();
  const { peers, told } = await connected([68], { env, bandwidth: { uploadGossip: MIN_BANDWIDTH } });
  const [peer] = peers;
  // More than there is of it, and then a little of each kind.
  await peer?.sendTransactions(transactions(4, MIN_BANDWIDTH / 2));
  let isSent = false;
  const rest = Promise.all([
    peer?.announceTransactions(announcements(1)),
    peer?.sendNewBlock(newBlock),
    peer?.sendTransactions(transactions(2)),
  ]).then(() => {
    isSent = true;
  });
  expect(await told[0]?.until(1)).toEqual(['transactions 4']);
  env.advance(900);
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect([isSent, told[0]?.heard.length]).toEqual([false, 1]);
  env.advance(200);
  await rest;
  expect(await told[0]?.until(4)).toEqual(['transactions 4', 'hashes 1 1 1', 'block 9', 'transactions 2']);
});

describe('what cannot be sent to one peer is sent to none', () => {
  it('with an error that says so', async () => {
    const { peers, told } = await connected([68, 69]);
    const [good] = transactions(1);
    const [announced] = announcements(1);
    if (good === undefined || announced === undefined) throw new Error('the test has no transaction');
    const bad: [string, () => Promise<unknown>][] = [
      ['a blob', () => broadcastTransactions(peers, [good, new Transaction(Uint8Array.of(3, 0xc0))])],
      ['none', () => broadcastTransactions(peers, [])],
      ['too many', () => broadcastTransactions(peers, new Array(5001).fill(good))],
      ['too large', () => broadcastTransactions(peers, transactions(11, 1024 * 1024))],
      ['bytes', () => broadcastTransactions(peers, [good.encoded] as never)],
      ['no list', () => broadcastTransactions(peers, null as never)],
      ['a type', () => announceTransactions(peers, [{ ...announced, type: 128 }])],
      [
        'a size',
        () => announceTransactions(peers, [...announcements(MAX_ANNOUNCED), { ...announced, size: -1 }]),
      ],
      ['a hash', () => announceTransactions(peers, [{ ...announced, hash: hash.subarray(1) }])],
      ['no announcement', () => announceTransactions(peers, [null] as never)],
      ['no announcements', () => announceTransactions(peers, {} as never)],
      ['a number', () => announceBlocks(peers, [{ hash, number: -1 }])],
      ['no blocks', () => announceBlocks(peers, null as never)],
      ['no block', () => broadcastNewBlock(peers, null as never)],
      ['a range', () => broadcastBlockRangeUpdate(peers, { earliest: 8, latest: 7, latestHash: hash })],
      ['no range', () => broadcastBlockRangeUpdate(peers, null as never)],
      ['no peers', () => broadcastTransactions(undefined as never, [good])],
      ['no peer', () => broadcastTransactions([...peers, undefined] as never, [good])],
      ['peers of the server', () => broadcastTransactions([...peers, open[0]?.peers[0]] as never, [good])],
    ];
    for (const [what, send] of bad) {
      expect(await rejectionOf(send()).catch(String), what).toBe('invalid-argument');
    }
    await announceTransactions(peers, [announced]);
    for (const each of told) expect(await each.until(1)).toEqual(['hashes 1 1 1']);
  });
});
