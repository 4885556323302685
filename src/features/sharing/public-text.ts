/** Marks that turn the direction of text, and what is no character at all. */
const TURNING = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB'];
const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });

/** A name as it can be read, with nothing in it that shows other characters than there are. */
export function inSight(name: string): string {
  return name.replaceAll(TURNING, '\ufffd');
}

/** `1.2 MB`, a KB of 1024 bytes. */
export function sizeOf(bytes: number): string {
  if (bytes === 1) return '1 byte';
  let unit = 0;
  let size = bytes;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || size >= 9.95 ? 0 : 1;
  return `${size.toFixed(digits)} ${UNITS[unit]}`;
}

/** `21 Nov 2026` (UTC). */
export function dateOf(date: Date): string {
  return DATE.format(date);
}
