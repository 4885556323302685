// docs/openapi.json and the Postman collection are what the routes declare: `--write` makes them, `--check` fails when
// they differ.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { buildOpenApi } from '../src/http/openapi.ts';
import { makeCollection } from './collection.ts';
import { declaredRoutes } from './declared-routes.ts';

const docs = join(import.meta.dirname, '../docs');
const { version } = packageJson;
const document = buildOpenApi(declaredRoutes(version), version);
const files = [
  ['openapi.json', `${JSON.stringify(document, null, 2)}\n`],
  // The converter writes into what it is given.
  ['pockity.postman_collection.json', await makeCollection(structuredClone(document))],
] as const;
for (const [name, content] of files) {
  const path = join(docs, name);
  if (process.argv.includes('--write')) {
    await writeFile(path, content);
  } else if ((await readFile(path, 'utf8').catch(() => '')) !== content) {
    console.error(`docs/${name} is not what the routes declare: run \`npm run generate\` and commit it`);
    process.exitCode = 1;
  }
}
process.exit();
