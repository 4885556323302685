import { createHash, randomInt, randomUUIDv7 } from 'node:crypto';

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** A new id: UUIDv7 (RFC 9562), so ids sort by time of creation. */
export function newId(): string {
  return randomUUIDv7();
}

/** The id that belongs to another for a purpose: always the same one, and of the same time. */
export function derivedId(id: string, purpose: string): string {
  const hash = createHash('sha256').update(`${id}:${purpose}`).digest('hex');
  return `${id.slice(0, 13)}-7${hash.slice(0, 3)}-8${hash.slice(3, 6)}-${hash.slice(6, 18)}`;
}

const MAX_ID_TIME = 2 ** 48 - 1;

/** What no id that was made at that time (milliseconds since 1970) or later lies below: UUIDv7 begin with the time. */
export function firstIdOf(timeMs: number): string {
  const time = Math.min(Math.max(0, timeMs), MAX_ID_TIME).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text has the form of an id; what has not names nothing, and PostgreSQL would refuse to compare it. */
export function isId(text: string): boolean {
  return UUID.test(text);
}

/** `AKIA` and 16 characters of base 32, as AWS writes access key ids. Not a secret. */
export function newAccessKeyId(): string {
  return `AKIA${randomText(16, UPPER)}`;
}

/** 40 alphanumeric characters, 238 bits. */
export function newSecretKey(): string {
  return randomText(40, ALPHANUMERIC);
}

/** Six digits, `000000`..`999999`. */
export function newOneTimeCode(): string {
  return String(randomInt(1_000_000)).padStart(6, '0');
}

/** SHA-256 of a text: enough for what is random itself, such as tokens. */
export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function randomText(length: number, alphabet: string): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}
