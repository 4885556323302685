import { photo } from '../pictures.ts';
import type { Actor, Call, World } from '../world.ts';
import type { RouteCase, RouteCases } from './route-case.ts';

/** The id of a picture that is put into the actor's space. */
async function picture(world: World, me: Actor): Promise<string> {
  const attach = { field: 'file', bytes: await photo({ width: 20, height: 10 }), name: 'a.jpg' };
  const path = `/storage/upload?fileName=${crypto.randomUUID()}.jpg`;
  const reply = await world.send('post', { path, attach }, me.headers);
  return reply.body.data.file.id;
}

/** A request about one of them; in any other space it is not there. */
function onAsset(suffix = '', rest: Omit<Call, 'path'> = {}, status = 200): RouteCase {
  const call = async (world: World, me: Actor) => ({ path: `/assets/${await picture(world, me)}${suffix}`, ...rest });
  return { call, status, foreign: 'FILE_NOT_FOUND' };
}

/** As a worker would leave it; nobody works where these are called. */
async function thumbnailOf(world: World, me: Actor): Promise<string> {
  const id = await picture(world, me);
  const { objectKey } = await world.database.prisma.file.findUniqueOrThrow({ where: { id } });
  const key = objectKey.replace(/[^/]+$/, crypto.randomUUID());
  await world.accounts.infrastructure.store.put(key, Buffer.from('picture'), { contentType: 'image/webp' });
  await world.database.prisma.fileMedia.update({
    where: { objectKey },
    data: { state: 'DONE', thumbnails: { small: { key, width: 20, height: 10, sizeBytes: 7 } } },
  });
  return id;
}

function onThumbnail(list: 'assets' | 'files'): RouteCase {
  const call = async (world: World, me: Actor) => ({
    path: `/${list}/${await thumbnailOf(world, me)}/thumbnails/small`,
  });
  return { call, status: 200, foreign: 'FILE_NOT_FOUND' };
}

export const assetCases: RouteCases = {
  listAssets: { call: () => ({ path: '/assets?limit=1' }), status: 200 },
  getAsset: onAsset(),
  changeAsset: onAsset('', { body: { tags: ['a'] } }),
  deleteAsset: onAsset(),
  downloadAsset: onAsset('/content'),
  processAsset: onAsset('/process', {}, 202),
  getThumbnail: onThumbnail('assets'),
  getDriveThumbnail: onThumbnail('files'),
};
