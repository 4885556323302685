import { AppError } from '../errors/app-error.ts';
import { isId } from './crypto/random.ts';

/** What a part of a position may be. `count`: a whole number from 0 on; `time`: milliseconds since 1970, up to year 9999. */
export type PositionPart = 'string' | 'id' | 'count' | 'time';

type Position<T extends readonly PositionPart[]> = {
  [K in keyof T]: T[K] extends 'string' | 'id' ? string : number;
};

const END_OF_TIME = Date.UTC(10_000, 0);

/** Some entries of a list, and where the next ones begin. */
export interface Page<T> {
  readonly entries: readonly T[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/** Which page: at most `limit` entries behind `cursor`. */
export interface PageRequest {
  readonly limit: number;
  readonly cursor: string | undefined;
}

/** Cuts a page from entries of which one more than the limit was read; `cursorOf` says where an entry stands. */
export function cutPage<T>(found: readonly T[], limit: number, cursorOf: (last: T) => string): Page<T> {
  const entries = found.slice(0, limit);
  const last = found.length > limit ? entries.at(-1) : undefined;
  return { entries, nextCursor: last === undefined ? null : cursorOf(last) };
}

/** The same for a list that is sorted by id. */
export function cutPageById<T extends { readonly id: string }>(found: readonly T[], limit: number): Page<T> {
  return cutPage(found, limit, ({ id }) => id);
}

/** A place in a sorted list: the sort key of the last entry seen. Opaque to clients. */
export function encodeCursor(position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/**
 * The position that a client sent back, checked to have the shape of `like`. Errors: VALIDATION_FAILED.
 * A forged cursor can only ask for another place of the same list: queries keep their own tenant and filters.
 */
export function decodeCursor<T extends readonly PositionPart[]>(cursor: string, ...like: T): Position<T> {
  const position = parse(cursor);
  if (Array.isArray(position) && position.length === like.length && like.every((type, i) => fits(position[i], type))) {
    return position as Position<T>;
  }
  throw foreignCursor();
}

/** What a cursor that was not made for this list is refused with. */
export function foreignCursor(): AppError {
  return new AppError('VALIDATION_FAILED', { details: [{ path: 'cursor', message: 'is not a cursor of this list' }] });
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
}

function fits(value: unknown, part: PositionPart): boolean {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || value < 0) return false;
    return part === 'count' || (part === 'time' && value < END_OF_TIME);
  }
  if (typeof value !== 'string') return false;
  // PostgreSQL takes no NUL and no half characters in text.
  return part === 'id' ? isId(value) : part === 'string' && !value.includes('\0') && value.isWellFormed();
}
