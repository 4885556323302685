import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ApiClient } from '../support/client-api.ts';
import { eventually } from '../support/client-eventually.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService({ env: () => ({ ROLE: 'api' }) });

function register(): Promise<string> {
  const email = `role-${randomBytes(4).toString('hex')}@example.com`;
  const body = { email, password: 'long enough' };
  return new ApiClient(service.baseUrl).post('/auth/register', body).then(({ status }) => {
    expect(status).toBe(201);
    return email;
  });
}

async function mailJobs(): Promise<{ id: string; state: string; retry_count: number }[]> {
  return service.place.query(`SELECT id, state, retry_count FROM pgboss.job WHERE name = 'mail.send' ORDER BY id`);
}

describe('processes of one role', () => {
  test('an API enqueues and runs nothing; a worker runs it, and serves only whether it lives', async () => {
    const email = await register();
    const sweeps = await service.place.query<{ n: string }>(
      `SELECT count(*) AS n FROM pgboss.job WHERE state <> 'created' OR name <> 'mail.send'`,
    );
    expect(sweeps).toEqual([{ n: '0' }]);
    expect(await service.place.mailsTo(email)).toEqual([]);

    const worker = await service.place.start({ ROLE: 'worker' });
    expect(await service.place.latestOtp(email)).toMatch(/^\d{6}$/);
    for (const path of ['/health', '/livez', '/readyz']) {
      expect((await fetch(`${worker.baseUrl}${path}`)).status).toBe(200);
    }
    const body = { email, password: 'long enough' };
    expect((await new ApiClient(worker.baseUrl).post('/auth/login', body)).outcome).toBe('404 ROUTE_NOT_FOUND');
    expect((await fetch(`${worker.baseUrl}/objects/x`)).status).toBe(404);
    expect(await worker.stop()).toBe(0);
  });

  test('what a killed worker was doing is done by another within a minute or so', async () => {
    // Nobody answers there: a mail is under way until its worker dies.
    const silent = await import('node:net').then(({ createServer }) => createServer(() => {}));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const victim = await service.place.start({ ROLE: 'worker', SMTP_URL: `smtp://127.0.0.1:${port}` });
    const email = await register();
    await eventually('the mail is under way', async () => (await mailJobs()).some(({ state }) => state === 'active'));
    await victim.kill9();
    silent.close();
    const heir = await service.place.start({ ROLE: 'worker' });
    await eventually(
      'the mail waits for its next try',
      async () => (await mailJobs()).every(({ state }) => state !== 'active'),
      {
        withinMs: 75_000,
      },
    );
    // Its next try would be in minutes.
    await service.place.query(`UPDATE pgboss.job SET start_after = now() WHERE name = 'mail.send' AND state = 'retry'`);
    await eventually('the mail is sent', async () => (await service.place.mailsTo(email)).length === 1, {
      withinMs: 30_000,
    });
    expect((await mailJobs()).at(-1)).toMatchObject({ state: 'completed', retry_count: 1 });
    await heir.stop();
  }, 150_000);
});
