import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MediaRepository, MediaService } from '../../src/features/assets/index.ts';
import { processMediaJob } from '../../src/features/ingest/index.ts';
import { type ContentJobPayload, TombstoneRepository } from '../../src/features/ledger/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { MediaRefusedError } from '../../src/platform/media/errors.ts';
import { MediaWorker, type MediaWorkerOptions } from '../../src/platform/media/media-worker.ts';
import type { ObjectStore } from '../../src/platform/object-store/object-store.ts';
import { FinalJobError } from '../../src/platform/queue/final-job-error.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { AssetClient } from '../support/asset-client.ts';
import { HEADS } from '../support/content-heads.ts';
import { photo, video } from '../support/pictures.ts';
import { World } from '../support/world.ts';

let site: Site;
let world: World;
let folder: string;
let mine: AssetClient;
const workers: MediaWorker[] = [];

beforeAll(async () => {
  // Nobody works here but the tests.
  site = await startAccounts({ PUBLIC_URL: 'http://files.test' }, { workers: false });
  world = new World(site.accounts);
  folder = await mkdtemp(join(tmpdir(), 'pockity-media-jobs-'));
});
beforeEach(async () => {
  mine = new AssetClient(world, await world.person());
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await site.stop();
  await rm(folder, { recursive: true, force: true });
});

function service({
  store = site.accounts.infrastructure.store,
  media = new MediaRepository(world.database),
  ...options
}: Partial<MediaWorkerOptions> & { store?: ObjectStore; media?: MediaRepository } = {}) {
  const { database } = world;
  const log = silentLogger();
  const worker = new MediaWorker({ log, temporaryDirectory: folder, ...options });
  workers.push(worker);
  const service = new MediaService({
    media,
    tombstones: new TombstoneRepository(database),
    store,
    worker,
  });
  const run = (job: ContentJobPayload, retryCount = 0, signal = new AbortController().signal) =>
    service.process(job, { jobId: newId(), retryCount, signal });
  return { run, worker };
}

/** The store, but for some of its methods. */
function storeWith(changes: Partial<ObjectStore>): ObjectStore {
  const { store } = site.accounts.infrastructure;
  return new Proxy(store, {
    get: (target, name) => {
      const value = name in changes ? changes[name as keyof ObjectStore] : target[name as keyof ObjectStore];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** What the job of a file's present content carries. */
async function jobOf(fileId: string): Promise<ContentJobPayload> {
  const { spaceId, objectKey } = await world.database.prisma.file.findUniqueOrThrow({ where: { id: fileId } });
  return { spaceId, fileId, objectKey };
}

/** Of the jobs about one's contents, oldest first. */
async function prioritiesOf(client: AssetClient): Promise<number[]> {
  const found = await world.database.query<{ priority: number }>(
    {
      name: 'test_media_priorities',
      text: `SELECT priority FROM pgboss.job WHERE name = 'media.process' AND data->>'spaceId' = $1 ORDER BY id`,
    },
    [await client.spaceId()],
  );
  return found.map(({ priority }) => priority);
}

async function ends(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: Error) => error.name,
  );
}

describe('a job that is delivered more than once', () => {
  it('has one effect, also three at once', async () => {
    const id = await mine.put('a.jpg', await photo());
    const job = await jobOf(id);
    expect(await Promise.all([1, 2, 3].map(() => ends(service().run(job))))).toEqual(['done', 'done', 'done']);
    expect(await mine.get(id)).toMatchObject({ processing: { state: 'DONE', error: null } });
    expect(await mine.objects()).toBe(4);
    await service({ store: storeWith({ get: () => Promise.reject(new Error('nothing is read again')) }) }).run(job);
    expect(await mine.objects()).toBe(4);
  });

  it('does not take back what another has made', async () => {
    const id = await mine.put('a.jpg', await photo());
    const job = await jobOf(id);
    const { store } = site.accounts.infrastructure;
    // The slow one reads when the quick one is done, and finds it broken.
    const slow = service({
      store: storeWith({
        get: async (key, options) => {
          await service().run(job);
          return { ...(await store.get(key, options)), body: Readable.from([Buffer.alloc(10)]) };
        },
      }),
    });
    expect(await ends(slow.run(job, 4))).toBe('Error');
    expect(await mine.get(id)).toMatchObject({ processing: { state: 'DONE', error: null } });
    expect(await mine.objects()).toBe(4);
  });
});

describe('a content that changes meanwhile', () => {
  it('leaves no thumbnails when it was deleted while they were made', async () => {
    const id = await mine.put('a.jpg', await photo());
    let puts = 0;
    const { store } = site.accounts.infrastructure;
    const { run } = service({
      store: storeWith({
        put: async (...args) => {
          puts += 1;
          if (puts === 2) await mine.call('delete', `/${id}?permanent=true`).expect(200);
          return store.put(...args);
        },
      }),
    });
    await run(await jobOf(id));
    expect(puts).toBe(3);
    expect(await mine.objects()).toBe(0);
  });

  it('is nobody’s fault when its object is gone', async () => {
    const id = await mine.put('a.jpg', await photo());
    const job = await jobOf(id);
    const { store } = site.accounts.infrastructure;
    const { run } = service({
      store: storeWith({
        get: async (...args) => {
          await mine.call('delete', `/${id}?permanent=true`).expect(200);
          await site.accounts.composition.tombstones.purge();
          return store.get(...args);
        },
      }),
    });
    await run(job, 4);
    expect(await mine.objects()).toBe(0);
    await run(job);
  });

  it('buries the old thumbnails with the old content, and has its own', async () => {
    await mine.storage('patch', '/settings', { trashDays: 0 }).expect(200);
    const id = await mine.put('a.jpg', await photo());
    const { run } = service();
    const old = await jobOf(id);
    await run(old);
    expect(await mine.put('a.jpg', await photo({ colour: '#0000ff' }))).toBe(id);
    expect(await mine.get(id)).toMatchObject({ processing: { state: 'PENDING' }, thumbnails: null });
    await run(old);
    await run(await jobOf(id));
    const { dominant } = await sharp(await mine.thumbnail(id)).stats();
    expect(dominant.b).toBeGreaterThan(200);
    expect(await mine.objects()).toBe(4);
  });

  it('keeps those of versions, which come back with them and go with them', async () => {
    await mine.storage('patch', '/settings', { versionsKept: 1 }).expect(200);
    const { run } = service();
    const id = await mine.put('a.jpg', await photo());
    await run(await jobOf(id));
    const first = await mine.get(id);
    await mine.put('a.jpg', await photo({ colour: '#0000ff', width: 400 }));
    // Made of the first while it is a version already: nothing happens, as it is done.
    await run(await jobOf(id));
    expect(await mine.objects()).toBe(8);
    const versions = `/files/${encodeURIComponent('a.jpg')}/versions`;
    const [version] = (await mine.storage('get', versions)).body.data.versions;
    const restored = await mine.storage('post', `${versions}/${version.id}/restore`);
    expect(restored.body.data.file.thumbnails).not.toBeNull();
    expect(await mine.get(id)).toMatchObject({ thumbnails: first.thumbnails, metadata: { width: 800 } });
    expect(await mine.objects()).toBe(8);
    const [other] = (await mine.storage('get', versions)).body.data.versions;
    await mine.storage('delete', `${versions}/${other.id}`).expect(200);
    expect(await mine.objects()).toBe(4);
  });

  it('is processed although it became a version before its turn', async () => {
    await mine.storage('patch', '/settings', { versionsKept: 1 }).expect(200);
    const id = await mine.put('a.jpg', await photo());
    const old = await jobOf(id);
    await mine.put('a.jpg', HEADS.jpeg);
    await service().run(old);
    expect(await mine.objects()).toBe(5);
    const versions = `/files/${encodeURIComponent('a.jpg')}/versions`;
    const [version] = (await mine.storage('get', versions)).body.data.versions;
    await mine.storage('post', `${versions}/${version.id}/restore`).expect(200);
    expect((await mine.get(id)).thumbnails).not.toBeNull();
  });

  it('has thumbnails of its own where it is a copy', async () => {
    const id = await mine.put('a.jpg', await photo());
    const { run } = service();
    await run(await jobOf(id));
    const { body } = await mine.storage('post', '/copy', { from: 'a.jpg', to: 'b.jpg' });
    await run(await jobOf(body.data.file.id));
    expect(await mine.objects()).toBe(8);
    await mine.call('delete', `/${id}?permanent=true`).expect(200);
    expect(await mine.thumbnail(body.data.file.id)).not.toHaveLength(0);
    expect(await mine.objects()).toBe(4);
  });

  it('is not read before it is known to be clean, nor after it is known not to be', async () => {
    const id = await mine.put('a.jpg', await photo());
    const unread = service({ store: storeWith({ get: () => Promise.reject(new Error('it was read')) }) });
    for (const status of ['PROCESSING', 'QUARANTINED'] as const) {
      await world.database.prisma.file.update({ where: { id }, data: { status } });
      await unread.run(await jobOf(id));
    }
    expect((await mine.get(id)).processing.state).toBe('PENDING');
  });
});

describe('a job that fails', () => {
  it('is tried again for what is not the file’s fault, and gives up with the last try', async () => {
    const id = await mine.put('a.jpg', await photo());
    const { run } = service({ store: storeWith({ get: () => Promise.reject(new Error('the store is away')) }) });
    const job = await jobOf(id);
    expect(await ends(run(job, 0))).toBe('Error');
    expect((await mine.get(id)).processing.state).toBe('PENDING');
    expect(await ends(run(job, processMediaJob.retryLimit))).toBe('Error');
    const { processing } = await mine.get(id);
    expect(processing).toEqual({ state: 'FAILED', error: expect.stringContaining('later') });
    // An admin may have it tried afresh.
    await service().run(job);
    expect((await mine.get(id)).processing).toEqual({ state: 'DONE', error: null });
  });

  it('is final for what is the file’s fault', async () => {
    const id = await mine.put('a.jpg', (await photo()).subarray(0, 200));
    const error = await service()
      .run(await jobOf(id))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FinalJobError);
    expect((error as FinalJobError).cause).toBeInstanceOf(MediaRefusedError);
    expect((await mine.get(id)).processing).toEqual({ state: 'FAILED', error: (error as Error).message });
    expect(await mine.objects()).toBe(1);
  });

  it('is not asked for again, nor run for copies, where it was the file’s fault', async () => {
    const id = await mine.put('a.jpg', (await photo()).subarray(0, 200));
    expect(await ends(service().run(await jobOf(id)))).toBe('FinalJobError');
    const { processing } = await mine.get(id);
    const again = await mine.call('post', `/${id}/process`);
    expect([again.status, again.body.error]).toEqual([
      409,
      expect.objectContaining({ code: 'CONFLICT', details: { error: processing.error } }),
    ]);
    expect(await mine.get(id)).toMatchObject({ processing });
    const copied = await mine.storage('post', '/copy', { from: 'a.jpg', to: 'b.jpg' });
    const copyId = copied.body.data.file.id;
    expect(await mine.get(copyId)).toMatchObject({ processing });
    expect((await mine.call('post', `/${copyId}/process`)).status).toBe(409);
    expect(await prioritiesOf(mine)).toEqual([-1]);
    // Another content is another matter.
    await mine.put('a.jpg', await photo());
    await service().run(await jobOf(id));
    expect((await mine.get(id)).processing).toEqual({ state: 'DONE', error: null });
    expect((await mine.call('post', `/${id}/process`)).status).toBe(202);
  });

  it('skips copies of what was skipped, which may be asked for again', async () => {
    const id = await mine.put('a.mp4', await video());
    await service({ path: '/nowhere' }).run(await jobOf(id));
    const copied = await mine.storage('post', '/copy', { from: 'a.mp4', to: 'b.mp4' });
    const copyId = copied.body.data.file.id;
    expect((await mine.get(copyId)).processing).toEqual({ state: 'SKIPPED', error: 'ffmpeg is not installed' });
    expect(await prioritiesOf(mine)).toEqual([-1]);
    expect((await mine.call('post', `/${copyId}/process`)).body.data.asset.processing.state).toBe('PENDING');
    expect(await prioritiesOf(mine)).toEqual([-1, -1]);
  });

  it('skips what can’t be done here', async () => {
    const id = await mine.put('a.mp4', await video());
    await service({ path: '/nowhere' }).run(await jobOf(id));
    expect((await mine.get(id)).processing).toEqual({ state: 'SKIPPED', error: 'ffmpeg is not installed' });
    const large = await mine.put('a.jpg', await photo());
    await service({ maxInputBytes: 100 }).run(await jobOf(large));
    expect((await mine.get(large)).processing.state).toBe('SKIPPED');
  });

  it('keeps what it has named although nobody could say so', async () => {
    const id = await mine.put('a.jpg', await photo());
    const job = await jobOf(id);
    const media = new MediaRepository(world.database);
    const { noteDone } = media;
    media.noteDone = async (...args) => {
      await noteDone.apply(media, args);
      throw new Error('the connection broke');
    };
    expect(await ends(service({ media }).run(job, 4))).toBe('Error');
    expect(await mine.objects()).toBe(4);
    expect((await mine.get(id)).processing).toEqual({ state: 'DONE', error: null });
    expect(await mine.thumbnail(id)).not.toHaveLength(0);
  });

  it('leaves nothing behind when a put fails, or its process is told to stop', async () => {
    const id = await mine.put('a.jpg', await photo());
    const job = await jobOf(id);
    const { store } = site.accounts.infrastructure;
    let puts = 0;
    const failing = service({
      store: storeWith({
        put: (...args) => {
          puts += 1;
          return puts === 3 ? Promise.reject(new Error('no room')) : store.put(...args);
        },
      }),
    });
    expect(await ends(failing.run(job))).toBe('Error');
    const stopping = new AbortController();
    const stopped = service({
      store: storeWith({
        get: (...args) => {
          stopping.abort();
          return store.get(...args);
        },
      }),
    });
    expect(await ends(stopped.run(job, 4, stopping.signal))).toBe('AbortError');
    expect((await mine.get(id)).processing.state).toBe('PENDING');
    expect(await mine.objects()).toBe(1);
    const { run, worker } = service();
    const running = ends(run(job));
    await worker.stop();
    expect(await running).toBe('Error');
    expect((await readdir(folder)).filter((name) => name.startsWith('media-'))).toEqual([]);
    await service().run(job);
    expect(await mine.objects()).toBe(4);
  });
});

describe('turns', () => {
  it('are lower the more of a space waits, and its own', async () => {
    const other = new AssetClient(world, await world.person());
    const ids: string[] = [];
    for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) ids.push(await mine.put(name, await photo()));
    await other.put('a.jpg', await photo());
    await expect.poll(() => prioritiesOf(mine)).toEqual([-1, -2, -3]);
    await expect.poll(() => prioritiesOf(other)).toEqual([-1]);
    for (const id of ids) await service().run(await jobOf(id));
    await mine.put('d.jpg', await photo());
    await expect.poll(() => prioritiesOf(mine)).toEqual([-1, -2, -3, -1]);
    await mine.call('post', `/${ids[0]}/process`).expect(202);
    expect(await prioritiesOf(mine)).toEqual([-1, -2, -3, -1, -2]);
  });

  it('count no further than to a hundred, and not the whole space', async () => {
    const spaceId = await mine.spaceId();
    await world.database.query(
      {
        name: 'test_many_media',
        text: `INSERT INTO file_media (object_key, space_id, file_id, state)
          SELECT $1 || '/' || n, $1::uuid, $1::uuid, CASE WHEN n <= 150 THEN 'PENDING' ELSE 'DONE' END FROM generate_series(1, 5000) n`,
      },
      [spaceId],
    );
    const [plan] = await world.database.query<{ 'QUERY PLAN': unknown }>(
      {
        name: 'test_turn_plan',
        text: `EXPLAIN (FORMAT JSON) SELECT 1 FROM file_media WHERE space_id = '${spaceId}' AND state = 'PENDING' LIMIT 100`,
      },
      [],
    );
    expect(JSON.stringify(plan)).toContain('file_media_pending_of_space');
    await mine.put('a.jpg', await photo());
    await expect.poll(() => prioritiesOf(mine)).toEqual([-100]);
    await world.database.query(
      { name: 'test_no_media', text: `DELETE FROM file_media WHERE object_key LIKE $1 || '/%'` },
      [spaceId],
    );
  });
});

describe('the sweep', () => {
  const never = new AbortController().signal;
  const AGE = {
    name: 'test_age_media',
    text: `UPDATE file_media SET updated_at = now() - interval '2 hours' WHERE file_id = $1`,
  };
  const JOBS = {
    name: 'test_media_jobs',
    text: `SELECT count(*)::int8 AS n FROM pgboss.job WHERE name = 'media.process' AND data->>'fileId' = $1`,
  };
  const jobs = async (id: string) => (await world.database.query<{ n: number }>(JOBS, [id]))[0]?.n;
  const relayed = async (id: string) => {
    await expect.poll(() => jobs(id)).toBe(1);
  };
  const KILL = {
    name: 'test_kill_media',
    text: `DELETE FROM pgboss.job WHERE name = 'media.process' AND data->>'fileId' = $1`,
  };

  it('gives what nobody works on one more job, and then ends it', async () => {
    const { mediaSweeps } = site.accounts.composition;
    await world.database.query(
      { name: 'test_kill_all_media', text: `DELETE FROM pgboss.job WHERE name = 'media.process'` },
      [],
    );
    const [lost, fresh, unclean] = [
      await mine.put('a.jpg', await photo()),
      await mine.put('b.jpg', await photo()),
      await mine.put('c.jpg', await photo()),
    ];
    await Promise.all([lost, fresh, unclean].map(relayed));
    await world.database.query(KILL, [lost]);
    await world.database.query(KILL, [unclean]);
    await world.database.prisma.file.update({ where: { id: unclean }, data: { status: 'PROCESSING' } });
    await world.database.query(AGE, [lost]);
    await world.database.query(AGE, [unclean]);
    const found = await Promise.all([mediaSweeps.sweep(never), mediaSweeps.sweep(never)]);
    expect(found.sort()).toEqual([0, 1]);
    expect(await Promise.all([lost, fresh, unclean].map(jobs))).toEqual([1, 1, 0]);
    expect((await mine.get(lost)).processing).toEqual({ state: 'PENDING', error: expect.any(String) });
    expect((await mine.get(unclean)).processing).toEqual({ state: 'PENDING', error: null });
    expect(await mediaSweeps.sweep(never)).toBe(0);
    await world.database.query(AGE, [lost]);
    expect(await mediaSweeps.sweep(never)).toBe(1);
    expect(await jobs(lost)).toBe(1);
    expect((await mine.get(lost)).processing).toEqual({ state: 'FAILED', error: expect.any(String) });
  });

  it('lets those be whose turn has not come yet', async () => {
    const { mediaSweeps } = site.accounts.composition;
    const id = await mine.put('a.jpg', await photo());
    await relayed(id);
    const LATE = {
      name: 'test_late_media',
      text: `UPDATE pgboss.job SET start_after = now() - interval '2 hours' WHERE name = 'media.process' AND data->>'fileId' = $1`,
    };
    await world.database.query(LATE, [id]);
    await world.database.query(AGE, [id]);
    expect(await mediaSweeps.sweep(never)).toBe(0);
  });
});

it('erases thumbnails with the account', async () => {
  const person = await world.person();
  const gone = new AssetClient(world, person);
  await gone.storage('patch', '/settings', { versionsKept: 2, trashDays: 7 }).expect(200);
  const { run } = service();
  for (const colour of ['#ff0000', '#00ff00', '#0000ff']) {
    const id = await gone.put('a.jpg', await photo({ colour }));
    await run(await jobOf(id));
  }
  const trashed = await gone.put('b.jpg', await photo());
  await run(await jobOf(trashed));
  await gone.call('delete', `/${trashed}`).expect(200);
  const late = await jobOf(await gone.put('c.jpg', await photo()));
  expect(await gone.objects()).toBe(17);
  const { database, accounts } = world;
  const { ErasureRepository } = await import('../../src/features/account/index.ts');
  const erasure = new ErasureRepository(database);
  const spaceId = await gone.spaceId();
  const { store } = site.accounts.infrastructure;
  const racing = service({
    store: storeWith({
      put: async (...args) => {
        while ((await erasure.eraseFiles(spaceId, 1000)) > 0);
        return store.put(...args);
      },
    }),
  });
  await racing.run(late);
  await database.query(
    { name: 'test_due_all', text: 'UPDATE object_tombstones SET due_at = now() WHERE attempts = 0' },
    [],
  );
  await accounts.composition.tombstones.purge();
  const left: string[] = [];
  for await (const { key } of store.list(`users/${person.userId}/`)) left.push(key);
  expect(left).toEqual([]);
  expect(await database.prisma.fileMedia.count({ where: { spaceId } })).toBe(0);
});
