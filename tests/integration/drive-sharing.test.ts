import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Site, startAccounts } from '../support/accounts.ts';
import { DriveClient } from '../support/drive-client.ts';
import { auditSpace } from '../support/spaces.ts';
import { World } from '../support/world.ts';

// What others may do with what is shared with them: `hidden/shared/sub/x.txt` of the owner, whose folder `shared` is.

let site: Site;
let world: World;
let owner: DriveClient;
let guest: DriveClient;
let folders: { readonly hidden: string; readonly shared: string; readonly sub: string };
let x: string;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
});
beforeEach(async () => {
  [owner, guest] = [await DriveClient.of(world), await DriveClient.of(world)];
  const outer = await owner.folder('hidden');
  const shared = await owner.folder('shared', outer);
  folders = { hidden: outer, shared, sub: await owner.folder('sub', shared) };
  x = await owner.upload('x.txt', folders.sub, 'four');
});
afterEach(async () => {
  for (const { spaceId } of [owner, guest]) expect((await auditSpace(world.database, spaceId)).faults).toEqual([]);
});
afterAll(() => site.stop());

interface Answer {
  readonly status: number;
  readonly body: { readonly error?: { readonly code: string } };
}

function codeOf({ status, body }: Answer): string | number {
  return body.error?.code ?? status;
}

/** Everything that changes something, each in a way that would do. */
function changes(who: DriveClient) {
  return {
    upload: () => who.form('post', `/files?folderId=${folders.sub}&fileName=new.txt`, 'new'),
    content: () => who.form('put', `/files/${x}/content`, 'newer'),
    tag: () => who.patch(`/files/${x}`, { tags: ['t'] }),
    copy: () => who.post(`/files/${x}/copy`, {}),
    rename: () => who.patch(`/files/${x}`, { name: 'y.txt' }),
    make: () => who.post('/drive', { name: 'made', parentId: folders.sub }),
    renameFolder: () => who.patch(`/drive/${folders.sub}`, { name: 'sub2' }),
    delete: () => who.delete(`/files/${x}`),
    deleteFolder: () => who.delete(`/drive/${folders.sub}`),
  };
}

async function outcomes(who: DriveClient): Promise<Record<string, string | number>> {
  const found: Record<string, string | number> = {};
  for (const [name, change] of Object.entries(changes(who))) found[name] = codeOf(await change());
  return found;
}

const all = (of: string | number, besides: Record<string, string | number> = {}) => ({
  ...Object.fromEntries(Object.keys(changes(owner)).map((name) => [name, of])),
  ...besides,
});
const NOTHING_THERE = {
  upload: 'FOLDER_NOT_FOUND',
  make: 'FOLDER_NOT_FOUND',
  renameFolder: 'FOLDER_NOT_FOUND',
  deleteFolder: 'FOLDER_NOT_FOUND',
};
const ALLOWED = { upload: 201, copy: 201, make: 201 };

describe('without a share that holds', () => {
  it('nothing is there', async () => {
    expect(await outcomes(guest)).toEqual(all('FILE_NOT_FOUND', NOTHING_THERE));
    expect((await guest.get(`/drive/${folders.shared}`)).status).toBe(404);
  });

  it.each([
    [
      'it is of somebody else',
      async () => owner.share({ folderId: folders.shared }, await DriveClient.of(world), 'EDIT'),
    ],
    ['it is of another folder', async () => owner.share({ folderId: await owner.folder('shared2') }, guest, 'EDIT')],
    [
      'it is of a folder that only begins so',
      async () => owner.share({ folderId: await owner.folder('priv') }, guest, 'EDIT'),
    ],
    [
      'it is of a folder below',
      async () => owner.share({ folderId: await owner.folder('below', folders.sub) }, guest, 'EDIT'),
    ],
    ['it has expired', () => owner.share({ folderId: folders.shared }, guest, 'EDIT', new Date(Date.now() - 1000))],
    [
      'its owner is disabled',
      async () => {
        await owner.share({ folderId: folders.shared }, guest, 'EDIT');
        const where = { id: owner.person.userId };
        await world.database.prisma.user.update({ where, data: { disabledAt: new Date() } });
      },
    ],
    [
      'its owner is leaving',
      async () => {
        await owner.share({ folderId: folders.shared }, guest, 'EDIT');
        await world.beginDeletion(owner.person.userId);
      },
    ],
  ])('nothing is there: %s', async (_why, arrange) => {
    await arrange();
    expect(await outcomes(guest)).toEqual(all('FILE_NOT_FOUND', NOTHING_THERE));
  });

  it('an unverified user is told to verify', async () => {
    const unverified = await DriveClient.of(world, await world.person({ verified: false }));
    await owner.share({ folderId: folders.shared }, unverified, 'EDIT');
    expect(await outcomes(unverified)).toEqual(all('EMAIL_NOT_VERIFIED'));
  });

  it('ends when its time has come', async () => {
    await owner.share(
      { folderId: folders.shared },
      guest,
      'VIEW',
      new Date(site.accounts.clock.now().getTime() + 60_000),
    );
    expect((await guest.get(`/files/${x}`)).status).toBe(200);
    site.accounts.clock.advance(61);
    expect((await guest.get(`/files/${x}`)).status).toBe(404);
  });
});

describe('a folder that is shared to be seen', () => {
  beforeEach(async () => void (await owner.share({ folderId: folders.shared }, guest, 'VIEW')));

  it('is listed and read, and not changed', async () => {
    expect((await guest.get(`/files/${x}/content`)).text).toBe('four');
    expect(await outcomes(guest)).toEqual(all('FORBIDDEN'));
  });

  it('gives no link that would outlive the share', async () => {
    expect(codeOf(await guest.get(`/files/${x}/link`))).toBe('FORBIDDEN');
    expect((await owner.get(`/files/${x}/link`)).status).toBe(200);
  });

  it('shows names from the shared folder on, and nothing above it', async () => {
    await owner.upload('z.txt', folders.shared);
    const replies = [
      await guest.get(`/drive/${folders.shared}`),
      await guest.get(`/drive/${folders.shared}?limit=1`),
      await guest.get(`/drive/${folders.sub}`),
      await guest.get(`/drive/${folders.sub}?limit=1&sort=date`),
      await guest.get(`/files/${x}`),
      await guest.get(`/files/${x}/content`),
    ];
    for (const reply of replies) {
      expect(reply.status).toBe(200);
      const cursor = Buffer.from(reply.body?.meta?.nextCursor ?? '', 'base64url').toString();
      const inner = cursor === '' ? '' : Buffer.from(JSON.parse(cursor)[1], 'base64url').toString();
      const shown = `${reply.text}${JSON.stringify(reply.headers)}${cursor}${inner}`;
      expect(shown).not.toContain('hidden');
      expect(shown).not.toContain(folders.hidden);
    }
    const [top, , sub] = replies.map(({ body }) => body.data);
    expect(top).toMatchObject({
      folder: { path: 'shared', parentId: null },
      path: [{ id: folders.shared, name: 'shared' }],
      folders: [{ path: 'shared/sub', parentId: folders.shared }],
      files: [{ fileName: 'shared/z.txt', folderId: folders.shared }],
    });
    expect(sub.path).toEqual([
      { id: folders.shared, name: 'shared' },
      { id: folders.sub, name: 'sub' },
    ]);
    expect(sub.files).toMatchObject([{ fileName: 'shared/sub/x.txt', folderId: folders.sub }]);
  });

  it('is paged through by name with the cursors that it gives', async () => {
    await owner.upload('z.txt', folders.shared);
    await owner.upload('y.txt', folders.shared);
    const names: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await guest.get(`/drive/${folders.shared}?limit=1${cursor && `&cursor=${cursor}`}`);
      names.push(...[...body.data.folders, ...body.data.files].map(({ name }: { name: string }) => name));
      cursor = body.meta.nextCursor;
    }
    expect(names).toEqual(['sub', 'y.txt', 'z.txt']);
  });
});

describe('a folder that is shared for editing', () => {
  let share: string;
  beforeEach(async () => {
    share = await owner.share({ folderId: folders.shared }, guest, 'EDIT');
  });

  it('lets everything below it be changed', async () => {
    expect(await outcomes(guest)).toEqual(all(200, ALLOWED));
    expect(await auditSpace(world.database, owner.spaceId)).toMatchObject({ trashObjects: 3 });
    expect(await auditSpace(world.database, guest.spaceId)).toMatchObject({ usedObjects: 0, trashObjects: 0 });
  });

  it('is not renamed, moved nor deleted itself', async () => {
    const target = await owner.folder('target', folders.shared);
    for (const reply of [
      await guest.patch(`/drive/${folders.shared}`, { name: 'mine' }),
      await guest.patch(`/drive/${folders.shared}`, { parentId: target }),
      await guest.delete(`/drive/${folders.shared}`),
    ]) {
      expect(codeOf(reply)).toBe('FORBIDDEN');
    }
  });

  it('lets nothing out: neither into the drive, nor into other folders of it, nor into the guest’s own', async () => {
    const own = await guest.folder('own');
    const other = await owner.folder('other');
    await owner.share({ folderId: other }, guest, 'EDIT');
    const seen = await owner.folder('seen');
    await owner.share({ folderId: seen }, guest, 'VIEW');
    for (const target of [null, own, other, seen]) {
      expect(codeOf(await guest.patch(`/files/${x}`, { folderId: target }))).toBe('FORBIDDEN');
      expect(codeOf(await guest.post(`/files/${x}/copy`, { folderId: target }))).toBe('FORBIDDEN');
      expect(codeOf(await guest.patch(`/drive/${folders.sub}`, { parentId: target }))).toBe('FORBIDDEN');
    }
    expect(codeOf(await guest.patch(`/files/${x}`, { folderId: folders.hidden }))).toBe('FOLDER_NOT_FOUND');
    const mine = await guest.upload('mine.txt', null);
    expect(codeOf(await guest.patch(`/files/${mine}`, { folderId: folders.sub }))).toBe('FORBIDDEN');
  });

  it('lets things move within it', async () => {
    const moved = await guest.patch(`/files/${x}`, { folderId: folders.shared });
    expect(moved.body.data.file).toMatchObject({ fileName: 'shared/x.txt', folderId: folders.shared });
    const made = await guest.folder('made', folders.shared);
    const folder = await guest.patch(`/drive/${folders.sub}`, { parentId: made });
    expect(folder.body.data.folder).toMatchObject({ path: 'shared/made/sub', parentId: made });
    expect((await owner.get(`/files/${x}`)).body.data.file.fileName).toBe('hidden/shared/x.txt');
  });

  it('takes uploads on the owner’s quota, with the guest as the actor, and tells nothing of the owner’s', async () => {
    const reply = await guest.form('post', `/files?folderId=${folders.sub}&fileName=new.txt`, 'new');
    expect(reply.body.data).toEqual({ file: expect.objectContaining({ fileName: 'shared/sub/new.txt' }) });
    expect(Object.keys(reply.headers).filter((name) => name.startsWith('x-quota'))).toEqual([]);
    expect(await auditSpace(world.database, owner.spaceId)).toMatchObject({ usedBytes: 7, usedObjects: 2 });
    const entry = await world.database.prisma.auditLog.findFirstOrThrow({
      where: { subjectId: reply.body.data.file.id, action: 'file.upload' },
    });
    expect(entry).toMatchObject({ actorId: guest.person.userId, metadata: { shareId: share } });
  });

  it('tells a guest who finds no room only what was asked for', async () => {
    await world.database.prisma.space.update({ where: { id: owner.spaceId }, data: { quotaBytes: 5n } });
    for (const reply of [
      await guest.form('post', `/files?folderId=${folders.sub}`, 'xx'),
      await guest.form('put', `/files/${x}/content`, '123456'),
      await guest.post(`/files/${x}/copy`, {}),
    ]) {
      expect(reply.status).toBe(413);
      expect(reply.body.error.details).toEqual({ limit: 'bytes', requested: expect.any(Number) });
    }
  });

  it('names what is there already as the guest sees it', async () => {
    const y = await owner.upload('y.txt', folders.sub);
    const details = { id: y, fileName: 'shared/sub/y.txt' };
    for (const reply of [
      await guest.form('post', `/files?folderId=${folders.sub}&fileName=y.txt&conflict=fail`, 'x'),
      await guest.patch(`/files/${x}`, { name: 'y.txt' }),
      await guest.post(`/files/${x}/copy`, { name: 'y.txt', conflict: 'fail' }),
    ]) {
      expect(reply.body.error).toMatchObject({ code: 'FILE_EXISTS', details });
    }
    const made = await guest.post('/drive', { name: 'sub', parentId: folders.shared });
    expect(made.body.error).toMatchObject({ code: 'FOLDER_EXISTS', details: { id: folders.sub } });
  });

  it('does not reach beside it, where a file has the folder’s name', async () => {
    const namesake = await owner.upload('shared', folders.hidden);
    expect((await guest.get(`/files/${namesake}`)).status).toBe(404);
  });
});

describe('a single file that is shared', () => {
  it('for editing gets content and tags, and keeps name and place', async () => {
    await owner.share({ fileId: x }, guest, 'EDIT');
    const shown = (await guest.get(`/files/${x}`)).body.data.file;
    expect(shown).toMatchObject({ fileName: 'x.txt', folderId: null });
    expect(await outcomes(guest)).toEqual({
      ...NOTHING_THERE,
      content: 200,
      tag: 200,
      copy: 'FORBIDDEN',
      rename: 'FORBIDDEN',
      delete: 'FORBIDDEN',
    });
    expect((await owner.get(`/files/${x}/content`)).text).toBe('newer');
  });

  it('to be seen is read', async () => {
    await owner.share({ fileId: x }, guest, 'VIEW');
    expect((await guest.get(`/files/${x}/content`)).text).toBe('four');
    expect(await outcomes(guest)).toEqual(all('FORBIDDEN', NOTHING_THERE));
  });

  it('is not there in the trash', async () => {
    await owner.share({ fileId: x }, guest, 'EDIT');
    await owner.delete(`/files/${x}`);
    expect((await guest.get(`/files/${x}`)).status).toBe(404);
  });
});

describe('several shares', () => {
  it('give the best of what each gives, and names from the topmost on', async () => {
    await owner.share({ folderId: folders.shared }, guest, 'VIEW');
    await owner.share({ folderId: folders.sub }, guest, 'EDIT');
    expect((await guest.patch(`/files/${x}`, { name: 'y.txt' })).body.data.file.fileName).toBe('shared/sub/y.txt');
    expect(codeOf(await guest.patch(`/drive/${folders.sub}`, { name: 'mine' }))).toBe('FORBIDDEN');
    expect(codeOf(await guest.post('/drive', { name: 'a', parentId: folders.shared }))).toBe('FORBIDDEN');
    expect(codeOf(await guest.patch(`/files/${x}`, { folderId: folders.shared }))).toBe('FORBIDDEN');
  });
});
