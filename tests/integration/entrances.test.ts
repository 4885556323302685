import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { HEADS } from '../support/content-heads.ts';
import { DirectActor, type DirectSite, put, type Reply, startDirectSite } from '../support/direct-uploads.ts';
import { S3_SERVER_HINT } from '../support/s3-server.ts';
import { metadataOf, OFFSET_STREAM, TUS } from '../support/tus-actor.ts';
import type { Person } from '../support/world.ts';

// One refusal for one fault, whatever the way by which the bytes come.

const MAX_BYTES = 20_000;
const LIMITS = {
  MAX_FILE_BYTES: String(MAX_BYTES),
  BLOCKED_EXTENSIONS: 'exe, bat',
  CORS_ORIGINS: 'https://app.example.com',
};
const ALLOWED = { ALLOWED_TYPES: 'image/*, text/plain, audio/x-mpegurl' };
const ORIGIN = 'https://app.example.com';

/** What is sent. */
interface Sending {
  readonly fileName: string;
  readonly contentType: string;
  readonly content: Buffer;
  readonly fields?: Readonly<Record<string, string>>;
}

type Entrance = (me: DirectActor, sending: Sending, origin: string) => Promise<Reply>;

async function sendForm(
  me: DirectActor,
  { fileName, contentType, content, fields }: Sending,
  origin: string,
): Promise<Reply> {
  const body = new FormData();
  body.append('file', new Blob([new Uint8Array(content)], { type: contentType }), 'x');
  const query = new URLSearchParams({ fileName, ...fields });
  const response = await fetch(`${origin}/api/storage/upload?${query}`, {
    method: 'POST',
    headers: me.actor.headers,
    body,
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

async function sendPut(me: DirectActor, { fileName, contentType, content, fields }: Sending): Promise<Reply> {
  const opened = await me.presign(content.length, { fileName, contentType, ...fields });
  if (opened.status !== 201) return opened;
  expect((await put(opened.body.data, content)).status).toBe(200);
  return me.complete(opened.body.data.uploadId);
}

async function sendParts(me: DirectActor, { fileName, contentType, content, fields }: Sending): Promise<Reply> {
  const opened = await me.openMultipart(content.length, { fileName, contentType, ...fields });
  if (opened.status !== 201) return opened;
  const { uploadId } = opened.body.data;
  return me.completeParts(uploadId, await me.sendParts(uploadId, content, [1]));
}

/** As tus answers it, and the file by its id. */
async function sendTus(
  me: DirectActor,
  { fileName, contentType, content, fields }: Sending,
  origin: string,
): Promise<Reply> {
  const response = await fetch(`${origin}/api/uploads/tus`, {
    method: 'POST',
    headers: {
      ...me.actor.headers,
      ...TUS,
      ...OFFSET_STREAM,
      'Upload-Length': String(content.length),
      'Upload-Metadata': metadataOf({ filename: fileName, filetype: contentType, ...fields }),
    },
    body: new Uint8Array(content),
  });
  const { status, headers } = response;
  if (status !== 201) return { status, headers, body: await response.json() };
  const { body } = await me.call('GET', `/uploads/${headers.get('location')?.split('/').at(-1)}`);
  const shown = await me.call('GET', `/storage/files/${encodeURIComponent(body.data.upload.fileName)}/metadata`);
  return { ...shown, status };
}

const ENTRANCES: readonly (readonly [string, Entrance])[] = [
  ['a form', sendForm],
  ['a signed PUT', sendPut],
  ['signed parts', sendParts],
  ['tus', sendTus],
];

const TEXT = { contentType: 'text/plain', content: Buffer.from('some text') };
const QUOTA = 10_000;

const FAULTS: Readonly<Record<string, { readonly sending: Sending; readonly error: object }>> = {
  'over the quota': {
    sending: { ...TEXT, fileName: 'a.txt', content: Buffer.alloc(QUOTA + 1, 'a') },
    error: {
      code: 'QUOTA_EXCEEDED',
      details: { limit: 'bytes', quota: QUOTA, used: 0, reserved: 0, requested: QUOTA + 1 },
    },
  },
  'too large': {
    sending: { ...TEXT, fileName: 'a.txt', content: Buffer.alloc(MAX_BYTES + 1, 'a') },
    error: { code: 'FILE_TOO_LARGE', details: { maxBytes: MAX_BYTES } },
  },
  'a content that is not what its name says': {
    sending: { fileName: 'photos/cat.jpg', contentType: 'image/jpeg', content: HEADS.html },
    error: {
      code: 'CONTENT_MISMATCH',
      details: { seen: 'text/html', declared: 'image/jpeg', fileName: 'cat.jpg' },
    },
  },
  'a blocked ending': {
    sending: { ...TEXT, fileName: 'a/setup.Exe' },
    error: { code: 'FILE_TYPE_NOT_ALLOWED', details: { extension: 'exe', blocked: ['exe', 'bat'] } },
  },
  'a name that is none': {
    sending: { ...TEXT, fileName: '../secret' },
    error: {
      code: 'VALIDATION_FAILED',
      details: [{ path: 'fileName', message: 'must not contain a "." or ".." segment' }],
    },
  },
  'a room that is not there': {
    sending: { ...TEXT, fileName: 'a.txt', fields: { reservationId: newId() } },
    error: { code: 'RESERVATION_NOT_FOUND', details: null },
  },
  'a policy that is none': {
    sending: { ...TEXT, fileName: 'a.txt', fields: { conflict: 'overwrite' } },
    error: { code: 'VALIDATION_FAILED' },
  },
};

const sites = { disk: await startDirectSite('disk', LIMITS), s3: await startDirectSite('s3', LIMITS) };
const picky = await startDirectSite('disk', ALLOWED);
afterAll(() => Promise.all([sites.disk?.stop(), sites.s3?.stop(), picky?.stop()]));

async function actorOf(direct: DirectSite, owner: Person, state: object = {}): Promise<DirectActor> {
  const me = new DirectActor(direct, await direct.world.key(owner, state));
  const where = { id: await me.spaceId() };
  await direct.world.database.prisma.space.update({ where, data: { quotaBytes: BigInt(QUOTA) } });
  return me;
}

for (const [kind, site] of Object.entries(sites)) {
  describe.skipIf(site === null)(`on ${kind}${site ? '' : ` (${S3_SERVER_HINT})`}`, () => {
    const direct = site as DirectSite;
    let owner: Person;
    let me: DirectActor;

    beforeAll(async () => {
      owner = await direct.world.person();
    });
    beforeEach(async () => {
      me = await actorOf(direct, owner);
    });

    describe.each(ENTRANCES)('%s', (_title, send) => {
      it.each(Object.entries(FAULTS))('refuses %s, and keeps nothing', async (_fault, { sending, error }) => {
        const reply = await send(me, sending, direct.origin);
        expect(reply.body.error).toMatchObject(error);
        await me.sweep();
        expect(await me.audit()).toMatchObject({ usedBytes: 0, reservedBytes: 0, uploads: 0, faults: [] });
        expect(await me.stored()).toEqual([]);
      });

      it('refuses a name that is taken, where told to', async () => {
        const sending = { ...TEXT, fileName: 'taken.txt', fields: { conflict: 'fail' } };
        const first = await send(me, sending, direct.origin);
        const { file } = first.body.data;
        expect(file).toMatchObject({ fileName: 'taken.txt', contentType: 'text/plain', size: 9, category: 'document' });
        const again = await send(me, sending, direct.origin);
        expect(again.body.error).toMatchObject({
          code: 'FILE_EXISTS',
          details: { id: file.id, fileName: 'taken.txt' },
        });
        expect((await me.audit()).faults).toEqual([]);
      });

      it('refuses a key that may not write', async () => {
        const reader = await actorOf(direct, owner, { permissions: ['read', 'list', 'delete'] });
        const reply = await send(reader, { ...TEXT, fileName: 'a.txt' }, direct.origin);
        expect(reply.body.error.code).toBe('PERMISSION_MISSING');
      });

      it('takes the type of the ending for one that says nothing', async () => {
        const sending = { fileName: 'a.md', contentType: 'application/octet-stream', content: TEXT.content };
        const { body } = await send(me, sending, direct.origin);
        expect(body.data.file.contentType).toBe('text/markdown');
      });
    });

    it('lets browsers of the named origins PUT, and read the ETag', async () => {
      if (kind === 's3') return;
      const { body } = await me.presign(9);
      const preflight = await fetch(body.data.url, {
        method: 'OPTIONS',
        headers: {
          origin: ORIGIN,
          'access-control-request-method': 'PUT',
          'access-control-request-headers': Object.keys(body.data.headers).join(','),
        },
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(preflight.headers.get('access-control-allow-methods')).toContain('PUT');
      for (const name of ['content-type', 'if-none-match']) {
        expect(preflight.headers.get('access-control-allow-headers')).toContain(name);
      }
      const { url, headers } = body.data;
      const sent = await put({ url, headers: { ...headers, origin: ORIGIN } }, TEXT.content);
      expect(sent.status).toBe(200);
      expect(sent.headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(sent.headers.get('access-control-expose-headers')?.toLowerCase()).toContain('etag');
      const foreign = await put({ url, headers: { ...headers, origin: 'https://evil.example' } }, TEXT.content);
      expect(foreign.headers.get('access-control-allow-origin')).not.toBe('https://evil.example');
    });

    it('lets curl send parts', async () => {
      const file = join(direct.site.accounts.dataDirectory, `parts-${kind}`);
      await writeFile(file, TEXT.content);
      const { body } = await me.openMultipart(9, { fileName: 'curl.txt' });
      const { uploadId } = body.data;
      const signed = await me.call('POST', `/uploads/multipart/${uploadId}/parts`, { partNumbers: [1] });
      const args = ['-sS', '-f', '-D', '-', '-o', '/dev/null', '-T', file, signed.body.data.parts[0].url];
      const { stdout } = await promisify(execFile)('curl', args);
      const etag = /^etag: *(\S+)/im.exec(stdout)?.[1] ?? '';
      expect((await me.completeParts(uploadId, [{ partNumber: 1, etag }])).status).toBe(200);
      expect(await me.content('curl.txt')).toEqual(TEXT.content);
    });
  });
}

describe.each(ENTRANCES)('%s, where few types are allowed', (_title, send) => {
  const direct = picky as DirectSite;

  it.each([
    ['by its name and type', { fileName: 'a.pdf', contentType: 'application/pdf', content: HEADS.pdf }],
    ['by its type', { fileName: 'a', contentType: 'application/pdf', content: HEADS.pdf }],
    [
      'by its content, where the type says nothing',
      { fileName: 'a', contentType: 'audio/x-mpegurl', content: HEADS.pdf },
    ],
    ['by its content', { fileName: 'a', contentType: 'text/plain', content: HEADS.pdf }],
  ])('refuses another, %s', async (_by, sending) => {
    const me = await actorOf(direct, await direct.world.person());
    const reply = await send(me, sending, direct.origin);
    const form = await sendForm(me, sending, direct.origin);
    expect(reply.status).toBe(415);
    const { requestId: _, ...error } = reply.body.error;
    expect(form.body.error).toMatchObject(error);
    await me.sweep();
    expect(await me.audit()).toMatchObject({ usedBytes: 0, reservedBytes: 0, faults: [] });
    expect(await me.stored()).toEqual([]);
  });
});
