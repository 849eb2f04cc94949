/**
 * The download of the long chain (24,000 blocks) from a geth process over loopback into a store: blocks a second,
 * and seconds of CPU time of this process. Both chains and geth are those of the interoperability tests.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemEnv } from '../src/base/env.ts';
import { backend, generateSecretKey } from '../src/crypto/index.ts';
import { ethProtocols, parseGenesis } from '../src/eth/index.ts';
import { Server } from '../src/server/index.ts';
import { ChainStore, Downloader, peerSource } from '../src/sync/index.ts';
import { LONG_CHAIN } from '../test/interop/chains.ts';
import { Geth } from '../test/interop/geth.ts';
import { TOOLS_DIRECTORY } from '../test/interop/tools.ts';
import { quick, summary } from './measure.ts';
import type { BenchRow } from './row.ts';

const ROUNDS = quick ? 1 : 3;

export async function sync(): Promise<BenchRow[]> {
  if (!existsSync(join(TOOLS_DIRECTORY, 'geth-v1.17.5', 'geth'))) {
    process.stderr.write('sync-long is left out: run scripts/setup-interop.sh to install geth\n');
    return [];
  }
  // The benchmark runs from a compiled copy, beside which there are no data files.
  const folder = join(process.cwd(), 'test', 'interop', 'testdata', 'long');
  const [genesis, blocks] = [join(folder, 'genesis.json'), join(folder, 'chain.rlp.gz')];
  await using geth = await Geth.start({ version: '1.17.5', chain: { ...LONG_CHAIN, genesis, blocks } });
  const [rates, cpu]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    rates.push(await download(geth.enode, await readFile(genesis, 'utf8')));
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) / 1e6);
  }
  const subject = backend.name;
  return [
    { id: 'sync-long', subject, unit: 'blocks/s', ...summary(rates) },
    { id: 'sync-long-cpu', subject, unit: 'CPU s', ...summary(cpu) },
  ];
}

async function download(enode: string, genesisText: string): Promise<number> {
  const genesis = parseGenesis(genesisText);
  const { networkId, hash: genesisHash, schedule } = genesis;
  const path = await mkdtemp(join(tmpdir(), 'peerlane-bench-'));
  try {
    await using store = await ChainStore.open(path, { genesis });
    const downloader = new Downloader({ store });
    await using server = new Server({
      key: generateSecretKey(systemEnv),
      staticNodes: [enode],
      protocols: ethProtocols({
        network: { networkId, genesisHash, schedule },
        chain: store,
        onPeer: (peer) => downloader.addSource(peerSource(peer)),
      }),
    });
    await server.start();
    const { head, seconds } = await downloader.run();
    if (head.number !== LONG_CHAIN.head) throw new Error(`the download ended at block ${head.number}`);
    return head.number / seconds;
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
