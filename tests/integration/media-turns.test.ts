import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Site, startAccounts } from '../support/accounts.ts';
import { AssetClient } from '../support/asset-client.ts';
import { bomb, photo } from '../support/pictures.ts';
import { World } from '../support/world.ts';

const BOMBS = 12;

let site: Site;
let world: World;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
});
afterAll(() => site.stop());

it('makes a picture of one space before the many that another has waiting', async () => {
  const hostile = new AssetClient(world, await world.person());
  const good = new AssetClient(world, await world.person());
  const bytes = bomb();
  const bombs = await Promise.all(Array.from({ length: BOMBS }, (_, n) => hostile.put(`${n}.png`, bytes)));
  const asset = await good.made('a.jpg', await photo());
  expect(asset.processing.state).toBe('DONE');
  const states = await Promise.all(bombs.map(async (id) => (await hostile.get(id)).processing.state));
  // One is under way, another may have been taken up before the picture was there.
  expect(states.filter((state) => state === 'PENDING').length).toBeGreaterThan(BOMBS / 2);
  await Promise.all(bombs.map((id) => hostile.settled(id)));
});
