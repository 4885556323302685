import type { Actor, Call, World } from '../world.ts';
import type { RouteCase, RouteCases } from './route-case.ts';

const PATH = 'notes/a file.txt';
const NAME = encodeURIComponent(PATH);

/** A request about a file in the trash of the actor's space. */
function onTrashed(call: (id: string) => Call): RouteCase {
  return {
    call: async (world, me) => {
      await settle(world, me, { trashDays: 7 });
      await world.file(me, PATH);
      await world.send('delete', { path: `/storage/files/${NAME}` }, me.headers);
      const { body } = await world.send('get', { path: '/storage/trash' }, me.headers);
      return call(body.data.files[0].id);
    },
    status: 200,
    foreign: 'FILE_NOT_FOUND',
  };
}

/** A request about a version of a file in the actor's space. */
function onVersion(path: (versionId: string) => string): RouteCase {
  return {
    call: async (world, me) => {
      await settle(world, me, { versionsKept: 2 });
      await world.file(me, PATH);
      await world.file(me, PATH);
      const { body } = await world.send('get', { path: `/storage/files/${NAME}/versions` }, me.headers);
      return { path: path(body.data.versions[0].id) };
    },
    status: 200,
    foreign: 'FILE_NOT_FOUND',
  };
}

async function settle(world: World, me: Actor, body: object): Promise<void> {
  await world.send('patch', { path: '/storage/settings', body }, me.headers);
}

export const storageChangeCases: RouteCases = {
  changeFile: {
    call: async (world, me) => {
      await world.file(me, PATH);
      return { path: `/storage/files/${NAME}`, body: { fileName: 'notes/b.txt' } };
    },
    status: 200,
    foreign: 'FILE_NOT_FOUND',
  },
  copyFile: {
    call: async (world, me) => {
      await world.file(me, PATH);
      return { path: '/storage/copy', body: { from: PATH, to: 'notes/b.txt' } };
    },
    status: 201,
    foreign: 'FILE_NOT_FOUND',
  },
  listTrash: { call: () => ({ path: '/storage/trash' }), status: 200 },
  restoreManyFromTrash: {
    call: () => ({ path: '/storage/trash/restore', body: { prefix: 'notes/' } }),
    status: 200,
  },
  emptyTrash: { call: () => ({ path: '/storage/trash' }), status: 200 },
  restoreFromTrash: onTrashed((id) => ({ path: `/storage/trash/${id}/restore`, body: {} })),
  deleteFromTrash: onTrashed((id) => ({ path: `/storage/trash/${id}` })),
  listVersions: onVersion(() => `/storage/files/${NAME}/versions`),
  restoreVersion: onVersion((id) => `/storage/files/${NAME}/versions/${id}/restore`),
  deleteVersion: onVersion((id) => `/storage/files/${NAME}/versions/${id}`),
  downloadVersion: onVersion((id) => `/storage/files/${NAME}/versions/${id}/content`),
  getSpaceSettings: { call: () => ({ path: '/storage/settings' }), status: 200 },
  changeSpaceSettings: {
    call: () => ({ path: '/storage/settings', body: { versionsKept: 3 } }),
    status: 200,
  },
  getStorageJob: {
    call: async (world, me) => ({ path: `/storage/jobs/${await world.operation(me)}` }),
    status: 200,
    foreign: 'JOB_NOT_FOUND',
  },
};
