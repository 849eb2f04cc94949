/** @ethereumjs/devp2p at the other end of a real connection, over eth/68. */
import { DISCONNECT_REASON } from '@ethereumjs/devp2p';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toBareHex, toHex } from '../../src/base/bytes.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { Downloader, peerSource } from '../../src/sync/index.ts';
import { SMALL_CHAIN } from '../interop/chains.ts';
import { bytesOf, EthereumjsChain, listOf, toNumber } from '../interop/ethereumjs-chain.ts';
import { EthNode } from '../support/eth-node.ts';
import { EthereumjsPeer } from '../support/ethereumjs-peer.ts';
import { disposingAfterEach } from '../support/opened.ts';
import { endOf } from '../support/servers.ts';

const opened = disposingAfterEach();

let chain: EthereumjsChain;
beforeAll(async () => {
  chain = await EthereumjsChain.read(SMALL_CHAIN);
});

async function connected(who: 'we dial' | 'it dials', options: Parameters<typeof EthNode.start>[1] = {}) {
  const ours = await EthNode.start(SMALL_CHAIN, options);
  opened(ours);
  const theirs = await EthereumjsPeer.listen({ chain });
  opened(theirs);
  if (who === 'we dial') await ours.server.dial(theirs.enode);
  else await theirs.dial(ours.server.enode);
  const [peer, session] = await Promise.all([ours.nextPeer(), theirs.nextSession()]);
  return { ours, theirs, peer, session };
}

const both = ['we dial', 'it dials'] as const;

describe('@ethereumjs/devp2p', () => {
  it.each(both)('gives us the whole chain when %s', async (who) => {
    const { ours, peer } = await connected(who, { blocks: false });
    expect(peer.version).toBe(68);
    expect(peer.info.inbound).toBe(who === 'it dials');
    const downloader = new Downloader({ store: ours.store, noPeersTimeoutMs: 10_000 });
    downloader.addSource(peerSource(peer));
    const { head, headers, bodies } = await downloader.run();
    expect([toHex(head.hash), headers, bodies]).toEqual([SMALL_CHAIN.headHash, 600, 600]);
  });

  it.each(both)('gets headers and bodies from us when %s', async (who) => {
    const { session, ours } = await connected(who);
    expect(session.clientId).toBe('peerlane');
    expect(session.id).toBe(toBareHex(ours.server.id));
    const headers = await session.headers({ from: 600, limit: 3, reverse: true });
    expect(headers.map((header) => toNumber(bytesOf(listOf(header)[8])))).toEqual([600, 599, 598]);
    const [first] = await session.headers({ from: fromHex(SMALL_CHAIN.headHash), limit: 1 });
    expect(first).toEqual(headers[0]);
    const bodies = await session.bodies([fromHex(SMALL_CHAIN.headHash)]);
    expect(bodies).toHaveLength(1);
    expect(listOf(bodies[0])).toHaveLength(3);
  });

  it('and we understand each other when one of us leaves', async () => {
    const { session, peer } = await connected('we dial');
    session.disconnect(DISCONNECT_REASON.TOO_MANY_PEERS);
    const error = await endOf(peer);
    expect(error instanceof PeerlaneError && error.details.reason).toBe('too-many-peers');
    const { peer: other, theirs } = await connected('it dials');
    other.disconnect(new PeerlaneError('genesis-mismatch', 'for the test'));
    expect(await theirs.nextRemoval()).toMatchObject({ reason: DISCONNECT_REASON.USELESS_PEER, byUs: false });
  });
});
