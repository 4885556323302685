// Fails when a route was not called rightly by any test of the last whole run, never gave an error that it declares, or gave
// one that it does not declare.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CODES } from '../src/errors/codes.ts';
import { errorsOf } from '../src/http/openapi.ts';
import { declaredRoutes } from './declared-routes.ts';

/** What no request can bring about by itself, and is tested where it arises. */
const NOT_BY_REQUEST = new Map([
  ['INTERNAL', 'a fault of ours; http.test.ts'],
  ['STORAGE_FULL', 'a full disk; disk-object-store.test.ts'],
]);

/** Only where an account or an admin goes between authorization and the handler. */
const ONLY_IN_A_RACE = new Set(['DELETE /api/admin/users/:id: 409 LAST_ADMIN']);

const folder = join(import.meta.dirname, '../coverage/route-hits');
const hits = new Set(
  readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n')),
);

const missing = declaredRoutes().flatMap((route) => {
  const name = `${route.method.toUpperCase()} ${route.root ? '' : '/api'}${route.path}`;
  const successes = [...Object.keys(route.success ?? {}), ...Object.keys(route.stream?.statuses ?? {})];
  const wanted = [
    ...successes.filter((status) => Number(status) < 400).map((status) => `${status} -`),
    ...errorsOf(route)
      .filter((code) => !NOT_BY_REQUEST.has(code))
      .map((code) => `${ERROR_CODES[code].status} ${code}`),
  ];
  return wanted
    .filter((outcome) => !hits.has(`${name} ${outcome}`))
    .map((outcome) => `${name}: ${outcome}`)
    .filter((line) => !ONLY_IN_A_RACE.has(line));
});

const declared = new Set(
  declaredRoutes().flatMap((route) => {
    const name = `${route.method.toUpperCase()} ${route.root ? '' : '/api'}${route.path}`;
    return errorsOf(route).map((code) => `${name} ${ERROR_CODES[code].status} ${code}`);
  }),
);
/** What any route can answer, as the document's introduction says. */
const ANYWHERE = new Set(['METHOD_NOT_ALLOWED', 'INTERNAL', 'DEPENDENCY_UNAVAILABLE', 'STORAGE_FULL']);
const undeclared = [...hits].filter((hit) => {
  const [, , , code = '-'] = hit.split(' ');
  // HEAD is what GET declares, unless it is declared itself.
  return (
    code !== '-' &&
    !ANYWHERE.has(code) &&
    !hit.includes('undefined') &&
    !declared.has(hit) &&
    !declared.has(hit.replace(/^HEAD /, 'GET '))
  );
});
if (undeclared.length > 0) {
  console.error(`Tests have seen these, although the routes do not declare them:\n${undeclared.join('\n')}`);
}

if (undeclared.length > 0 || missing.length > 0) {
  if (missing.length > 0) {
    console.error(
      `No test of the last run has seen these (was it of one file? then it proves nothing: use npx vitest run), although the routes declare them:\n${missing.join('\n')}`,
    );
  }
  process.exit(1);
}
process.exit(0);
