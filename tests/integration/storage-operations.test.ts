import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../../src/features/audit/index.ts';
import { FileLedgerRepository, FolderLedgerRepository } from '../../src/features/ledger/index.ts';
import { runOperationJob } from '../../src/features/storage/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { UnitOfWork } from '../../src/platform/db/unit-of-work.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { seedFiles } from '../support/seeded-files.ts';
import { SpaceClient } from '../support/space-client.ts';
import { World } from '../support/world.ts';

const DAY = 24 * 3600;
const ATTEMPT = { signal: new AbortController().signal, retryCount: 0 };

let site: Site;
let world: World;
let drive: SpaceClient;
let pocket: SpaceClient;

beforeAll(async () => {
  // Jobs are run by hand here; that the queue runs them too is in storage-answers.test.ts.
  site = await startAccounts({}, { workers: false });
  world = new World(site.accounts);
});
beforeEach(async () => {
  const person = await world.person();
  drive = new SpaceClient(world, person);
  pocket = new SpaceClient(world, await world.key(person));
  await world.database.prisma.space.updateMany({ where: { ownerId: person.userId }, data: { quotaObjects: 100_000n } });
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const client of [drive, pocket]) await client.audited();
});
afterAll(() => site.stop());

function run(id: string, attempt = ATTEMPT): Promise<void> {
  return site.accounts.composition.operations.run(id, attempt);
}

/** As a process that is killed after so many steps. */
async function runAndDie(id: string, steps: number): Promise<void> {
  let left = steps;
  const signal = {
    throwIfAborted: () => {
      left -= 1;
      if (left < 0) throw new Error('killed');
    },
  };
  await expect(run(id, { signal: signal as AbortSignal, retryCount: 0 })).rejects.toThrow('killed');
}

async function jobOf(client: SpaceClient, id: string) {
  const reply = await client.call('get', `/jobs/${id}`);
  expect(reply.status).toBe(200);
  return reply.body.data.job;
}

async function seed(client: SpaceClient, prefix: string, count: number, trashed = false): Promise<void> {
  await seedFiles(world.database, await client.spaceId(), { prefix, count, trashed });
}

async function living(client: SpaceClient, prefix: string): Promise<number> {
  const where = { spaceId: await client.spaceId(), deletedAt: null, path: { startsWith: prefix } };
  return world.database.prisma.file.count({ where });
}

/** Begins a deletion by prefix that is a job; answers its id. */
async function begin(client: SpaceClient, prefix: string, fields: object = {}): Promise<string> {
  const reply = await client.call('post', '/files/bulk-delete', { prefix, ...fields });
  expect(reply.status).toBe(202);
  return reply.body.data.jobId;
}

/** Jobs in the queue that carry an operation on. */
async function enqueued(operationId: string): Promise<number> {
  const [row] = await world.database.prisma.$queryRaw<{ n: number }[]>`
    SELECT count(*)::integer AS n FROM pgboss.job WHERE name = ${runOperationJob.name} AND data->>'operationId' = ${operationId}`;
  return row?.n ?? 0;
}

describe('a large deletion by prefix', () => {
  it('shows its progress, and takes only what was there when it began', async () => {
    await seed(pocket, 'many/', 2500);
    await seed(pocket, 'man', 1);
    const id = await begin(pocket, 'many/');
    await pocket.put('many/late.txt');
    expect(await jobOf(pocket, id)).toEqual({
      id,
      kind: 'prefix.delete',
      state: 'QUEUED',
      total: 2500,
      done: 0,
      createdAt: expect.any(String),
      finishedAt: null,
      error: null,
    });
    expect(await enqueued(id)).toBe(1);
    await runAndDie(id, 1);
    expect(await jobOf(pocket, id)).toMatchObject({ state: 'RUNNING', done: 1000, finishedAt: null });
    await pocket.audited();
    await run(id);
    await run(id);
    expect(await jobOf(pocket, id)).toMatchObject({
      state: 'DONE',
      done: 2500,
      finishedAt: expect.any(String),
      error: null,
    });
    expect(await pocket.names()).toEqual(['man00001.txt', 'many/late.txt']);
    const where = {
      action: 'file.delete',
      actorId: pocket.actor.userId,
      metadata: { path: ['fileName'], string_starts_with: 'many/' },
    };
    const entries = await world.database.prisma.auditLog.findMany({ where });
    expect(entries).toHaveLength(2500);
    expect(entries.every(({ actorType, requestId }) => actorType === 'key' && requestId !== null)).toBe(true);
  });

  it('takes no file that was there but elsewhere when it began', async () => {
    await pocket.settings({ trashDays: 9 });
    const { id: trashed } = await pocket.put('many/a.txt');
    await pocket.call('delete', pocket.file('many/a.txt')).expect(200);
    await pocket.put('other.txt');
    await seed(pocket, 'many/', 1001);
    const id = await begin(pocket, 'many/');
    const replies = [
      await pocket.call('patch', pocket.file('other.txt'), { fileName: 'many/b.txt' }),
      await pocket.call('post', `/trash/${trashed}/restore`, {}),
    ];
    expect(replies.map(({ body }) => body.error?.code)).toEqual(['CONFLICT', 'CONFLICT']);
    await run(id);
    await pocket.call('patch', pocket.file('other.txt'), { fileName: 'many/b.txt' }).expect(200);
    await pocket.call('post', `/trash/${trashed}/restore`, {}).expect(200);
    expect(await living(pocket, 'many/')).toBe(2);
  });

  it('counts each file once, however many run it', async () => {
    await seed(pocket, 'many/', 3001);
    const id = await begin(pocket, 'many/');
    await Promise.all([run(id), run(id), run(id)]);
    expect(await jobOf(pocket, id)).toMatchObject({ state: 'DONE', total: 3001, done: 3001 });
  });

  it('goes into the trash or past it, and takes emptied folders along', async () => {
    await drive.put('f/x/y.txt');
    await drive.put('g/z.txt');
    await seed(drive, 'f/', 1000);
    const id = await begin(drive, 'f/');
    await run(id);
    expect(await drive.audited()).toMatchObject({ trashObjects: 1001, folders: 1 });
    await drive.put('f/y.txt');
    await seed(drive, 'f/', 1000);
    await run(await begin(drive, 'f/', { permanent: true }));
    expect(await drive.audited()).toMatchObject({ trashObjects: 1001, usedObjects: 1002, folders: 1 });
  });

  it('of no more than 1000 is done at once', async () => {
    await seed(pocket, 'many/', 1000);
    const reply = await pocket.call('post', '/files/bulk-delete', { prefix: 'many/' });
    expect([reply.status, reply.body.data.summary.deleted]).toEqual([200, 1000]);
  });

  it('hands on to the next job when it has worked for a quarter of a minute', async () => {
    await seed(pocket, 'many/', 2500);
    const id = await begin(pocket, 'many/');
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => {
      now += 16_000;
      return now;
    });
    await run(id);
    expect(await jobOf(pocket, id)).toMatchObject({ state: 'RUNNING', done: 1000 });
    expect(await enqueued(id)).toBe(2);
    // A process that dies with it: well within a minute somebody else may have it.
    expect(runOperationJob.expireInSeconds).toBeLessThanOrEqual(45);
    await run(id);
    await run(id);
    expect(await jobOf(pocket, id)).toMatchObject({ state: 'DONE', done: 2500 });
    expect(await enqueued(id)).toBe(3);
  });

  it('waits for an older one of the space, whose end starts it', async () => {
    await seed(pocket, 'a/', 1001);
    await seed(pocket, 'b/', 1001);
    const [first, second] = [await begin(pocket, 'a/'), await begin(pocket, 'b/')];
    expect([await enqueued(first), await enqueued(second)]).toEqual([1, 0]);
    await run(second);
    expect(await jobOf(pocket, second)).toMatchObject({ state: 'QUEUED', done: 0 });
    expect(await enqueued(second)).toBe(0);
    await run(first);
    expect(await enqueued(second)).toBe(1);
    await run(second);
    expect(await jobOf(pocket, second)).toMatchObject({ state: 'DONE', done: 1001 });
  });

  it('is one with the same that has not begun, and takes what has come since', async () => {
    await seed(pocket, 'a/', 1001);
    const first = await begin(pocket, 'a/');
    await pocket.put('a/late.txt');
    const again = await Promise.all([begin(pocket, 'a/'), begin(pocket, 'a/')]);
    expect(again).toEqual([first, first]);
    expect(await begin(pocket, 'a/', { permanent: true })).not.toBe(first);
    expect(await jobOf(pocket, first)).toMatchObject({ total: 1002 });
    await runAndDie(first, 1);
    await seed(pocket, 'a/b/', 1001);
    const next = await begin(pocket, 'a/');
    expect(next).not.toBe(first);
    await run(first);
    expect(await jobOf(pocket, first)).toMatchObject({ state: 'DONE' });
    expect(await enqueued(first)).toBe(1);
  });

  it('is none with one that something else comes after', async () => {
    await seed(pocket, 'a/', 1001);
    await seed(pocket, 'b/', 1001, true);
    const first = await begin(pocket, 'a/');
    await pocket.call('post', '/trash/restore', { prefix: 'b/' }).expect(202);
    expect(await begin(pocket, 'a/')).not.toBe(first);
  });

  it('fails after the last try, in words for its owner', async () => {
    await seed(pocket, 'many/', 1001);
    const [id, next] = [await begin(pocket, 'many/'), await begin(pocket, 'man')];
    vi.spyOn(FileLedgerRepository.prototype, 'delete').mockRejectedValue(new Error('relation "files" is on fire'));
    await expect(run(id)).rejects.toThrow();
    expect(await jobOf(pocket, id)).toMatchObject({ state: 'QUEUED', error: null });
    await expect(run(id, { ...ATTEMPT, retryCount: runOperationJob.retryLimit })).rejects.toThrow();
    const job = await jobOf(pocket, id);
    expect(job).toMatchObject({ state: 'FAILED', finishedAt: expect.any(String) });
    expect(job.error).toMatch(/^The work could not be finished/);
    expect(await enqueued(next)).toBe(1);
    vi.restoreAllMocks();
    await run(id);
    expect(await living(pocket, 'many/')).toBe(1001);
  });
});

describe('emptying a large trash', () => {
  it('takes all that lies in it, and nothing that comes later', async () => {
    await seed(drive, 'many/', 1500, true);
    const reply = await drive.call('delete', '/trash');
    expect(reply.status).toBe(202);
    await drive.put('late.txt');
    await drive.call('delete', drive.file('late.txt')).expect(200);
    await runAndDie(reply.body.data.jobId, 1);
    await run(reply.body.data.jobId);
    expect(await jobOf(drive, reply.body.data.jobId)).toMatchObject({
      kind: 'trash.empty',
      state: 'DONE',
      total: 1500,
      done: 1500,
    });
    expect(await drive.audited()).toMatchObject({ usedObjects: 1, trashObjects: 1 });
  });
});

describe('restoring much of the trash', () => {
  it('brings back of each name the last deleted, also when it is killed in between', async () => {
    await seed(drive, 'many/', 1500, true);
    await seed(drive, 'many/', 1500, true);
    await drive.put('many/00001.txt', 'here');
    const newest = await newestIds();
    const reply = await drive.call('post', '/trash/restore', { prefix: 'many/', conflict: 'replace' });
    expect(reply.status).toBe(202);
    const { jobId } = reply.body.data;
    await runAndDie(jobId, 1);
    await drive.audited();
    await Promise.all([run(jobId), run(jobId)]);
    expect(await jobOf(drive, jobId)).toMatchObject({
      kind: 'trash.restore',
      state: 'DONE',
      total: 1500,
      done: 1500,
      error: null,
    });
    const files = await world.database.prisma.file.findMany({
      where: { spaceId: await drive.spaceId(), deletedAt: null },
    });
    expect(files.map(({ id }) => id).toSorted()).toEqual(newest.toSorted());
    expect(await drive.audited()).toMatchObject({ trashObjects: 1501 });
  });

  it('says what had to stay', async () => {
    await seed(pocket, 'many/', 1001, true);
    await pocket.put('many/00001.txt');
    const { jobId } = (await pocket.call('post', '/trash/restore', { prefix: 'many/' })).body.data;
    await run(jobId);
    expect(await jobOf(pocket, jobId)).toMatchObject({
      state: 'DONE',
      done: 1001,
      error: '1 of the files stay in the trash: their places are taken',
    });
    expect(await pocket.audited()).toMatchObject({ trashObjects: 1 });
  });

  async function newestIds(): Promise<string[]> {
    const rows = await world.database.prisma.$queryRaw<{ id: string }[]>`
      SELECT DISTINCT ON (path) id FROM files WHERE space_id = ${await drive.spaceId()}::uuid AND deleted_at IS NOT NULL
      ORDER BY path, deleted_at DESC`;
    return rows.map(({ id }) => id);
  }
});

describe('a large move of a folder', () => {
  it('is carried on from where it stands', async () => {
    await drive.put('from/a/b.txt', 'content');
    await seed(drive, 'from/a/', 1200);
    const spaceId = await drive.spaceId();
    const folder = await world.database.prisma.folder.findFirstOrThrow({ where: { spaceId, path: 'from' } });
    const ledger = new FolderLedgerRepository(world.database, { driveTrashDays: 30 });
    const operationId = newId();
    const moved = await new UnitOfWork(world.database).run((tx) =>
      ledger.move(tx, spaceId, {
        folder,
        to: { path: 'to', parentId: null },
        limit: 10,
        operationId,
        actor: SYSTEM_ACTOR,
        origin: SYSTEM_ORIGIN,
      }),
    );
    expect(moved).toEqual({ outcome: 'begun', files: 1201 });
    await runAndDie(operationId, 1);
    expect(await jobOf(drive, operationId)).toMatchObject({
      kind: 'folder.move',
      state: 'RUNNING',
      total: 1201,
      done: 1000,
    });
    await run(operationId);
    expect(await jobOf(drive, operationId)).toMatchObject({ state: 'DONE', done: 1201 });
    expect(await living(drive, 'to/a/')).toBe(1201);
    expect(await drive.content('to/a/b.txt')).toBe('content');
  });
});

describe('a job', () => {
  it('is shown to nobody else', async () => {
    const id = await world.operation(pocket.actor);
    const other = new SpaceClient(world, await world.person());
    for (const [client, jobId] of [
      [drive, id],
      [other, id],
      [pocket, newId()],
      [pocket, 'x'],
    ] as const) {
      const reply = await client.call('get', `/jobs/${jobId}`);
      expect([reply.status, reply.body.error.code]).toEqual([404, 'JOB_NOT_FOUND']);
    }
  });

  it('is forgotten a month after its end, and given up when nobody carries it on', async () => {
    await seed(pocket, 'many/', 1001);
    const [ended, left] = [await begin(pocket, 'many/'), await world.operation(drive.actor)];
    await run(ended);
    const { operations } = site.accounts.composition;
    await operations.tidy();
    expect(await jobOf(pocket, ended)).toMatchObject({ state: 'DONE' });
    expect(await jobOf(drive, left)).toMatchObject({ state: 'QUEUED' });
    site.accounts.clock.advance(2 * DAY);
    await operations.tidy();
    const find = (id: string) => world.database.prisma.operation.findUnique({ where: { id } });
    expect(await find(left)).toMatchObject({ state: 'FAILED', error: expect.stringMatching(/^The work/) });
    site.accounts.clock.advance(29 * DAY);
    await operations.tidy();
    expect(await find(ended)).toBe(null);
    expect(await find(left)).not.toBe(null);
    site.accounts.clock.advance(-31 * DAY);
  });
});

describe('unfinished jobs of a space', () => {
  const MOST = 20;

  it('are no more than 20, however many come at once', async () => {
    await drive.put('aaa/x.txt');
    await seed(drive, 'aaa/', 1001);
    await seed(drive, 'b/', 1001, true);
    for (let i = 2; i < MOST; i += 1) await world.operation(drive.actor);
    const replies = await Promise.all(
      ['a', 'aa', 'aaa', 'aaa/'].map((prefix) => drive.call('post', '/files/bulk-delete', { prefix })),
    );
    expect(replies.map(({ status }) => status).toSorted()).toEqual([202, 202, 409, 409]);
    const refused = [
      await drive.call('delete', '/trash'),
      await drive.call('post', '/trash/restore', { prefix: 'b/' }),
      ...replies.filter(({ status }) => status === 409),
    ];
    for (const { status, body } of refused) expect([status, body.error.code]).toEqual([409, 'CONFLICT']);
    expect(await unfinished()).toBe(MOST);
  });

  it('are counted for folders too', async () => {
    await drive.put('folder/a.txt');
    await seed(drive, 'folder/', 1001);
    const spaceId = await drive.spaceId();
    for (let i = 0; i < MOST; i += 1) await world.operation(drive.actor);
    const folder = await world.database.prisma.folder.findFirstOrThrow({ where: { spaceId } });
    const reply = await world.send('delete', { path: `/drive/${folder.id}` }, drive.actor.headers);
    expect([reply.status, reply.body.error?.code]).toEqual([409, 'CONFLICT']);
    const ledger = new FolderLedgerRepository(world.database, { driveTrashDays: 30 });
    const to = { path: 'to', parentId: null };
    const who = { actor: SYSTEM_ACTOR, origin: SYSTEM_ORIGIN };
    const move = { folder, to, limit: 10, operationId: newId(), ...who };
    const moved = await new UnitOfWork(world.database).run((tx) => ledger.move(tx, spaceId, move));
    expect(moved).toEqual({ outcome: 'busy' });
  });

  it('go on by the sweep where the job was lost', async () => {
    await seed(pocket, 'a/', 1001);
    const [first, second] = [await begin(pocket, 'a/'), await begin(pocket, 'a')];
    const { operations } = site.accounts.composition;
    const ago = (minutes: number) => new Date(site.accounts.clock.now().getTime() - minutes * 60_000);
    const touched = (updatedAt: Date) =>
      world.database.prisma.operation.updateMany({ where: { id: { in: [first, second] } }, data: { updatedAt } });
    await touched(ago(1));
    await operations.tidy();
    expect([await enqueued(first), await enqueued(second)]).toEqual([1, 0]);
    await touched(ago(3));
    await operations.tidy();
    expect([await enqueued(first), await enqueued(second)]).toEqual([2, 0]);
  });

  async function unfinished(): Promise<number> {
    return world.database.prisma.operation.count({ where: { spaceId: await drive.spaceId(), finishedAt: null } });
  }
});

describe('a deletion of 1000 names', () => {
  it('takes one round trip to the database besides authorizing, and one to the store', async () => {
    await seed(pocket, 'many/', 1000);
    const fileNames = Array.from({ length: 1000 }, (_, i) => `many/${String(i + 1).padStart(5, '0')}.txt`);
    const query = vi.spyOn(pg.Client.prototype, 'query');
    const reply = await pocket.call('post', '/files/bulk-delete', { fileNames });
    const statements = query.mock.calls.length;
    query.mockRestore();
    expect(reply.body.data.summary).toMatchObject({ deleted: 1000, failed: 0 });
    // Authorized when it came and when its body had come; the last use of the secret.
    expect(statements).toBeLessThanOrEqual(5);
    await world.database.prisma.objectTombstone.updateMany({ data: { dueAt: new Date(0) } });
    const others = await world.database.prisma.objectTombstone.count({
      where: { NOT: { objectKey: { startsWith: 'seeded/' } } },
    });
    const removed = vi.spyOn(site.accounts.infrastructure.store, 'deleteMany');
    await site.accounts.composition.tombstones.purge();
    const keys = removed.mock.calls.flatMap(([batch]) => batch);
    expect(keys.length).toBeGreaterThanOrEqual(1000);
    expect(removed.mock.calls.length).toBe(Math.ceil((keys.length + others) / 1000));
  });
});
