import type { Actor, Call, World } from '../world.ts';
import type { RouteCases } from './route-case.ts';

const FOLDER = 'notes';
const PATH = `${FOLDER}/a file.txt`;

/** The ids of a file in the actor's drive and of the folder it lies in. */
async function subjects(world: World, me: Actor): Promise<{ readonly fileId: string; readonly folderId: string }> {
  await world.file(me, PATH);
  const { prisma } = world.database;
  const space = { kind: 'DRIVE', ownerId: me.userId } as const;
  const file = await prisma.file.findFirstOrThrow({ where: { space, path: PATH, deletedAt: null } });
  const folder = await prisma.folder.findFirstOrThrow({ where: { space, path: FOLDER } });
  return { fileId: file.id, folderId: folder.id };
}

async function madeLink(world: World, owner: Actor, wish: object) {
  const reply = await world.send('post', { path: '/shares/links', body: wish }, owner.headers);
  if (reply.status !== 201) throw new Error(`the link was refused: ${JSON.stringify(reply.body)}`);
  return reply.body.data as { readonly link: { readonly id: string }; readonly token: string };
}

/** A request at a link of somebody's, who need not be the one who asks. */
function atLink(wish: object, call: (path: string) => Call): (world: World) => Promise<Call> {
  return async (world) => {
    const owner = await world.person();
    const { folderId } = await subjects(world, owner);
    return call(`/s/${(await madeLink(world, owner, { folderId, ...wish })).token}`);
  };
}

export const linkCases: RouteCases = {
  createLink: {
    call: async (world, me) => {
      const { fileId } = await subjects(world, me);
      return { path: '/shares/links', body: { fileId } };
    },
    status: 201,
  },
  listLinks: { call: () => ({ path: '/shares/links' }), status: 200 },
  revokeLink: {
    call: async (world, me) => {
      const { fileId } = await subjects(world, me);
      return { path: `/shares/links/${(await madeLink(world, me, { fileId })).link.id}` };
    },
    status: 200,
    foreign: 'LINK_NOT_FOUND',
  },
  openLink: { call: atLink({}, (path) => ({ path })), status: 200 },
  unlockLink: {
    call: atLink({ password: 'correct horse' }, (path) => ({
      path: `${path}/unlock`,
      body: { password: 'correct horse' },
    })),
    status: 200,
  },
  downloadLink: { call: atLink({}, (path) => ({ path: `${path}/content?path=a%20file.txt` })), status: 200 },
  zipLink: { call: atLink({}, (path) => ({ path: `${path}/zip` })), status: 200 },
  dropFile: {
    call: atLink({ allowUpload: true, maxUploadBytes: 1000 }, (path) => ({
      path: `${path}/files`,
      attach: { field: 'file', bytes: Buffer.from('x'), name: 'x.txt' },
    })),
    status: 201,
  },
};
