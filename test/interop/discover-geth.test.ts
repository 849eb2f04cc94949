/** geth, both lines, and a node of ours: all that either knows at first is a bootnode of ours. */
import { afterEach, describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { enodeOfRecord, formatEnode, parseEnode, signRecord } from '../../src/enr/index.ts';
import { Discv4Service } from '../../src/server/discv4-service.ts';
import { EthNode } from '../support/eth-node.ts';
import { SMALL_CHAIN } from './chains.ts';
import { OwnNode } from './discover-harness.ts';
import { GETH_VERSIONS, Geth } from './geth.ts';

const PATIENCE_MS = 45_000;

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

function opened<T extends AsyncDisposable>(resource: T): T {
  open.push(resource);
  return resource;
}

/** A server with eth, and discovery on the UDP port of the same number. */
async function node(bootnodes: readonly string[], { tellsChain }: { readonly tellsChain: boolean }) {
  const key = generateSecretKey(systemEnv);
  const eth = opened(await EthNode.start(SMALL_CHAIN, { key }));
  const { tcpPort } = parseEnode(eth.server.enode);
  const record = signRecord(key, {
    seq: 1n,
    entries: {
      ...{ ip: '127.0.0.1', tcp: tcpPort, udp: tcpPort },
      ...(tellsChain ? { eth: eth.forkId } : {}),
    },
  });
  const listen = { host: '127.0.0.1', port: tcpPort };
  const discovery = opened(new Discv4Service({ key, listen, tcpPort, bootnodes, record: () => record }));
  await discovery.start();
  return { eth, discovery };
}

describe.each(GETH_VERSIONS)('geth %s', (version) => {
  async function network() {
    const bootnode = opened(await OwnNode.start());
    const bootnodes = [await bootnode.enr()];
    return { bootnodes, geth: opened(await Geth.start({ version, chain: SMALL_CHAIN, bootnodes })) };
  }

  it(
    'finds a node of ours through a bootnode of ours, and dials it',
    async () => {
      const { bootnodes, geth } = await network();
      const { eth } = await node(bootnodes, { tellsChain: true });
      const peer = await eth.nextPeer();
      expect(peer.info).toMatchObject({ inbound: true });
      expect(toBareHex(peer.info.id)).toBe(geth.id);
      const seen = await geth.waitForPeer();
      expect(seen.network.inbound).toBe(false);
      expect(new URL(seen.enode).username).toBe(toBareHex(eth.server.id));
    },
    PATIENCE_MS,
  );

  it(
    'is found through a bootnode of ours, by a node of ours that it would not dial',
    async () => {
      const { bootnodes, geth } = await network();
      const { eth, discovery } = await node(bootnodes, { tellsChain: false });
      const signal = AbortSignal.timeout(PATIENCE_MS);
      for await (const found of discovery.random({ signal })) {
        if (toBareHex(found.publicKey) !== geth.id) continue;
        const record = await discovery.requestRecord(found, { signal });
        expect(record.get('eth')).toEqual(eth.forkId);
        const enode = enodeOfRecord(record);
        if (enode === undefined) throw new Error('the record of geth leads nowhere');
        await eth.server.dial(formatEnode(enode));
        break;
      }
      const peer = await eth.nextPeer();
      expect(peer.info.inbound).toBe(false);
      expect(toBareHex(peer.info.id)).toBe(geth.id);
    },
    PATIENCE_MS,
  );
});
