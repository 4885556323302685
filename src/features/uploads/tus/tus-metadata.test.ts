import { expect, it } from 'vitest';
import { firstValue, parseTusMetadata } from './tus-metadata.ts';

function encode(text: string | Buffer): string {
  return Buffer.from(text).toString('base64');
}

it('reads pairs; an empty value is none', () => {
  const metadata = parseTusMetadata(`filename ${encode('a/größe.txt')},is_private, relativePath ${encode('')}`);
  expect([...(metadata as Map<string, string>)]).toEqual([
    ['filename', 'a/größe.txt'],
    ['is_private', null],
    ['relativePath', null],
  ]);
});

it('keeps what would be a property of every object as what it is', () => {
  const metadata = parseTusMetadata(`__proto__ ${encode('x')},constructor ${encode('y')}`) as Map<string, string>;
  expect(metadata.get('__proto__')).toBe('x');
  expect(firstValue(metadata, ['toString', 'constructor'])).toBe('y');
});

it('takes the first name that has a value', () => {
  const metadata = parseTusMetadata(`name ${encode('b')},filename`) as Map<string, string>;
  expect(firstValue(metadata, ['filename', 'name'])).toBe('b');
});

it.each([
  ['nothing', ''],
  ['an empty pair', 'a YQ==,,b YQ=='],
  ['a third part', 'a YQ== YQ=='],
  ['a key twice', 'a YQ==,a Yg=='],
  ['no Base64', 'a Y*=='],
  ['Base64 without its end', 'a YQ'],
  ['Base64 of URLs', 'a _-__'],
  ['no UTF-8', `a ${encode(Buffer.from([0xff, 0xfe]))}`],
  ['a key that is not ASCII', 'grö YQ=='],
  ['10 KiB', `a ${'QUJD'.repeat(2560)}`],
])('refuses %s', (_what, header) => {
  expect(parseTusMetadata(header)).toBeTypeOf('string');
});
