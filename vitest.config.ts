import { defineConfig } from 'vitest/config';

/** TF.js keeps kernels and tensors for a whole process: each of its files is tested in one of its own. */
const TFJS = ['engine', 'learning', 'stages'].map((name) => `packages/${name}/src/**/*.test.ts`);
const APPS = 'apps/*/src/**/*.test.ts';

// Much of a test's time is waiting, for a database's disk or a process to come up: a file for every processor, also where there are two.
const unit = { testTimeout: 60_000, hookTimeout: 60_000, maxWorkers: '100%' };

export default defineConfig({
  test: {
    projects: [
      { test: { ...unit, name: 'unit', include: [...TFJS, APPS] } },
      {
        // Modules are loaded once a worker, not once a file.
        test: {
          ...{ ...unit, name: 'plain', include: ['packages/*/src/**/*.test.ts'], exclude: TFJS },
          isolate: false,
        },
      },
      {
        test: {
          name: 'whole',
          include: ['tests/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Each starts services of several processes: more at once need more memory than a small machine has.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
