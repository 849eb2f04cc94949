// A server with eth over the chain of data/small, in a process of its own, from the compiled dist/. Reports its peers as JSON
// lines, and takes orders.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemEnv } from '../../dist/base/env.js';
import { generateSecretKey } from '../../dist/crypto/index.js';
import { ethProtocols, parseGenesis } from '../../dist/eth/index.js';
import { Server } from '../../dist/server/index.js';
import { ChainStore, importChain } from '../../dist/sync/index.js';

const REQUEST_TIMEOUT_MS = 20_000;

const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const path = (name) => fileURLToPath(new URL(`../../data/small/${name}`, import.meta.url));
const genesis = parseGenesis(readFileSync(path('genesis.json'), 'utf8'));
const chain = await ChainStore.inMemory({ genesis });
await importChain(chain, path('chain.rlp.gz'));
const { networkId, hash: genesisHash, schedule } = genesis;

const [host, ...staticNodes] = process.argv.slice(2);
let peer;
const server = new Server({
  key: generateSecretKey(systemEnv),
  listen: { host, port: 0 },
  protocols: ethProtocols({
    network: { networkId, genesisHash, schedule },
    chain,
    onPeer: (met) => {
      peer = met;
      report({ event: 'met' });
      met.signal.addEventListener('abort', () => {
        if (peer === met) peer = undefined;
        const { name, code } = met.signal.reason;
        report({ event: 'lost', name, code });
      });
    },
  }),
  staticNodes,
});
await server.start();

const orders = {
  /** Asks for the first headers. */
  async headers({ limit }) {
    if (peer === undefined) throw new Error('there is no peer');
    const headers = await peer.getBlockHeaders({ start: 1, limit }, { timeoutMs: REQUEST_TIMEOUT_MS });
    return { numbers: [...headers].map(({ number }) => number) };
  },
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { ref, cmd, args = {} } = JSON.parse(line);
    orders[cmd](args).then(
      (answer) => report({ ref, event: 'done', ...answer }),
      (error) => report({ ref, event: 'failed', error: String(error.code ?? error) }),
    );
  })
  .on('close', () => process.exit(0));
report({ event: 'ready', enode: server.enode });
