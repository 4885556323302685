import { isUtf8 } from 'node:buffer';

/** As long as every name, type and tag that we take, and what Uppy adds; node's own limit for all headers is 16 KiB. */
const MAX_BYTES = 8 * 1024;
/** Printable ASCII but space and comma. */
const KEY = /^[\x21-\x2b\x2d-\x7e]+$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Pairs of `Upload-Metadata` by key, in their order; null: a key without a value. */
export type TusMetadata = ReadonlyMap<string, string | null>;

/** Reads `Upload-Metadata` (tus 1.0, creation); a text says what is wrong with it. */
export function parseTusMetadata(header: string): TusMetadata | string {
  if (header.length > MAX_BYTES) return `must not be longer than ${MAX_BYTES} bytes`;
  const pairs = new Map<string, string | null>();
  for (const pair of header.split(',')) {
    const [key = '', value, more] = pair.trim().split(' ');
    if (!KEY.test(key) || more !== undefined) return 'must be pairs of a key and its Base64 value, divided by commas';
    if (pairs.has(key)) return `holds the key ${key} twice`;
    const text = value === undefined ? null : textOf(value);
    if (text === undefined) return `holds a value of ${key} that is not Base64 of UTF-8`;
    pairs.set(key, text);
  }
  return pairs;
}

function textOf(base64: string): string | undefined {
  if (!BASE64.test(base64)) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** The first of these keys that has a value: clients call the same thing by several names. */
export function firstValue(metadata: TusMetadata, keys: readonly string[]): string | undefined {
  return keys.map((key) => metadata.get(key)).find((value) => typeof value === 'string' && value !== '') ?? undefined;
}
