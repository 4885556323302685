import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { AssetClient } from '../support/asset-client.ts';
import { photo } from '../support/pictures.ts';
import { type Person, World } from '../support/world.ts';

let site: Site;
let world: World;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
});
afterAll(() => site.stop());

function get(path: string, { headers }: Person) {
  return world.send('get', { path }, headers).buffer().responseType('blob');
}

function codeOf({ body }: { body: Buffer }): string {
  return JSON.parse(body.toString()).error.code;
}

describe('GET /files/:id/thumbnails/:size', () => {
  it('is for whom the file is shared with, as long as it is', async () => {
    const [owner, guest] = [await world.person(), await world.person()];
    const asset = await new AssetClient(world, owner).made('a.jpg', await photo());
    const path = `/files/${asset.id}/thumbnails/medium`;
    expect(codeOf(await get(path, guest))).toBe('FILE_NOT_FOUND');
    const body = { fileId: asset.id, email: guest.email, permission: 'VIEW' };
    const share = await world.send('post', { path: '/shares', body }, owner.headers);
    expect(share.status).toBe(201);
    const { file } = (await world.send('get', { path: `/files/${asset.id}` }, guest.headers)).body.data;
    expect(file.thumbnails.medium).toBe(`/api${path}?v=${asset.etag}`);
    for (const person of [owner, guest]) {
      const reply = await get(file.thumbnails.medium.slice('/api'.length), person);
      expect([reply.status, reply.headers['cache-control']]).toEqual([200, 'private, max-age=604800, immutable']);
      expect(await sharp(reply.body).metadata()).toMatchObject({ format: 'webp', width: 512, height: 256 });
    }
    expect(codeOf(await get(`/assets/${asset.id}/thumbnails/medium`, guest))).toBe('FILE_NOT_FOUND');
    await world.send('delete', { path: `/shares/${share.body.data.share.id}` }, owner.headers);
    expect(codeOf(await get(path, guest))).toBe('FILE_NOT_FOUND');
  });

  it('is not there where nothing was made, or nothing is', async () => {
    const owner = await world.person();
    const id = await new AssetClient(world, owner).put('a.txt', Buffer.from('x'));
    expect(codeOf(await get(`/files/${id}/thumbnails/small`, owner))).toBe('THUMBNAIL_NOT_FOUND');
    for (const none of [newId(), 'nonsense']) {
      expect(codeOf(await get(`/files/${none}/thumbnails/small`, owner))).toBe('FILE_NOT_FOUND');
    }
  });
});

describe('what a client has already', () => {
  it.each(['/assets/:id/content', '/assets/:id/thumbnails/small', '/files/:id/thumbnails/small'])(
    'is not sent again by %s',
    async (route) => {
      const owner = await world.person();
      const asset = await new AssetClient(world, owner).made('a.jpg', await photo());
      const path = route.replace(':id', asset.id);
      const { etag = '' } = (await get(path, owner)).headers;
      const again = await world.send('get', { path }, { ...owner.headers, 'if-none-match': etag });
      expect([again.status, again.headers['etag']]).toEqual([304, etag]);
    },
  );
});

describe('a query of another form', () => {
  it('is refused', async () => {
    const owner = await world.person();
    const id = await new AssetClient(world, owner).put('a.txt', Buffer.from('x'));
    for (const kind of ['assets', 'files']) {
      const path = `/${kind}/${id}/thumbnails/small?v=${'x'.repeat(201)}`;
      expect(codeOf(await get(path, owner))).toBe('VALIDATION_FAILED');
    }
    const gone = await world.send('delete', { path: `/assets/${id}?permanent=maybe` }, owner.headers);
    expect(gone.body.error.code).toBe('VALIDATION_FAILED');
  });
});
