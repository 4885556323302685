// Fails when prisma/migrations, applied to an empty database, do not give what prisma/schema.prisma describes, or when
// Prisma's own `migrate status` disagrees with our runner. Runs on a throw-away embedded PostgreSQL.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../src/platform/db/embedded-postgres.ts';
import { migrate } from '../src/platform/db/migrate.ts';
import { silentLogger } from '../src/platform/logging/logger.ts';

const root = join(import.meta.dirname, '..');
const log = silentLogger();
const folder = await mkdtemp(join(tmpdir(), 'pockity-check-migrations-'));
const postgres = await startEmbeddedPostgres({
  directory: join(folder, 'postgres'),
  password: 'only-for-this-check',
  log,
});
let failed = true;
try {
  await migrate({ url: postgres.url, migrationsDirectory: join(root, 'prisma/migrations'), log });
  const differs = prisma([
    'migrate',
    'diff',
    '--from-config-datasource',
    '--to-schema',
    'prisma/schema.prisma',
    '--exit-code',
  ]);
  const status = prisma(['migrate', 'status']);
  failed = differs || status;
} finally {
  await postgres.release();
  await rm(folder, { recursive: true, force: true });
}
if (failed) console.error('prisma/migrations and prisma/schema.prisma do not agree');
process.exit(failed ? 1 : 0);

/** Runs Prisma's command line on the migrated database; true when it is not content. */
function prisma(args: string[]): boolean {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/prisma/build/index.js'), ...args],
    {
      cwd: root,
      encoding: 'utf8',
      env: {
        ...process.env,
        DATABASE_URL: postgres.url,
        CHECKPOINT_DISABLE: '1',
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
        PRISMA_SCHEMA_ENGINE_BINARY: join(root, 'scripts/prisma-schema-engine.mjs'),
      },
    },
  );
  if (status !== 0) console.error(stdout, stderr);
  return status !== 0;
}
