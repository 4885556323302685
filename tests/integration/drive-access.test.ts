import { afterAll, beforeAll, expect, it } from 'vitest';
import { DriveAccessRepository } from '../../src/features/drive/index.ts';
import type { Database, Statement } from '../../src/platform/db/database.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { DriveClient } from '../support/drive-client.ts';
import { World } from '../support/world.ts';

let site: Site;

beforeAll(async () => {
  site = await startAccounts();
});
afterAll(() => site.stop());

it('access is looked up by indexes, however many folders and shares there are', async () => {
  const world = new World(site.accounts);
  const { database } = world;
  const [owner, guest] = [await DriveClient.of(world), await DriveClient.of(world)];
  const top = await owner.folder('top');
  const sub = await owner.folder('sub', top);
  const file = await owner.upload('x', sub);
  await owner.share({ folderId: top }, guest, 'EDIT');
  const folders = `INSERT INTO folders (id, space_id, path) SELECT gen_random_uuid(), $1::uuid, 'f' || n FROM generate_series(1, 20000) n`;
  await database.query({ name: 'test_folders', text: folders }, [owner.spaceId]);
  const shares = `INSERT INTO shares (id, space_id, owner_id, folder_id, subject_id, grantee_key, grantee_email, grantee_id, permission)
    SELECT gen_random_uuid(), $1::uuid, $2::uuid, id, id, 'email:x', 'x', $3::uuid, 'VIEW' FROM folders WHERE path LIKE 'f%'`;
  await database.query({ name: 'test_shares', text: shares }, [
    owner.spaceId,
    owner.person.userId,
    guest.person.userId,
  ]);
  await database.query({ name: 'test_analyze', text: 'ANALYZE' }, []);
  const lines: string[] = [];
  const explaining = {
    query: async ({ name, text }: Statement, values: readonly unknown[]) => {
      const explain = { name: `test_explain_${name}`, text: `EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF) ${text}` };
      lines.push(...(await database.query<Record<string, string>>(explain, values)).flatMap(Object.values));
      return [];
    },
  } as unknown as Database;
  const repository = new DriveAccessRepository(explaining);
  await repository.findFile(guest.person.userId, file, new Date());
  await repository.findFolder(guest.person.userId, sub, new Date());
  const plan = lines.join('\n');
  expect(plan).not.toMatch(/Seq Scan on (folders|shares)/);
  expect(plan).toContain('folders_space_id_path_key');
});
