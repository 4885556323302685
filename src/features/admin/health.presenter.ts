import type { Health } from './health.service.ts';
import type { Checked } from './health.ts';

/** API.md's answer to `GET /admin/health`. */
export function presentHealth({ system, statistics }: Health) {
  const { status, uptimeSeconds: uptime, version, database, objectStore, queue } = system;
  return {
    system: {
      status,
      uptime,
      version,
      database: {
        ...basics(database),
        migrations: database.details?.migrations ?? null,
        connections: database.details?.connections ?? null,
        maxConnections: database.details?.maxConnections ?? null,
      },
      objectStore: basics(objectStore),
      queue: {
        ...basics(queue),
        waiting: queue.details?.waiting ?? null,
        active: queue.details?.active ?? null,
        failed: queue.details?.failed ?? null,
        oldestWaitingSeconds: queue.details?.oldestWaitingSeconds ?? null,
      },
    },
    statistics,
  };
}

function basics({ status, latencyMs }: Checked<unknown>) {
  return { status, latencyMs };
}
