// A server in a process of its own, from the compiled dist/, which says how much memory it takes. It offers `echo`,
// which sends small payloads back and drops large ones, and eth over the chain of data/small.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemEnv } from '../../dist/base/env.js';
import { backend, generateSecretKey } from '../../dist/crypto/index.js';
import { ethProtocols, parseGenesis } from '../../dist/eth/index.js';
import { Server } from '../../dist/server/index.js';
import { ChainStore, importChain } from '../../dist/sync/index.js';

const MAX_ECHOED = 100_000;

const echo = {
  name: 'echo',
  version: 1,
  length: 16,
  async handler(channel) {
    for await (const { code, payload } of channel) {
      if (payload.length <= MAX_ECHOED) await channel.send(code, payload);
    }
  },
};

const path = (name) => fileURLToPath(new URL(`../../data/small/${name}`, import.meta.url));
const genesis = parseGenesis(readFileSync(path('genesis.json'), 'utf8'));
const directory = mkdtempSync(join(tmpdir(), 'peerlane-'));
const chain = await ChainStore.open(directory, { genesis });
await importChain(chain, path('chain.rlp.gz'));
const { networkId, hash: genesisHash, schedule } = genesis;
const network = { networkId, genesisHash, schedule };

const errors = new Map();
const server = new Server({
  key: generateSecretKey(systemEnv),
  listen: { host: '127.0.0.1', port: 0 },
  // As many as an attack needs; the Status of eth may keep us waiting for as long as it takes.
  maxPeers: 500,
  protocols: [echo, ...ethProtocols({ network, chain, statusTimeoutMs: 120_000 })],
  onEvent: (event) => {
    if (event.error === undefined) return;
    const code = event.error.code ?? String(event.error);
    errors.set(code, (errors.get(code) ?? 0) + 1);
  },
});
await server.start();

function status(field) {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(match?.[1] ?? 0) * 1024;
}

/** Resident memory at its highest since the last `reset`, as the kernel saw it; where there is none, as it is now. */
let highest = 0;
let sampled = false;
function peak() {
  highest = Math.max(highest, sampled ? process.memoryUsage.rss() : status('VmHWM'));
  return highest;
}

function reset() {
  for (let i = 0; i < 4; i++) globalThis.gc();
  highest = 0;
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    sampled = true;
  }
  return process.memoryUsage.rss();
}

/** For whoever looks into a failure: which errors ended connections, and what is alive. */
function report() {
  const before = process.memoryUsage();
  globalThis.gc();
  return { errors: [...errors], peers: server.peers.length, before, after: process.memoryUsage() };
}

const answers = { reset, peak, report };
process.on('message', (question) => process.send(answers[question]()));
process.on('disconnect', () => {
  rmSync(directory, { recursive: true, force: true });
  process.exit();
});
process.send({ enode: server.enode, backend: backend.name });
