import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditLogRepository, AuditRecorder } from '../../src/features/audit/index.ts';
import { FileRepository, ReadingService } from '../../src/features/storage/index.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { openS3Store, type StoreUnderTest } from '../support/object-stores.ts';
import { S3_SERVER_HINT } from '../support/s3-server.ts';
import { type Person, World } from '../support/world.ts';

// What an uploader claims against what a browser gets to see: through the API, by a link of the disk store, by one of S3.

const HTML = '<html><script>alert(1)</script></html>';
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';

/** Claimed type (as stored), content, whether it may be shown, and whether without nosniff as well. */
const CASES: readonly [string, string, boolean, boolean][] = [
  ['image/png', HTML, true, true],
  ['IMAGE/JPEG', 'x', true, true],
  ['image/webp; x=y', 'x', true, true],
  ['video/mp4', HTML, true, true],
  ['audio/mpeg', 'x', true, true],
  ['text/plain', HTML, true, false],
  ['Text/Plain; charset=utf-8', HTML, true, false],
  ['text/html', HTML, false, false],
  ['text/html; charset=utf-8', HTML, false, false],
  ['TEXT/HTML', HTML, false, false],
  [' text/html', HTML, false, false],
  [' image/png', HTML, false, false],
  ['image/svg+xml', SVG, false, false],
  ['image/SVG+XML; charset=utf-8', SVG, false, false],
  ['application/xhtml+xml', HTML, false, false],
  ['video/x+xml', SVG, false, false],
  ['audio/mpeg+xml', SVG, false, false],
  ['image/png+xml', SVG, false, false],
  ['text/xml', SVG, false, false],
  ['application/xml', SVG, false, false],
  ['text/xsl', SVG, false, false],
  ['text/javascript', 'alert(1)', false, false],
  ['application/javascript', 'alert(1)', false, false],
  ['text/css', 'x', false, false],
  ['application/pdf', '%PDF-1.7', false, false],
  ['application/x-shockwave-flash', 'FWS', false, false],
  ['multipart/x-mixed-replace; boundary=x', `--x\r\nContent-Type: text/html\r\n\r\n${HTML}`, false, false],
  ['Multipart/Related; boundary=x', HTML, false, false],
  ['message/rfc822', `Content-Type: text/html\r\n\r\n${HTML}`, false, false],
  ['text/plainly', HTML, false, false],
  ['image/pngx', HTML, false, false],
  ['image/png,text/html', HTML, false, false],
  ['unknown/unknown', HTML, false, false],
  ['application/octet-stream', HTML, false, false],
];

let site: Site;
let world: World;
let me: Person;
let spaceId: string;
let server: Server;
let origin: string;
const s3 = await openS3Store();

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
  me = await world.person();
  spaceId = (await world.database.prisma.space.findFirstOrThrow({ where: { ownerId: me.userId } })).id;
  server = createServer(site.accounts.app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await Promise.all([site.stop(), s3?.close()]);
});

/** A file of this content whose row claims this type, also one that no upload could leave there. */
async function fileOf(contentType: string, content: string): Promise<{ path: string; objectKey: string }> {
  const path = `${CASES.findIndex(([type]) => type === contentType)}`;
  const attach = { field: 'file', bytes: Buffer.from(content), name: 'x' };
  expect((await world.send('post', { path: `/storage/upload?fileName=${path}`, attach }, me.headers)).status).toBe(201);
  await world.database.prisma.file.updateMany({ where: { spaceId, path }, data: { contentType } });
  return world.database.prisma.file.findFirstOrThrow({ where: { spaceId, path } });
}

function expectHarmless(response: Response, type: string, isShown: boolean): void {
  expect(response.status).toBe(200);
  expect(response.headers.get('content-disposition')).toMatch(isShown ? /^inline/ : /^attachment/);
  const isComposite = /^(multipart|message)/i.test(type);
  expect(response.headers.get('content-type')).toBe(isComposite ? 'application/octet-stream' : type.trim());
}

function expectSandboxed(response: Response): void {
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.get('content-security-policy')).toMatch(/(^|; )sandbox($|; )/);
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
}

describe.each(CASES)('%j', (type, content, isShown, isShownUnsniffed) => {
  it(`is ${isShown ? 'shown' : 'saved'} through the API and by a link of the disk store`, async () => {
    const { path } = await fileOf(type, content);
    for (const method of ['GET', 'HEAD']) {
      const direct = await fetch(`${origin}/api/storage/files/${path}/content`, { method, headers: me.headers });
      expectHarmless(direct, type, isShown);
      expectSandboxed(direct);
    }
    for (const [disposition, shown] of [
      ['inline', isShown],
      ['attachment', false],
    ] as const) {
      const query = `/storage/files/${path}?disposition=${disposition}`;
      const link = new URL((await world.send('get', { path: query }, me.headers)).body.data.downloadUrl);
      const linked = await fetch(`${origin}${link.pathname}${link.search}`);
      expectHarmless(linked, type, shown);
      expectSandboxed(linked);
      expect(await linked.text()).toBe(content);
    }
  });

  it.skipIf(!s3)(`is ${isShownUnsniffed ? 'shown' : 'saved'} by a link of S3 (${S3_SERVER_HINT})`, async () => {
    const { store, publicOrigin } = s3 as StoreUnderTest;
    const { path, objectKey } = await fileOf(type, content);
    await store.put(objectKey, Buffer.from(content), { contentType: 'application/octet-stream' });
    const files = new FileRepository(world.database);
    const reading = new ReadingService({
      find: (space) => files.find(space, path),
      store,
      recorder: new AuditRecorder(new AuditLogRepository(world.database)),
    });
    const scope = {
      space: { id: spaceId, prefix: '' },
      actor: { type: 'user', id: me.userId, accessKeyId: null },
      origin: { ip: null, userAgent: null, requestId: null },
    } as const;
    const options = { expiresInSeconds: 60, disposition: 'inline', publicOrigin } as const;
    const { request } = await reading.presign(scope, { path }, options);
    expectHarmless(await fetch(request.url), type, isShownUnsniffed);
  });
});

it('a 304 says no more than that nothing has changed', async () => {
  const { path } = await fileOf('image/png', 'x');
  const url = `${origin}/api/storage/files/${path}/content`;
  const etag = (await fetch(url, { method: 'HEAD', headers: me.headers })).headers.get('etag') ?? '';
  for (const method of ['GET', 'HEAD']) {
    const response = await fetch(url, { method, headers: { ...me.headers, 'if-none-match': etag } });
    expect(response.status).toBe(304);
    const { headers } = response;
    expect(Object.fromEntries(headers)).toMatchObject({ etag, 'cache-control': 'private, no-cache' });
    for (const name of ['content-type', 'content-disposition', 'content-length']) expect(headers.get(name)).toBeNull();
  }
});
