import { AppError } from '../errors/app-error.ts';

/** A place in a sorted list: the sort key of the last entry seen. Opaque to clients. */
export function encodeCursor(position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/**
 * The position that a client sent back, checked to have the shape of `like`. Errors: VALIDATION_FAILED.
 * A forged cursor can only ask for another place of the same list: queries keep their own tenant and filters.
 */
export function decodeCursor<T extends readonly ('string' | 'number')[]>(
  cursor: string,
  ...like: T
): { [K in keyof T]: T[K] extends 'string' ? string : number } {
  const position = parse(cursor);
  if (Array.isArray(position) && position.length === like.length && like.every((type, i) => fits(position[i], type))) {
    return position as { [K in keyof T]: T[K] extends 'string' ? string : number };
  }
  throw new AppError('VALIDATION_FAILED', { details: [{ path: 'cursor', message: 'is not a cursor of this list' }] });
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
}

function fits(value: unknown, type: 'string' | 'number'): boolean {
  // PostgreSQL takes no NUL in text.
  return type === 'string' ? typeof value === 'string' && !value.includes('\0') : Number.isSafeInteger(value);
}
