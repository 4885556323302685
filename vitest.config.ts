import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What is polled for comes in its own time: the log, for one, is written once a second.
    expect: { poll: { timeout: 10_000 } },
    // In CI, one more try: these tests time real processes on a shared machine. A second failure is a fault.
    retry: process.env['CI'] ? 1 : 0,
    // Two cores: more files at once only wait for each other.
    maxWorkers: 2,
    // The report is what .ci/run counts skipped tests by.
    reporters: process.env['CI'] ? ['default', ['json', { outputFile: 'coverage/test-report.json' }]] : ['default'],
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          globalSetup: ['tests/support/route-hits.ts', 'tests/support/postgres.ts', 'tests/support/s3-global-setup.ts'],
        },
      },
      { extends: true, test: { name: 'acceptance', include: ['tests/acceptance/**/*.test.ts'], testTimeout: 120_000 } },
    ],
  },
});
