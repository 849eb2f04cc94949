/** geth, both lines, with discovery v5 alone: it is found, and it finds. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { type EntryChanges, nodeIdOf, parseRecord, signRecord } from '../../src/enr/index.ts';
import { EthNode } from '../support/eth-node.ts';
import { disposingAfterEach } from '../support/opened.ts';
import { SMALL_CHAIN } from './chains.ts';
import { goPeers, type PeerNode, type PeerProgram } from './discv5-harness.ts';
import { GETH_VERSIONS, Geth, type GethVersion } from './geth.ts';

const PATIENCE_MS = 60_000;
const PACE = { pingMs: 200 };

const opened = disposingAfterEach();

/** geth that begins with these nodes. */
async function gethWith(version: GethVersion, ...bootnodes: readonly string[]): Promise<Geth> {
  return opened(await Geth.start({ version, chain: SMALL_CHAIN, bootnodes, discovery: 'v5' }));
}

const idOf = (geth: Geth): string => toBareHex(nodeIdOf(Uint8Array.from(Buffer.from(geth.id, 'hex'))));

/** A server of ours that has no discovery, and a node of go-ethereum's with its key, whose record leads to it. */
async function serverIn(go: PeerProgram, bootnode: string): Promise<EthNode> {
  const key = generateSecretKey(systemEnv);
  const chainEntries: (() => EntryChanges)[] = [];
  const discovery = ({ recordEntries }: { readonly recordEntries: () => EntryChanges }) => {
    chainEntries.push(recordEntries);
    return { v4: false };
  };
  const eth = opened(await EthNode.start(SMALL_CHAIN, { key, discovery }));
  const tcp = Number(new URL(eth.server.enode).port);
  const record = signRecord(key, { seq: 1n, entries: { tcp, ...chainEntries[0]?.() } });
  const entries = Object.fromEntries(
    (['tcp', 'eth'] as const).map((name) => [name, toBareHex(record.raw(name) ?? new Uint8Array())]),
  );
  await go.node({ ...PACE, key: toBareHex(key), bootnodes: [bootnode], entries });
  return eth;
}

describe.each(GETH_VERSIONS)('geth %s with discovery v5 alone', (version) => {
  /** Resolves when the node has geth in its table. */
  const untilMet = (node: PeerNode, geth: Geth) =>
    expect
      .poll(async () => (await node.table()).map(({ id }) => id), { timeout: PATIENCE_MS / 2 })
      .toContain(idOf(geth));

  it(
    'is found by its bootnode and by others',
    async () => {
      const go = opened(goPeers());
      const bootnode = await go.node({ ...PACE, v4: true });
      const geth = await gethWith(version, await bootnode.enr());
      await untilMet(bootnode, geth);
      const record = await geth.enr();
      expect((await bootnode.ping(record)).seq).toBe(Number(parseRecord(record).seq));
      expect((await bootnode.findNode(record, [0]))[0]?.enr).toBe(record);
      await expect(bootnode.pingV4(record)).rejects.toThrow('timeout');
      const other = await go.node({ ...PACE, bootnodes: [await bootnode.enr()] });
      const find = async () => (await other.lookup(idOf(geth))).map(({ id }) => id);
      await expect.poll(find, { timeout: PATIENCE_MS / 2 }).toContain(idOf(geth));
    },
    PATIENCE_MS,
  );

  it(
    'finds a server by its record, and dials it',
    async () => {
      const go = opened(goPeers());
      const bootnode = await (await go.node(PACE)).enr();
      const eth = await serverIn(go, bootnode);
      const geth = await gethWith(version, bootnode);
      const peer = await eth.nextPeer();
      expect(peer.info).toMatchObject({ inbound: true });
      expect(toBareHex(peer.info.id)).toBe(geth.id);
      const seen = await geth.waitForPeer();
      expect(seen.network.inbound).toBe(false);
    },
    PATIENCE_MS,
  );
});
