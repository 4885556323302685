import { AppError } from '../../errors/app-error.ts';

/** Longest file name, in UTF-8 bytes. */
export const MAX_FILE_NAME_BYTES = 1024;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Unicode's canonical composition, so that one visible name is one name. */
export function normalizeFileName(name: string): string {
  return name.normalize('NFC');
}

/**
 * Why a name (NFC, `/` makes folders) can't be a path in a space, or null. API.md: 1-1024 UTF-8 bytes, no empty, `.` or
 * `..` segment, no control character, no leading or trailing `/`.
 */
export function fileNameFault(name: string): string | null {
  if (name === '') return 'must not be empty';
  if (Buffer.byteLength(name) > MAX_FILE_NAME_BYTES) return `must be at most ${MAX_FILE_NAME_BYTES} bytes of UTF-8`;
  if (CONTROL.test(name)) return 'must not contain control characters';
  if (!name.isWellFormed() || name.includes('\ufffd')) return 'must be valid UTF-8';
  if (name.startsWith('/') || name.endsWith('/')) return 'must not begin or end with "/"';
  for (const segment of name.split('/')) {
    if (segment === '') return 'must not contain an empty segment';
    if (segment === '.' || segment === '..') return 'must not contain a "." or ".." segment';
  }
  return null;
}

/** A folder's name, or a file's that `ContentPolicy` has yet to admit, as a path in a space. Errors: VALIDATION_FAILED. */
export function checkedPath(name: string, field = 'fileName'): string {
  const path = normalizeFileName(name);
  const fault = fileNameFault(path);
  if (fault !== null) throw new AppError('VALIDATION_FAILED', { details: [{ path: field, message: fault }] });
  return path;
}

/** Room that ` (1234567890)` may take behind the stem. */
const NUMBER_ROOM_BYTES = 13;

/**
 * Where `keepBoth` puts its number: before the last segment's extension. The last segment is cut, at a character, so that
 * the numbered name stays within the limit; the folder never is, so below one of more than 1010 bytes the name may come
 * out too long, which the ledger refuses as taken.
 */
export function splitForNumber(name: string): { readonly stem: string; readonly suffix: string } {
  const folder = name.slice(0, name.lastIndexOf('/') + 1);
  const extension = extensionOf(name);
  const room = MAX_FILE_NAME_BYTES - NUMBER_ROOM_BYTES - Buffer.byteLength(folder);
  const suffix = extension === '' ? '' : `.${extension}`;
  // A file is known by its extension; where not even that fits, it goes.
  const kept = Buffer.byteLength(suffix) < room ? suffix : '';
  const characters = [...name.slice(folder.length, name.length - suffix.length)];
  while (characters.length > 0 && Buffer.byteLength(characters.join('')) + Buffer.byteLength(kept) > room) {
    characters.pop();
  }
  return { stem: folder + characters.join(''), suffix: kept };
}

/** A path without the folders that it lies in. */
export function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** What follows the last dot of the last segment, as written, without the dot; at most 32 characters, else none. */
export function extensionOf(name: string): string {
  const segment = lastSegment(name);
  const dot = segment.lastIndexOf('.');
  if (dot <= 0) return '';
  const extension = segment.slice(dot + 1);
  return extension.length <= 32 ? extension : '';
}
