import { z } from 'zod';

/** Characters as people count them, not UTF-16 units. */
function lengthOf(text: string): number {
  return [...text].length;
}

function text(min: number, max: number, forbidden: RegExp, what: string) {
  return z
    .string()
    .trim()
    .refine((value) => lengthOf(value) >= min && lengthOf(value) <= max, `must be ${min} to ${max} characters`)
    .refine((value) => !forbidden.test(value) && value.isWellFormed(), `must not contain ${what}`);
}

/** A trimmed text without control characters, which PostgreSQL (NUL) or a mail header (line ends) would not take. */
export function singleLine(min: number, max: number) {
  return text(min, max, /[\p{Cc}\p{Zl}\p{Zp}]/u, 'control characters or line ends');
}

/** The same, with line ends and tabs. */
export function multiLine(min: number, max: number) {
  return text(min, max, /[^\P{Cc}\t\n\r]/u, 'control characters');
}
