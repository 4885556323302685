import { describe, expect, it } from 'vitest';
import { type ObjectAccess, UrlSigner } from './signed-urls.ts';

const start = new Date('2026-03-04T05:06:07.890Z');
const signingKey = Buffer.alloc(32, 7);
const put: ObjectAccess = {
  method: 'PUT',
  key: 'a/ü %.txt',
  sizeBytes: 5,
  contentType: 'text/plain',
  sha256: null,
  createOnly: false,
  part: null,
};
const strict: ObjectAccess = { ...put, sha256: 'ab'.repeat(32), createOnly: true };
const get: ObjectAccess = {
  method: 'GET',
  key: 'a/b',
  contentType: 'a/b',
  contentDisposition: 'attachment; x="1 + 1"',
};

function setUp() {
  const clock = { time: start.getTime(), now: () => new Date(clock.time) };
  const presigner = new UrlSigner(signingKey, clock);
  const sign = (access: ObjectAccess) =>
    presigner.presign(access, { expiresInSeconds: 60, publicOrigin: 'https://pockity.test/' }).url.slice(20);
  return { clock, presigner, sign };
}

describe('UrlSigner', () => {
  it('reads back what it signed', () => {
    const { presigner, sign } = setUp();
    const part: ObjectAccess = { ...put, contentType: null, part: { uploadId: 'u', partNumber: 3 } };
    for (const access of [put, strict, get, part])
      expect(presigner.verify(access.method, sign(access))).toEqual({ ok: true, access });
    expect(presigner.presign(put, { expiresInSeconds: 60, publicOrigin: 'https://pockity.test' }).url).toMatch(
      /^https:\/\/pockity\.test\/objects\/a\/%C3%BC%20%25\.txt\?/,
    );
  });

  it('names what the client must send, and signs it', () => {
    const { presigner, sign } = setUp();
    expect(presigner.presign(strict, { expiresInSeconds: 60, publicOrigin: 'https://pockity.test' }).headers).toEqual({
      'content-length': '5',
      'content-type': 'text/plain',
      'x-amz-checksum-sha256': Buffer.alloc(32, 0xab).toString('base64'),
      'if-none-match': '*',
    });
    const url = sign(strict);
    for (const changed of [
      url.replace('sha256=ab', 'sha256=ac'),
      url.replace(/&sha256=\w+/, ''),
      url.replace('&createOnly=true', ''),
    ]) {
      expect(presigner.verify('PUT', changed)).toEqual({ ok: false, reason: 'invalid' });
    }
    for (const sha256 of ['', 'AB'.repeat(32), 'ab'.repeat(31)]) {
      expect(() =>
        presigner.presign({ ...strict, sha256 }, { expiresInSeconds: 60, publicOrigin: 'https://pockity.test' }),
      ).toThrow(TypeError);
    }
  });

  it('holds until its last second', () => {
    const { clock, presigner, sign } = setUp();
    const { expiresAt } = presigner.presign(put, { expiresInSeconds: 60, publicOrigin: 'https://pockity.test' });
    const url = sign(put);
    clock.time = expiresAt.getTime() - 1;
    expect(presigner.verify('PUT', url).ok).toBe(true);
    clock.time = expiresAt.getTime();
    expect(presigner.verify('PUT', url)).toEqual({ ok: false, reason: 'expired' });
  });

  it('believes nothing that was changed', () => {
    const { presigner, sign } = setUp();
    const url = sign(put);
    const changed = [
      url.replace('size=5', 'size=6'),
      url.replace('text%2Fplain', 'text%2Fhtml'),
      url.replace(/expires=\d/, 'expires=9'),
      url.replace('.txt', '.txu'),
      url.replace('/objects/a/', '/objects/b/'),
      `${url}&disposition=inline`,
      `${url}&uploadId=u&partNumber=1`,
      url.replace(/signature=[^&]*/, 'signature='),
      url.replace(/&signature=[^&]*/, ''),
      url.replace('/objects/', '/objects/%ZZ'),
      url.replace('/objects/', '/other/'),
      '',
      '/objects/',
    ];
    for (const one of changed) expect(presigner.verify('PUT', one)).toEqual({ ok: false, reason: 'invalid' });
    expect(presigner.verify('GET', url)).toEqual({ ok: false, reason: 'invalid' });
    const other = new UrlSigner(Buffer.alloc(32, 8), { now: () => start });
    expect(other.verify('PUT', url)).toEqual({ ok: false, reason: 'invalid' });
  });

  it('refuses weak keys and long lives', () => {
    const { presigner } = setUp();
    expect(() => new UrlSigner(Buffer.alloc(31), { now: () => start })).toThrow(TypeError);
    for (const seconds of [0, 604_801, Number.NaN]) {
      expect(() => presigner.presign(put, { expiresInSeconds: seconds, publicOrigin: 'https://pockity.test' })).toThrow(
        TypeError,
      );
    }
  });
});
