import { newId } from '../../../src/platform/crypto/random.ts';
import type { Actor, World } from '../world.ts';
import { asPerson, type RouteCases } from './route-case.ts';

const PATH = 'shared.txt';

async function fileOf(world: World, me: Actor): Promise<string> {
  await world.file(me, PATH);
  const { id } = await world.database.prisma.file.findFirstOrThrow({
    where: { space: { ownerId: me.userId, kind: 'DRIVE' }, path: PATH },
  });
  return id;
}

/** A file of `from`, shared with `to`. */
async function shareOf(world: World, from: Actor, to: Actor): Promise<string> {
  const body = { fileId: await fileOf(world, from), email: to.email, permission: 'VIEW' };
  const reply = await world.send('post', { path: '/shares', body }, from.headers);
  if (reply.status !== 201) throw new Error(`it was not shared: ${JSON.stringify(reply.body)}`);
  return reply.body.data.share.id;
}

const somebody = () => ({ email: `${newId()}@example.com` }) as Actor;

export const shareCases: RouteCases = {
  createShare: {
    call: async (world, me) => ({
      path: '/shares',
      body: { fileId: await fileOf(world, me), email: somebody().email, permission: 'EDIT' },
    }),
    status: 201,
    foreign: 'FILE_NOT_FOUND',
  },
  listShares: { call: () => ({ path: '/shares' }), status: 200 },
  changeShare: {
    call: async (world, me) => ({
      path: `/shares/${await shareOf(world, me, somebody())}`,
      body: { permission: 'EDIT' },
    }),
    status: 200,
    foreign: 'SHARE_NOT_FOUND',
  },
  deleteShare: {
    call: async (world, me) => ({ path: `/shares/${await shareOf(world, me, somebody())}` }),
    status: 200,
    foreign: 'SHARE_NOT_FOUND',
  },
  listSharedWithMe: { call: () => ({ path: '/shared-with-me' }), status: 200 },
  leaveShare: {
    call: async (world, me) => ({
      path: `/shared-with-me/${await shareOf(world, await world.person(), asPerson(me))}`,
    }),
    status: 200,
    foreign: 'SHARE_NOT_FOUND',
  },
};
