import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { negotiateContent } from './content-negotiation.ts';

const lastModified = new Date('2026-03-04T05:06:07.890Z');
const date = 'Wed, 04 Mar 2026 05:06:07 GMT';
const about = { sizeBytes: 10, etag: 'abc', lastModified };
const get = (headers: Record<string, string>, sizeBytes = 10) =>
  negotiateContent('GET', headers, { ...about, sizeBytes });

describe('ranges', () => {
  for (const [range, start, end] of [
    ['bytes=0-0', 0, 0],
    ['bytes=0-', 0, 9],
    ['bytes=9-9', 9, 9],
    ['bytes=2-100', 2, 9],
    ['bytes=-1', 9, 9],
    ['bytes=-10', 0, 9],
    ['bytes=-11', 0, 9],
    ['BYTES=2-3', 2, 3],
    ['bytes=0-99999999999999999999999', 0, 9],
  ] as const) {
    it(`${range} of 10 bytes is ${start}-${end}`, () => {
      const answer = get({ range });
      expect(answer).toMatchObject({ status: 206, range: { start, end } });
      expect(answer.headers).toEqual({
        etag: '"abc"',
        'last-modified': date,
        'accept-ranges': 'bytes',
        'content-length': String(end - start + 1),
        'content-range': `bytes ${start}-${end}/10`,
      });
    });
  }

  for (const range of ['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99999999999999999999-']) {
    it(`${range} of 10 bytes cannot be satisfied`, () => {
      expect(get({ range })).toMatchObject({ status: 416, headers: { 'content-range': 'bytes */10' } });
    });
  }

  for (const range of ['bytes=0-1,4-5', 'bytes=', 'bytes=a-b', 'bytes=-', 'bytes', 'items=0-1', 'bytes=1e1-', '']) {
    it(`'${range}' is answered with the whole`, () => {
      expect(get({ range })).toMatchObject({ status: 200, headers: { 'content-length': '10' } });
    });
  }

  for (const range of ['bytes=0-', 'bytes=-5', 'bytes=-0', 'bytes=3-4']) {
    it(`${range} of nothing is answered with nothing`, () => {
      expect(get({ range }, 0)).toMatchObject({ status: 200, headers: { 'content-length': '0' } });
    });
  }

  it('means nothing to HEAD', () => {
    expect(negotiateContent('HEAD', { range: 'bytes=0-0' }, about).status).toBe(200);
  });

  it('never leaves the representation', () => {
    const position = fc.option(fc.nat(2 ** 40), { nil: '' });
    fc.assert(
      fc.property(position, position, fc.nat(2 ** 40), (from, to, sizeBytes) => {
        const answer = get({ range: `bytes=${from}-${to}` }, sizeBytes);
        if (answer.status !== 206) return;
        expect(answer.range.start).toBeGreaterThanOrEqual(0);
        expect(answer.range.end).toBeGreaterThanOrEqual(answer.range.start);
        expect(answer.range.end).toBeLessThan(sizeBytes);
      }),
    );
  });
});

describe('If-Range', () => {
  const withRange = (validator: string) => get({ range: 'bytes=0-0', 'if-range': validator }).status;
  it('heeds the range for the same strong etag only', () => {
    expect(withRange('"abc"')).toBe(206);
    expect(withRange('W/"abc"')).toBe(200);
    expect(withRange('"abd"')).toBe(200);
    expect(withRange('Wed, 04 Mar 2026 05:06:08 GMT')).toBe(200);
    expect(withRange('Wed, 04 Mar 2026 05:06:06 GMT')).toBe(200);
    expect(withRange('2026-03-04T05:06:07Z')).toBe(200);
    expect(withRange('abc')).toBe(200);
    expect(withRange('"x", "abc"')).toBe(200);
    expect(withRange('*')).toBe(200);
    expect(withRange('nonsense')).toBe(200);
  });
  it('never goes by a date, of which two contents of one second have the same', () => {
    expect(withRange(date)).toBe(200);
    expect(withRange('Wed Mar  4 05:06:07 2026')).toBe(200);
    expect(withRange('Wednesday, 04-Mar-26 05:06:07 GMT')).toBe(200);
  });
  it('turns a range that could not be satisfied into the whole', () => {
    expect(get({ range: 'bytes=50-', 'if-range': '"abd"' }).status).toBe(200);
  });
});

describe('preconditions', () => {
  for (const [name, value, status] of [
    ['if-none-match', '"abc"', 304],
    ['if-none-match', 'W/"abc"', 304],
    ['if-none-match', '"x", "abc"', 304],
    ['if-none-match', '*', 304],
    ['if-none-match', '"x"', 200],
    ['if-modified-since', date, 304],
    ['if-modified-since', 'Wed, 04 Mar 2026 05:06:06 GMT', 200],
    ['if-modified-since', 'nonsense', 200],
    ['if-modified-since', 'Wednesday, 04-Mar-26 05:06:07 GMT', 304],
    ['if-modified-since', 'Wed Mar  4 05:06:07 2026', 304],
    ['if-modified-since', 'Wed Mar  4 05:06:06 2026', 200],
    ['if-modified-since', 'Friday, 04-Mar-94 05:06:07 GMT', 200],
    ['if-modified-since', '2030', 200],
    ['if-modified-since', '2030-01-01T00:00:00Z', 200],
    ['if-modified-since', 'Wed, 99 Mar 2026 05:06:07 GMT', 200],
    ['if-unmodified-since', '1', 200],
    ['if-unmodified-since', 'Tue Mar  3 05:06:07 2026', 412],
    ['if-match', '"abc"', 200],
    ['if-match', '"x", "abc"', 200],
    ['if-match', '*', 200],
    ['if-match', 'W/"abc"', 412],
    ['if-match', '"x"', 412],
    ['if-unmodified-since', date, 200],
    ['if-unmodified-since', 'Wed, 04 Mar 2026 05:06:06 GMT', 412],
    ['if-unmodified-since', 'nonsense', 200],
  ] as const) {
    it(`${name}: ${value} gives ${status}`, () => {
      expect(get({ [name]: value })).toMatchObject({ status, headers: { etag: '"abc"', 'last-modified': date } });
    });
  }

  it('hold whatever Cache-Control a fetch() adds', () => {
    expect(get({ 'if-none-match': '"abc"', 'cache-control': 'no-cache' }).status).toBe(304);
  });

  it('come in the order of RFC 9110', () => {
    expect(get({ 'if-match': '"x"', 'if-none-match': '"abc"' }).status).toBe(412);
    expect(get({ 'if-match': '"abc"', 'if-unmodified-since': 'Wed, 04 Mar 2020 05:06:06 GMT' }).status).toBe(200);
    expect(get({ 'if-none-match': '"x"', 'if-modified-since': date }).status).toBe(200);
    expect(get({ 'if-none-match': '"abc"', range: 'bytes=50-' }).status).toBe(304);
  });
});
