import type { Actor, Call, World } from '../world.ts';
import type { RouteCase, RouteCases } from './route-case.ts';

const PATH = 'notes/a file.txt';

/** A request about one file, which is put into the actor's space first; in any other space the name is not there. */
function onFile(path: (segment: string) => string): RouteCase {
  const call = async (world: World, me: Actor): Promise<Call> => {
    await world.file(me, PATH);
    return { path: path(encodeURIComponent(PATH)) };
  };
  return { call, status: 200, foreign: 'FILE_NOT_FOUND' };
}

export const storageCases: RouteCases = {
  uploadFile: {
    call: () => ({ path: '/storage/upload', attach: { field: 'file', bytes: Buffer.from('x'), name: 'x.txt' } }),
    status: 201,
  },
  listFiles: { call: () => ({ path: '/storage/files?prefix=notes/' }), status: 200 },
  getUsage: { call: () => ({ path: '/storage/usage' }), status: 200 },
  bulkDeleteFiles: {
    call: async (world, me) => {
      await world.file(me, PATH);
      return { path: '/storage/files/bulk-delete', body: { fileNames: [PATH] } };
    },
    status: 200,
  },
  zipFiles: {
    call: async (world, me) => {
      await world.file(me, PATH);
      return { path: '/storage/files/zip', body: { fileNames: [PATH] } };
    },
    status: 200,
    foreign: 'FILE_NOT_FOUND',
  },
  presignDownload: onFile((name) => `/storage/files/${name}`),
  deleteFile: onFile((name) => `/storage/files/${name}`),
  downloadFile: onFile((name) => `/storage/files/${name}/content`),
  getFileMetadata: onFile((name) => `/storage/files/${name}/metadata`),
};
