import supertest from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../../src/app.ts';
import { createLoggers } from '../../src/platform/logging/logger.ts';
import { type Accounts, type Site, startAccounts } from '../support/accounts.ts';
import { LinkOwner } from '../support/links.ts';

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
const PASSWORD = 'open sesame';

let site: Site;
let a: Accounts;
let owner: LinkOwner;
let folderId: string;

beforeAll(async () => {
  site = await startAccounts({ MAX_FILE_BYTES: '1000' });
  a = site.accounts;
});
afterAll(() => site.stop());
beforeEach(async () => {
  owner = await LinkOwner.make(a);
  await owner.file('private/photos/cat.mp3', 'meow');
  await owner.file('private/photos/2026/dog.mp3', 'woof');
  folderId = await owner.folderId('private/photos');
});

const browse = (path: string) => supertest(a.app).get(path).set('accept', BROWSER);

describe('the page of a link', () => {
  it('is for who asks for HTML; programs get JSON', async () => {
    const { token } = await owner.link({ folderId });
    const types = async (accept?: string) => {
      const ask = supertest(a.app).get(`/s/${token}`);
      return (await (accept === undefined ? ask : ask.set('accept', accept)).expect(200)).headers['content-type'];
    };
    expect(await types(BROWSER)).toBe('text/html; charset=utf-8');
    for (const accept of [undefined, '*/*', 'application/json', 'application/json, text/html;q=0.5', 'image/png']) {
      expect(await types(accept)).toBe('application/json; charset=utf-8');
    }
  });

  it('has no script and nothing from elsewhere, and is kept by nobody', async () => {
    const { token } = await owner.link({ folderId });
    const { headers, text } = await browse(`/s/${token}`).expect(200);
    expect(headers).toMatchObject({
      'content-security-policy':
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    expect(text).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(text).not.toMatch(/<script|javascript:|https?:\/\/| on\w+=| style=/);
    const [, styles = ''] = /<link rel="stylesheet" href="([^"]+)">/.exec(text) ?? [];
    const css = await supertest(a.app).get(styles).expect(200);
    expect(css.headers['content-type']).toBe('text/css; charset=utf-8');
    expect(css.headers['cache-control']).toContain('immutable');
  });

  it('lists folders and files with links that work, and nothing of where they lie', async () => {
    const { token } = await owner.link({ folderId, maxDownloads: 2 });
    const { text } = await browse(`/s/${token}`).expect(200);
    expect(text).toContain('2 downloads left');
    expect(text).not.toContain('private');
    const links = hrefs(text);
    expect(links).toEqual([`/s/${token}/zip`, `/s/${token}?path=2026`, `/s/${token}/content?path=cat.mp3`]);
    const below = await browse(links[1] ?? '').expect(200);
    expect(hrefs(below.text)).toEqual([
      `/s/${token}/zip?path=2026`,
      `/s/${token}`,
      `/s/${token}/content?path=2026%2Fdog.mp3`,
    ]);
    await browse(links[2] ?? '').expect(200);
    await browse(links[0] ?? '').expect(200);
    await browse(`/s/${token}`).expect(404);
  });

  it('leads on to what does not fit', async () => {
    await owner.file('private/photos/zebra.mp3', 'z');
    const { token } = await owner.link({ folderId });
    const { text } = await browse(`/s/${token}?limit=2`).expect(200);
    const next = hrefs(text).at(-1) ?? '';
    expect(next).toContain('cursor=');
    expect((await browse(next).expect(200)).text).toContain('zebra.mp3');
  });

  it('of one file has that', async () => {
    const { token } = await owner.link({ fileId: await owner.file('private/one.txt', 'one') });
    const { text } = await browse(`/s/${token}`).expect(200);
    expect(hrefs(text)).toEqual([`/s/${token}/content`]);
    expect(text).toContain('3 bytes');
  });

  it('of an empty folder says so', async () => {
    await owner.send('delete', `/storage/files/${encodeURIComponent('private/photos/2026/dog.mp3')}`);
    const { token } = await owner.link({ folderId: await owner.folderId('private/photos/2026') });
    expect((await browse(`/s/${token}`).expect(200)).text).toContain('There is nothing here');
  });

  it('offers the ZIP only where there is a file at any depth', async () => {
    await owner.file('private/photos/old/1999/a.mp3', 'a');
    const { token } = await owner.link({ folderId });
    const zips = async (path: string) => hrefs((await browse(`/s/${token}${path}`).expect(200)).text)[0];
    expect(await zips('?path=old')).toBe(`/s/${token}/zip?path=old`);
    await owner.send('delete', `/storage/files/${encodeURIComponent('private/photos/old/1999/a.mp3')}`);
    await owner.file('private/photos/oldest.mp3', 'beside');
    const { text } = await browse(`/s/${token}?path=old`).expect(200);
    expect(hrefs(text)).toEqual([`/s/${token}`, `/s/${token}?path=old%2F1999`]);
    expect(await zips('')).toBe(`/s/${token}/zip`);
  });

  it.each([
    ['<script>alert(1)<', '&lt;script&gt;alert(1)&lt;'],
    ['"><img src=x onerror=alert(1)>', '&quot;&gt;&lt;img src=x onerror=alert(1)&gt;'],
    ["' onmouseover='alert(1)", '&#39; onmouseover=&#39;alert(1)'],
    ['&lt;b&gt;', '&amp;lt;b&amp;gt;'],
    ['invoice_\u202efdp.exe', 'invoice_\ufffdfdp.exe'],
    ['a\u2066b\u2069c\u200f', 'a\ufffdb\ufffdc\ufffd'],
    ['\u{1F468}\u200d\u{1F469}\u200d\u{1F467}', '\u{1F468}\u200d\u{1F469}\u200d\u{1F467}'],
    ['\u{1F600}'.repeat(120), '\u{1F600}'.repeat(120)],
  ])('bears the name %j of a folder and of a file', async (name, shown) => {
    await owner.file(`evil/${name}/${name}`, 'x');
    const { token } = await owner.link({ folderId: await owner.folderId('evil') });
    const above = await browse(`/s/${token}`).expect(200);
    expect(above.text).toContain(`<bdi>${shown}</bdi>/`);
    const inside = await browse(hrefs(above.text).at(-1) ?? '').expect(200);
    expect(inside.text).toContain(`<h1><bdi>${shown}</bdi></h1>`);
    expect(inside.text).toContain(`<title>${shown} · Pockity</title>`);
    for (const { text } of [above, inside]) expect(text).not.toMatch(/<script|<img|<b>|[\u202a-\u202e\u2066-\u2069]/);
    const file = await browse(hrefs(inside.text).at(-1) ?? '').expect(200);
    expect(file.headers['content-length']).toBe('1');
  });
});

describe('the form for a password', () => {
  const unlock = (token: string, password: string) =>
    supertest(a.app).post(`/s/${token}/unlock`).set('accept', BROWSER).type('form').send({ password });

  it('is all that is shown, and leads to the link', async () => {
    const { token } = await owner.link({ folderId, password: PASSWORD });
    const asked = await browse(`/s/${token}`).expect(401);
    expect(asked.text).toContain(`<form method="post" action="/s/${token}/unlock">`);
    expect(asked.text).toContain('<label for="password">');
    expect(asked.text).not.toMatch(/photos|cat/);
    const wrong = await unlock(token, 'guess').expect(401);
    expect(wrong.text).toContain('role="alert"');
    expect(wrong.text).not.toMatch(/photos|guess/);
    const right = await unlock(token, PASSWORD).expect(303);
    expect(right.headers['location']).toBe(`/s/${token}`);
    expect(right.headers['cache-control']).toBe('no-store');
    const [cookie = ''] = right.headers['set-cookie'] ?? [];
    expect((await browse(`/s/${token}`).set('cookie', cookie).expect(200)).text).toContain('cat.mp3');
  });

  it('sets a cookie for TLS only where there is TLS', async () => {
    const secure = await startAccounts({ PUBLIC_URL: 'https://files.example.com' });
    try {
      const other = await LinkOwner.make(secure.accounts);
      const fileId = await other.file('a.txt');
      const { token } = await other.link({ fileId, password: PASSWORD });
      const reply = await supertest(secure.accounts.app).post(`/s/${token}/unlock`).send({ password: PASSWORD });
      expect(reply.headers['set-cookie']?.[0]).toContain('; Secure');
    } finally {
      await secure.stop();
    }
  });

  it('refuses fields that it does not know', async () => {
    const { token } = await owner.link({ folderId, password: PASSWORD });
    const reply = await supertest(a.app)
      .post(`/s/${token}/unlock`)
      .type('form')
      .send({ password: PASSWORD, more: '1' });
    expect(reply.body.error).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'more' }] });
  });
});

describe('the form of a drop', () => {
  const send = (token: string, content: string, name = 'mine.txt') =>
    supertest(a.app).post(`/s/${token}/files`).set('accept', BROWSER).attach('file', Buffer.from(content), name);

  it('shows what was sent, and no more', async () => {
    const { token } = await owner.link({ folderId, allowUpload: true, maxUploadBytes: 10, maxUploadFiles: 2 });
    const form = await browse(`/s/${token}`).expect(200);
    expect(form.text).toContain(`action="/s/${token}/files" enctype="multipart/form-data"`);
    expect(form.text).toContain('<label for="file">');
    expect(form.text).not.toContain('cat');
    const done = await send(token, 'x', 'cat.mp3<b>').expect(201);
    expect(done.text).toContain('<bdi>cat.mp3&lt;b&gt;</bdi> (1 byte)');
    const large = await send(token, 'x'.repeat(10)).expect(413);
    expect(large.text).toContain('There is no room for this file');
    const last = await send(token, 'x').expect(201);
    expect(last.text).toContain('It is full');
    expect((await browse(`/s/${token}`).expect(200)).text).not.toContain('<form');
  });

  it('says when nothing was chosen, or too much', async () => {
    const { token } = await owner.link({ folderId, allowUpload: true, maxUploadBytes: 5000 });
    const nothing = await supertest(a.app)
      .post(`/s/${token}/files`)
      .set('accept', BROWSER)
      .set('content-type', 'multipart/form-data; boundary=b')
      .send('--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--b--\r\n')
      .expect(400);
    expect(nothing.text).toContain('That did not work');
    expect((await send(token, 'x'.repeat(1001)).expect(413)).text).toContain('The file is too large');
  });
});

describe('a failure', () => {
  it('is a page for people', async () => {
    const { token } = await owner.link({ folderId });
    const gone = await browse('/s/none').expect(404);
    expect(gone.text).toContain('This link does not work');
    expect(gone.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': expect.stringContaining("style-src 'self'"),
      'cache-control': 'no-store',
      'x-robots-tag': 'noindex',
    });
    for (const path of ['/content?path=none', '?path=none', '/zip?path=none', '?cursor=x']) {
      const { status, text } = await browse(`/s/${token}${path}`);
      expect([400, 404]).toContain(status);
      expect(hrefs(text)).toEqual([`/s/${token}`]);
    }
    expect((await browse('/s/%22%3E%3Cscript%3E/zip').expect(404)).text).not.toContain('<script');
  });
});

describe('the log of requests', () => {
  it('never holds a token, however wrong the request is', async () => {
    const { token } = await owner.link({ folderId });
    const lines: string[] = [];
    const { requestLog: log } = createLoggers('info', { write: (line) => void lines.push(line) });
    const { routes, access, limits, idempotency } = a.composition;
    const app = createApp({
      routes,
      access,
      limits,
      idempotency,
      version: '0.0.0-test',
      log,
      trustProxy: false,
      corsOrigins: [],
      publicUrl: undefined,
      objectHandler: undefined,
      isDraining: () => false,
    });
    const tries = [
      supertest(app).get(`/s/${token}`),
      supertest(app).get(`/s/${token}/`),
      supertest(app).get(`/S/${token}/content?path=cat.mp3`),
      supertest(app).get(`/s/${token}/other`),
      supertest(app).get(`/s/${token}%E0%A4`),
      supertest(app).put(`/s/${token}`),
      supertest(app).get(`/api/s/${token}`),
      supertest(app).get(`//s/${token}`),
      supertest(app).get('/health').set('referer', `http://localhost/s/${token}`),
    ];
    for (const attempt of tries) await attempt;
    expect(lines).toHaveLength(tries.length);
    expect(lines.join('')).not.toContain(token);
  });
});

function hrefs(text: string): string[] {
  const found = [...text.matchAll(/<a [^>]*?href="([^"]*)"/g)];
  return found.map(([, href = '']) => href.replaceAll('&amp;', '&').replaceAll('&#39;', "'"));
}
