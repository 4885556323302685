import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resetRequestJob } from '../../src/features/auth/index.ts';
import { claimSharesJob } from '../../src/features/sharing/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';
import { deadJob, laterJob } from '../support/job-rows.ts';

let site: Site;
let a: Accounts;
let admin: Caller;

beforeAll(async () => {
  // Nobody works here: jobs stay as they are put.
  site = await startAccounts({}, { workers: false });
  a = site.accounts;
  admin = await a.admin();
});
afterAll(() => site.stop());

async function jobOf(id: string) {
  const reply = await admin.get(`/jobs/${id}`);
  expect(reply.status).toBe(200);
  return reply.body.data.job;
}

async function setState(id: string, state: 'active' | 'completed' | 'retry', output: unknown = null): Promise<void> {
  await a.database.query(
    {
      name: 'test_set_job_state',
      text: `UPDATE pgboss.job SET state = $2::pgboss.job_state, started_on = now(), output = $3::jsonb,
          completed_on = CASE WHEN $2 = 'completed' THEN now() END WHERE id = $1::uuid`,
    },
    [id, state, JSON.stringify(output)],
  );
}

async function idsIn(query: string, limit = 200): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor = ''; ; ) {
    const reply = await admin.get(`/jobs?limit=${limit}&${query}${cursor}`);
    expect(reply.status).toBe(200);
    ids.push(...reply.body.data.jobs.map(({ id }: { id: string }) => id));
    if (reply.body.meta.nextCursor === null) return ids;
    cursor = `&cursor=${reply.body.meta.nextCursor}`;
  }
}

describe('GET /jobs/:id', () => {
  it('shows what it carries and where it stands', async () => {
    const userId = newId();
    const id = await laterJob(a, userId);
    expect(await jobOf(id)).toEqual({
      id,
      queue: 'share.claim',
      state: 'waiting',
      priority: 0,
      attempts: 0,
      retryCount: 0,
      retryLimit: 4,
      createdAt: expect.any(String),
      startAfter: expect.any(String),
      startedAt: null,
      completedAt: null,
      error: null,
      deadLetter: null,
      input: { kind: 'shown', bytes: expect.any(Number), value: { userId } },
      output: null,
    });
  });

  it('shows the output of one that is done and the error of one that is tried again', async () => {
    const done = await laterJob(a);
    await setState(done, 'completed', { files: 3 });
    expect(await jobOf(done)).toMatchObject({
      state: 'completed',
      attempts: 1,
      error: null,
      output: { kind: 'shown', value: { files: 3 } },
    });
    const failing = await laterJob(a);
    await setState(failing, 'retry', { name: 'TypeError', message: 'no', code: null, stack: 'at secret/path' });
    expect(await jobOf(failing)).toMatchObject({
      state: 'waiting',
      error: { name: 'TypeError', message: 'no', code: null },
      output: null,
    });
    expect(JSON.stringify(await jobOf(failing))).not.toContain('secret/path');
  });

  it('shows sealed input as sealed, and no more than 16 KiB', async () => {
    const payload = { sealed: 'AAAA', keyVersion: 1 };
    const sealed = await a.composition.queue.enqueue(null, resetRequestJob, payload);
    expect((await jobOf(sealed)).input).toEqual({ kind: 'sealed', bytes: expect.any(Number), value: null });
    const large = { userId: 'x'.repeat(17 * 1024) };
    const huge = await a.composition.queue.enqueue(null, claimSharesJob, large);
    expect((await jobOf(huge)).input).toEqual({ kind: 'truncated', bytes: expect.any(Number), value: null });
    expect((await jobOf(huge)).input.bytes).toBeGreaterThan(17 * 1024);
  });

  it('is 404 for what is none', async () => {
    for (const id of [newId(), 'x', '..%2f']) {
      expect((await admin.get(`/jobs/${id}`)).body.error.code).toBe('JOB_NOT_FOUND');
    }
  });

  it('is for admins', async () => {
    expect((await (await a.user()).get('/jobs')).body.error.code).toBe('FORBIDDEN');
  });
});

describe('a job that failed for good', () => {
  it('is one entry under its own id, also when its queue has forgotten it', async () => {
    const id = await deadJob(a);
    const dead = { id, queue: 'share.claim', state: 'failed', attempts: 5, retryCount: 4, retryLimit: 4 };
    expect(await jobOf(id)).toMatchObject({ ...dead, error: { name: 'Error', message: 'always' } });
    expect((await idsIn('state=failed')).filter((found) => found === id)).toHaveLength(1);
    expect((await idsIn('')).filter((found) => found === id)).toHaveLength(1);
    await a.database.query(
      { name: 'test_forget_job', text: `DELETE FROM pgboss.job WHERE id = $1::uuid AND state = 'failed'` },
      [id],
    );
    expect(await jobOf(id)).toMatchObject({ ...dead, startedAt: null, deadLetter: { keptUntil: expect.any(String) } });
    expect((await admin.post(`/jobs/${id}/retry`)).body.data.job).toMatchObject({ id, state: 'waiting' });
  });

  it('is tried again as itself, once, with an entry in the audit log', async () => {
    const userId = newId();
    const id = await deadJob(a, { userId });
    const { createdAt } = await jobOf(id);
    const replies = await Promise.all([admin.post(`/jobs/${id}/retry`), admin.post(`/jobs/${id}/retry`)]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409]);
    const job = await jobOf(id);
    expect(job).toMatchObject({ id, createdAt, state: 'waiting', attempts: 0, error: null, deadLetter: null });
    expect(job.input.value).toEqual({ userId });
    expect(await a.auditOf(id)).toEqual(['job.retry']);
    expect((await idsIn('')).filter((found) => found === id)).toHaveLength(1);
    expect(await idsIn('state=failed')).not.toContain(id);
  });

  it('is deleted with all that is kept of it', async () => {
    const id = await deadJob(a);
    const reply = await admin.delete(`/jobs/${id}`);
    expect(reply.body.data).toEqual({ id, queue: 'share.claim' });
    expect((await admin.get(`/jobs/${id}`)).status).toBe(404);
    expect(await idsIn('')).not.toContain(id);
    expect(await a.auditOf(id)).toEqual(['job.delete']);
  });
});

describe('POST /jobs/:id/retry and DELETE /jobs/:id', () => {
  it('refuse a running job', async () => {
    const id = await laterJob(a);
    await setState(id, 'active');
    for (const reply of [await admin.post(`/jobs/${id}/retry`), await admin.delete(`/jobs/${id}`)]) {
      expect(reply.status).toBe(409);
      expect(reply.body.error).toMatchObject({ code: 'CONFLICT', details: { state: 'active' } });
    }
    expect(await a.auditOf(id)).toEqual([]);
    await setState(id, 'completed');
  });

  it('retry neither what is done nor what waits; both can be deleted', async () => {
    const [done, waiting] = [await laterJob(a), await laterJob(a)];
    await setState(done, 'completed');
    for (const id of [done, waiting]) {
      expect((await admin.post(`/jobs/${id}/retry`)).body.error.code).toBe('CONFLICT');
      expect((await admin.delete(`/jobs/${id}`)).status).toBe(200);
      expect((await admin.delete(`/jobs/${id}`)).body.error.code).toBe('JOB_NOT_FOUND');
    }
  });

  it('are 404 for what is none', async () => {
    for (const id of [newId(), 'x']) {
      expect((await admin.post(`/jobs/${id}/retry`)).body.error.code).toBe('JOB_NOT_FOUND');
      expect((await admin.delete(`/jobs/${id}`)).body.error.code).toBe('JOB_NOT_FOUND');
    }
  });
});

describe('GET /jobs', () => {
  it('walks all of them, newest first, in pages of any size', async () => {
    const made = await a.composition.queue.enqueueMany(
      null,
      claimSharesJob,
      Array.from({ length: 7 }, () => ({ userId: newId() })),
    );
    made.push(await deadJob(a), await laterJob(a), await deadJob(a));
    const all = await idsIn('');
    expect(new Set(all).size).toBe(all.length);
    for (const id of made) expect(all).toContain(id);
    expect(await idsIn('', 3)).toEqual(all);
    const shown = await Promise.all(all.map(jobOf));
    const times = shown.map(({ createdAt }) => createdAt);
    expect(times).toEqual([...times].sort().reverse());
  });

  it('filters by state and queue', async () => {
    const dead = await deadJob(a);
    expect(await idsIn('state=failed&queue=share.claim')).toContain(dead);
    expect(await idsIn('state=failed&queue=mail.send')).not.toContain(dead);
    expect(await idsIn('state=completed')).not.toContain(dead);
    expect(await idsIn('queue=no.such.queue')).toEqual([]);
    expect((await admin.get('/jobs?state=odd')).body.error.code).toBe('VALIDATION_FAILED');
    expect((await admin.get('/jobs?cursor=odd')).body.error.code).toBe('VALIDATION_FAILED');
  });
});

describe('GET /jobs/stats', () => {
  it('counts each queue by state, and agrees with /admin/health', async () => {
    const at = async () => {
      const { queues, totals } = (await admin.get('/jobs/stats')).body.data;
      return { totals, claim: queues.find(({ queue }: { queue: string }) => queue === 'share.claim') };
    };
    const before = await at();
    await laterJob(a);
    await deadJob(a);
    const [done, retrying] = [await laterJob(a), await laterJob(a)];
    await setState(done, 'completed');
    await setState(retrying, 'retry');
    const after = await at();
    for (const scope of ['totals', 'claim'] as const) {
      expect(after[scope]).toMatchObject({
        waiting: before[scope].waiting + 2,
        retrying: before[scope].retrying + 1,
        active: before[scope].active,
        completed: before[scope].completed + 1,
        failed: before[scope].failed + 1,
      });
    }
    const { queue } = (await admin.get('/admin/health')).body.data.system;
    const { waiting, active, failed, oldestWaitingSeconds } = (await at()).totals;
    expect(queue).toMatchObject({ waiting, active, failed });
    expect(Math.abs(queue.oldestWaitingSeconds - oldestWaitingSeconds)).toBeLessThan(5);
  });
});
