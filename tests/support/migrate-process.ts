// Migrates a database in a process of its own: node migrate-process.ts <url> <migrations directory>; writes what it applied.
import { migrate } from '../../src/platform/db/migrate.ts';

const [url = '', migrationsDirectory = ''] = process.argv.slice(2);
const silent = { info: () => {}, warn: () => {}, error: () => {} };
const { applied } = await migrate({ url, migrationsDirectory, log: silent });
process.stdout.write(`${JSON.stringify(applied)}\n`);
