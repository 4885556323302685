import sharp from 'sharp';
import { PASSWORD } from '../accounts.ts';
import type { Actor, Call, World } from '../world.ts';
import type { RouteCases } from './route-case.ts';

const NEW_PASSWORD = 'battery staple correct';

export const authCases: RouteCases = {
  register: {
    call: (world) => ({ path: '/auth/register', body: { email: world.accounts.newEmail(), password: PASSWORD } }),
    status: 201,
  },
  login: {
    call: async (world) => ({
      path: '/auth/login',
      body: { email: (await world.person()).email, password: PASSWORD },
    }),
    status: 200,
  },
  refreshSession: {
    call: async (world) => ({ path: '/auth/refresh', body: { refreshToken: (await world.person()).refreshToken } }),
    status: 200,
  },
  verifyToken: { call: () => ({ path: '/auth/verify-token' }), status: 200 },
  listSessions: { call: () => ({ path: '/auth/sessions' }), status: 200 },
  endSession: {
    call: async (world, me) => ({ path: `/auth/sessions/${await world.session(me.userId)}` }),
    status: 200,
    foreign: 'SESSION_NOT_FOUND',
  },
  logoutAll: { call: () => ({ path: '/auth/logout-all' }), status: 200 },
  forgotPassword: {
    call: async (world) => ({ path: '/auth/forgot-password', body: { email: (await world.person()).email } }),
    status: 202,
  },
  resetPassword: {
    call: async (world) => {
      const person = await world.person();
      const otp = await world.resetCode(person);
      return { path: '/auth/reset-password', body: { email: person.email, otp, newPassword: NEW_PASSWORD } };
    },
    status: 200,
  },
  logout: { call: () => ({ path: '/auth/logout' }), status: 200 },
  sendOtp: { call: () => ({ path: '/otp/send' }), status: 200 },
  verifyOtp: {
    call: async (world, me) => {
      await world.database.prisma.user.update({ where: { id: me.userId }, data: { emailVerifiedAt: new Date() } });
      // Verified already: any code will do. What a code is worth is tested in auth.test.ts.
      return { path: '/otp/verify/000000' };
    },
    status: 200,
  },
};

export const userCases: RouteCases = {
  getProfile: { call: () => ({ path: '/users/profile' }), status: 200 },
  changeProfile: { call: () => ({ path: '/users/profile', body: { name: 'Ada' } }), status: 200 },
  getSummary: { call: () => ({ path: '/users/summary' }), status: 200 },
  changePassword: {
    call: () => ({
      path: '/users/change-password',
      body: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD },
    }),
    status: 200,
  },
  setPhoto: { call: photo, status: 200 },
  getPhoto: { call: withPhoto, status: 200 },
  deletePhoto: { call: withPhoto, status: 200 },
  deleteAccount: {
    call: async (world) => {
      // Another admin, so that none is the last.
      await world.person({ admin: true });
      return { path: '/users/account', body: { password: PASSWORD } };
    },
    status: 200,
  },
  restoreAccount: {
    call: async (world, me) => {
      await world.beginDeletion(me.userId);
      return { path: '/users/account/restore' };
    },
    status: 200,
  },
};

async function photo(): Promise<Call> {
  const picture = sharp({ create: { width: 8, height: 8, channels: 3, background: 'teal' } });
  return { path: '/users/photo', attach: { field: 'photo', bytes: await picture.png().toBuffer(), name: 'me.png' } };
}

async function withPhoto(world: World, me: Actor): Promise<Call> {
  const reply = await world.send('put', await photo(), me.headers);
  if (reply.status !== 200) throw new Error(`the photo was refused: ${JSON.stringify(reply.body)}`);
  return { path: '/users/photo' };
}
