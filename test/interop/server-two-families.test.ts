/** A server of ours on an address of each family: geth nodes reach it, one over IPv4 and one over IPv6. */
import { expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { nodeIdOf, parseEnode } from '../../src/enr/index.ts';
import { EthNode } from '../support/eth-node.ts';
import { disposingAfterEach } from '../support/opened.ts';
import { SMALL_CHAIN } from './chains.ts';
import { GETH_VERSIONS, Geth } from './geth.ts';

const PATIENCE_MS = 180_000;
const HOSTS = ['127.0.0.1', '::1'] as const;

const opened = disposingAfterEach();

it.each(GETH_VERSIONS)(
  'geth %s discovers and dials a server of ours over 127.0.0.1, and another geth over ::1',
  async (version) => {
    const eth = await EthNode.start(SMALL_CHAIN, {
      listen: HOSTS.map((host) => ({ host, port: 0 })),
      discovery: ({ recordEntries }) => ({ recordEntries, accepts: () => false }),
    });
    opened(eth);
    const { server } = eth;
    expect(server.enodes.map((enode) => parseEnode(enode).host)).toEqual(HOSTS);
    for (const [i, host] of HOSTS.entries()) {
      const enode = server.enodes[i] ?? '';
      const [chain, bootnodes] = [SMALL_CHAIN, [enode]];
      const geth = opened(await Geth.start({ version, chain, host, bootnodes, discovery: 'both' }));
      await geth.addPeer(enode);
      const peer = await eth.nextPeer();
      expect(peer.info).toMatchObject({ inbound: true, remoteAddress: host });
      expect(toBareHex(peer.info.id)).toBe(geth.id);
      const [header] = await peer.getBlockHeaders({ start: 1n, limit: 1 });
      expect(header?.number).toBe(1);
      // By UDP too: it has proved where it is.
      await expect
        .poll(() => server.discovery?.table.has(nodeIdOf(peer.info.id)), { timeout: 30_000 })
        .toBe(true);
    }
    expect(server.peers).toHaveLength(2);
  },
  PATIENCE_MS,
);
