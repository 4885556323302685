import { claimSharesJob } from '../../src/features/sharing/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import type { Accounts } from './accounts.ts';

/** The id of a job that nobody takes up for an hour. */
export function laterJob({ composition }: Accounts, userId: string = newId()): Promise<string> {
  const startAfter = new Date(Date.now() + 3_600_000);
  return composition.queue.enqueue(null, claimSharesJob, { userId }, { startAfter });
}

/**
 * The id of a job that has failed for good, as pg-boss leaves it: its dead letter, and itself until its queue forgets it.
 * `tests/integration/jobs-poison.test.ts` has pg-boss do it.
 */
export async function deadJob(accounts: Accounts, input: object = { userId: newId() }): Promise<string> {
  const id = await laterJob(accounts);
  const output = JSON.stringify({ name: 'Error', message: 'always', code: null });
  await accounts.database.query(
    {
      name: 'test_kill_job',
      text: `WITH dead AS (
          UPDATE pgboss.job SET state = 'failed', retry_count = 4, started_on = now(), completed_on = now(),
            data = $2::jsonb, output = $3::jsonb
          WHERE name = $4 AND id = $1::uuid RETURNING *
        )
        INSERT INTO pgboss.job (name, data, keep_until, source_name, source_id, source_created_on, source_retry_count,
          source_output, source_root_id)
        SELECT dead_letter, data, now() + interval '30 days', name, id, created_on, retry_count, output, id FROM dead`,
    },
    [id, JSON.stringify(input), output, claimSharesJob.name],
  );
  return id;
}
