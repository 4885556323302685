import { Readable } from 'node:stream';
import supertest from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Site, startAccounts } from '../support/accounts.ts';
import { HEADS } from '../support/content-heads.ts';
import { LinkOwner } from '../support/links.ts';
import { auditSpace } from '../support/spaces.ts';

const BLOCKED = { code: 'FILE_TYPE_NOT_ALLOWED', details: { extension: 'exe', blocked: ['exe', 'bat'] } };
/** Beyond what is read whole before anything is reserved. */
const LARGE = 300_000;

let site: Site;
let owner: LinkOwner;

beforeAll(async () => {
  site = await startAccounts({ BLOCKED_EXTENSIONS: '.EXE, bat' });
});
afterAll(() => site.stop());
beforeEach(async () => {
  owner = await LinkOwner.make(site.accounts);
});

function send(method: 'post' | 'put', path: string, bytes: Buffer, name: string) {
  return owner.world.send(method, { path, attach: { field: 'file', bytes, name } }, owner.me.headers);
}
const call = (method: 'post' | 'patch', path: string, body: object) =>
  owner.world.send(method, { path, body }, owner.me.headers);

/** Every way by which a form's bytes come in, as name and content to an answer. */
const ENTRANCES = {
  'an upload': (bytes: Buffer, name: string) => send('post', '/storage/upload', bytes, name),
  'an upload into a folder': async (bytes: Buffer, name: string) => {
    const made = await call('post', '/drive', { name: 'folder' });
    return send('post', `/files?folderId=${made.body.data.folder.id}`, bytes, name);
  },
  'a drop': async (bytes: Buffer, name: string) => {
    const made = await call('post', '/drive', { name: 'secret' });
    const folderId = made.body.data.folder.id;
    const wish = { folderId, allowUpload: true, maxUploadBytes: 1_000_000, maxUploadFiles: 10 };
    const { token } = await owner.link(wish);
    return supertest(owner.world.app).post(`/s/${token}/files`).attach('file', bytes, name);
  },
} as const;

async function expectNothingKept() {
  const { usedBytes, faults } = await auditSpace(owner.world.database, owner.spaceId);
  expect({ usedBytes, faults }).toEqual({ usedBytes: 0, faults: [] });
  const { database } = owner.world;
  expect(await database.prisma.upload.count({ where: { spaceId: owner.spaceId } })).toBe(0);
}

describe.each(Object.entries(ENTRANCES))('%s', (_name, sendTo) => {
  it.each([
    ['small', 0],
    ['large', LARGE],
  ])('of a %s content that is not what its name says is refused, and nothing of it is kept', async (_size, more) => {
    const reply = await sendTo(Buffer.concat([HEADS.html, Buffer.alloc(more)]), 'cat.jpg');
    expect(reply.status).toBe(415);
    expect(reply.body.error).toMatchObject({
      code: 'CONTENT_MISMATCH',
      details: { seen: 'text/html', declared: 'image/jpeg', fileName: 'cat.jpg' },
    });
    await expectNothingKept();
  });

  it('with a blocked ending is refused', async () => {
    const reply = await sendTo(Buffer.from('x'), 'setup.Exe');
    expect(reply.status).toBe(415);
    expect(reply.body.error).toMatchObject(BLOCKED);
    await expectNothingKept();
  });

  it.each([
    ['small', 0],
    ['large', LARGE],
  ])('of a %s content that is what its name says is taken whole', async (_size, more) => {
    const reply = await sendTo(Buffer.concat([HEADS.jpeg, Buffer.alloc(more, 7)]), 'cat.jpg');
    expect(reply.status).toBe(201);
    const file = await owner.world.database.prisma.file.findFirstOrThrow({ where: { spaceId: owner.spaceId } });
    expect(Number(file.sizeBytes)).toBe(HEADS.jpeg.length + more);
  });
});

describe('a content that comes in pieces, its length unknown', () => {
  it('is looked at before its first byte is stored', async () => {
    const body = Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="cat.png"\r\n\r\n'),
      HEADS.pe,
      Buffer.alloc(LARGE),
      Buffer.from('\r\n--b--\r\n'),
    ]);
    const pieces = Readable.from(
      (function* () {
        for (let at = 0; at < 3000; at += 100) yield body.subarray(at, at + 100);
        yield body.subarray(3000);
      })(),
    );
    const request = supertest(owner.world.app)
      .post('/api/storage/upload')
      .set(owner.me.headers)
      .set('content-type', 'multipart/form-data; boundary=b');
    const reply = await new Promise<supertest.Response>((resolve, reject) => {
      request.on('response', resolve).on('error', reject);
      pieces.pipe(request as unknown as NodeJS.WritableStream);
    });
    expect(reply.status).toBe(415);
    expect(reply.body.error.details).toMatchObject({ seen: 'application/x-msdownload' });
    await expectNothingKept();
  });
});

/** A form as `attach` does not make it: the part's own lines of a header, and no more. */
function rawForm(bytes: Buffer, name: string, lines: readonly string[]): Buffer {
  const header = [`Content-Disposition: form-data; name="file"; filename="${name}"`, ...lines];
  return Buffer.concat([Buffer.from(`--b\r\n${header.join('\r\n')}\r\n\r\n`), bytes, Buffer.from('\r\n--b--\r\n')]);
}

describe('a part that says nothing of its type', () => {
  const raw = (method: 'post' | 'put', path: string, headers: Record<string, string>) => (form: Buffer) =>
    supertest(owner.world.app)
      [method](path)
      .set({ ...headers, 'content-type': 'multipart/form-data; boundary=b' })
      .send(form);
  const folderId = async () => (await call('post', '/drive', { name: 'folder' })).body.data.folder.id;
  const RAW_ENTRANCES = {
    'an upload': async () => raw('post', '/api/storage/upload', owner.me.headers),
    'an upload into a folder': async () => raw('post', `/api/files?folderId=${await folderId()}`, owner.me.headers),
    'a new content': async () =>
      raw('put', `/api/files/${await owner.file('a.png', HEADS.png)}/content`, owner.me.headers),
    'a drop': async () => {
      const wish = { folderId: await folderId(), allowUpload: true, maxUploadBytes: 1_000_000, maxUploadFiles: 10 };
      return raw('post', `/s/${(await owner.link(wish)).token}/files`, {});
    },
  } as const;

  describe.each(Object.entries(RAW_ENTRANCES))('in %s', (_name, entrance) => {
    it.each([
      ['nothing', []],
      ['an empty type', ['Content-Type: ']],
      ['nonsense', ['Content-Type: png']],
      ['a broken parameter', ['Content-Type: image/png; what']],
    ])('with %s is what its name says', async (_what, lines) => {
      const reply = await (await entrance())(rawForm(HEADS.png, 'a.png', lines));
      expect(reply.status).toBeLessThan(300);
      const file = await owner.world.database.prisma.file.findFirstOrThrow({ where: { spaceId: owner.spaceId } });
      expect(file.contentType).toBe('image/png');
    });

    it.each([
      ['Content-Type: text/plain'],
      ['content-type:TEXT/PLAIN; charset=utf-8'],
      ['Content-Type:\r\n text/plain'],
    ])('and one that says %j is taken by its word', async (line) => {
      const reply = await (await entrance())(rawForm(HEADS.png, 'a.png', [line]));
      expect(reply.status).toBe(415);
      expect(reply.body.error).toMatchObject({ code: 'CONTENT_MISMATCH', details: { declared: 'text/plain' } });
    });
  });
});

describe('a new content of a file', () => {
  it('is looked at as the file is called', async () => {
    const id = await owner.file('cat.jpg', HEADS.jpeg);
    const wrong = await send('put', `/files/${id}/content`, HEADS.elf, 'x.bin');
    expect(wrong.body.error).toMatchObject({ code: 'CONTENT_MISMATCH', details: { fileName: 'cat.jpg' } });
    expect((await send('put', `/files/${id}/content`, HEADS.jpeg, 'x.bin')).status).toBe(200);
  });

  it('is not taken for a name that has been blocked since', async () => {
    const id = await owner.file('setup.txt');
    await owner.world.database.prisma.file.update({ where: { id }, data: { path: 'setup.exe' } });
    const reply = await send('put', `/files/${id}/content`, Buffer.from('x'), 'setup.txt');
    expect(reply.body.error).toMatchObject(BLOCKED);
  });
});

describe('a blocked ending', () => {
  it('is not to be had by a new name, a move or a copy', async () => {
    const id = await owner.file('a.txt');
    const answers = [
      await call('patch', '/storage/files/a.txt', { fileName: 'folder/a.exe' }),
      await call('post', '/storage/copy', { from: 'a.txt', to: 'a.exe' }),
      await call('patch', `/files/${id}`, { name: 'a.exe' }),
      await call('post', `/files/${id}/copy`, { name: 'a.exe.' }),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(415);
      expect(body.error).toMatchObject(BLOCKED);
    }
    const files = await owner.world.database.prisma.file.findMany({ where: { spaceId: owner.spaceId } });
    expect(files.map(({ path }) => path)).toEqual(['a.txt']);
  });

  it('blocks no folder', async () => {
    const reply = await call('post', '/drive', { name: 'folder.exe' });
    expect(reply.status).toBe(201);
    const moved = await call('patch', `/drive/${reply.body.data.folder.id}`, { name: 'other.bat' });
    expect(moved.status).toBe(200);
    await owner.file('other.bat/a.txt');
  });
});

describe('a page for people', () => {
  it('says in words that the file is not what its name says', async () => {
    await owner.file('inbox/a.txt');
    const folderId = await owner.folderId('inbox');
    const { token } = await owner.link({ folderId, allowUpload: true, maxUploadBytes: 1000, maxUploadFiles: 1 });
    const reply = await supertest(owner.world.app)
      .post(`/s/${token}/files`)
      .set('accept', 'text/html')
      .attach('file', HEADS.html, 'cat.jpg');
    expect(reply.status).toBe(415);
    expect(reply.text).toContain('The file is not what its name says');
  });
});
