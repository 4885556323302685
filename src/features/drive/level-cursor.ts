import { decodeCursor, encodeCursor } from '../../platform/keyset.ts';

type Sort = 'name' | 'date' | 'size';

/**
 * A cursor of `LevelListing` as a client gets it: without the path of the folder, which is not a grantee's to know, and
 * which may be another by the next page. `base`: the folder's path with a slash at its end, '' for the drive.
 */
export function cursorFrom(base: string, cursor: string | null, sort: Sort): string | null {
  return cursor === null ? null : withPath(cursor, sort, (path) => path.slice(base.length));
}

/** The way back. Errors: VALIDATION_FAILED (no cursor of such a list). */
export function cursorAt(base: string, cursor: string | undefined, sort: Sort): string | undefined {
  return cursor === undefined ? undefined : withPath(cursor, sort, (name) => `${base}${name}`);
}

/** Only what comes by name has a path in its place: folders but by date, and files by name. */
function withPath(cursor: string, sort: Sort, change: (path: string) => string): string {
  const [part, inner] = decodeCursor(cursor, 'string', 'string');
  const isByName = part === 'files' ? sort === 'name' : sort !== 'date';
  if (inner === '' || !isByName) return cursor;
  return encodeCursor([part, encodeCursor([change(decodeCursor(inner, 'string')[0])])]);
}
