import { expect, it } from 'vitest';
import { splitSqlStatements } from './sql-statements.ts';

it.each([
  ['nothing', '', []],
  ['only blanks and comments', ' ; -- a;b\n; /* c;d */ ;', []],
  ['statements with and without a last semicolon', 'a; b;\nc', ['a', 'b', 'c']],
  ['a comment before a statement', '-- first; of all\na;', ['-- first; of all\na']],
  ['strings', "SELECT 'a;''b;', E'c\\';d';x", ["SELECT 'a;''b;', E'c\\';d'", 'x']],
  ['a backslash in a plain string', "SELECT 'a\\';x", ["SELECT 'a\\'", 'x']],
  ['a name that ends in e before a string', "SELECT date'a\\';x", ["SELECT date'a\\'", 'x']],
  ['identifiers', 'SELECT "a;""b;";x', ['SELECT "a;""b;"', 'x']],
  ['dollar quotes', 'DO $$ a; b $x$; $$; DO $x$ c; $$ d; $x$', ['DO $$ a; b $x$; $$', 'DO $x$ c; $$ d; $x$']],
  ['parameters and names with dollars', 'SELECT $1; SELECT a$b$c; x', ['SELECT $1', 'SELECT a$b$c', 'x']],
  ['nested block comments', 'a /* b; /* c; */ d; */ e; f', ['a /* b; /* c; */ d; */ e', 'f']],
  ['what is never closed', "a; 'b; c", ['a', "'b; c"]],
])('splits %s', (_what, sql, statements) => {
  expect(splitSqlStatements(sql)).toEqual(statements);
});
