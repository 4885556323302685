import { createHash, randomBytes } from 'node:crypto';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClaimedKey, createKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { eventually } from '../support/client-eventually.ts';
import { pump, StreamedUpload } from '../support/client-raw.ts';
import { photo } from '../support/pictures.ts';
import { S3_SERVER_HINT, type S3Server, startS3Server } from '../support/s3-server.ts';
import { ServerPlace } from '../support/server-place.ts';
import { complaints, readZip } from '../support/zip.ts';

const MIB = 1024 * 1024;
const BUCKET = `acceptance-${randomBytes(6).toString('hex')}`;
const s3 = await startS3Server();

describe.skipIf(s3 === null)(s3 ? 'on an S3 server' : `on an S3 server (${S3_SERVER_HINT})`, () => {
  let bucket: S3Client;
  let place: ServerPlace;
  let key: ClaimedKey;

  beforeAll(async () => {
    const server = s3 as S3Server;
    bucket = new S3Client({
      endpoint: server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
    });
    await bucket.send(new CreateBucketCommand({ Bucket: BUCKET }));
    place = await ServerPlace.open();
    const { baseUrl } = await place.start({
      S3_BUCKET_NAME: BUCKET,
      S3_ENDPOINT: server.endpoint,
      S3_FORCE_PATH_STYLE: 'true',
      S3_CHECKSUMS: 'when_required',
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: server.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
    });
    key = await signUpAndGetKey({ place, baseUrl });
  });

  afterAll(async () => {
    bucket?.destroy();
    await place?.close();
    await s3?.stop();
  });

  async function keysInBucket(prefix: string): Promise<string[]> {
    const listed = await bucket.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix }));
    return (listed.Contents ?? []).map(({ Key }) => Key ?? '');
  }

  test('thumbnails lie beside their file, are linked without credentials, and go with it', async () => {
    const bytes = new Uint8Array(await photo({ width: 1200, height: 600 }));
    const { id } = (await key.client.upload('photo.jpg', bytes, { type: 'image/jpeg' })).data.file;
    const read = async () =>
      (await key.client.get<{ asset: { thumbnails: { large: string } | null } }>(`/assets/${id}`)).data.asset;
    const { thumbnails } = await eventually('it has thumbnails', async () => {
      const asset = await read();
      return asset.thumbnails === null ? null : asset;
    });
    expect(new URL(thumbnails?.large ?? '').origin).toBe(s3?.endpoint);
    const picture = await fetch(thumbnails?.large ?? '');
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(await sharp(await picture.arrayBuffer()).metadata()).toMatchObject({ format: 'webp', width: 1024 });
    expect((await read()).thumbnails).toEqual(thumbnails);
    const prefix = `apikeys/${key.accessKeyId}/`;
    const before = await keysInBucket(prefix);
    await key.client.delete('photo.jpg');
    await eventually(
      'all four objects are gone',
      async () => (await keysInBucket(prefix)).length === before.length - 4,
      {
        withinMs: 30_000,
      },
    );
  });

  test.each([0, 1, 65_537, 9 * MIB])('a file of %i bytes is stored, read, linked and deleted', async (size) => {
    const content = randomBytes(size);
    const name = `folder/ä b+c%${size}.bin`;
    const { data } = await key.client.upload(name, content);
    expect(data.file).toMatchObject({ size, checksumSha256: createHash('sha256').update(content).digest('hex') });
    expect((await key.client.bytes(name)).equals(content)).toBe(true);
    const link = (await key.client.link(name)).data.downloadUrl;
    expect(new URL(link).origin).toBe(s3?.endpoint);
    const downloaded = await fetch(link);
    expect(downloaded.headers.get('content-disposition')).toMatch(/^attachment/);
    expect(Buffer.from(await downloaded.arrayBuffer()).equals(content)).toBe(true);
    if (size > 1) {
      const part = await key.client.content(name, { range: `bytes=1-${size - 2}` });
      expect(part.status).toBe(206);
      expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(1, size - 1))).toBe(true);
    }
    const tampered = new URL(link);
    tampered.pathname += 'x';
    expect((await fetch(tampered)).status).toBe(403);
    expect((await key.client.delete(name)).data.sizeFreed).toBe(size);
  });

  test('many files come as one ZIP', async () => {
    const sizes = [0, 1, 65_536, 65_537, 9 * MIB];
    const contents = sizes.map((size) => randomBytes(size));
    for (const [i, content] of contents.entries()) await key.client.upload(`zip/${i}`, content);
    const response = await key.client.fetch('POST', '/storage/files/zip', { json: { prefix: 'zip/' } });
    expect(response.status).toBe(200);
    const zip = Buffer.from(await response.arrayBuffer());
    expect(readZip(zip).map(({ content }, i) => contents[i]?.equals(content))).toEqual(sizes.map(() => true));
    expect(complaints(zip)).toEqual([]);
  });

  test('of unknown length it streams in parts, and what is refused leaves nothing in the bucket', async () => {
    const own = await createKey({ place, baseUrl: key.client.baseUrl }, key.owner, { bytes: 20 * MIB });
    const send = (fileName: string, sizeBytes: number) =>
      pump(new StreamedUpload(own.client, { fileName, sizeBytes, chunked: true }), sizeBytes, new Uint8Array(MIB));
    expect((await send('exact', 20 * MIB)).status).toBe(201);
    expect((await send('over', 1)).outcome).toBe('413 QUOTA_EXCEEDED');
    await own.client.delete('exact');
    expect((await send('over', 20 * MIB + 1)).outcome).toBe('413 QUOTA_EXCEEDED');
    const cut = new StreamedUpload(own.client, { fileName: 'cut', sizeBytes: 15 * MIB });
    await cut.send(new Uint8Array(12 * MIB));
    await eventually('it holds room', async () => (await own.client.usage()).usage.bytesReserved > 0);
    cut.hangUp();
    await eventually('nothing is held', async () => (await own.client.usage()).usage.bytesReserved === 0);
    expect((await own.client.usage()).usage).toMatchObject({ bytesUsed: 0, objects: 0 });
    await eventually(
      'the bucket is empty',
      async () => (await keysInBucket(`apikeys/${own.accessKeyId}/`)).length === 0,
      { withinMs: 30_000, everyMs: 250 },
    );
  });

  test('20 at once against room for 5 are admitted exactly 5 times', async () => {
    const own = await createKey({ place, baseUrl: key.client.baseUrl }, key.owner, { bytes: 5 * MIB });
    const content = randomBytes(MIB);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => own.client.upload(`f${i}`, content)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 413)).toHaveLength(15);
    await eventually(
      'five objects are in the bucket',
      async () => (await keysInBucket(`apikeys/${own.accessKeyId}/`)).length === 5,
      { withinMs: 30_000, everyMs: 250 },
    );
    const names = (await own.client.listAll()).files.map(({ fileName }) => fileName);
    expect((await own.client.bulkDelete({ fileNames: names })).data.summary.deleted).toBe(5);
    await eventually('none is left', async () => (await keysInBucket(`apikeys/${own.accessKeyId}/`)).length === 0, {
      withinMs: 30_000,
      everyMs: 250,
    });
  });
});
