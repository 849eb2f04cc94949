/** Servers of ours with discovery v5 alone, and geth, both lines, with v5 alone: each finds the other through one in the middle. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { nodeIdOf, parseRecord } from '../../src/enr/index.ts';
import { Discv5Service } from '../../src/server/index.ts';
import { EthNode } from '../support/eth-node.ts';
import { disposingAfterEach } from '../support/opened.ts';
import { SMALL_CHAIN } from './chains.ts';
import { goPeers } from './discv5-harness.ts';
import { GETH_VERSIONS, Geth, type GethVersion } from './geth.ts';

const PATIENCE_MS = 90_000;

const opened = disposingAfterEach();

/** Where all begin: of ours, or go-ethereum's. */
const BOOTNODES = {
  ours: async () => {
    const service = new Discv5Service({
      key: generateSecretKey(systemEnv),
      listen: { host: '127.0.0.1', port: 0 },
    });
    opened(service);
    await service.start();
    return service.record.toString();
  },
  "go-ethereum's": async () => await (await opened(goPeers()).node({ pingMs: 200 })).enr(),
} as const;

const gethWith = async (version: GethVersion, bootnode: string, peering: 'dialing' | 'listening') =>
  opened(await Geth.start({ version, chain: SMALL_CHAIN, bootnodes: [bootnode], discovery: 'v5', peering }));

/** A server that dials nobody whom it has found, unless it may. */
async function serverWith(bootnode: string, mayDial: boolean): Promise<EthNode> {
  const eth = await EthNode.start(SMALL_CHAIN, {
    bootnodes: [bootnode],
    discovery: ({ recordEntries, accepts }) => ({
      ...{ v4: false, v5: true, recordEntries },
      accepts: (record) => mayDial && accepts(record),
    }),
  });
  return opened(eth);
}

describe.each(GETH_VERSIONS)('geth %s with discovery v5 alone', (version) => {
  it.each(Object.keys(BOOTNODES) as (keyof typeof BOOTNODES)[])(
    'finds a server of ours through a bootnode, %s, and dials it',
    async (whose) => {
      const bootnode = await BOOTNODES[whose]();
      const eth = await serverWith(bootnode, false);
      const geth = await gethWith(version, bootnode, 'dialing');
      const peer = await eth.nextPeer();
      expect(peer.info).toMatchObject({ inbound: true });
      expect(toBareHex(peer.info.id)).toBe(geth.id);
      const seen = await geth.waitForPeer();
      expect(seen.network.inbound).toBe(false);
      expect(toBareHex(nodeIdOf(eth.server.id))).toBe(seen.id);
      // It is eth that they speak.
      const [header] = await peer.getBlockHeaders({ start: 1n, limit: 1 });
      expect(header?.number).toBe(1);
    },
    PATIENCE_MS,
  );

  it(
    'is found and dialed by a server of ours, which has its record',
    async () => {
      const bootnode = await BOOTNODES.ours();
      const geth = await gethWith(version, bootnode, 'listening');
      const eth = await serverWith(bootnode, true);
      const peer = await eth.nextPeer();
      expect(peer.info).toMatchObject({ inbound: false });
      expect(toBareHex(peer.info.id)).toBe(geth.id);
      const { v5 } = eth.server.discovery ?? {};
      const record = await geth.enr();
      expect((await v5?.resolve(parseRecord(record).nodeId))?.toString()).toBe(record);
      expect((await eth.server.discovery?.resolve(peer.info.id))?.toString()).toBe(record);
      expect(eth.server.log(record).map(({ message }) => message)).toContain('found by v5');
    },
    PATIENCE_MS,
  );
});
