import { defineConfig } from 'vitest/config';

// Counterparts that need Go: run scripts/setup-interop.sh first.
export default defineConfig({
  test: {
    globalSetup: ['./test/support/build.ts'],
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 300_000,
    // Each file starts nodes of its own, and most of them wait for half of their time and more: two cores carry three.
    maxWorkers: 3,
  },
});
