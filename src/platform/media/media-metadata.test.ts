import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { searchTextOf, toMediaMetadata } from './media-metadata.ts';

describe('toMediaMetadata', () => {
  it('keeps what is named, within bounds', () => {
    const good = {
      width: 10,
      exposureTime: 1 / 8000,
      camera: 'Ann’s 👩‍👩‍👧 camera',
      takenAt: '2024-05-01T12:30:00+02:00',
      location: { latitude: -1.5, longitude: 170.123457 },
    };
    expect(toMediaMetadata({ ...good, other: 1 })).toEqual(good);
  });

  it.each([
    [{ width: -1, height: Number.NaN, pages: Number.POSITIVE_INFINITY, iso: '100', fNumber: null }, {}],
    [{ takenAt: '2024-13-45T99:00:00' }, {}],
    [{ takenAt: '2024-05-01T12:30:00 and more' }, {}],
    [{ location: { latitude: 91, longitude: 0 } }, {}],
    [{ location: [1, 2] }, {}],
    [{ title: ['a'], author: { a: 1 }, lens: '\u0000\u0007 \u202e' }, {}],
    [{ title: 'a\u0000b\n\u202ec\ud800' }, { title: 'a b c\ufffd' }],
    [{ title: '😀'.repeat(500) }, { title: '😀'.repeat(200) }],
    [null, {}],
    ['text', {}],
  ])('drops what is not: %j', (raw, clean) => {
    expect(toMediaMetadata(raw)).toEqual(clean);
  });

  it('gives harmless texts, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (title) => {
        const { title: clean = 'x' } = toMediaMetadata({ title });
        expect(clean.isWellFormed()).toBe(true);
        expect(Array.from(clean).length).toBeLessThanOrEqual(200);
        expect(clean).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});

describe('searchTextOf', () => {
  it('names what people look for, once and in lower case', () => {
    const text = searchTextOf({ camera: 'NIKON D750', title: 'Évian', author: 'Évian', width: 9, videoCodec: 'h264' });
    expect(text).toBe('évian nikon d750');
  });

  it('is empty where there is nothing', () => expect(searchTextOf({ width: 1 })).toBe(''));
});
