import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { FUZZ_FACTOR } from './test/support/runs.ts';

// The suite runs once for each crypto backend. Where the addon could not be built only `js` is left.
const addon = existsSync(new URL('./build/Release/peerlane.node', import.meta.url));
const backends = addon ? ['native', 'js'] : ['js'];
if (!addon) console.warn('peerlane: the native addon is not built, so only the js backend is tested');

// What these show depends on no backend, and they take minutes together: whole networks, processes, files on disk, and
// rules of what to do when, below which cryptography is a detail.
const WITH_ONE_BACKEND = [
  'test/cli/**',
  'test/{discovery-api,docs,public-types}.test.ts',
  'test/{io,kad,nat,observe,rlp}/**',
  'test/discv4/{debts,flood,fuzz,network,one-network}.test.ts',
  'test/discv5/{elsewhere,engine,limits,loss,silence}.test.ts',
  'test/discv5/topics/**',
  'test/dnsdisc/client.test.ts',
  'test/server/node-db/**',
  'test/server/{bans,conduct,crawler,crowd,discovery,discovery-sources,discovery-v5,discv4-service}.test.ts',
  'test/server/{discv5-service,duplicates,hostile-clock,lying-nodes,mercy,no-network,node-set}.test.ts',
  'test/server/{observations,own-endpoint,rush,server-two-families,slots,translated-port}.test.ts',
  'test/sync/headers.test.ts',
  'test/sim/**',
];

export default defineConfig({
  test: {
    globalSetup: ['./test/support/build.ts'],
    // More than there are cores: many tests wait, for a process, or until a peer has been silent for too long.
    maxWorkers: Math.ceil(1.5 * availableParallelism()),
    // Half of the time goes into loading the same modules again, which no test changes.
    isolate: false,
    projects: backends.map((backend) => ({
      test: {
        name: backend,
        include: ['test/**/*.test.ts'],
        exclude: ['test/interop/**', 'test/package/**', ...(backend === backends[0] ? [] : WITH_ONE_BACKEND)],
        setupFiles: ['./test/support/runs.ts'],
        env: { PEERLANE_BACKEND: backend },
        testTimeout: 120_000 * Math.max(1, FUZZ_FACTOR),
        hookTimeout: 240_000,
      },
    })),
  },
});
