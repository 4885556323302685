import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AuditOrigin, SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../../src/features/audit/index.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { hasSqlState } from '../../src/platform/db/errors.ts';
import { PASSWORD, type Site, startAccounts, WISH } from '../support/accounts.ts';
import { auditSpace } from '../support/spaces.ts';
import { type Actor, type Call, type Key, World } from '../support/world.ts';

const DAY = 24 * 3600;
const AT_ONCE = 20;

let site: Site;
let world: World;
let server: ReturnType<typeof createHttpServer>;

beforeAll(async () => {
  site = await startAccounts({}, { workers: false });
  world = new World(site.accounts);
  server = createHttpServer(site.accounts.app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await site.stop();
});

describe('what comes twenty times at once', () => {
  it.each<[string, (me: Actor) => Promise<Call> | Call]>([
    ['request.create', () => ({ path: '/apiKeys/request/create', body: WISH })],
    ['folder.create', () => ({ path: '/drive', body: { name: 'Photos' } })],
    ['file.upload', () => ({ path: '/files?conflict=keepBoth', attach: form('a.txt', 'content') })],
    ['file.upload', () => ({ path: '/storage/upload?conflict=keepBoth', attach: form('a.txt', 'content') })],
    [
      'key.claim',
      async (me) => ({ path: `/apiKeys/${(await world.key(me as never, { unclaimed: true })).apiKeyId}/claim` }),
    ],
  ])('%s has one effect', async (action, callOf) => {
    const me = await world.person();
    const call = await callOf(me);
    const key = randomUUID();
    const replies = await Promise.all(Array.from({ length: AT_ONCE }, () => send(me, call, key)));
    const done = replies.filter(({ status }) => status < 300);
    expect(done.length).toBeGreaterThan(0);
    expect(new Set(done.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    for (const { status, body, headers } of replies.filter((reply) => !done.includes(reply))) {
      expect([status, body.error.code]).toEqual([409, 'CONFLICT']);
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    }
    const { prisma } = world.database;
    expect(await prisma.auditLog.count({ where: { action, actorId: me.userId } })).toBe(1);
    const state = await auditSpace(world.database, await world.spaceId(me));
    expect(state).toMatchObject({ uploads: 0, faults: [] });
    expect((await send(me, call, key)).body).toEqual(done[0]?.body);
  });

  it('registers one account', async () => {
    const call = { path: '/auth/register', body: { email: world.accounts.newEmail(), password: PASSWORD } };
    const key = randomUUID();
    const replies = await Promise.all(Array.from({ length: AT_ONCE }, () => send(null, call, key)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201, 409]));
    const codes = replies.map(({ body }) => body.error?.code).filter((code) => code !== undefined);
    expect(new Set(codes)).toEqual(new Set(['CONFLICT']));
    expect((await send(null, call, key)).headers['idempotency-replayed']).toBe('true');
  });
});

describe('a request that was refused', () => {
  it('uses no key up', async () => {
    const key = await world.key(await world.person());
    const spaceId = await world.spaceId(key);
    const { prisma } = world.database;
    await prisma.space.update({ where: { id: spaceId }, data: { quotaBytes: 1n } });
    const call = { path: '/storage/upload', attach: form('a.txt', 'content') };
    const text = randomUUID();
    expect((await send(key, call, text)).body.error.code).toBe('QUOTA_EXCEEDED');
    expect(await row(text)).toBeNull();
    await prisma.space.update({ where: { id: spaceId }, data: { quotaBytes: 100n } });
    const reply = await send(key, call, text);
    expect(reply.status).toBe(201);
    expect(reply.headers['idempotency-replayed']).toBeUndefined();
    expect(await auditSpace(world.database, spaceId)).toMatchObject({ usedObjects: 1, uploads: 0, faults: [] });
  });

  it('may be sent with another body', async () => {
    const me = await world.person();
    await send(me, { path: '/drive', body: { name: 'taken' } }, randomUUID());
    const text = randomUUID();
    expect((await send(me, { path: '/drive', body: { name: 'taken' } }, text)).body.error.code).toBe('FOLDER_EXISTS');
    expect((await send(me, { path: '/drive', body: { name: 'free' } }, text)).status).toBe(201);
  });
});

describe('an answer', () => {
  it('is the same below /api/v1, whatever the order of fields', async () => {
    const me = await world.person();
    const text = randomUUID();
    const first = await send(me, { path: '/apiKeys/request/create', body: WISH }, text);
    const body = Object.fromEntries(Object.entries(WISH).reverse());
    const again = await send(me, { path: '/v1/apiKeys/request/create', body }, text);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.body).toEqual(first.body);
  });

  it('is kept for a day, then the key is free', async () => {
    const key = await world.key(await world.person());
    const text = randomUUID();
    const upload = (content: string) => send(key, { path: '/storage/upload', attach: form('a.txt', content) }, text);
    const first = await upload('one');
    site.accounts.clock.advance(DAY - 60);
    expect((await upload('one')).body).toEqual(first.body);
    expect((await upload('two')).body.error.code).toBe('IDEMPOTENCY_KEY_REUSED');
    site.accounts.clock.advance(120);
    const second = await upload('two');
    expect(second.status).toBe(201);
    expect(second.headers['idempotency-replayed']).toBeUndefined();
    expect((await upload('one')).body.error.code).toBe('IDEMPOTENCY_KEY_REUSED');
  });

  it('is removed after a day, and one that is under way is not', async () => {
    const key = await world.key(await world.person());
    const [over, underWay] = [randomUUID(), randomUUID()];
    for (const text of [over, underWay]) {
      await send(key, { path: '/storage/upload', attach: form('a.txt', 'content') }, text);
    }
    await set(underWay, `claimed_until = now() + interval '1 hour'`);
    site.accounts.clock.advance(DAY + 60);
    const fresh = randomUUID();
    await send(key, { path: '/storage/upload', attach: form('a.txt', 'content') }, fresh);
    await site.accounts.composition.idempotency.purge(new AbortController().signal);
    expect(await row(over)).toBeNull();
    expect(await row(underWay)).not.toBeNull();
    expect(await row(fresh)).not.toBeNull();
  });

  it('lies sealed in the database, and what it answers cannot be guessed from it', async () => {
    const me = await world.person();
    const { apiKeyId } = await world.key(me, { unclaimed: true });
    const [claim, link, register] = [randomUUID(), randomUUID(), randomUUID()];
    const { secretKey } = (await send(me, { path: `/apiKeys/${apiKeyId}/claim` }, claim)).body.data;
    await world.file(me, 'cat.mp3');
    const { fileId } = (await world.database.prisma.file
      .findFirstOrThrow({ where: { path: 'cat.mp3', space: { ownerId: me.userId } } })
      .then(({ id }) => ({ fileId: id }))) as { fileId: string };
    const { token } = (await send(me, { path: '/shares/links', body: { fileId, password: PASSWORD } }, link)).body.data;
    const email = world.accounts.newEmail();
    const account = (await send(null, { path: '/auth/register', body: { email, password: PASSWORD } }, register)).body;
    for (const text of [claim, link, register]) {
      const stored = await world.database.prisma.idempotencyKey.findFirstOrThrow({ where: { key: text } });
      const haystack = Buffer.concat([
        Buffer.from(`${stored.scope} ${stored.subjectId}`),
        stored.reply ?? Buffer.alloc(0),
        stored.secret ?? Buffer.alloc(0),
        stored.fingerprint ?? Buffer.alloc(0),
      ]).toString('latin1');
      for (const secret of [secretKey, token, PASSWORD, email, account.data.token, account.data.refreshToken]) {
        expect(haystack).not.toContain(secret);
      }
      expect(stored.reply?.length).toBeGreaterThan(50);
      expect(stored.secret).toBeNull();
    }
    // It goes with the account that it made.
    const made = await world.database.prisma.idempotencyKey.findFirstOrThrow({ where: { key: register } });
    expect(made.userId).toBe(account.data.user.id);
  });
});

describe('a form', () => {
  it('is read through and compared, and touches neither quota nor store', async () => {
    const key = await world.key(await world.person());
    const spaceId = await world.spaceId(key);
    const text = randomUUID();
    const call = (name: string, content: string | Buffer, query = ''): Call => ({
      path: `/storage/upload${query}`,
      attach: form(name, content),
    });
    const big = Buffer.alloc(300_000, 'b');
    const first = await send(key, call('a.bin', big), text);
    expect(first.status).toBe(201);
    // No room is left: nothing may be reserved for a form that is only compared.
    await world.database.prisma.space.update({ where: { id: spaceId }, data: { quotaBytes: 0n } });
    expect((await send(key, call('a.bin', big), text)).body).toEqual(first.body);
    const others = [
      call('a.bin', Buffer.concat([big, Buffer.from('x')])),
      call('a.bin', big.subarray(1)),
      call('a.bin', Buffer.concat([big.subarray(1), Buffer.from('x')])),
      call('b.bin', big),
      call('a.bin', big, '?conflict=keepBoth'),
    ];
    for (const other of others) {
      expect((await send(key, other, text)).body.error.code).toBe('IDEMPOTENCY_KEY_REUSED');
    }
    expect(await auditSpace(world.database, spaceId)).toMatchObject({ usedObjects: 1, uploads: 0, faults: [] });
    expect((await send(key, call('a.bin', big), text)).body).toEqual(first.body);
  });

  it('that is cut off is none, and the key is free', async () => {
    const key = await world.key(await world.person());
    const text = randomUUID();
    const slow = await begun(key, text, 'content');
    slow.destroy();
    await until(async () => (await row(text)) === null);
    const reply = await send(key, { path: '/storage/upload', attach: form('a.txt', 'content') }, text);
    expect(reply.status).toBe(201);
  });
});

describe('an attempt that was given up', () => {
  it('cannot do it any more once another has begun', async () => {
    const key = await world.key(await world.person());
    const spaceId = await world.spaceId(key);
    const text = randomUUID();
    const slow = await begun(key, text, 'content');
    const call = { path: '/storage/upload?conflict=keepBoth', attach: form('a.txt', 'content') };
    expect((await send(key, call, text)).body.error.code).toBe('CONFLICT');
    // As if its process had died.
    await set(text, 'claimed_until = now()');
    const second = await send(key, call, text);
    expect(second.status).toBe(201);
    slow.write('content\r\n--x--\r\n');
    expect(await textOf(slow)).toMatch(/^HTTP\/1\.1 409 [\s\S]*"CONFLICT"/m);
    expect(await auditSpace(world.database, spaceId)).toMatchObject({ usedObjects: 1, uploads: 0, faults: [] });
    expect((await send(key, call, text)).body).toEqual(second.body);
  });

  it('fails in the database, with all of its transaction', async () => {
    const me = await world.person();
    const text = randomUUID();
    await send(me, { path: '/drive', body: { name: 'one' } }, text);
    const { id } = await world.database.prisma.idempotencyKey.findFirstOrThrow({ where: { key: text } });
    const mark = (keyId: string, attempt: number) =>
      world.database.prisma
        .$queryRaw`SELECT idempotency_effect(${keyId}::uuid, ${attempt}::integer, 'file', ${newId()})::text`;
    // The same attempt once more is the same effect.
    await mark(id, 1);
    for (const [keyId, attempt] of [
      [id, 2],
      [id, 0],
      [newId(), 1],
    ] as const) {
      const error = await mark(keyId, attempt).catch((thrown: unknown) => thrown);
      expect(hasSqlState(error, 'IK001')).toBe(true);
    }
    const { subjectType } = await world.database.prisma.idempotencyKey.findFirstOrThrow({ where: { key: text } });
    expect(subjectType).toBe('folder');
  });

  it('takes none of its neighbours in a batch with it', async () => {
    const { ledger } = site.accounts.composition;
    const owner = await world.person();
    const spaceId = await world.spaceId(owner);
    const space = { id: spaceId, prefix: `users/${owner.userId}/` };
    const over = { id: newId(), attempt: 1, seal: () => Buffer.alloc(0) };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, async (_, index) => {
        const path = `${index}.txt`;
        const held = await ledger.reserve(space, { path, conflict: 'fail', contentType: 'text/plain', bytes: 5 });
        return ledger.commit(held, commitOf(path, index === 4 ? over : undefined));
      }),
    );
    expect(outcomes.map(({ status }) => status === 'rejected')).toEqual(outcomes.map((_, index) => index === 4));
    expect(await auditSpace(world.database, spaceId)).toMatchObject({ usedObjects: 7, uploads: 1, faults: [] });
  });

  it('that failed without an effect is done by the next one', async () => {
    const me = await world.person();
    const text = randomUUID();
    const { prisma } = world.database;
    await prisma.$executeRawUnsafe(`CREATE FUNCTION test_fail() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'failed' USING ERRCODE = '53300'; END $$`);
    await prisma.$executeRawUnsafe(
      `CREATE TRIGGER test_fail BEFORE INSERT ON folders FOR EACH ROW EXECUTE FUNCTION test_fail()`,
    );
    const call = { path: '/drive', body: { name: 'one' } };
    expect((await send(me, call, text)).body.error.code).toBe('DEPENDENCY_UNAVAILABLE');
    // What the key stands for stays.
    const other = await send(me, { path: '/drive', body: { name: 'two' } }, text);
    expect(other.body.error.code).toBe('IDEMPOTENCY_KEY_REUSED');
    await prisma.$executeRawUnsafe('DROP TRIGGER test_fail ON folders');
    const reply = await send(me, call, text);
    expect(reply.status).toBe(201);
    expect(reply.headers['idempotency-replayed']).toBeUndefined();
    expect((await row(text))?.attempt).toBe(2);
  });

  it('that did it and died before it answered holds nobody up', async () => {
    const me = await world.person();
    const text = randomUUID();
    const call = { path: '/drive', body: { name: 'one' } };
    const first = await send(me, call, text);
    const claimed = `status = NULL, reply = NULL, claimed_until = now() + interval '1 hour'`;
    await set(text, `${claimed}, effect_at = now()`);
    expect((await send(me, call, text)).body.error.code).toBe('CONFLICT');
    await set(text, `${claimed}, effect_at = now() - interval '3 seconds'`);
    expect((await send(me, call, text)).body).toEqual(first.body);
  });

  it('whose work is gone by now is told what it was', async () => {
    const me = await world.person();
    const text = randomUUID();
    const call = { path: '/drive', body: { name: 'one' } };
    const { folder } = (await send(me, call, text)).body.data;
    await set(text, 'status = NULL, reply = NULL');
    await world.send('delete', { path: `/drive/${folder.id}` }, me.headers);
    const reply = await send(me, call, text);
    expect(reply.body.error).toMatchObject({
      code: 'CONFLICT',
      details: { subjectType: 'folder', subjectId: folder.id },
    });
  });
});

function commitOf(path: string, idempotency: AuditOrigin['idempotency']) {
  const origin = { ...SYSTEM_ORIGIN, idempotency };
  const record = { action: 'file.upload', reason: 'upload', actor: SYSTEM_ACTOR, origin } as const;
  const content = { sizeBytes: 5, sha256: '0'.repeat(64), etag: 'e', contentType: 'text/plain' };
  return { stem: path, suffix: '', ...content, category: 'document', extension: 'txt', tags: null, record };
}

function form(name: string, content: string | Buffer): NonNullable<Call['attach']> {
  return { field: 'file', name, bytes: Buffer.from(content) };
}

function send(me: Actor | null, call: Call, key: string) {
  return world.send('post', call, { ...me?.headers, 'idempotency-key': key });
}

function row(key: string) {
  return world.database.prisma.idempotencyKey.findFirst({ where: { key } });
}

async function set(key: string, assignments: string): Promise<void> {
  await world.database.prisma.$executeRawUnsafe(`UPDATE idempotency_keys SET ${assignments} WHERE key = $1`, key);
}

/** An upload whose bytes are held back; its key is claimed. */
async function begun(key: Key, text: string, content: string): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const head = '--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n';
  const lines = [
    'POST /api/storage/upload?conflict=keepBoth HTTP/1.1',
    'host: localhost',
    'connection: close',
    'content-type: multipart/form-data; boundary=x',
    `content-length: ${head.length + content.length + '\r\n--x--\r\n'.length}`,
    `idempotency-key: ${text}`,
    ...Object.entries(key.headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n${head}`);
  await until(async () => (await row(text)) !== null);
  return socket;
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  await expect.poll(holds, { timeout: 5000 }).toBe(true);
}
