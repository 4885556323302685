import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { declaredRoutes } from '../../scripts/declared-routes.ts';
import { PERMISSIONS } from '../../src/features/access/index.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { AssetClient } from '../support/asset-client.ts';
import { photo } from '../support/pictures.ts';
import { type Key, World } from '../support/world.ts';

// Whatever a key may do without `read`, it sees nothing of contents: no link to a thumbnail, no word of the metadata.

const CAMERA = 'Secretcam Z9';
const SETS = Array.from({ length: 2 ** PERMISSIONS.length }, (_, set) =>
  PERMISSIONS.filter((_permission, at) => (set >> at) % 2 === 1),
);

type Calls = Readonly<Record<string, (mine: AssetClient, id: string) => ReturnType<AssetClient['call']>>>;

/** Every route that answers an asset, and those that answer the same files as such; deleting comes last. */
const CALLS: Calls = {
  listAssets: (mine) => mine.call('get', ''),
  getAsset: (mine, id) => mine.call('get', `/${id}`),
  changeAsset: (mine, id) => mine.call('patch', `/${id}`, { tags: ['x'] }),
  getThumbnail: (mine, id) => mine.call('get', `/${id}/thumbnails/large`),
  downloadAsset: (mine, id) => mine.call('get', `/${id}/content`),
  processAsset: (mine, id) => mine.call('post', `/${id}/process`),
  listFiles: (mine) => mine.storage('get', '/files'),
  changeFile: (mine) => mine.storage('patch', '/files/a.jpg', { tags: ['y'] }),
  copyFile: (mine) => mine.storage('post', '/copy', { from: 'a.jpg', to: 'b.jpg' }),
  deleteAsset: (mine, id) => mine.call('delete', `/${id}`),
  listTrash: (mine) => mine.storage('get', '/trash'),
  restoreFromTrash: (mine, id) => mine.storage('post', `/trash/${id}/restore`, {}),
};

let site: Site;
let world: World;

beforeAll(async () => {
  site = await startAccounts({ PUBLIC_URL: 'http://files.test' });
  world = new World(site.accounts);
});
afterAll(() => site.stop());

async function narrow({ apiKeyId }: Key, permissions: readonly string[]): Promise<void> {
  await world.database.prisma.apiKey.update({ where: { id: apiKeyId }, data: { permissions: [...permissions] } });
}

describe('what was made of contents', () => {
  it('is asked for by every route of assets', () => {
    const routes = declaredRoutes().filter(({ path }) => path.startsWith('/assets'));
    expect(Object.keys(CALLS)).toEqual(expect.arrayContaining(routes.map(({ operationId }) => operationId)));
  });

  it.each(SETS.map((permissions) => ({ permissions })))(
    'is shown to a key with $permissions only where that holds `read`',
    async ({ permissions }) => {
      const key = await world.key(await world.person());
      const mine = new AssetClient(world, key);
      const { id } = await mine.made('a.jpg', await photo({ camera: CAMERA }));
      await narrow(key, permissions);
      const shown: string[] = [];
      for (const [operation, call] of Object.entries(CALLS)) {
        const { status, body, text = '' } = await call(mine, id);
        if (status >= 300)
          expect([operation, body.error.code]).toEqual([
            operation,
            expect.stringMatching(/^(PERMISSION_MISSING|FILE_NOT_FOUND)$/),
          ]);
        const reveals = /signature=|Secretcam|files\.test/i.test(text) || /image|octet/.test(String(body?.type));
        if (status < 300 && reveals) shown.push(operation);
        const assets = [body?.data?.asset, ...(body?.data?.assets ?? [])].filter(Boolean);
        for (const asset of assets) expect(asset.processing.state).toMatch(/^(DONE|PENDING)$/);
      }
      if (!permissions.includes('read')) expect(shown).toEqual([]);
      else expect(shown).toContain('getAsset');
    },
  );

  it('cannot be searched for by a key that may not read', async () => {
    const key = await world.key(await world.person());
    const mine = new AssetClient(world, key);
    const { id } = await mine.made('a.jpg', await photo({ camera: CAMERA }));
    const found = async (query: string) =>
      (await mine.call('get', `?${query}`)).body.data.assets.map((asset: { readonly id: string }) => asset.id);
    const queries = [
      'search=secretcam',
      'search=secretcam&category=image',
      'search=secretcam&status=READY',
      'search=z9',
    ];
    for (const query of queries) expect([query, await found(query)]).toEqual([query, [id]]);
    await narrow(key, ['list', 'write', 'delete']);
    for (const query of queries) expect([query, await found(query)]).toEqual([query, []]);
    expect(await found('search=a.jp')).toEqual([id]);
  });
});
