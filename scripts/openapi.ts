// docs/openapi.json is what the routes declare: `--write` makes it, `--check` fails when it differs.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { compose } from '../src/composition-root.ts';
import { loadConfig } from '../src/config/env.ts';
import { buildOpenApi } from '../src/http/openapi.ts';
import { systemClock } from '../src/platform/clock/clock.ts';
import { Database } from '../src/platform/db/database.ts';
import { silentLogger } from '../src/platform/logging/logger.ts';
import { ByteBudget } from '../src/platform/object-store/byte-budget.ts';
import type { ObjectStore } from '../src/platform/object-store/object-store.ts';

const path = join(import.meta.dirname, '../docs/openapi.json');
const { version } = packageJson;
const log = silentLogger();
// Routes are only declared here, never called: nothing below is connected to.
const databaseUrl = 'postgresql://unused@127.0.0.1:1/unused';
const composition = compose({
  config: loadConfig({}),
  secrets: { jwtSecret: 'x'.repeat(32), encryptionKey: Buffer.alloc(32), postgresPassword: '' },
  infrastructure: {
    database: new Database({ url: databaseUrl, maxConnections: 1, log }),
    databaseUrl,
    store: {} as ObjectStore,
    objectHandler: undefined,
    budget: new ByteBudget(0),
    close: async () => undefined,
  },
  clock: systemClock,
  log,
  version,
});
const document = `${JSON.stringify(buildOpenApi(composition.routes, version), null, 2)}\n`;
if (process.argv.includes('--write')) {
  await writeFile(path, document);
} else if ((await readFile(path, 'utf8').catch(() => '')) !== document) {
  console.error('docs/openapi.json is not what the routes declare: run `npm run generate` and commit it');
  process.exit(1);
}
process.exit(0);
