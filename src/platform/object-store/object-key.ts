const MAX_KEY_BYTES = 1024;
const MAX_SEGMENT_BYTES = 255;

/** The folder of either store that holds what is not an object yet; no key may begin with it. */
export const TEMPORARY_FOLDER = '.tmp';

/**
 * Throws a `TypeError` unless `key` is one that the server may compose: 1..1024 bytes, segments of 1..255 bytes,
 * none of them `.` or `..`, no NUL or backslash, well-formed Unicode, not below `.tmp/`. Both stores hold to the
 * disk's rule, so that moving from one to the other never meets a key that does not fit.
 */
export function assertObjectKey(key: string): void {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new TypeError('an object key has at most 1024 bytes');
  assertSegments(key.split('/'));
}

/** Like `assertObjectKey` for the beginning of keys: empty, ending in `/`, or ending within a segment. */
export function assertKeyPrefix(prefix: string): void {
  const segments = prefix.split('/');
  if (segments.at(-1) === '') segments.pop();
  assertSegments(segments);
}

function assertSegments(segments: readonly string[]): void {
  if (segments[0] === TEMPORARY_FOLDER) throw new TypeError('an object key does not begin with .tmp');
  for (const segment of segments) {
    if (segment === '' || segment === '.' || segment === '..') throw new TypeError('an object key has a bad segment');
    if (segment.includes('\0') || segment.includes('\\')) throw new TypeError('an object key has a bad character');
    if (!segment.isWellFormed()) throw new TypeError('an object key is well-formed Unicode');
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) throw new TypeError('a key segment has at most 255 bytes');
  }
}
