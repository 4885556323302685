import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { declaredRoutes } from '../../scripts/declared-routes.ts';
import type { Route } from '../../src/http/route.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { losingAnswers } from '../support/lost-answers.ts';
import { routeCases } from '../support/route-cases/index.ts';
import { type Actor, type Call, World } from '../support/world.ts';

// What holds for every route that takes an Idempotency-Key, made from the router's own list.

const POSTS = declaredRoutes().filter(({ method }) => method === 'post');
const KEYED = POSTS.filter(({ idempotent }) => idempotent);

/** POSTs that take no key, and why. */
const CREATES_NOTHING: Readonly<Record<string, string>> = {
  login: 'each login is a session of its own, and its tokens may be lost: the next one does not mind',
  refreshSession: 'a refresh token works once: what comes twice is a theft',
  logout: 'ended is ended',
  logoutAll: 'ended is ended',
  sendOtp: 'a second code within a minute is refused',
  verifyOtp: 'verified is verified',
  changePassword: 'the second time the current password is another',
  resetPassword: 'a code works once',
  restoreAccount: 'nothing is pending the second time',
  restoreUser: 'nothing is pending the second time',
  retryJob: 'only what has failed is tried again, and has failed no more then',
  restoreFromTrash: 'it is in the trash no more the second time',
  restoreVersion: 'the same content is current after the second time',
  zipFiles: 'reads',
  unlockLink: 'shows a password',
  completeUpload: 'a completed upload answers its file again',
  completeMultipart: 'a completed upload answers its file again',
  presignParts: 'signs the same parts again',
};

/** Those among them that may be answered by 202, and why what they start is done once however often it is asked for. */
const STARTS_WORK: Readonly<Record<string, string>> = {
  forgotPassword: 'a second code within a minute is not mailed',
  processAsset: 'nothing more while the first is about to happen; after it the same is made once more',
  bulkDeleteFiles: 'deletes what there is, as DELETE does, which takes no key either',
  restoreManyFromTrash: 'what is restored is not in the trash to be restored',
};

/** Routes whose `access` says all there is to be asked before an answer is given again, and why. */
const ACCESS_DECIDES: Readonly<Record<string, string>> = {
  createKeyRequest: 'of the own account',
  createUpgradeRequest: 'of the own account',
  claimApiKey: 'of the own account',
  rotateApiKey: 'of the own account',
  uploadFile: 'into the own space, by the permission that is asked for',
  copyFile: 'within the own space, by the permissions that are asked for',
  createTusUpload: 'into the own space, by the permission that is asked for',
  presignUpload: 'into the own space, by the permission that is asked for',
  openMultipart: 'into the own space, by the permission that is asked for',
  createReservation: 'in the own space, by the permission that is asked for',
  createLink: 'of the own drive only',
  createShare: 'of the own drive only',
};

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
    expect(others.sort()).toEqual(Object.keys({ ...CREATES_NOTHING, ...STARTS_WORK }).sort());
    expect(POSTS.filter((route) => mayAnswer(route, 201) && !route.idempotent)).toEqual([]);
  });

  it('is every POST that starts work, unless it is done once however often it is asked for', () => {
    const starting = POSTS.filter((route) => mayAnswer(route, 202) && !route.idempotent);
    expect(starting.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(STARTS_WORK).sort());
  });

  it('and each is asked once more before it answers as before, unless its access says it all', () => {
    const unasked = KEYED.filter(({ mayReplay }) => !mayReplay);
    expect(unasked.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(ACCESS_DECIDES).sort());
    expect(unasked.filter(({ access }) => access === 'anyone')).toEqual([]);
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
    const first = await losingAnswers(world.database, () => send(route, call, me, key));
    expect(first.status).toBeLessThan(300);
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

/** With an envelope or without. */
function mayAnswer({ success, stream }: Route, status: number): boolean {
  return success?.[status] !== undefined || stream?.statuses[status] !== undefined;
}

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

async function change(assignments: string, key: string): Promise<void> {
  const changed = await world.database.prisma.$executeRawUnsafe(
    `UPDATE idempotency_keys SET ${assignments} WHERE key = $1`,
    key,
  );
  expect(changed).toBe(1);
}

/** Usage is as of now: its time may be some milliseconds later. And supertest listens on another port each time. */
function withoutTimes(value: unknown): unknown {
  const text = JSON.stringify(value, (name, part: unknown) =>
    ['lastUpdated', 'expiresAt'].includes(name) ? null : part,
  );
  return JSON.parse(text.replaceAll(/127\.0\.0\.1:\d+/g, 'host').replaceAll(/(expires|signature)=[\w-]+/g, '$1'));
}
