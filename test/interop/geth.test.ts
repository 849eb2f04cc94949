/** geth, both lines: chains downloaded from it over eth/68 and eth/69, and served to it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { type EthPeer, type EthVersion, headerHash, receiptsRoot } from '../../src/eth/index.ts';
import type { ServerEvent } from '../../src/server/index.ts';
import { Downloader, peerSource } from '../../src/sync/index.ts';
import { EthNode } from '../support/eth-node.ts';
import { disposingAfterEach } from '../support/opened.ts';
import { LONG_CHAIN, SMALL_CHAIN } from './chains.ts';
import { Geth, type GethVersion } from './geth.ts';

/** Which versions of eth each line speaks, of those that we do. */
const SPOKEN: Readonly<Record<GethVersion, readonly EthVersion[]>> = { '1.16.8': [68, 69], '1.17.5': [69] };

const opened = disposingAfterEach();

async function node(...options: Parameters<typeof EthNode.start>): Promise<EthNode> {
  const started = await EthNode.start(...options);
  opened(started);
  return started;
}

describe.each(['1.16.8', '1.17.5'] as const)('geth %s', (version) => {
  describe.each([SMALL_CHAIN, LONG_CHAIN])('with the chain $name', (chain) => {
    let geth: Geth;
    beforeAll(async () => {
      geth = await Geth.start({ version, chain });
    });
    afterAll(async () => {
      await geth[Symbol.asyncDispose]();
    });

    it.each(SPOKEN[version])('lets us download and verify it over eth/%i', async (eth) => {
      const downloads: Downloader[] = [];
      const { server, store } = await node(chain, {
        blocks: false,
        versions: [eth],
        onPeer: (peer) => {
          expect(peer.version).toBe(eth);
          for (const downloader of downloads) downloader.addSource(peerSource(peer));
        },
      });
      const downloader = new Downloader({ store, noPeersTimeoutMs: 30_000 });
      downloads.push(downloader);
      await server.dial(geth.enode);
      const summary = await downloader.run();
      expect(toHex(summary.head.hash)).toBe(chain.headHash);
      expect(summary).toMatchObject({ headers: chain.head, bodies: chain.head });
      console.log(
        `geth ${version}, ${chain.name}, eth/${eth}: ${Math.round(chain.head / summary.seconds)} blocks/s`,
      );
    });

    it('dials us and becomes a peer, and finds our Status in order', async () => {
      const { server, nextPeer } = await node(chain, { blocks: chain === SMALL_CHAIN });
      await geth.addPeer(server.enode);
      const peer = await nextPeer();
      expect(peer.info.inbound).toBe(true);
      expect(peer.info.clientId).toMatch(/^Geth\/v/);
      const seen = await geth.waitForPeer();
      expect(seen.network.inbound).toBe(false);
      expect(Object.keys(seen.protocols)).toContain('eth');
      const headers = await peer.getBlockHeaders({ start: 1, limit: 3 });
      expect(headers.toArray().map(({ number }) => number)).toEqual([1, 2, 3]);
      await geth.removePeer(server.enode);
    });

    it('answers for headers by number and hash, backwards, with gaps and beyond the end', async () => {
      const { server, nextPeer } = await node(chain, { blocks: false });
      await server.dial(geth.enode);
      const peer = await nextPeer();
      const numbers = async (request: Parameters<EthPeer['getBlockHeaders']>[0]) =>
        (await peer.getBlockHeaders(request)).toArray().map(({ number }) => number);
      expect(await numbers({ start: chain.head, limit: 3, reverse: true })).toEqual(
        [0, 1, 2].map((i) => chain.head - i),
      );
      expect(await numbers({ start: 1, limit: 3, skip: 4 })).toEqual([1, 6, 11]);
      expect(await numbers({ start: 2n ** 64n - 1n, limit: 1 })).toEqual([]);
      expect(await numbers({ start: fromHex(chain.headHash), limit: 2 })).toEqual([chain.head]);
      expect(peer.signal.aborted).toBe(false);
    });
  });

  it.each(SPOKEN[version])('gives receipts over eth/%i that fit the headers', async (eth) => {
    const { server, nextPeer } = await node(SMALL_CHAIN, { versions: [eth] });
    await using geth = await Geth.start({ version, chain: SMALL_CHAIN });
    await server.dial(geth.enode);
    const peer = await nextPeer();
    const headers = await peer.getBlockHeaders({ start: 1, limit: 600 });
    const encoded = headers.toArray().map((_, index) => headers.encodedAt(index));
    const receipts = await peer.getReceipts(encoded.map(headerHash));
    expect(receipts.length).toBeGreaterThan(100);
    let count = 0;
    for (const [index, list] of receipts.toArray().entries()) {
      expect(receiptsRoot(list.toArray())).toEqual(headers.at(index).receiptsRoot);
      count += list.length;
    }
    expect(count).toBeGreaterThan(100);
  });

  it('refuses, as we do, a node of the same genesis with another fork schedule', async () => {
    const { server, events } = await node(LONG_CHAIN, { blocks: false });
    await using geth = await Geth.start({ version, chain: SMALL_CHAIN });
    await server.dial(geth.enode).catch(() => undefined);
    const gone = await events.next('disconnection', ({ kind }) => kind === 'peer-disconnected');
    // Whoever reads the other's Status first says so.
    const { error } = gone as Extract<ServerEvent, { kind: 'peer-disconnected' }>;
    expect([error.code, error.details.reason]).toContainEqual(
      expect.stringMatching(/^(fork-id-mismatch|useless-peer|subprotocol-error)$/),
    );
  });
});

describe('we serve', () => {
  it('the chain small to geth 1.17.5, which downloads and executes it from us', async () => {
    const { server } = await node(SMALL_CHAIN);
    await using geth = await Geth.start({ version: '1.17.5', chain: SMALL_CHAIN, blocks: 'none' });
    await geth.addPeer(server.enode);
    await geth.waitForPeer();
    await geth.syncTo(SMALL_CHAIN.headHash);
    await geth.waitForBlock(SMALL_CHAIN.head);
  });
});
