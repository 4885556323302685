// Of the whole product: red on a branch that has not all features yet.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AUDIT_ACTIONS } from '../../src/features/audit/index.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The table itself, examples, and tests write nothing. */
const NOT_WRITING = /features\/audit\/audit\.ts$|\.schemas\.ts$|\.test\.ts$|\/generated\//;

describe('the actions of the audit log', () => {
  const sources = globSync(['src/**/*.ts', 'prisma/migrations/**/*.sql'], { cwd: ROOT })
    .filter((path) => !NOT_WRITING.test(path))
    .map((path) => readFileSync(join(ROOT, path), 'utf8'))
    // Neither do comments.
    .map((text) => text.replace(/\/\*[\s\S]*?\*\/|^\s*(?:\/\/|--).*$/gm, ''));

  it.each(AUDIT_ACTIONS)('%s is written somewhere', (action) => {
    expect(sources.some((text) => text.includes(`'${action}'`))).toBe(true);
  });
});
