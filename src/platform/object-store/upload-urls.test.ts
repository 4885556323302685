import { describe, expect, it } from 'vitest';
import type { PresignedRequest, PresignPutOptions } from './object-store.ts';
import { UrlSigner } from './signed-urls.ts';
import { UploadUrls } from './upload-urls.ts';

const urls = new UrlSigner(Buffer.alloc(32, 7), { now: () => new Date(0) });
const publicOrigin = 'https://pockity.test';
const sha256 = 'ab'.repeat(32);
const put = { expiresInSeconds: 60, sizeBytes: 5, contentType: 'text/plain', sha256, createOnly: true, publicOrigin };
const part = { expiresInSeconds: 60, sizeBytes: 5, uploadId: 'u', partNumber: 1, publicOrigin };

function setUp(known: { readonly signedChecksum: boolean; readonly refusesUnsigned: boolean }) {
  const asked: Partial<PresignPutOptions>[] = [];
  const sign = async (key: string, options: object): Promise<PresignedRequest> => {
    asked.push(options);
    return { method: 'PUT', url: `https://store.test/${key}`, headers: {}, expiresAt: new Date(0) };
  };
  const probed = { capabilities: { conditionalPut: true, ...known } };
  return { asked, upload: new UploadUrls({ store: { presignPut: sign, presignPart: sign }, probed, urls }) };
}

describe('UploadUrls', () => {
  it('are the store’s where it refuses what nobody signed', async () => {
    const { asked, upload } = setUp({ signedChecksum: true, refusesUnsigned: true });
    expect((await upload.put('k', put)).url).toBe('https://store.test/k');
    expect((await upload.part('k', part)).url).toBe('https://store.test/k');
    expect(asked).toEqual([put, part]);
  });

  it('name a SHA-256 to the store only where it is held to', async () => {
    const { asked, upload } = setUp({ signedChecksum: false, refusesUnsigned: true });
    await upload.put('k', put);
    expect(asked).toEqual([{ ...put, sha256: undefined }]);
  });

  it('are this server’s elsewhere, and hold to all that was signed', async () => {
    const { asked, upload } = setUp({ signedChecksum: false, refusesUnsigned: false });
    const signed = await upload.put('k', put);
    expect(urls.verify('PUT', signed.url.replace(publicOrigin, ''))).toMatchObject({
      ok: true,
      access: { key: 'k', sizeBytes: 5, sha256, createOnly: true },
    });
    const ofPart = await upload.part('k', part);
    expect(urls.verify('PUT', ofPart.url.replace(publicOrigin, ''))).toMatchObject({
      ok: true,
      access: { key: 'k', part: { uploadId: 'u', partNumber: 1 } },
    });
    expect(asked).toEqual([]);
  });
});
