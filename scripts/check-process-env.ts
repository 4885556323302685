// Boundary 7: in src/, only config/ reads process.env. It is no import, so dependency-cruiser cannot see it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const source = join(import.meta.dirname, '../src');
const offenders = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .filter((name) => !name.startsWith('config/') && !name.includes('generated/'))
  .filter((name) => readFileSync(join(source, name), 'utf8').includes('process.env'));
for (const name of offenders) console.error(`src/${name} reads process.env: only src/config may`);
process.exit(offenders.length > 0 ? 1 : 0);
