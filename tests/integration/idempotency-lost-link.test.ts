import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Accounts, ENCRYPTION_KEY, JWT_SECRET, MovableClock, PASSWORD } from '../support/accounts.ts';
import { startTestApp } from '../support/app.ts';
import { CuttingProxy } from '../support/cutting-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { auditSpace } from '../support/spaces.ts';
import { type Actor, type Call, type Person, World } from '../support/world.ts';

// The link to the database is cut once COMMIT was passed on: nobody here knows what became of it.

const ROUNDS = 50;
const MAX_TRIES = 20;

let database: TestDatabase;
let proxy: CuttingProxy;
let a: Accounts;
let world: World;

beforeAll(async () => {
  database = await createTestDatabase();
  const opened = await CuttingProxy.open(database.url);
  proxy = opened.proxy;
  const clock = new MovableClock();
  const app = await startTestApp({
    database: { ...database, url: opened.url },
    clock,
    environment: { JWT_SECRET, ENCRYPTION_KEY: ENCRYPTION_KEY.toString('base64') },
  });
  a = new Accounts(app, clock);
  world = new World(a);
});
afterAll(async () => {
  await a?.stop();
  await proxy?.close();
  await database?.drop();
});

interface Kind {
  readonly name: string;
  /** By which the proxy knows the statement after which it cuts. */
  readonly pattern: string;
  readonly call: (me: Person, round: number) => Call | Promise<Call>;
  readonly action: string;
}

const KINDS: readonly Kind[] = [
  {
    name: 'an upload',
    pattern: 'ledger_commit_files',
    call: (_me, round) => ({
      path: '/storage/upload?conflict=keepBoth',
      attach: { field: 'file', name: `${round}.txt`, bytes: Buffer.from(`content ${round}`) },
    }),
    action: 'file.upload',
  },
  {
    name: 'a folder',
    pattern: 'COMMIT',
    call: (_me, round) => ({ path: '/drive', body: { name: `folder ${round}` } }),
    action: 'folder.create',
  },
  {
    name: 'a claim',
    pattern: 'COMMIT',
    call: async (me) => ({ path: `/apiKeys/${(await world.key(me, { unclaimed: true })).apiKeyId}/claim` }),
    action: 'key.claim',
  },
];

describe.each(KINDS.map((kind): [string, Kind] => [kind.name, kind]))('%s', (_name, { pattern, call, action }) => {
  it(`is made once in each of ${ROUNDS} rounds, and its answer comes through`, async () => {
    const me = await world.person();
    const cutsBefore = proxy.cuts;
    let lost = 0;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const key = randomUUID();
      const asked = await call(me, round);
      proxy.arm(pattern, round % 2 === 0 ? 'at once' : 'answered');
      const first = await send(me, asked, key);
      proxy.disarm();
      if (first.status >= 500) lost += 1;
      const answer = await retried(me, asked, key);
      expect((await send(me, asked, key)).body).toEqual(answer.body);
      expect(await effects(me, action)).toBe(round);
      if (first.status < 300) expect(first.body).toEqual(answer.body);
    }
    expect(proxy.cuts - cutsBefore).toBe(ROUNDS);
    expect(lost).toBeGreaterThan(ROUNDS * 0.9);
    // What an upload whose commit was lost had reserved went into the file, or is given back when its lease ends.
    await world.database.prisma.$executeRaw`UPDATE uploads SET lease_expires_at = now() - interval '1 second'`;
    await a.composition.ledger.expireOverdue();
    const state = await auditSpace(world.database, await world.spaceId(me));
    expect(state).toMatchObject({ uploads: 0, reservedBytes: 0, faults: [] });
    expect(state.usedObjects).toBe(action === 'file.upload' ? ROUNDS : 0);
  }, 120_000);
});

it('gives a registration whose answer was lost its tokens', async () => {
  const body = { email: a.newEmail(), password: PASSWORD };
  const key = randomUUID();
  proxy.arm('COMMIT', 'answered');
  const first = await send(null, { path: '/auth/register', body }, key);
  expect(first.status).toBe(503);
  const answer = await retried(null, { path: '/auth/register', body }, key);
  expect(answer.status).toBe(201);
  const headers = { authorization: `Bearer ${answer.body.data.token}` };
  expect((await world.send('get', { path: '/users/profile' }, headers)).status).toBe(200);
  const { refreshToken } = answer.body.data;
  expect((await world.send('post', { path: '/auth/refresh', body: { refreshToken } }, {})).status).toBe(200);
});

/** As a client does it: again until it is told. */
async function retried(me: Actor | null, call: Call, key: string) {
  for (let attempt = 1; ; attempt += 1) {
    const reply = await send(me, call, key);
    if (reply.status < 300) return reply;
    if (attempt === MAX_TRIES) throw new Error(`still refused: ${JSON.stringify(reply.body)}`);
    expect([409, 503], JSON.stringify(reply.body)).toContain(reply.status);
    await delay(50);
  }
}

function send(me: Actor | null, call: Call, key: string) {
  return world.send('post', call, { ...me?.headers, 'idempotency-key': key });
}

function effects(me: Actor, action: string): Promise<number> {
  return world.database.prisma.auditLog.count({ where: { action, actorId: me.userId } });
}
