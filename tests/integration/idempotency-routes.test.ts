import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { declaredRoutes } from '../../scripts/declared-routes.ts';
import type { Route } from '../../src/http/route.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { routeCases } from '../support/route-cases/index.ts';
import { type Actor, type Call, World } from '../support/world.ts';

// What holds for every route that takes an Idempotency-Key, made from the router's own list.

const POSTS = declaredRoutes().filter(({ method }) => method === 'post');
const KEYED = POSTS.filter(({ idempotent }) => idempotent);

/** POSTs that create nothing: they look, change, end or prove something, or doing them twice is doing them once. */
const CREATES_NOTHING = new Set([
  'login',
  'refreshSession',
  'logout',
  'logoutAll',
  'sendOtp',
  'verifyOtp',
  'changePassword',
  'forgotPassword',
  'resetPassword',
  'restoreAccount',
  'restoreUser',
  'retryJob',
  'processAsset',
  'bulkDeleteFiles',
  'restoreManyFromTrash',
  'restoreFromTrash',
  'restoreVersion',
  'zipFiles',
  'unlockLink',
  'completeUpload',
  'completeMultipart',
  'presignParts',
]);

/** What was made may not be said again: not even to whoever dropped it, under another name than it has. */
const NOT_REBUILT = new Set(['dropFile']);

let site: Site;
let world: World;

beforeAll(async () => {
  site = await startAccounts({}, { workers: false });
  world = new World(site.accounts);
});
afterAll(() => site.stop());

describe('which routes take a key', () => {
  it('is every POST that creates', () => {
    const others = POSTS.filter(({ idempotent }) => !idempotent).map(({ operationId }) => operationId);
    expect(others.filter((id) => !CREATES_NOTHING.has(id))).toEqual([]);
    expect(POSTS.filter(({ success, idempotent }) => success?.[201] && !idempotent)).toEqual([]);
  });

  it('is nothing but a POST', () => {
    expect(declaredRoutes().filter(({ idempotent, method }) => idempotent && method !== 'post')).toEqual([]);
  });
});

describe.each(KEYED.map((route): [string, Route] => [route.operationId, route]))('%s', (_id, route) => {
  it('gives the first answer again and does nothing', async () => {
    const { me, call, key } = await prepared(route);
    const first = await send(route, call, me, key);
    expect(first.status, JSON.stringify(first.body)).toBe(routeCases[route.operationId]?.status);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    const before = await entries();
    const again = await send(route, call, me, key);
    expect(again.status).toBe(first.status);
    expect(again.body).toEqual(first.body);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(await entries()).toBe(before);
  });

  it('makes the answer anew when it was lost, or says what was done', async () => {
    const { me, call, key } = await prepared(route);
    const first = await losingAnswers(() => send(route, call, me, key));
    expect(first.status).toBeLessThan(300);
    await ended(key);
    const before = await entries();
    const again = await send(route, call, me, key);
    if (NOT_REBUILT.has(route.operationId)) {
      expect(again.status).toBe(409);
      expect(again.body.error).toMatchObject({ code: 'CONFLICT', details: { subjectId: expect.any(String) } });
    } else {
      expect(again.headers['idempotency-replayed'], JSON.stringify(again.body)).toBe('true');
      expect(again.status).toBe(first.status);
      expect(withoutTimes(again.body)).toEqual(withoutTimes(first.body));
    }
    expect(await entries()).toBe(before);
  });

  it('refuses the key with another request', async () => {
    const { me, call, key } = await prepared(route);
    expect((await send(route, call, me, key)).status).toBeLessThan(300);
    const before = await entries();
    const other = await otherThan(route, call, me);
    const between = await entries();
    const reply = await send(route, other, me, key);
    expect(reply.body.error).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', httpStatusCode: 409 });
    expect((await entries()) - between, 'what it did').toBe(0);
    expect(between).toBeGreaterThanOrEqual(before);
    // The key stands for what it came with first.
    expect((await send(route, call, me, key)).headers['idempotency-replayed']).toBe('true');
  });

  it('asks whoever comes while it is under way to come again', async () => {
    const { me, call, key } = await prepared(route);
    await send(route, call, me, key);
    await ended(key);
    await change(`effect_at = NULL, status = NULL, reply = NULL, claimed_until = now() + interval '1 hour'`, key);
    const reply = await send(route, call, me, key);
    expect(reply.body.error).toMatchObject({ code: 'CONFLICT', httpStatusCode: 409 });
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
  });

  it.each([
    ['empty', ''],
    ['of 256 characters', 'x'.repeat(256)],
  ])('refuses a key that is %s', async (_what, key) => {
    const { me, call } = await prepared(route);
    const before = await entries();
    const reply = await send(route, call, me, key);
    expect(reply.body.error).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'idempotency-key' }] });
    expect(await entries()).toBe(before);
  });

  it('takes any characters up to 255', async () => {
    const { me, call } = await prepared(route);
    const key = randomUUID().padEnd(255, ' "\\%/x');
    const first = await send(route, call, me, key);
    expect(first.status, JSON.stringify(first.body)).toBeLessThan(300);
    expect((await send(route, call, me, key)).headers['idempotency-replayed']).toBe('true');
  });

  if (route.access === 'anyone') return;
  it('has nothing to do with another one’s key of the same text', async () => {
    const { me, call, key } = await prepared(route);
    const first = await send(route, call, me, key);
    const other = await world.person();
    const theirs = (await routeCases[route.operationId]?.call(world, other)) ?? call;
    const reply = await send(route, theirs, other, key);
    expect(reply.status, JSON.stringify(reply.body)).toBe(first.status);
    expect(reply.headers['idempotency-replayed']).toBeUndefined();
  });
});

async function prepared(route: Route): Promise<{ me: Actor; call: Call; key: string }> {
  const me = await world.person({ admin: route.access === 'admin' });
  const call = await routeCases[route.operationId]?.call(world, me);
  if (!call) throw new Error(`no case for ${route.operationId}`);
  return { me, call, key: randomUUID() };
}

function send(route: Route, call: Call, me: Actor, key: string) {
  const headers = route.access === 'anyone' ? {} : me.headers;
  return world.send('post', call, { ...headers, 'idempotency-key': key }, route.root === true);
}

/** The same route, asked for something else. */
async function otherThan(route: Route, call: Call, me: Actor): Promise<Call> {
  if (call.attach) return { ...call, attach: { ...call.attach, bytes: Buffer.from('other bytes') } };
  const fresh = (await routeCases[route.operationId]?.call(world, me)) ?? call;
  if (JSON.stringify(fresh) !== JSON.stringify(call)) return fresh;
  const body = Object.entries(call.body ?? {});
  const [name, text] = body.findLast(([, value]) => typeof value === 'string') ?? [];
  if (name === undefined) throw new Error(`what would be another ${route.operationId}?`);
  return { ...call, body: { ...call.body, [name]: `${text}x` } };
}

/** How much has been recorded: whatever is done is. */
async function entries(): Promise<number> {
  return world.database.prisma.auditLog.count();
}

async function change(assignments: string, key: string, where = 'true'): Promise<void> {
  const changed = await world.database.prisma.$executeRawUnsafe(
    `UPDATE idempotency_keys SET ${assignments} WHERE key = $1 AND (${where})`,
    key,
  );
  expect(changed).toBe(1);
}

/** A handler that answers by itself has answered before its attempt has ended. */
async function ended(key: string): Promise<void> {
  await vi.waitFor(() => change('attempt = attempt', key, 'status IS NOT NULL OR claimed_until <= now()'));
}

/** As if the process had died after the effect and before its answer. */
async function losingAnswers<T>(work: () => PromiseLike<T>): Promise<T> {
  const { prisma } = world.database;
  await prisma.$executeRawUnsafe(`CREATE OR REPLACE FUNCTION test_lose() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'lost'; END $$`);
  await prisma.$executeRawUnsafe(`CREATE TRIGGER test_lose BEFORE UPDATE ON idempotency_keys FOR EACH ROW
    WHEN (NEW.reply IS NOT NULL) EXECUTE FUNCTION test_lose()`);
  try {
    return await work();
  } finally {
    await prisma.$executeRawUnsafe('DROP TRIGGER test_lose ON idempotency_keys');
  }
}

/** Usage is as of now: its time may be some milliseconds later. URLs are signed anew. And supertest listens on another port each time. */
function withoutTimes(value: unknown): unknown {
  const text = JSON.stringify(value, (name, part: unknown) =>
    ['lastUpdated', 'expiresAt'].includes(name) ? null : part,
  );
  return JSON.parse(text.replaceAll(/127\.0\.0\.1:\d+/g, 'host').replaceAll(/(expires|signature)=[\w-]+/g, '$1'));
}
