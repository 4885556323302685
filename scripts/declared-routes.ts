import { compose } from '../src/composition-root.ts';
import { loadConfig } from '../src/config/env.ts';
import type { Route } from '../src/http/route.ts';
import { systemClock } from '../src/platform/clock/clock.ts';
import { Database } from '../src/platform/db/database.ts';
import { silentLogger } from '../src/platform/logging/logger.ts';
import { ByteBudget } from '../src/platform/object-store/byte-budget.ts';
import type { ObjectStore } from '../src/platform/object-store/object-store.ts';
import { UrlSigner } from '../src/platform/object-store/signed-urls.ts';

/** The routes as they are declared; nothing behind them is connected to anything, so they can only be looked at. */
export function declaredRoutes(version = '0.0.0'): readonly Route[] {
  const log = silentLogger();
  const databaseUrl = 'postgresql://unused@127.0.0.1:1/unused';
  const { routes } = compose({
    config: loadConfig({}),
    secrets: { jwtSecret: 'x'.repeat(32), encryptionKey: Buffer.alloc(32), postgresPassword: '' },
    infrastructure: {
      database: new Database({ url: databaseUrl, maxConnections: 1, log }),
      databaseUrl,
      store: {} as ObjectStore,
      urls: new UrlSigner(Buffer.alloc(32), systemClock),
      objectHandler: undefined,
      budget: new ByteBudget(0),
      close: async () => undefined,
    },
    clock: systemClock,
    log,
    version,
  });
  return routes;
}
