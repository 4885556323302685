import type { Express } from 'express';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { declaredRoutes } from '../../scripts/declared-routes.ts';
import { errorsOf } from '../../src/http/openapi.ts';
import type { Route } from '../../src/http/route.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { ENCRYPTION_KEY, JWT_SECRET, type Site, startAccounts } from '../support/accounts.ts';
import { startAppWithoutDatabase } from '../support/app.ts';
import { routeCases } from '../support/route-cases/index.ts';
import { type Actor, type Call, codeOf, World } from '../support/world.ts';

// What holds for every route alike, made from the router's own list: hostile parameters and bodies, limits, outages.

const ROUTES = declaredRoutes();
const OPEN = ROUTES.filter(({ access }) => access === 'anyone');
const NUL = '%00';
const NOT_IDS = [
  'x',
  '1',
  newId().slice(1),
  `${newId()}x`,
  NUL,
  '%27%20OR%201%3D1--',
  '%F0%9F%92%A9',
  'x'.repeat(4000),
];
const COLUMNS = {
  id: newId(),
  userId: newId(),
  role: 'ADMIN',
  emailVerified: true,
  emailVerifiedAt: '2026-01-01T00:00:00.000Z',
  passwordHash: 'x',
  quotaBytes: 1e15,
  usedBytes: 0,
  isActive: true,
  revokedAt: null,
  deletionDueAt: null,
  constructor: { prototype: { role: 'ADMIN' } },
  $where: '1',
};

let site: Site;
let world: World;
let limited: Site;
let outage: Express;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
  limited = await startAccounts({
    RATE_LIMIT_AUTH: '1/day/ip',
    RATE_LIMIT_API: '1/day/principal',
    RATE_LIMIT_UPLOAD: '1/day/key',
  });
  outage = await startAppWithoutDatabase({ JWT_SECRET, ENCRYPTION_KEY: ENCRYPTION_KEY.toString('base64') });
});
afterAll(() => Promise.all([site.stop(), limited.stop()]));

/** Somebody who may call it. */
function caller(route: Route): Promise<Actor> {
  return world.person({ admin: route.access === 'admin', leaving: route.operationId === 'restoreAccount' });
}

function named(routes: readonly Route[]): [string, Route][] {
  return routes.map((route) => [`${route.method.toUpperCase()} ${route.path}`, route]);
}

function send(route: Route, call: Call, { headers }: Actor) {
  return world.send(route.method, { headers: headersOf(route), ...call }, headers, route.root === true);
}

/** The headers that it asks for. */
function headersOf({ headers = {}, rawBody }: Route): Record<string, string> {
  const required = Object.entries(headers).filter(([, { required }]) => required);
  const type: Record<string, string> = rawBody?.required ? { 'content-type': rawBody.type } : {};
  return { ...Object.fromEntries(required.map(([name, { example }]) => [name, example])), ...type };
}

async function caseOf(route: Route, me: Actor): Promise<Call> {
  return (await routeCases[route.operationId]?.call(world, me)) ?? { path: route.path };
}

function filled(route: Route, value: string): string {
  return route.path.replaceAll(/:(\w+)/g, (_all, name: string) => (name === 'otp' ? '000000' : value));
}

describe.each(named(ROUTES.filter(({ path }) => /:(id|\w+Id)\b/.test(path))))('%s', (_name, route) => {
  it('is 404 for an id that is none, as for one that names nothing', async () => {
    const me = await caller(route);
    const body = route.bodyExample as object | undefined;
    for (const id of [newId(), ...NOT_IDS]) {
      const call = { path: filled(route, id), ...(body ? { body } : {}) };
      const reply = await send(route, call, me);
      expect(reply.status, id).toBe(404);
      expect(codeOf(reply), id).toMatch(/_NOT_FOUND$/);
    }
  });
});

describe.each(named(ROUTES.filter(({ params }) => params !== undefined)))('%s', (_name, route) => {
  it('refuses what is not percent-encoded', async () => {
    const path = filled(route, '%E0%A4%A').replace('000000', '%E0%A4%A');
    const reply = await send(route, { path }, await caller(route));
    expect(reply.status).toBe(400);
    expect(codeOf(reply)).toBe('VALIDATION_FAILED');
  });
});

describe.each(named(ROUTES.filter(({ body }) => body !== undefined)))('%s', (_name, route) => {
  it.each(Object.keys(COLUMNS).filter((field) => !isKnown(route, field)))(
    'refuses a field %s that it does not know',
    async (field) => {
      const example = route.bodyExample as Record<string, unknown>;
      const body = { ...example, [field]: COLUMNS[field as keyof typeof COLUMNS] };
      const reply = await send(route, { path: filled(route, newId()), body }, await caller(route));
      expect(reply.status).toBe(400);
      expect(reply.body.error.details).toContainEqual({ path: field, message: expect.any(String) });
    },
  );

  it.each([
    ['an array', []],
    ['a text', 'text'],
    ['a number', 7],
    ['null', null],
  ])('refuses %s', async (_what, body) => {
    const reply = await supertest(world.app)
      [route.method](`${route.root ? '' : '/api'}${filled(route, newId())}`)
      .set((await caller(route)).headers)
      .set('content-type', 'application/json')
      .send(JSON.stringify(body));
    expect(reply.status).toBe(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
  });

  it('refuses operators in the place of values', async () => {
    const example = route.bodyExample as Record<string, unknown>;
    const body = Object.fromEntries(Object.keys(example).map((key) => [key, { $ne: null, contains: '', not: 1 }]));
    const reply = await send(route, { path: filled(route, newId()), body }, await caller(route));
    expect(reply.status).toBe(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
  });

  it('refuses a body that is too large', async () => {
    const call = {
      path: filled(route, newId()),
      body: { padding: 'x'.repeat((route.bodyLimitBytes ?? 100 * 1024) + 1) },
    };
    const reply = await send(route, call, await caller(route));
    expect(reply.status).toBe(413);
    expect(reply.body.error.code).toBe('BODY_TOO_LARGE');
  });
});

describe.each(named(ROUTES.filter(({ multipartField }) => multipartField !== undefined)))('%s', (_name, route) => {
  it('refuses what is no form', async () => {
    const me = await caller(route);
    // Where a path names something, it must be there.
    const { path } = route.params ? await caseOf(route, me) : route;
    const reply = await send(route, { path, body: {} }, me);
    expect(reply.status).toBe(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
  });
});

describe.each(named(ROUTES.filter((route) => route.query && 'limit' in shapeOf(route.query))))('%s', (_name, route) => {
  it.each(['limit=0', 'limit=201', 'limit=x', 'limit=1.5', 'cursor=%00', 'cursor=nonsense'])(
    'refuses %s',
    async (query) => {
      const me = await caller(route);
      const { path } = OPEN.includes(route) ? await caseOf(route, me) : { path: filled(route, newId()) };
      const reply = await send(route, { path: `${path}?${query}` }, me);
      expect(reply.status).toBe(400);
      expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    },
  );
});

describe.each(named(ROUTES.filter((route) => errorsOf(route).includes('RATE_LIMITED'))))('%s', (_name, route) => {
  it('has a limit', async () => {
    const { app } = limited.accounts;
    const ask = () => supertest(app)[route.method](`${route.root ? '' : '/api'}${filled(route, newId())}`);
    await ask();
    const reply = await ask();
    expect(codeOf(reply)).toBe('RATE_LIMITED');
    expect(reply.status).toBe(429);
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
    expect(reply.headers['ratelimit-remaining']).toBe('0');
  });
});

describe.each(named(ROUTES.filter((route) => errorsOf(route).includes('DEPENDENCY_UNAVAILABLE'))))(
  '%s',
  (_name, route) => {
    it('is 503 with Retry-After while the database is away', async () => {
      const me = await caller(route);
      const call = OPEN.includes(route) ? await caseOf(route, me) : undefined;
      const request = supertest(outage)[route.method](
        `${route.root ? '' : '/api'}${call?.path ?? filled(route, newId())}`,
      );
      const reply = await request.set(OPEN.includes(route) ? {} : me.headers).send(call?.body);
      expect(codeOf(reply)).toBe('DEPENDENCY_UNAVAILABLE');
      expect(reply.status).toBe(503);
      expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
    });
  },
);

function shapeOf(schema: object): object {
  return 'shape' in schema && typeof schema.shape === 'object' && schema.shape !== null ? schema.shape : {};
}

function isKnown(route: Route, field: string): boolean {
  const example = route.bodyExample;
  return Object.hasOwn({ ...shapeOf(route.body ?? {}), ...(typeof example === 'object' ? example : {}) }, field);
}
