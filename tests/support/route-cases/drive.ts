import type { Actor, Call, World } from '../world.ts';
import type { RouteCase, RouteCases } from './route-case.ts';

const CONTENT = { field: 'file', bytes: Buffer.from('x'), name: 'x.txt' };

/** A request about one folder, which is made in the person's drive first. */
function onFolder(suffix = '', body?: object): RouteCase {
  const call = async (world: World, me: Actor): Promise<Call> => {
    const reply = await world.send('post', { path: '/drive', body: { name: crypto.randomUUID() } }, me.headers);
    return { path: `/drive/${reply.body.data.folder.id}${suffix}`, ...(body && { body }) };
  };
  return { call, status: 200, foreign: 'FOLDER_NOT_FOUND' };
}

/** A request about one file, which is put into the person's drive first. */
function onFile(suffix: string, rest: Omit<Call, 'path'> = {}, status = 200): RouteCase {
  const call = async (world: World, me: Actor): Promise<Call> => {
    const upload = { path: `/files?fileName=${crypto.randomUUID()}.txt`, attach: CONTENT };
    const reply = await world.send('post', upload, me.headers);
    return { path: `/files/${reply.body.data.file.id}${suffix}`, ...rest };
  };
  return { call, status, foreign: 'FILE_NOT_FOUND' };
}

export const driveCases: RouteCases = {
  createFolder: { call: () => ({ path: '/drive', body: { name: crypto.randomUUID() } }), status: 201 },
  listDrive: { call: () => ({ path: '/drive' }), status: 200 },
  listFolder: onFolder(),
  zipFolder: {
    call: async (world, me) => {
      const { path } = await onFolder('/zip').call(world, me);
      const upload = { path: `/files?folderId=${path.split('/')[2]}`, attach: CONTENT };
      await world.send('post', upload, me.headers);
      return { path };
    },
    status: 200,
    foreign: 'FOLDER_NOT_FOUND',
  },
  changeFolder: onFolder('', { parentId: null }),
  deleteFolder: onFolder(),
  uploadDriveFile: { call: () => ({ path: '/files', attach: CONTENT }), status: 201 },
  getDriveFile: onFile(''),
  changeDriveFile: onFile('', { body: { tags: ['a'] } }),
  deleteDriveFile: onFile(''),
  downloadDriveFile: onFile('/content'),
  replaceDriveFile: onFile('/content', { attach: CONTENT }),
  presignDriveDownload: onFile('/link'),
  copyDriveFile: onFile('/copy', { body: {} }, 201),
};
