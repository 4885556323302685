import { z } from 'zod';

/** As of S3's object tags. */
const MAX_TAGS = 10;
const MAX_KEY_CHARACTERS = 128;
const MAX_VALUE_CHARACTERS = 256;

/** A tag, `key` or `key=value`, trimmed on both sides of the `=`; the first one divides. */
export const tag = z
  .string()
  .transform(normalizeTag)
  .superRefine((text, context) => {
    const fault = tagFault(text);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  });

/** All tags of a file: up to 10, each key once. */
export const tagArray = z
  .array(tag)
  .max(MAX_TAGS)
  .superRefine((tags, context) => {
    const keys = tags.map(keyOf);
    const again = keys.findIndex((key, i) => keys.indexOf(key) < i);
    if (again !== -1) {
      context.addIssue({ code: 'custom', path: [again], message: 'must not have the key of another tag' });
    }
  })
  .meta({ description: 'Up to 10 tags, `key` or `key=value`; keys of 1-128 and values of up to 256 characters' });

/** The same as one text, divided by commas. */
export const tagList = z
  .string()
  .transform((text) => text.split(',').filter((part) => part.trim() !== ''))
  .pipe(tagArray);

function normalizeTag(text: string): string {
  const divider = text.indexOf('=');
  if (divider === -1) return text.trim().normalize('NFC');
  return `${text.slice(0, divider).trim()}=${text.slice(divider + 1).trim()}`.normalize('NFC');
}

function keyOf(text: string): string {
  return text.split('=', 1)[0] ?? '';
}

function tagFault(text: string): string | null {
  if (/[\p{Cc},]/u.test(text) || !text.isWellFormed()) return 'must not contain commas or control characters';
  const key = keyOf(text);
  if (key === '') return 'must have a key';
  if (Array.from(key).length > MAX_KEY_CHARACTERS) return `must have a key of at most ${MAX_KEY_CHARACTERS} characters`;
  const value = text.slice(key.length + 1);
  return Array.from(value).length > MAX_VALUE_CHARACTERS
    ? `must have a value of at most ${MAX_VALUE_CHARACTERS} characters`
    : null;
}
