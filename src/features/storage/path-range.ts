/**
 * The first string, by code point, that no string with this prefix reaches; null when there is none. Code point order
 * is the byte order of UTF-8, in which paths are compared (COLLATE "C").
 */
export function endOfPrefix(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    // Surrogates are no characters; past the highest code point the one before has to give.
    const next = last === 0xd7ff ? 0xe000 : last + 1;
    if (next <= 0x10ffff) return String.fromCodePoint(...points, next);
  }
  return null;
}
