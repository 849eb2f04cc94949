import { defineConfig } from 'vitest/config';

// The package as npm would publish it: run `npm run prebuilds` and scripts/setup-package.sh first.
export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
