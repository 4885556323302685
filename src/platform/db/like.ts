/** A text as LIKE and ILIKE take it literally. */
export function escapeLike(text: string): string {
  return text.replaceAll(/[\\%_]/g, '\\$&');
}

/** A pattern for what holds this text anywhere. */
export function containing(text: string): string {
  return `%${escapeLike(text)}%`;
}
