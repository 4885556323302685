/**
 * What stands at a place in PostgreSQL SQL where a semicolon may not part statements, each to its end (or to the end of the
 * text where it isn't closed): line comment, E'' string with backslashes, '' string, "" identifier, dollar quote. Nested
 * block comments are beyond a regular expression.
 */
const OPAQUE =
  /--[^\n]*|(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|(?<![\w$])(\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)[\s\S]*?(?:\1|$)/y;

/**
 * Parts SQL text into statements at its top-level semicolons, without them, trimmed; those that are empty or only comments
 * are left out. For statements that PostgreSQL takes only one by one (CREATE INDEX CONCURRENTLY). Bodies in
 * `BEGIN ATOMIC ... END` are not understood: quote them with dollars.
 */
export function splitSqlStatements(sql: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let meaningful = false;
  const finish = (end: number) => {
    if (meaningful) statements.push(sql.slice(start, end).trim());
    meaningful = false;
  };
  for (let at = 0; at < sql.length; ) {
    const opaqueEnd = sql.startsWith('/*', at) ? blockCommentEnd(sql, at) : quotedEnd(sql, at);
    if (opaqueEnd > at) {
      if (!isCommentAt(sql, at)) meaningful = true;
      at = opaqueEnd;
    } else if (sql[at] === ';') {
      finish(at);
      at += 1;
      start = at;
    } else {
      if (/\S/.test(sql.charAt(at))) meaningful = true;
      at += 1;
    }
  }
  finish(sql.length);
  return statements;
}

function isCommentAt(sql: string, at: number): boolean {
  return sql.startsWith('--', at) || sql.startsWith('/*', at);
}

function quotedEnd(sql: string, at: number): number {
  OPAQUE.lastIndex = at;
  return OPAQUE.test(sql) ? OPAQUE.lastIndex : at;
}

/** PostgreSQL's block comments nest. */
function blockCommentEnd(sql: string, at: number): number {
  let depth = 0;
  const marks = /\/\*|\*\//g;
  marks.lastIndex = at;
  for (let mark = marks.exec(sql); mark !== null; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return sql.length;
}
