import { describe, expect, it } from 'vitest';
import { categoryOf, contentTypeOf } from './content-type.ts';

describe('contentTypeOf', () => {
  it.each([
    ['a.png', 'image/jpeg', 'image/jpeg'],
    ['a.png', 'application/octet-stream', 'image/png'],
    ['a.png', undefined, 'image/png'],
    ['a.png', 'text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
    ['a.png', 'nonsense', 'image/png'],
    ['a.png', 'text/html\r\nx-evil: 1', 'image/png'],
    ['html', undefined, 'application/octet-stream'],
    ['a.d/html', '', 'application/octet-stream'],
    ['.html', undefined, 'application/octet-stream'],
    ['a.tar.GZ', undefined, 'application/gzip'],
    ['a.unknown', undefined, 'application/octet-stream'],
    ['a.txt', `text/${'x'.repeat(300)}`, 'text/plain'],
  ])('of %j, given %j, is %j', (name, given, expected) => {
    expect(contentTypeOf(name, given)).toBe(expected);
  });
});

describe('categoryOf', () => {
  it.each([
    ['a.jpg', 'image/jpeg', 'image'],
    ['a.mp4', 'video/mp4', 'video'],
    ['a.mp3', 'audio/mpeg', 'audio'],
    ['a.pdf', 'application/pdf', 'document'],
    ['a.docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'document'],
    ['a.zip', 'application/zip', 'archive'],
    ['a.ts', 'video/mp2t', 'code'],
    ['a.json', 'application/json; charset=utf-8', 'code'],
    ['a.bin', 'application/octet-stream', 'other'],
  ])('of %j (%s) is %s', (name, type, category) => {
    expect(categoryOf(name, type)).toBe(category);
  });
});
