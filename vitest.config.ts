import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { FUZZ_FACTOR } from './test/support/runs.ts';

// The suite runs once for each crypto backend. Where the addon could not be built only `js` is left.
const addon = existsSync(new URL('./build/Release/peerlane.node', import.meta.url));
const backends = addon ? ['native', 'js'] : ['js'];
if (!addon) console.warn('peerlane: the native addon is not built, so only the js backend is tested');

// What these show depends on no backend; and they take minutes, for each starts processes or a whole network.
const WITH_ONE_BACKEND = [
  'test/cli/{bans,bench,crawl,dial,discovery,discovery-v5,dns,enr,key,listen,metrics}.test.ts',
  'test/cli/{node-database,nodeset,serve,sync,topic,two-families,usage}.test.ts',
  'test/discv4/network.test.ts',
  'test/sim/**',
];

export default defineConfig({
  test: {
    globalSetup: ['./test/support/build.ts'],
    // A core is not kept free: two workers on two cores take half the time of one.
    maxWorkers: '100%',
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
