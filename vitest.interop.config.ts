import { defineConfig } from 'vitest/config';

// A hundred nodes and more in each: two at a time make all of them answer later than nodes wait for an answer.
const NETWORKS = ['test/interop/{discover-networks,discv5-network,peer-network}.test.ts'];

const waits = { testTimeout: 60_000, hookTimeout: 300_000 };

// Counterparts that need Go: run scripts/setup-interop.sh first.
export default defineConfig({
  test: {
    globalSetup: ['./test/support/build.ts'],
    projects: [
      {
        test: {
          name: 'peers',
          include: ['test/interop/**/*.test.ts'],
          exclude: NETWORKS,
          ...waits,
          // Each file starts nodes of its own, and most of them wait for half of their time and more: two cores carry three.
          maxWorkers: 3,
        },
      },
      // After the others, one by one.
      { test: { name: 'networks', include: NETWORKS, ...waits, maxWorkers: 1 } },
    ],
  },
});
