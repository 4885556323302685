import { expect, it } from 'vitest';
import { silentLogger } from '../../platform/logging/logger.ts';
import { HealthService } from './health.service.ts';
import type { DatabaseDetails, Statistics } from './health.ts';

const DATABASE: DatabaseDetails = {
  connections: 1,
  maxConnections: 100,
  migrations: { applied: 3, unfinished: 0, latest: 'x' },
};
const QUEUE = { waiting: 0, active: 0, failed: 0, oldestWaitingSeconds: null };
const STATISTICS = { users: { total: 1 } } as Statistics;

const never = () => new Promise<never>(() => undefined);
const away = async () => {
  throw new Error('connect ECONNREFUSED 10.0.0.7:5432');
};

function healthOf(fakes: Partial<ConstructorParameters<typeof HealthService>[0]> = {}) {
  let asked = 0;
  return new HealthService({
    askDatabase: async () => DATABASE,
    askObjectStore: async () => undefined,
    askQueue: async () => QUEUE,
    countAll: async () => STATISTICS,
    clock: {
      now: () => {
        asked += 1;
        return new Date(asked * 1500);
      },
    },
    version: '1.2.3',
    log: silentLogger(),
    ...fakes,
  });
}

it('is ok when all three answer', async () => {
  const { system, statistics } = await healthOf().look();
  expect(system).toMatchObject({
    status: 'ok',
    uptimeSeconds: 1.5,
    version: '1.2.3',
    database: { status: 'up', details: DATABASE },
    objectStore: { status: 'up' },
    queue: { status: 'up', details: QUEUE },
  });
  expect(statistics).toBe(STATISTICS);
});

it.each(['database', 'objectStore', 'queue'] as const)('is degraded when the %s fails', async (what) => {
  const ask = { database: 'askDatabase', objectStore: 'askObjectStore', queue: 'askQueue' }[what];
  const health = await healthOf({ [ask]: away }).look();
  expect(health.system.status).toBe('degraded');
  expect(health.system[what]).toMatchObject({ status: 'down', details: null });
  expect(JSON.stringify(health)).not.toContain('ECONNREFUSED');
});

it('gives all of them 2 s at once, and does not wait for numbers of a database that is away', async () => {
  const startedAt = performance.now();
  const { system, statistics } = await healthOf({
    askDatabase: never,
    askObjectStore: never,
    askQueue: never,
    countAll: never,
  }).look();
  expect(performance.now() - startedAt).toBeLessThan(5000);
  expect(system.database.latencyMs).toBeGreaterThanOrEqual(1990);
  expect(system).toMatchObject({ status: 'degraded', database: { status: 'down' }, queue: { status: 'down' } });
  expect(statistics).toBeNull();
});

it('fails when only the counting fails', async () => {
  await expect(healthOf({ countAll: away }).look()).rejects.toThrow('ECONNREFUSED');
});
