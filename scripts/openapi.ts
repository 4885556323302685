// docs/openapi.json is what the routes declare: `--write` makes it, `--check` fails when it differs.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { buildOpenApi } from '../src/http/openapi.ts';
import { declaredRoutes } from './declared-routes.ts';

const path = join(import.meta.dirname, '../docs/openapi.json');
const { version } = packageJson;
const document = `${JSON.stringify(buildOpenApi(declaredRoutes(version), version), null, 2)}\n`;
if (process.argv.includes('--write')) {
  await writeFile(path, document);
} else if ((await readFile(path, 'utf8').catch(() => '')) !== document) {
  console.error('docs/openapi.json is not what the routes declare: run `npm run generate` and commit it');
  process.exit(1);
}
process.exit(0);
