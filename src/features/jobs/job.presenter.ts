import type { JobContent, JobDetail, JobRecord, QueueCounts } from '../../platform/queue/job-record.ts';

export function presentJob({ failure, deadUntil, ...job }: JobRecord) {
  const { id, queue, state, priority, retryCount, retryLimit } = job;
  return {
    id,
    queue,
    state,
    priority,
    // The tries that were begun: none, or the first and those after it.
    attempts: job.startedAt === null && state !== 'failed' ? 0 : retryCount + 1,
    retryCount,
    retryLimit,
    createdAt: job.createdAt.toISOString(),
    startAfter: job.startAfter?.toISOString() ?? null,
    startedAt: job.startedAt?.toISOString() ?? null,
    completedAt: job.completedAt?.toISOString() ?? null,
    error: failure && { name: failure.name, message: failure.message, code: failure.code },
    deadLetter: deadUntil && { since: job.completedAt?.toISOString() ?? null, keptUntil: deadUntil.toISOString() },
  };
}

export function presentJobDetail({ input, output, ...job }: JobDetail) {
  return { ...presentJob(job), input: input && presentContent(input), output: output && presentContent(output) };
}

function presentContent(content: JobContent) {
  const { kind, bytes } = content;
  return { kind, bytes, value: content.kind === 'shown' ? content.value : null };
}

export function presentQueue({ queue, ...counts }: QueueCounts) {
  return { queue, ...presentCounts(counts) };
}

export function presentCounts(counts: Omit<QueueCounts, 'queue'>) {
  const { waiting, retrying, active, completed, failed, oldestWaitingSeconds } = counts;
  return { waiting, retrying, active, completed, failed, oldestWaitingSeconds };
}
