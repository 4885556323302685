import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Site, startAccounts } from '../support/accounts.ts';
import { DriveClient } from '../support/drive-client.ts';
import { auditSpace } from '../support/spaces.ts';
import { World } from '../support/world.ts';

let site: Site;
let world: World;
let me: DriveClient;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
});
beforeEach(async () => {
  me = await DriveClient.of(world);
});
afterAll(() => site.stop());

/** Shares something and makes a link to it; answers both ids. */
async function shared(subject: { fileId: string } | { folderId: string }): Promise<{ share: string; link: string }> {
  const share = await me.post('/shares', { ...subject, email: 'friend@example.com', permission: 'VIEW' });
  const link = await me.post('/shares/links', { ...subject, ...('folderId' in subject ? { allowUpload: true } : {}) });
  return { share: share.body.data.share.id, link: link.body.data.link.id };
}

/** What ended, by whom, by the audit log. */
async function ended(): Promise<string[]> {
  const rows = await world.database.prisma.auditLog.findMany({
    where: { actorId: me.person.userId, action: { in: ['share.delete', 'link.delete', 'folder.delete'] } },
    orderBy: { id: 'asc' },
  });
  return rows.map(({ action, subjectId }) => `${action} ${subjectId}`).sort();
}

describe('what goes with something else is in the audit log by itself', () => {
  it('with a folder, and those below it', async () => {
    const folder = await me.folder('photos');
    const below = (await me.post('/drive', { name: '2026', parentId: folder })).body.data.folder.id;
    const { share, link } = await shared({ folderId: below });
    expect((await me.delete(`/drive/${folder}`)).status).toBe(200);
    expect(await ended()).toEqual(
      [`folder.delete ${folder}`, `folder.delete ${below}`, `share.delete ${share}`, `link.delete ${link}`].sort(),
    );
    expect(await auditSpace(world.database, me.spaceId)).toMatchObject({ reservedBytes: 0, faults: [] });
  });

  it('with a prefix', async () => {
    const folder = await me.folder('photos');
    const { share, link } = await shared({ folderId: folder });
    expect((await me.post('/storage/files/bulk-delete', { prefix: 'photos/' })).status).toBe(200);
    expect(await ended()).toEqual([`folder.delete ${folder}`, `share.delete ${share}`, `link.delete ${link}`].sort());
    expect(await auditSpace(world.database, me.spaceId)).toMatchObject({ reservedBytes: 0, faults: [] });
  });

  it('with a file that is gone for good, and not with one that lies in the trash', async () => {
    const file = (await me.form('post', '/files', 'content', 'a.txt')).body.data.file.id;
    const { share, link } = await shared({ fileId: file });
    expect((await me.delete(`/files/${file}`)).status).toBe(200);
    expect(await ended()).toEqual([]);
    expect((await me.delete(`/storage/trash/${file}`)).status).toBe(200);
    expect(await ended()).toEqual([`share.delete ${share}`, `link.delete ${link}`].sort());
  });
});
