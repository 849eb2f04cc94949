/** geth, both lines, and nodes of ours: all that either knows at first is a bootnode of ours. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { bootnodeProcess } from '../cli/bootnode.ts';
import { Cli } from '../cli/cli.ts';
import { EthNode } from '../support/eth-node.ts';
import { disposingAfterEach } from '../support/opened.ts';
import { SMALL_CHAIN } from './chains.ts';
import { GETH_VERSIONS, Geth, type Peering } from './geth.ts';

const PATIENCE_MS = 60_000;
const CHAIN_DIRECTORY = dirname(SMALL_CHAIN.genesis);

const opened = disposingAfterEach();

describe.each(GETH_VERSIONS)('geth %s', (version) => {
  async function network(peering: Peering = 'both') {
    const { enode } = await bootnodeProcess();
    const bootnodes = [enode];
    return { bootnodes, geth: opened(await Geth.start({ version, chain: SMALL_CHAIN, bootnodes, peering })) };
  }

  it(
    'finds a server that dials nobody, and dials it',
    async () => {
      const { bootnodes, geth } = await network();
      const discovery = (chain: object) => ({ ...chain, accepts: () => false });
      const eth = opened(await EthNode.start(SMALL_CHAIN, { bootnodes, discovery }));
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
    'is found and dialed by a server whose record names no chain, which geth would not dial',
    async () => {
      const { bootnodes, geth } = await network();
      const discovery = (chain: object) => ({ ...chain, recordEntries: () => ({}) });
      const eth = opened(await EthNode.start(SMALL_CHAIN, { bootnodes, discovery }));
      const peer = await eth.nextPeer();
      expect(peer.info).toMatchObject({ inbound: false });
      expect(toBareHex(peer.info.id)).toBe(geth.id);
    },
    PATIENCE_MS,
  );

  /** Resolves when geth and a `serve` with its bootnode are peers. */
  async function withServe(peering: Peering) {
    const { bootnodes, geth } = await network(peering);
    const [node = ''] = bootnodes;
    const serve = new Cli([
      ...['serve', '--chain', CHAIN_DIRECTORY, '--listen', '127.0.0.1:0', '--bootnode', node, '--json'],
    ]);
    const { enode } = await serve.event(({ event }) => event === 'listening');
    const connected = await serve.event(({ event }) => event === 'peer-connected');
    expect(connected.enode).toContain(geth.id);
    const seen = await geth.waitForPeer();
    expect(new URL(seen.enode).username).toBe(new URL(String(enode)).username);
    return { geth, seen };
  }

  it(
    'without a listener, which nobody can dial, finds a `serve`, and dials it',
    async () => {
      const { geth, seen } = await withServe('dialing');
      expect(new URL(geth.enode).port).toBe('0');
      expect(seen.network.inbound).toBe(false);
    },
    PATIENCE_MS,
  );

  it(
    'that dials nobody is found and dialed by a `serve`',
    async () => {
      const { seen } = await withServe('listening');
      expect(seen.network.inbound).toBe(true);
    },
    PATIENCE_MS,
  );

  it(
    'is where `sync` finds its chain',
    async () => {
      const { bootnodes } = await network();
      const [node = ''] = bootnodes;
      const store = await mkdtemp(join(tmpdir(), 'peerlane-sync-'));
      onTestFinished(() => rm(store, { recursive: true, force: true }));
      const sync = new Cli([
        ...['sync', '--genesis', SMALL_CHAIN.genesis, '--bootnode', node, '--store', store, '--json'],
      ]);
      const { status, stderr } = await sync.done;
      expect([status, stderr]).toEqual([0, '']);
      expect(sync.events.at(-1)).toMatchObject({ event: 'done', head: SMALL_CHAIN.headHash });
    },
    PATIENCE_MS,
  );
});

it('geth starts at another port where a node of discovery has the first', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  onTestFinished(() => void socket.close());
  await once(socket, 'listening');
  const { port } = socket.address();
  const options = { version: '1.17.5', chain: SMALL_CHAIN, blocks: 'none', bootnodes: [] } as const;
  const geth = opened(await Geth.start({ ...options, ports: [port, 0] }));
  expect(new URL(geth.enode).port).not.toBe(String(port));
  await expect(Geth.start({ ...options, ports: [port] })).rejects.toThrow('address already in use');
});
