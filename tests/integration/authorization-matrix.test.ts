import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { declaredRoutes } from '../../scripts/declared-routes.ts';
import { ERROR_CODES, type ErrorCode } from '../../src/errors/codes.ts';
import type { Access } from '../../src/features/access/index.ts';
import type { Route } from '../../src/http/route.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { routeCases } from '../support/route-cases/index.ts';
import { type Actor, codeOf, type Key, type Person, World } from '../support/world.ts';

// Made from the router's own list of routes: every route x every principal, each cell asserted. A route without a case
// (tests/support/route-cases) fails, and so does a case without a route.

let site: Site;
let world: World;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
});
afterAll(() => site.stop());

/** What a principal may: 'allowed', or the code of the refusal. */
type Verdict = 'allowed' | ErrorCode;

interface PrincipalKind {
  readonly name: string;
  make(): Promise<Actor>;
  verdict(access: Access): Verdict;
}

const NOBODY = { userId: '', email: '' };

function asUser(access: Access, { verified = true, admin = false }): Verdict {
  if (['anyone', 'leaving', 'user'].includes(access)) return 'allowed';
  if (!verified) return 'EMAIL_NOT_VERIFIED';
  return access === 'admin' && !admin ? 'FORBIDDEN' : 'allowed';
}

/** A key, of whose kind the space routes say `code`; elsewhere a key is nothing. */
function asKey(access: Access, code: Verdict): Verdict {
  if (access === 'anyone') return 'allowed';
  return access.startsWith('space:') ? code : 'UNAUTHENTICATED';
}

function refusedAs(code: ErrorCode) {
  return (access: Access): Verdict => (access === 'anyone' ? 'allowed' : code);
}

async function keyOfSomebody(state: Parameters<World['key']>[1] = {}, owner: Parameters<World['person']>[0] = {}) {
  return world.key(await world.person(owner), state);
}

const PRINCIPALS: readonly PrincipalKind[] = [
  { name: 'nobody', make: async () => ({ ...NOBODY, headers: {} }), verdict: refusedAs('UNAUTHENTICATED') },
  {
    name: 'a forged token',
    make: async () => ({ ...NOBODY, headers: { authorization: 'Bearer e30.e30.e30' } }),
    verdict: refusedAs('UNAUTHENTICATED'),
  },
  {
    name: 'Basic credentials',
    make: async () => ({ ...NOBODY, headers: { authorization: 'Basic YTpi' } }),
    verdict: refusedAs('UNAUTHENTICATED'),
  },
  { name: 'an expired token', make: () => world.person({ tokenExpired: true }), verdict: refusedAs('TOKEN_EXPIRED') },
  { name: 'an ended session', make: () => world.person({ sessionEnded: true }), verdict: refusedAs('UNAUTHENTICATED') },
  { name: 'a disabled user', make: () => world.person({ disabled: true }), verdict: refusedAs('ACCOUNT_DISABLED') },
  {
    name: 'a disabled admin',
    make: () => world.person({ disabled: true, admin: true }),
    verdict: refusedAs('ACCOUNT_DISABLED'),
  },
  {
    name: 'a user about to be deleted',
    make: () => world.person({ leaving: true }),
    verdict: (access) => (['anyone', 'leaving'].includes(access) ? 'allowed' : 'ACCOUNT_DELETION_PENDING'),
  },
  {
    name: 'an unverified user',
    make: () => world.person({ verified: false }),
    verdict: (access) => asUser(access, { verified: false }),
  },
  {
    name: 'an unverified admin',
    make: () => world.person({ verified: false, admin: true }),
    verdict: (access) => asUser(access, { verified: false }),
  },
  { name: 'a user', make: () => world.person(), verdict: (access) => asUser(access, {}) },
  {
    name: 'an admin of yesterday',
    make: async () => {
      const person = await world.person({ admin: true });
      await world.database.prisma.user.update({ where: { id: person.userId }, data: { role: 'USER' } });
      return person;
    },
    verdict: (access) => asUser(access, {}),
  },
  { name: 'an admin', make: () => world.person({ admin: true }), verdict: (access) => asUser(access, { admin: true }) },
  { name: 'a key', make: () => keyOfSomebody(), verdict: (access) => asKey(access, 'allowed') },
  {
    name: 'a key with a wrong secret',
    make: async () => {
      const key = await keyOfSomebody();
      return { ...key, headers: { ...key.headers, 'x-secret-key': 'x'.repeat(40) } };
    },
    verdict: (access) => asKey(access, 'INVALID_CREDENTIALS'),
  },
  {
    name: 'a key without its secret',
    make: async () => {
      const { accessKeyId } = await keyOfSomebody();
      return { ...NOBODY, headers: { 'x-access-key-id': accessKeyId } };
    },
    verdict: refusedAs('UNAUTHENTICATED'),
  },
  {
    name: 'a revoked key',
    make: () => keyOfSomebody({ revoked: true }),
    verdict: (access) => asKey(access, 'KEY_REVOKED'),
  },
  {
    name: 'an expired key',
    make: () => keyOfSomebody({ expired: true }),
    verdict: (access) => asKey(access, 'KEY_EXPIRED'),
  },
  {
    name: 'a key of a disabled user',
    make: () => keyOfSomebody({}, { disabled: true }),
    verdict: (access) => asKey(access, 'ACCOUNT_DISABLED'),
  },
  ...(['read', 'write', 'delete', 'list'] as const).map((missing): PrincipalKind => {
    const permissions = (['read', 'write', 'delete', 'list'] as const).filter((name) => name !== missing);
    return {
      name: `a key that may not ${missing}`,
      make: () => keyOfSomebody({ permissions }),
      verdict: (access) => asKey(access, access.split(/[:+]/).includes(missing) ? 'PERMISSION_MISSING' : 'allowed'),
    };
  }),
  {
    name: 'a user with a key in the same request',
    make: async () => {
      const person = await world.person();
      const key = await world.key(person);
      return { ...person, headers: { ...person.headers, ...key.headers } };
    },
    verdict: () => 'AMBIGUOUS_CREDENTIALS',
  },
];

const ROUTES = declaredRoutes();
const CASES = routeCases;

describe('the authorization matrix', () => {
  it('has a case for every route, and no other', () => {
    expect(Object.keys(CASES).toSorted()).toEqual(ROUTES.map(({ operationId }) => operationId).toSorted());
  });

  it('says of every route that names something of somebody what a stranger gets', () => {
    // A public link is for whoever has it.
    const owned = ROUTES.filter(({ path, access }) => path.includes('/:') && !['admin', 'anyone'].includes(access));
    const without = owned.filter(({ operationId }) => CASES[operationId]?.foreign === undefined);
    // A code from a mail is no name of a thing.
    expect(without.map(({ operationId }) => operationId)).toEqual(['verifyOtp']);
  });
});

describe.each(ROUTES.map((route): [string, Route] => [route.operationId, route]))('%s', (operationId, route) => {
  it.each(PRINCIPALS.map((kind): [string, PrincipalKind] => [kind.name, kind]))('for %s', async (_name, kind) => {
    const verdict = kind.verdict(route.access);
    const actor = await kind.make();
    if (verdict !== 'allowed') {
      expectRefusal(await send(route, { path: placeholder(route) }, actor), verdict);
      return;
    }
    const { call, status } = caseOf(operationId);
    const reply = await send(route, await call(world, await maker(actor)), actor);
    expect(reply.status).toBe(status);
    expect(reply.headers['x-request-id']).toBeDefined();
  });

  const foreign = CASES[operationId]?.foreign;
  if (foreign === undefined) return;
  const ofSpace = route.access.startsWith('space:');
  const strangers: [string, () => Promise<Actor>][] = [
    ['another user', () => world.person()],
    ['an admin', () => world.person({ admin: true })],
    ...(ofSpace ? [['another key', () => keyOfSomebody()] satisfies [string, () => Promise<Actor>]] : []),
  ];
  it.each(strangers)('of somebody else, for %s', async (_name, make) => {
    for (const owner of await owners(route)) await expectForeign(route, owner, await make());
  });

  if (!ofSpace) return;
  it('of a user’s drive for the user’s own key, and the other way round', async () => {
    const [a, b] = [await world.person(), await world.person()];
    await expectForeign(route, a, await world.key(a));
    await expectForeign(route, await world.key(b), b);
  });
});

/** A stranger gets what there is for things that do not exist, and the owner still has it as it was. */
async function expectForeign(route: Route, owner: Actor, stranger: Actor): Promise<void> {
  const { call, status, foreign = 'INTERNAL' } = caseOf(route.operationId);
  const request = await call(world, owner);
  expectRefusal(await send(route, request, stranger), foreign);
  expect((await send(route, request, owner)).status).toBe(status);
}

function caseOf(operationId: string) {
  const found = CASES[operationId];
  if (!found) throw new Error(`${operationId} has no case in tests/support/route-cases`);
  return found;
}

async function owners(route: Route): Promise<(Person | Key)[]> {
  const person = await world.person();
  return route.access.startsWith('space:') ? [person, await keyOfSomebody()] : [person];
}

/** Who makes the things that the request is about: somebody who may, where the sender is nobody. */
async function maker(actor: Actor): Promise<Actor> {
  if (actor.userId === '') return world.person();
  if (!('apiKeyId' in actor)) return actor;
  // The same pocket, through a key that may do everything: what this one may not must not stand in the way.
  const full = { permissions: ['read', 'write', 'delete', 'list'] };
  const { apiKeyId } = actor as Key;
  const { permissions } = await world.database.prisma.apiKey.findUniqueOrThrow({ where: { id: apiKeyId } });
  await world.database.prisma.apiKey.update({ where: { id: apiKeyId }, data: full });
  restore.push(() => world.database.prisma.apiKey.update({ where: { id: apiKeyId }, data: { permissions } }));
  return actor;
}

const restore: (() => Promise<unknown>)[] = [];

async function send(route: Route, call: Parameters<World['send']>[1], actor: Actor) {
  for (const undo of restore.splice(0)) await undo();
  return world.send(route.method, call, actor.headers, route.root === true);
}

/** Of the right form and naming nothing: who may not is told so before anything is looked up. */
function placeholder(route: Route): string {
  return route.path.replaceAll(/:(\w+)/g, (_all, name: string) => (name === 'otp' ? '000000' : newId()));
}

function expectRefusal(reply: Parameters<typeof codeOf>[0] & { readonly status: number }, code: ErrorCode): void {
  expect(codeOf(reply)).toBe(code);
  expect(reply.status).toBe(ERROR_CODES[code].status);
  // HEAD has no body.
  expect(reply.body.error?.httpStatusCode ?? reply.status).toBe(reply.status);
}
