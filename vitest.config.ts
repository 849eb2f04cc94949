import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { FUZZ_FACTOR } from './test/support/runs.ts';

// The suite runs once for each crypto backend. Where the addon could not be built only `js` is left.
const addon = existsSync(new URL('./build/Release/peerlane.node', import.meta.url));
const backends = addon ? ['native', 'js'] : ['js'];
if (!addon) console.warn('peerlane: the native addon is not built, so only the js backend is tested');

export default defineConfig({
  test: {
    globalSetup: ['./test/support/build.ts'],
    // A core is not kept free: two workers on two cores take half the time of one.
    maxWorkers: '100%',
    projects: backends.map((backend) => ({
      test: {
        name: backend,
        include: ['test/**/*.test.ts'],
        exclude: ['test/interop/**', 'test/package/**'],
        setupFiles: ['./test/support/runs.ts'],
        env: { PEERLANE_BACKEND: backend },
        testTimeout: 60_000 * Math.max(1, FUZZ_FACTOR),
        hookTimeout: 60_000,
      },
    })),
  },
});
