import { isUtf8 } from 'node:buffer';

/**
 * What a client meant by a header's value: node reads its bytes as Latin-1, programs mostly send UTF-8. As it is where
 * the bytes are no UTF-8.
 */
export function headerText(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}
