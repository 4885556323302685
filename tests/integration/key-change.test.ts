import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';

const UNKNOWN_IDS = [newId(), 'x', "';--", '%00'];

let site: Site;
let a: Accounts;
let me: Caller;
let other: Caller;
let admin: Caller;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  [me, other, admin] = [await a.user(), await a.user(), await a.admin()];
});
afterAll(() => site.stop());

describe('PATCH /apiKeys/:id', () => {
  it('renames and takes permissions away, with old and new in the audit log', async () => {
    const key = await a.approvedKey(me, admin);
    const reply = await me.patch(`/apiKeys/${key.id}`, { name: 'photos', permissions: ['list', 'read'] });
    expect(reply.body.data.apiKey).toEqual({ ...key, name: 'photos', permissions: ['list', 'read'] });
    expect((await me.patch(`/apiKeys/${key.id}`, { permissions: ['read'] })).body.data.apiKey).toMatchObject({
      name: 'photos',
      permissions: ['read'],
    });
    expect((await me.patch(`/apiKeys/${key.id}`, { name: 'photos', permissions: ['read'] })).status).toBe(200);
    const entries = await a.database.prisma.auditLog.findMany({ where: { subjectId: key.id }, orderBy: { id: 'asc' } });
    expect(entries.map(({ action, metadata }) => [action, metadata])).toEqual([
      [
        'key.change',
        {
          oldName: 'backup',
          newName: 'photos',
          oldPermissions: 'read,write,delete,list',
          newPermissions: 'list,read',
        },
      ],
      ['key.change', { oldPermissions: 'list,read', newPermissions: 'read' }],
    ]);
  });

  it('never gives a permission back, and says which', async () => {
    const key = await a.approvedKey(me, admin, { permissions: ['read', 'list'] });
    const reply = await me.patch(`/apiKeys/${key.id}`, { name: 'new', permissions: ['read', 'write', 'delete'] });
    expect(reply.body.error).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: [{ path: 'permissions', message: expect.stringContaining('write, delete') }],
    });
    expect((await me.get(`/apiKeys/${key.id}`)).body.data.apiKey).toEqual(key);
  });

  it('by two at once leaves no more than both allow', async () => {
    const there = me.at(await site.startAnother());
    for (let i = 0; i < 8; i += 1) {
      const key = await a.approvedKey(me, admin);
      const [one, two] = await Promise.all([
        me.patch(`/apiKeys/${key.id}`, { permissions: ['read', 'write'] }),
        there.patch(`/apiKeys/${key.id}`, { permissions: ['read', 'list'] }),
      ]);
      expect([one.status, two.status].toSorted()).toEqual([200, 400]);
      const left = (await me.get(`/apiKeys/${key.id}`)).body.data.apiKey.permissions;
      expect(left).toEqual(one.status === 200 ? ['read', 'write'] : ['read', 'list']);
    }
  });

  it.each([
    ['nothing', {}, ['name']],
    ['no permission', { permissions: [] }, ['permissions']],
    ['one twice', { permissions: ['read', 'read'] }, ['permissions']],
    ['an unknown one', { permissions: ['admin'] }, ['permissions.0']],
    ['an empty name', { name: ' ' }, ['name']],
    ['another field', { name: 'x', expiresAt: null }, ['expiresAt']],
  ])('refuses %s', async (_what, body, paths) => {
    const key = await a.approvedKey(me, admin);
    const reply = await me.patch(`/apiKeys/${key.id}`, body);
    expect(reply.status).toBe(400);
    expect(reply.body.error.details.map(({ path }: { path: string }) => path)).toEqual(paths);
  });

  it('is for the owner of a living key', async () => {
    const key = await a.approvedKey(me, admin);
    for (const caller of [other, admin]) {
      expect((await caller.patch(`/apiKeys/${key.id}`, { name: 'x' })).body.error.code).toBe('API_KEY_NOT_FOUND');
    }
    for (const id of UNKNOWN_IDS) expect((await me.patch(`/apiKeys/${id}`, { name: 'x' })).status).toBe(404);
    await me.delete(`/apiKeys/${key.id}`);
    expect((await me.patch(`/apiKeys/${key.id}`, { name: 'x' })).body.error.code).toBe('CONFLICT');
  });
});
